/** Runs statements over `pg`, on a pool that is given or made here. */
import { taggedError } from '../../core/fault.js';
import {
  closedError,
  connectFault,
  type ConnectionLost,
  type Executor,
  type Parameters,
  queryFault,
  type Row,
  type Statement,
  type Transaction,
} from './executor.js';

/** What is used of a client of `pg`; in these words, so that users of the types need not install those of the driver. */
export interface PgClient {
  query(config: {
    readonly text: string;
    readonly name?: string;
    readonly values?: unknown[];
    readonly types?: { getTypeParser(): (value: string) => unknown };
  }): Promise<{ readonly rows: ReadonlyArray<unknown> }>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  release(destroy?: boolean): void;
}

/** What is used of a pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgClient>;
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'connect', listener: (client: PgClient) => void): unknown;
  removeListener(event: 'error' | 'connect', listener: (given: unknown) => void): unknown;
}

export interface PgExecutorOptions {
  /** Keep statements prepared on the server. False for a pooler that cannot (PgBouncer before 1.21). */
  readonly prepare: boolean;
  /** Whether `close` ends the pool: only one that was made for the store. */
  readonly endsPool: boolean;
}

// Everything is asked for as text and decoded in one place, whatever parsers the program has set for all of `pg`.
const asText = { getTypeParser: () => (value: string) => value };

// A connection that breaks while it is idle, or in use, is found by the query that needs it; without a listener the
// driver would end the process.
const ignore = (): void => undefined;

const within = async <T>(timeoutMs: number | undefined, asked: Promise<T>): Promise<T> => {
  if (timeoutMs === undefined) return asked;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `no answer within ${timeoutMs} ms`;
    timer = setTimeout(
      () => reject(taggedError<ConnectionLost>({ _tag: 'ConnectionLost', message })),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
    asked.catch(ignore);
  }
};

const needsNewConnection = (error: unknown): boolean =>
  (error as { tagged?: { _tag?: string } }).tagged?._tag !== 'SqlRefused';

/** One statement; prepared on the server under its name where that is wanted. */
const ask = async (
  client: PgClient,
  prepare: boolean,
  { name, text }: Statement,
  parameters: Parameters,
): Promise<ReadonlyArray<Row>> => {
  try {
    const named = prepare ? { name } : {};
    const result = await client.query({ ...named, text, values: [...parameters], types: asText });
    return result.rows as ReadonlyArray<Row>;
  } catch (error) {
    throw queryFault(error);
  }
};

const run = async (client: PgClient, script: string): Promise<void> => {
  try {
    await client.query({ text: script });
  } catch (error) {
    throw queryFault(error);
  }
};

const inTransaction = async <T>(
  client: PgClient,
  prepare: boolean,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  await run(client, 'begin');
  try {
    const result = await work({
      query: (statement, parameters = []) => ask(client, prepare, statement, parameters),
      run: (script) => run(client, script),
    });
    await run(client, 'commit');
    return result;
  } catch (error) {
    await run(client, 'rollback').catch(ignore);
    throw error;
  }
};

export const pgExecutor = (pool: PgPool, { prepare, endsPool }: PgExecutorOptions): Executor => {
  let closing: Promise<void> | undefined;
  const busy = new Set<Promise<unknown>>();
  // A connection may be ended between the moment when the pool hands it over and the moment when this program goes on,
  // so that each is listened to from its beginning, and for good.
  const guarded = new WeakSet<PgClient>();
  const guard = (client: PgClient): void => {
    if (!guarded.has(client)) client.on('error', ignore);
    guarded.add(client);
  };
  pool.on('error', ignore);
  pool.on('connect', guard);

  const connected = async <T>(
    timeoutMs: number | undefined,
    work: (client: PgClient) => Promise<T>,
  ): Promise<T> => {
    if (closing !== undefined) throw closedError();
    const client = await pool.connect().catch((error: unknown) => {
      throw closing === undefined ? connectFault(error) : closedError();
    });
    guard(client);
    let broken = false;
    try {
      return await within(timeoutMs, work(client));
    } catch (error) {
      broken = needsNewConnection(error);
      throw error;
    } finally {
      client.release(broken);
    }
  };

  const tracked = async <T>(work: Promise<T>): Promise<T> => {
    busy.add(work);
    try {
      return await work;
    } finally {
      busy.delete(work);
    }
  };

  const end = async (): Promise<void> => {
    await Promise.allSettled(busy);
    if (endsPool) return pool.end();
    pool.removeListener('connect', guard as (given: unknown) => void);
    pool.removeListener('error', ignore);
  };

  return {
    query: (statement, parameters = [], { timeoutMs } = {}) =>
      tracked(connected(timeoutMs, (client) => ask(client, prepare, statement, parameters))),
    transaction: (work) => tracked(connected(undefined, (client) => inTransaction(client, prepare, work))),
    close: () => (closing ??= end()),
  };
};
