/** Our server over a store, in a process of its own: beside a test it would wait for the test, and the tests for it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { compileInto } from './compiled.mjs';

export type StoreKind = 'memory' | 'pglite' | 'postgres';

export interface Served {
  readonly url: string;
  /** Closes the server in order, and serves the same store at the same port again. */
  readonly restart: () => Promise<void>;
  /** What the server tells of that it has done wrong. */
  readonly faults: () => ReadonlyArray<string>;
  readonly stop: () => Promise<void>;
}

interface Told {
  readonly port?: number;
  readonly fault?: string;
  readonly restarted?: true;
}

/** The sources as plain JavaScript in a folder of the repository, and how to be rid of it. */
export const compileServer = (): { readonly folder: string; readonly remove: () => void } => {
  const cache = resolve('node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'clients-'));
  compileInto(folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

const running = new Set<ChildProcess>();

/** Ends what still serves; for a test run that ends early. */
export const endServed = (): void => {
  for (const child of running) child.kill();
};

/** `where` is the directory of a PGlite, or the url of a PostgreSQL. */
export const serveStore = async (folder: string, kind: StoreKind, where = ''): Promise<Served> => {
  const child = fork(join('test', 'server', 'clients', 'serve-store.mjs'), [folder, kind, where], {
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  running.add(child);
  const faults: string[] = [];
  const waiting: ((told: Told) => void)[] = [];
  const ended = once(child, 'exit');
  const next = (): Promise<Told> =>
    Promise.race([
      new Promise<Told>((told) => void waiting.push(told)),
      ended.then(([code]) => Promise.reject(new Error(`the server's process has ended with ${code}`))),
    ]);
  child.on('message', (told: Told) => {
    if (told.fault !== undefined) faults.push(told.fault);
    else waiting.shift()?.(told);
  });
  const { port } = await next();
  return {
    url: `esdb://127.0.0.1:${port}?tls=false`,
    restart: async () => {
      child.send('restart');
      await next();
    },
    faults: () => faults,
    stop: async () => {
      child.send('stop');
      await ended;
      running.delete(child);
    },
  };
};
