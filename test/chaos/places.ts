/** Where the store of a round lives: a database of the server, behind the proxy where connections are cut, or a directory of PGlite. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPGlite } from '../../src/adapters/pglite/index.js';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { type Choose, startCuttingProxy } from './cutting-proxy.js';
import type { WorkerSetup } from './words.js';

/** The PostgreSQL of a run, and fresh databases of it. */
export interface Server {
  readonly createDatabase: () => Promise<string>;
  readonly dropDatabase: (url: string) => Promise<void>;
  readonly crash: (downMs: number) => Promise<void>;
}

export interface StorePlace {
  /** For the workers. */
  readonly store: WorkerSetup['store'];
  /** For the driver, past the proxy. */
  readonly open: TaskEither<{ readonly _tag: string }, SqlStore>;
  readonly remove: () => Promise<void>;
}

export const inDirectory = (): StorePlace => {
  const parent = mkdtempSync(join(tmpdir(), 'watersmeet-chaos-'));
  const directory = join(parent, 'data');
  const removeNow = (): void => rmSync(parent, { recursive: true, force: true });
  // Also where the run is interrupted.
  process.once('exit', removeNow);
  const remove = async (): Promise<void> => {
    process.off('exit', removeNow);
    removeNow();
  };
  return { store: { directory }, open: openPGlite({ directory }), remove };
};

/** Behind the proxy where requests are to be cut. */
export const inDatabase = async (
  server: Server,
  cut: Choose | undefined,
  random: () => number,
): Promise<StorePlace> => {
  const url = await server.createDatabase();
  const proxy = cut && (await startCuttingProxy(url, cut, random));
  const remove = async (): Promise<void> => {
    await proxy?.close();
    await server.dropDatabase(url);
  };
  return { store: { url: proxy?.url ?? url }, open: openPostgres({ connectionString: url }), remove };
};
