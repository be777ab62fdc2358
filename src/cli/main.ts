#!/usr/bin/env node
/** The entry of the `watersmeet` command: the process's own streams and signals. */
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { main } from './command.js';
import { exitCodes } from './failure.js';

/** This file is `<package>/dist/esm/src/cli/main.js`; npm links to it. */
const packageFolder = (): string | undefined => {
  try {
    return dirname(realpathSync(process.argv[1] ?? '')).replace(/[\\/]dist[\\/][^\\/]+[\\/]src[\\/]cli$/, '');
  } catch {
    return undefined;
  }
};

const interrupting = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (interrupting.signal.aborted) process.exit(exitCodes.interrupted);
    interrupting.abort();
  });

const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write('', () => resolve());
  });

const folder = packageFolder();
const { stdout, stderr, env } = process;
// Nobody reads our remarks any more: nothing to be done about it.
stderr.on('error', () => undefined);

void main(process.argv.slice(2), {
  stdout,
  stderr,
  env,
  cwd: process.cwd(),
  interrupted: interrupting.signal,
  ...(folder !== undefined && { packageFolder: folder }),
  ...(process.argv[1] !== undefined && { entry: process.argv[1] }),
}).then(async (exitCode) => {
  await Promise.all([flushed(stdout), flushed(stderr)]);
  process.exit(exitCode);
});
