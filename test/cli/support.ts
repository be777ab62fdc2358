/** Runs the command in this process, with streams that remember. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { main } from '../../src/cli/command.js';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const remembering = () => {
  const chunks: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk.toString());
      done();
    },
  });
  return { stream, text: () => chunks.join('') };
};

export const sample = 'sagas/loan-application/sample.xes.gz';

export const run = async (
  args: ReadonlyArray<string>,
  options: { readonly interrupted?: AbortSignal; readonly env?: Record<string, string> } = {},
): Promise<Ran> => {
  const [stdout, stderr] = [remembering(), remembering()];
  const { interrupted, env = {} } = options;
  const cwd = process.cwd();
  const io = {
    stdout: stdout.stream,
    stderr: stderr.stream,
    env,
    cwd,
    packageFolder: cwd,
    ...(interrupted && { interrupted }),
  };
  const code = await main([...args], io);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
};

/** A folder for one test file, removed at its end. */
export const workFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-cli-'));
  return {
    folder,
    path: (name: string) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

const event = (name: string, second: number): string =>
  `<event><string key="concept:name" value="${name}"/><date key="time:timestamp" value="2024-05-01T10:00:0${second}.000Z"/></event>`;

/** A small log: each case is a list of activities, two in each second. */
export const xes = (cases: Readonly<Record<string, ReadonlyArray<string>>>): string =>
  `<log>${Object.entries(cases)
    .map(
      ([name, activities]) =>
        `<trace><string key="concept:name" value="${name}"/>${activities.map((activity, index) => event(activity, Math.floor(index / 2))).join('')}</trace>`,
    )
    .join('\n')}</log>`;
