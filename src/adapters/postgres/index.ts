/** The event store on PostgreSQL, over `pg`: `watersmeet/postgres`. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { taggedError, taggedOf } from '../../core/fault.js';
import type {
  InvalidRequest,
  MigrationMissing,
  StoreClosed,
  StoreLimits,
  StoreUnavailable,
} from '../../store/event-store.js';
import { defaultLimits } from '../../store/limits.js';
import type { DriverMissing } from '../../store/store-errors.js';
import type { Replica, ReplicaFallback } from './context.js';
import { type Executor, faultOf, migrateAdvice, unreachable } from './executor.js';
import { epochOf, throwLeft } from './life.js';
import {
  migrate,
  type MigrateError,
  migrateErrorOf,
  type MigrateReport,
  type MigrationStatus,
  migrationStatus,
  missingMigrations,
} from './migrations.js';
import { pgExecutor, type PgPool } from './pg-executor.js';
import { checkSchema, schemaDefault, statementsOf } from './statements.js';
import { type SqlStore, sharedStatementsDefault, sqlStore } from './store.js';

export type { PgClient, PgPool } from './pg-executor.js';
export type {
  MigrateError,
  MigrateReport,
  MigrationChanged,
  MigrationFailed,
  MigrationStatus,
  MigrationUnknown,
} from './migrations.js';
export { printMigrations } from './migrations.js';
export type { ReplicaFallback } from './context.js';
export type { DriverMissing } from '../../store/store-errors.js';
export { schemaDefault } from './statements.js';
export type { SqlStore } from './store.js';

export type OpenError =
  | StoreUnavailable
  | MigrationMissing
  | StoreClosed
  | MigrateError
  | InvalidRequest
  | DriverMissing;

export interface PostgresConnection {
  /** `postgres://user:password@host:5432/database`, with the parameters that `pg` knows. Either this or `pool`. */
  readonly connectionString?: string;
  /** A pool of `pg` that the program has made; it stays open when the store is closed. */
  readonly pool?: PgPool;
  /** Where the tables are: 1 to 63 lower case letters, digits and underscores. Default `watersmeet`. */
  readonly schema?: string;
  /** What the server shows of this program's connections. Default `watersmeet`. */
  readonly applicationName?: string;
  /** Connections at most, 1 or more. Default 10. */
  readonly poolMax?: number;
  /** How long a connection may take to be made, or to come free, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** A hot standby that lags behind, or another copy of the same database. Only reads with `atLeast` go there. */
export interface ReplicaOptions
  extends Pick<PostgresConnection, 'connectionString' | 'pool' | 'poolMax' | 'connectTimeoutMs'> {
  /** Told each time the store itself had to be asked instead: the copy was behind, or could not be asked. */
  readonly onFallback?: (reason: ReplicaFallback) => void;
}

export interface PostgresOptions extends PostgresConnection {
  /** Where reads with `atLeast` go. Default: nowhere else. */
  readonly replica?: ReplicaOptions;
  readonly limits?: Partial<StoreLimits>;
  /** Run missing migrations first. Default false: a schema that lacks some is refused with `MigrationMissing`. */
  readonly migrate?: boolean;
  /** Keep statements prepared on the server. Default true. False behind a pooler that cannot: PgBouncer before 1.21. */
  readonly prepare?: boolean;
  /** How long an append whose answer was lost is asked for before it is `OutcomeUnknown`, in milliseconds. Default 10,000. */
  readonly resolveOutcomeMs?: number;
}

/** More than this the server cannot hold in one value of jsonb, with room for what stands around the events. */
const batchBytesCap = 128 * 1024 * 1024;

export const sqlLimits = (limits: Partial<StoreLimits> = {}): StoreLimits => {
  const wanted = { ...defaultLimits, ...limits };
  return {
    ...wanted,
    eventBytesMax: Math.min(wanted.eventBytesMax, batchBytesCap),
    batchBytesMax: Math.min(wanted.batchBytesMax, batchBytesCap),
  };
};

const loadPg = async (): Promise<{ readonly Pool: new (config: object) => PgPool }> => {
  try {
    const loaded = (await import('pg')) as unknown as { readonly default?: unknown };
    return (loaded.default ?? loaded) as { readonly Pool: new (config: object) => PgPool };
  } catch {
    const message = 'the PostgreSQL driver is not installed: npm install pg';
    throw taggedError<DriverMissing>({ _tag: 'DriverMissing', driver: 'pg', message });
  }
};

const poolOf = async (options: PostgresConnection): Promise<PgPool> => {
  if (options.pool !== undefined) return options.pool;
  const { Pool } = await loadPg();
  try {
    return new Pool({
      connectionString: options.connectionString,
      application_name: options.applicationName ?? 'watersmeet',
      max: options.poolMax ?? 10,
      connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
      keepAlive: true,
    });
  } catch {
    // The driver's own message may quote the string, and with it the password.
    throw taggedError<InvalidRequest>({
      _tag: 'InvalidRequest',
      field: 'connectionString',
      reason: 'must be as postgres://user:password@host:5432/database',
    });
  }
};

/** `postgres://host:port/database`: what may be shown, without user and password. */
const nameOf = ({ connectionString }: PostgresConnection): string => {
  if (connectionString === undefined) return 'postgres:pool';
  try {
    const { host, pathname, searchParams } = new URL(connectionString);
    return `postgres://${host === '' ? (searchParams.get('host') ?? '') : host}${pathname}`;
  } catch {
    return 'postgres:';
  }
};

interface Opened {
  readonly executor: Executor;
  readonly schema: string;
}

const openExecutor = async (options: PostgresConnection, prepare: boolean): Promise<Opened> => {
  const schema = throwLeft(checkSchema(options.schema ?? schemaDefault));
  const pool = await poolOf(options);
  return { schema, executor: pgExecutor(pool, { prepare, endsPool: options.pool === undefined }) };
};

const replicaOf = async (options: PostgresOptions): Promise<Replica | undefined> => {
  const { replica, schema, applicationName, prepare = true } = options;
  if (replica === undefined) return undefined;
  const { onFallback, ...connection } = replica;
  const shared = {
    ...(schema !== undefined && { schema }),
    ...(applicationName !== undefined && { applicationName }),
  };
  const { executor } = await openExecutor({ ...connection, ...shared }, prepare);
  return { executor, onFallback };
};

const ownTags: ReadonlySet<string> = new Set([
  'InvalidRequest',
  'DriverMissing',
  'MigrationMissing',
  'StoreUnavailable',
]);
const migrateTags: ReadonlySet<string> = new Set(['MigrationChanged', 'MigrationUnknown', 'MigrationFailed']);

export const openErrorOf = (error: unknown): OpenError => {
  const tag = taggedOf(error)?._tag ?? '';
  if (ownTags.has(tag)) return taggedOf(error) as OpenError;
  return migrateTags.has(tag) ? migrateErrorOf(error) : unreachable(faultOf(error));
};

/** Migrates where that is wanted, and makes sure that the schema can be worked with. */
export const prepareSchema = async (
  executor: Executor,
  schema: string,
  wantsMigrate: boolean,
): Promise<void> => {
  if (wantsMigrate) await migrate(executor, { schema });
  const missing = await missingMigrations(executor, schema);
  if (missing.length > 0) {
    const message = `the schema ${schema} lacks ${missing.join(', ')}; ${migrateAdvice}`;
    throw taggedError<MigrationMissing>({ _tag: 'MigrationMissing', message });
  }
  throwLeft(await epochOf(executor.query, statementsOf(schema)));
};

/**
 * Opens the store. Asks the server once, so that an unknown host, a wrong password or a missing schema is said here and
 * not at the first append.
 */
export const openPostgres =
  (options: PostgresOptions): TaskEither<OpenError, SqlStore> =>
  async () => {
    let opened: Opened | undefined;
    let replica: Replica | undefined;
    try {
      opened = await openExecutor(options, options.prepare ?? true);
      const { executor, schema } = opened;
      await prepareSchema(executor, schema, options.migrate ?? false);
      replica = await replicaOf(options);
      return E.right(
        sqlStore({
          name: nameOf(options),
          executor,
          statements: statementsOf(schema),
          limits: sqlLimits(options.limits),
          capabilities: {
            atomicAppendMany: true,
            idempotentAny: true,
            exactRepeats: true,
            atomicMarks: true,
            durable: true,
            multiProcess: true,
            leases: true,
            queue: true,
            idempotency: true,
            conditions: true,
          },
          resolveOutcomeMs: options.resolveOutcomeMs ?? 10_000,
          ...(options.poolMax !== undefined && {
            sharedStatementsMax: Math.min(sharedStatementsDefault, options.poolMax),
          }),
          ...(replica && { replica }),
        }),
      );
    } catch (error) {
      await opened?.executor.close();
      return E.left(openErrorOf(error));
    }
  };

const withExecutor =
  <A>(options: PostgresConnection, work: (opened: Opened) => Promise<A>): TaskEither<OpenError, A> =>
  async () => {
    let opened: Opened | undefined;
    try {
      opened = await openExecutor(options, false);
      return E.right(await work(opened));
    } catch (error) {
      return E.left(openErrorOf(error));
    } finally {
      await opened?.executor.close();
    }
  };

/** Runs missing migrations; with `dryRun` only says which. */
export const migratePostgres = (
  options: PostgresConnection & { readonly dryRun?: boolean },
): TaskEither<OpenError, MigrateReport> =>
  withExecutor(options, ({ executor, schema }) =>
    migrate(executor, { schema, dryRun: options.dryRun ?? false }),
  );

/** Which migrations were run. */
export const postgresMigrationStatus = (
  options: PostgresConnection,
): TaskEither<OpenError, ReadonlyArray<MigrationStatus>> =>
  withExecutor(options, ({ executor, schema }) => migrationStatus(executor, { schema }));
