// What a result was measured on.
import { arch, cpus, platform, totalmem } from 'node:os';

export const machine = () => ({
  platform: platform(),
  arch: arch(),
  cores: cpus().length,
  cpu: cpus()[0]?.model.trim(),
  memoryGb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
});

/** The same in words. */
export const machineText = ({ cores, cpu, memoryGb, node } = machine()) =>
  `${cores} cores (${cpu}), ${memoryGb} GB, Node ${node}`;
