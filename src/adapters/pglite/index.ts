/** The event store on PGlite, PostgreSQL inside this process: `watersmeet/pglite`. The same SQL and migrations. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { resolve } from 'node:path';
import { taggedError, taggedOf } from '../../core/fault.js';
import type { StoreLimits, StoreUnavailable } from '../../store/event-store.js';
import { type Executor, messageOf } from '../postgres/executor.js';
import {
  type OpenError,
  openErrorOf,
  prepareSchema,
  schemaDefault,
  sqlLimits,
  type SqlStore,
} from '../postgres/index.js';
import { throwLeft } from '../postgres/life.js';
import {
  migrate,
  type MigrateReport,
  type MigrationStatus,
  migrationStatus,
} from '../postgres/migrations.js';
import { checkSchema, statementsOf } from '../postgres/statements.js';
import { sqlStore } from '../postgres/store.js';
import { type DirectoryLocked, lockDirectory } from './directory-lock.js';
import { pgliteExecutor } from './pglite-executor.js';
import { prepareDirectory, startInDirectory, startInMemory } from './start.js';

export type { DirectoryLocked } from './directory-lock.js';
export type { DriverMissing, OpenError, SqlStore } from '../postgres/index.js';

export interface PGlitePlace {
  /**
   * Where the data is kept; made where it is not there. `memory` keeps nothing.
   *
   * PGlite does not wait for the disk: what was answered as written survives the end of the process, also a sudden one,
   * but not a loss of power.
   */
  readonly directory: string;
  /** Where the tables are: 1 to 63 lower case letters, digits and underscores. Default `watersmeet`. */
  readonly schema?: string;
}

export interface PGliteOptions extends PGlitePlace {
  readonly limits?: Partial<StoreLimits>;
  /** Run missing migrations first. Default true: nobody else can run them while the directory is open here. */
  readonly migrate?: boolean;
}

export type OpenPGliteError = OpenError | DirectoryLocked;

interface Opened {
  readonly executor: Executor;
  readonly name: string;
  readonly durable: boolean;
}

const lock = (directory: string): (() => void) => {
  try {
    return lockDirectory(directory);
  } catch (error) {
    if (taggedOf(error) !== undefined) throw error;
    const message = `${directory} cannot be locked: ${messageOf(error)}`;
    throw taggedError<StoreUnavailable>({ _tag: 'StoreUnavailable', message });
  }
};

/** For those who bring statements of their own. */
export const openPGliteExecutor = async (place: string): Promise<Opened> => {
  if (place === 'memory')
    return {
      executor: pgliteExecutor(await startInMemory(), async () => undefined),
      name: 'pglite:memory',
      durable: false,
    };
  const directory = resolve(place);
  prepareDirectory(directory);
  const release = lock(directory);
  try {
    const executor = pgliteExecutor(await startInDirectory(directory), async () => release());
    return { executor, name: `pglite:${place}`, durable: true };
  } catch (error) {
    release();
    throw error;
  }
};

const pgliteErrorOf = (error: unknown): OpenPGliteError => {
  const tagged = taggedOf(error);
  return tagged?._tag === 'DirectoryLocked' ? (tagged as DirectoryLocked) : openErrorOf(error);
};

/** Opens the store and locks the directory until it is closed. The first time takes some seconds. */
export const openPGlite =
  (options: PGliteOptions): TaskEither<OpenPGliteError, SqlStore> =>
  async () => {
    let opened: Opened | undefined;
    try {
      const schema = throwLeft(checkSchema(options.schema ?? schemaDefault));
      opened = await openPGliteExecutor(options.directory);
      const { executor, name, durable } = opened;
      await prepareSchema(executor, schema, options.migrate ?? true);
      return E.right(
        sqlStore({
          name,
          executor,
          statements: statementsOf(schema),
          limits: sqlLimits(options.limits),
          capabilities: {
            atomicAppendMany: true,
            idempotentAny: true,
            exactRepeats: true,
            atomicMarks: true,
            durable,
            multiProcess: false,
            leases: true,
            queue: true,
            idempotency: true,
            conditions: true,
          },
          // There is no connection that could be lost.
          resolveOutcomeMs: 1_000,
          sharedStatementsMax: 1,
        }),
      );
    } catch (error) {
      await opened?.executor.close();
      return E.left(pgliteErrorOf(error));
    }
  };

const withExecutor =
  <A>(
    place: PGlitePlace,
    work: (executor: Executor, schema: string) => Promise<A>,
  ): TaskEither<OpenPGliteError, A> =>
  async () => {
    let opened: Opened | undefined;
    try {
      const schema = throwLeft(checkSchema(place.schema ?? schemaDefault));
      opened = await openPGliteExecutor(place.directory);
      return E.right(await work(opened.executor, schema));
    } catch (error) {
      return E.left(pgliteErrorOf(error));
    } finally {
      await opened?.executor.close();
    }
  };

/** Runs missing migrations; with `dryRun` only says which. */
export const migratePGlite = (
  place: PGlitePlace & { readonly dryRun?: boolean },
): TaskEither<OpenPGliteError, MigrateReport> =>
  withExecutor(place, (executor, schema) => migrate(executor, { schema, dryRun: place.dryRun ?? false }));

/** Which migrations were run. */
export const pgliteMigrationStatus = (
  place: PGlitePlace,
): TaskEither<OpenPGliteError, ReadonlyArray<MigrationStatus>> =>
  withExecutor(place, (executor, schema) => migrationStatus(executor, { schema }));
