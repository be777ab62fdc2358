/** The stores with a database beneath, opened empty for a test, with what belongs to them. */
import pg from 'pg';
import { openPGlite } from '../../src/adapters/pglite/index.js';
import { openPostgres, type PostgresOptions } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import type { EventStore, StoreLimits } from '../../src/store/event-store.js';
import { freshDirectory } from './pglite.js';
import { dropTestDatabase, migratedDatabase } from './postgres.js';

export interface TestStoreOptions {
  readonly limits?: Partial<StoreLimits>;
}

type SqlTestStore = Awaited<ReturnType<typeof openOne>>;

export interface TestStore {
  readonly store: SqlTestStore;
  /** Another handle on the same data, with connections of its own. */
  readonly secondHandle: () => Promise<EventStore>;
  readonly dispose: () => Promise<void>;
}

export interface PostgresTestStore extends TestStore {
  readonly url: string;
  /** A raw connection to the same database, ended with the store. */
  readonly connect: () => Promise<pg.Client>;
}

const openOne = (options: PostgresOptions) => toPromise(openPostgres(options));

export const openTestPostgres = async (
  options: TestStoreOptions & Omit<PostgresOptions, 'connectionString' | 'pool'> = {},
): Promise<PostgresTestStore> => {
  const url = await migratedDatabase();
  const opened: EventStore[] = [];
  const open = async () => {
    const store = await openOne({ poolMax: 16, ...options, connectionString: url });
    opened.push(store);
    return store;
  };
  const clients: pg.Client[] = [];
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    clients.push(client);
    return client;
  };
  const dispose = async (): Promise<void> => {
    for (const client of clients) await client.end();
    await Promise.all(opened.map((store) => store.close()));
    await dropTestDatabase(url);
  };
  return { url, store: await open(), secondHandle: open, connect, dispose };
};

export const openTestPGlite = async (options: TestStoreOptions = {}): Promise<TestStore> => {
  const { directory, remove } = freshDirectory();
  const store = await toPromise(openPGlite({ ...options, directory }));
  const dispose = async (): Promise<void> => {
    await store.close();
    remove();
  };
  const secondHandle = async (): Promise<EventStore> => {
    throw new Error('a PGlite directory has one opener');
  };
  return { store, secondHandle, dispose };
};
