/** Runs statements on PGlite: one connection, one statement or transaction after the other. */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  closedError,
  type Executor,
  type Parameters,
  queryFault,
  type Row,
  type Statement,
} from '../postgres/executor.js';

/** What is used of PGlite. */
export interface PGliteDatabase {
  query(
    text: string,
    parameters?: unknown[],
    options?: { readonly parsers: Readonly<Record<number, (value: string) => unknown>> },
  ): Promise<{ readonly rows: ReadonlyArray<unknown> }>;
  exec(script: string): Promise<unknown>;
  close(): Promise<void>;
}

/** A promise that runs one task after the other. */
const makeQueue = () => {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(task: () => Promise<T>): Promise<T> => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };
};

const same = (value: string): string => value;
// Of the types that the statements give, those that PGlite would make something else of: bigint, smallint, integer, json.
const asText = { parsers: { 20: same, 21: same, 23: same, 114: same } };

const ask = async (
  database: PGliteDatabase,
  statement: Statement,
  parameters: Parameters,
): Promise<ReadonlyArray<Row>> => {
  try {
    const { rows } = await database.query(statement.text, [...parameters], asText);
    return rows as ReadonlyArray<Row>;
  } catch (error) {
    throw queryFault(error);
  }
};

const run = async (database: PGliteDatabase, script: string): Promise<void> => {
  try {
    await database.exec(script);
  } catch (error) {
    throw queryFault(error);
  }
};

/** `release` is called after the database is closed. */
export const pgliteExecutor = (database: PGliteDatabase, release: () => Promise<void>): Executor => {
  const queue = makeQueue();
  const inside = new AsyncLocalStorage<true>();
  let closing: Promise<void> | undefined;

  const enqueued = <T>(task: () => Promise<T>): Promise<T> => {
    if (closing !== undefined) return Promise.reject(closedError());
    // It would wait for the transaction, and the transaction for it.
    if (inside.getStore() === true)
      throw new TypeError('a query beside its own transaction would wait for ever');
    return queue(task);
  };

  const transaction: Executor['transaction'] = (work) =>
    enqueued(async () => {
      await run(database, 'begin');
      try {
        const handed = {
          query: (statement: Statement, parameters: Parameters = []) => ask(database, statement, parameters),
          run: (script: string) => run(database, script),
        };
        const result = await inside.run(true, () => work(handed));
        await run(database, 'commit');
        return result;
      } catch (error) {
        await run(database, 'rollback').catch(() => undefined);
        throw error;
      }
    });

  return {
    query: (statement, parameters = []) => enqueued(() => ask(database, statement, parameters)),
    transaction,
    close: () =>
      (closing ??= queue(async () => {
        await database.close();
        await release();
      })),
  };
};
