/** Runs the command in this process, with streams that remember; or single commands on stores that are open already. */
import { afterAll, beforeAll, describe } from '@jest/globals';
import { Command } from 'commander';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type EventStore, memoryStore } from 'watersmeet';
import { main } from '../../src/cli/command.js';
import { failureOf } from '../../src/cli/failure.js';
import type { Opener } from '../../src/cli/commands/dead-letters.js';
import { openSession, type Session } from '../../src/cli/session.js';
import { whyNoServer } from '../support/postgres.js';

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

export type Run = (...args: ReadonlyArray<string>) => Promise<Ran>;
type AddCommand = (cli: Command, session: Session, open: Opener) => void;

/** Commands on a store that is open already: one in memory ends with its process, so that no option can name it. */
export const onOpen =
  (store: EventStore, ...commands: ReadonlyArray<AddCommand>): Run =>
  async (...args) => {
    const [stdout, stderr] = [remembering(), remembering()];
    const session = openSession({ stdout: stdout.stream, stderr: stderr.stream, env: {}, cwd: '.' });
    const cli = new Command('watersmeet').exitOverride();
    for (const add of commands) add(cli, session, (_session, _options, look) => look(store));
    try {
      await cli.parseAsync([...args], { from: 'user' });
      return { code: 0, stdout: stdout.text(), stderr: stderr.text() };
    } catch (error) {
      const { line, exitCode } = failureOf(error);
      return { code: exitCode, stdout: stdout.text(), stderr: `${stderr.text()}${line}\n` };
    } finally {
      session.close();
    }
  };

interface Opened {
  readonly run: Run;
  readonly dispose: () => Promise<void>;
}

export interface OnStores {
  readonly commands: ReadonlyArray<AddCommand>;
  /** What each store holds before the first case. */
  readonly filled: (store: EventStore) => Promise<void>;
  /** Default false. */
  readonly alsoPGlite?: boolean;
}

/** Registers cases on the store in memory and on real PostgreSQL, where the whole command opens it by its option. */
export const onStores = (
  title: string,
  { commands, filled, alsoPGlite = false }: OnStores,
  cases: (run: Run) => void,
): void => {
  const inMemory = async (): Promise<Opened> => {
    const store = memoryStore();
    await filled(store);
    return { run: onOpen(store, ...commands), dispose: () => store.close() };
  };
  const inPGlite = async (): Promise<Opened> => {
    const { store, dispose } = await (await import('../support/stores.js')).openTestPGlite();
    await filled(store);
    return { run: onOpen(store, ...commands), dispose };
  };
  const onServer = async (): Promise<Opened> => {
    const { store, url, dispose } = await (await import('../support/stores.js')).openTestPostgres();
    await filled(store);
    return { run: (...args) => run([...args, '--store', url]), dispose };
  };
  const on = (name: string, open: () => Promise<Opened>, skip?: string): void =>
    (skip === undefined ? describe : describe.skip)(`${title} [${skip ?? name}]`, () => {
      let opened: Opened | undefined;
      beforeAll(async () => {
        opened = await open();
      }, 60_000);
      afterAll(() => opened?.dispose());
      cases((...args) => (opened as Opened).run(...args));
    });
  on('memory', inMemory);
  if (alsoPGlite) on('pglite', inPGlite);
  on('postgres', onServer, whyNoServer());
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
