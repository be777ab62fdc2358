/**
 * Stores on EventStoreDB's protocol, opened for a test: over a server in this process that keeps its events in memory, or over the real one that
 * `WATERSMEET_ESDB_URL` names, which need not be empty: tests use tenants and names of their own.
 */
import { memoryStore } from '../../src/adapters/memory/index.js';
import {
  type EventStoreDBOptions,
  type EventStoreDBStore,
  openEventStoreDB,
} from '../../src/adapters/eventstoredb/index.js';
import { toPromise } from '../../src/core/fault.js';
import { serve, type Serving } from '../../src/server/index.js';
import type { EventStore } from '../../src/store/event-store.js';

export const esdbVariable = 'WATERSMEET_ESDB_URL';
export const realServerUrl = (): string | undefined => process.env[esdbVariable];

/** A real server says by this how much it takes in one append; ours is told. */
export const appendBytesMax = Number(process.env['WATERSMEET_ESDB_APPEND_BYTES'] ?? 1024 * 1024);

export interface ServedStore {
  readonly url: string;
  /** The store behind the server; `undefined` where the server is a real one. */
  readonly behind: EventStore | undefined;
  readonly dispose: () => Promise<void>;
}

/** A server over a store that exists already, on a port of its own or on a given one. */
export const serveStore = (store: EventStore, port = 0): Promise<Serving> =>
  serve(store, { port, appendBytesMax, closeMs: 200 });

export const urlOf = ({ port }: { readonly port: number }): string => `esdb://127.0.0.1:${port}?tls=false`;

/** The server of this test run. */
export const openServer = async (): Promise<ServedStore> => {
  const url = realServerUrl();
  if (url !== undefined) return { url, behind: undefined, dispose: async () => undefined };
  const behind = memoryStore();
  const serving = await serveStore(behind);
  const dispose = async (): Promise<void> => {
    await serving.close();
    await behind.close();
  };
  return { url: urlOf(serving), behind, dispose };
};

export interface EventStoreDBTestStore extends ServedStore {
  readonly store: EventStoreDBStore;
  /** Another handle on the same server, with a connection of its own. */
  readonly secondHandle: () => Promise<EventStoreDBStore>;
}

/** Ten thousand events in one append take longer than ten seconds where server and client share a busy processor. */
const patient = { appendBytesMax, timeoutMs: 60_000, resolveOutcomeMs: 60_000 };

export const openTestEventStoreDB = async (
  options: Omit<Partial<EventStoreDBOptions>, 'connectionString'> = {},
): Promise<EventStoreDBTestStore> => {
  const server = await openServer();
  const opened: EventStoreDBStore[] = [];
  const open = async (): Promise<EventStoreDBStore> => {
    const connectionString = server.url;
    const store = await toPromise(openEventStoreDB({ ...patient, ...options, connectionString }));
    opened.push(store);
    return store;
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(opened.map((store) => store.close()));
    await server.dispose();
  };
  return { ...server, store: await open(), secondHandle: open, dispose };
};
