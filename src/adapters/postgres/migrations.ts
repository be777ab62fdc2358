/** Migrations: plain SQL, forward only, each in a transaction of its own, one process at a time. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { InvalidRequest, StoreClosed, StoreUnavailable } from '../../store/event-store.js';
import { type Executor, faultOf, type SqlFault, type Transaction, unreachable } from './executor.js';
import { runningCluster, unknownCluster } from './life.js';
import { text } from './rows.js';
import { migrationTexts } from './sql.generated.js';
import { checkSchema, quoted, type Statements, statementsOf } from './statements.js';

/** A migration that was run says something else now. Nothing was written. Restore the file: what was released never changes. */
export interface MigrationChanged {
  readonly _tag: 'MigrationChanged';
  readonly file: string;
  readonly message: string;
}
/** The schema was migrated by a newer program. Nothing was written. Run that version, or a newer one. */
export interface MigrationUnknown {
  readonly _tag: 'MigrationUnknown';
  readonly id: number;
  readonly name: string;
  readonly message: string;
}
/** A migration was refused by the server, and rolled back; those before it are done. Mend what `message` says and migrate again. */
export interface MigrationFailed {
  readonly _tag: 'MigrationFailed';
  readonly file: string;
  readonly message: string;
}
export type MigrateError =
  | MigrationChanged
  | MigrationUnknown
  | MigrationFailed
  | StoreUnavailable
  | StoreClosed;

export interface Migration {
  readonly id: number;
  readonly file: string;
  readonly checksum: string;
  readonly sql: string;
}

export interface MigrationStatus {
  readonly id: number;
  readonly file: string;
  readonly applied: boolean;
}

export interface MigrateOptions {
  readonly schema: string;
  /** Only says what would be done; writes nothing, not even the table that notes migrations. Default false. */
  readonly dryRun?: boolean;
  readonly migrations?: ReadonlyArray<Migration>;
}

export interface MigrateReport {
  readonly schema: string;
  /** Files that were run now; with `dryRun`, that would be run. */
  readonly run: ReadonlyArray<string>;
  /** Files that had been run before. */
  readonly before: ReadonlyArray<string>;
  /** Whether the events of a restored store were taken over, which begins a new epoch; with `dryRun`, would be. */
  readonly adopted: boolean;
}

export const allMigrations: ReadonlyArray<Migration> = migrationTexts;

interface Applied {
  readonly id: number;
  readonly name: string;
  readonly checksum: string;
}

type Query = Transaction['query'];

const isMissing = (fault: SqlFault): boolean =>
  fault._tag === 'SqlRefused' && (fault.code === '42P01' || fault.code === '3F000');

/** What was run; nothing where the schema or its table is not there. Not for use inside a transaction: a refusal ends one. */
const appliedBefore = async (query: Query, statements: Statements): Promise<ReadonlyArray<Applied>> => {
  try {
    return await appliedIn(query, statements);
  } catch (error) {
    if (isMissing(faultOf(error))) return [];
    throw error;
  }
};

const appliedIn = async (query: Query, statements: Statements): Promise<ReadonlyArray<Applied>> => {
  const rows = await query(statements.migrationsApplied);
  return rows.map((row) => ({
    id: Number(text(row, 'id')),
    name: text(row, 'name'),
    checksum: text(row, 'checksum'),
  }));
};

const checkApplied = (known: ReadonlyArray<Migration>, applied: ReadonlyArray<Applied>): void => {
  for (const { id, name, checksum } of applied) {
    const migration = known.find((candidate) => candidate.id === id);
    if (migration === undefined) {
      const message = `migration ${name} was run by a newer program; use that version or a newer one`;
      throw taggedError<MigrationUnknown>({ _tag: 'MigrationUnknown', id, name, message });
    }
    if (migration.checksum !== checksum) {
      const message = `${migration.file} is not what was run; restore the file, and put changes into a new one`;
      throw taggedError<MigrationChanged>({ _tag: 'MigrationChanged', file: migration.file, message });
    }
  }
};

const searchPath = (schema: string): string => `set local search_path to ${quoted(schema)}, pg_temp`;

const failed = (file: string, error: unknown): never => {
  const fault = faultOf(error);
  if (fault._tag !== 'SqlRefused') throw error;
  const message = `${file}: ${fault.message} (SQLSTATE ${fault.code}); rolled back`;
  throw taggedError<MigrationFailed>({ _tag: 'MigrationFailed', file, message });
};

const prepare = async (executor: Executor, schema: string, statements: Statements): Promise<void> => {
  await executor.transaction(async ({ query, run }) => {
    await query(statements.migrationsLock, [schema]);
    const [row] = await query(statements.schemaExists, [schema]);
    // Asked first, because `if not exists` still wants the right to create one.
    if (row !== undefined && text(row, 'found') === '0') await run(`create schema ${quoted(schema)}`);
    await run(statements.migrationsTable.text);
  });
};

const runOne = (
  executor: Executor,
  schema: string,
  statements: Statements,
  migration: Migration,
): Promise<boolean> =>
  executor.transaction(async ({ query, run }) => {
    await query(statements.migrationsLock, [schema]);
    // Another process may have been first while this one waited for the lock.
    const applied = await appliedIn(query, statements);
    if (applied.some(({ id }) => id === migration.id)) return false;
    await run(searchPath(schema));
    await run(migration.sql);
    await query(statements.migrationRecord, [String(migration.id), migration.file, migration.checksum]);
    return true;
  });

/** Whether the store was restored from another cluster; answers the identifier of the one that runs. */
const foreignCluster = async (query: Query, statements: Statements): Promise<string | undefined> => {
  const [info] = await query(statements.storeInfo);
  const running = await runningCluster(query, statements);
  const recorded = info && text(info, 'system_identifier');
  return running === unknownCluster || recorded === undefined || recorded === running ? undefined : running;
};

/**
 * Takes over the events of a store that was restored from another cluster: their transaction ids mean nothing here, and
 * in a younger cluster lie in the future, where no reader goes. Transaction 0 lies before all.
 */
const adopt = async (executor: Executor, schema: string, statements: Statements): Promise<boolean> => {
  if ((await foreignCluster(executor.query, statements)) === undefined) return false;
  return executor.transaction(async ({ query }) => {
    await query(statements.migrationsLock, [schema]);
    const cluster = await foreignCluster(query, statements);
    if (cluster === undefined) return false;
    await query(statements.adoptEvents);
    await query(statements.adoptStore, [cluster]);
    return true;
  });
};

const pendingOf = (
  known: ReadonlyArray<Migration>,
  applied: ReadonlyArray<Applied>,
): ReadonlyArray<Migration> => known.filter(({ id }) => !applied.some((one) => one.id === id));

/** Runs what has not been run. Rejects with a `TaggedError` of `MigrateError`, or of a fault of the executor. */
export const migrate = async (executor: Executor, options: MigrateOptions): Promise<MigrateReport> => {
  const { schema, dryRun = false, migrations = allMigrations } = options;
  const statements = statementsOf(schema);
  const applied = await appliedBefore(executor.query, statements);
  checkApplied(migrations, applied);
  const pending = pendingOf(migrations, applied);
  const before = applied.map(({ name }) => name);
  if (dryRun) {
    const isThere = applied.length > 0;
    const adopted = isThere && (await foreignCluster(executor.query, statements)) !== undefined;
    return { schema, run: pending.map(({ file }) => file), before, adopted };
  }
  const run: string[] = [];
  if (pending.length > 0)
    await prepare(executor, schema, statements).catch((error) => failed('schema', error));
  for (const migration of pending) {
    const isRun = await runOne(executor, schema, statements, migration).catch((error) =>
      failed(migration.file, error),
    );
    if (isRun) run.push(migration.file);
  }
  const adopted = await adopt(executor, schema, statements).catch((error) =>
    failed('adoption of a restored store', error),
  );
  return { schema, run, before, adopted };
};

export const migrationStatus = async (
  executor: Executor,
  { schema, migrations = allMigrations }: MigrateOptions,
): Promise<ReadonlyArray<MigrationStatus>> => {
  const applied = await appliedBefore(executor.query, statementsOf(schema));
  checkApplied(migrations, applied);
  return migrations.map(({ id, file }) => ({ id, file, applied: applied.some((one) => one.id === id) }));
};

/** Files that this program needs and the schema lacks. What a newer program has run besides them does no harm. */
export const missingMigrations = async (
  executor: Executor,
  schema: string,
): Promise<ReadonlyArray<string>> => {
  const applied = await appliedBefore(executor.query, statementsOf(schema));
  return pendingOf(allMigrations, applied).map(({ file }) => file);
};

/** All migrations as one script for those who run SQL by other means; it notes them, so that `migrate` finds them done. */
export const printMigrations = (schema: string): E.Either<InvalidRequest, string> => {
  const checked = checkSchema(schema);
  if (E.isLeft(checked)) return checked;
  const statements = statementsOf(schema);
  const parts = allMigrations.map(
    ({ id, file, checksum, sql }) =>
      `-- ${file}\nbegin;\n${searchPath(schema)};\n${sql}\ninsert into ${quoted(schema)}.migrations (id, name, checksum) values (${id}, '${file}', '${checksum}');\ncommit;\n`,
  );
  return E.right(
    [`create schema if not exists ${quoted(schema)};\n${statements.migrationsTable.text};\n`, ...parts].join(
      '\n',
    ),
  );
};

/** A rejection of `migrate` as a value. */
export const migrateErrorOf = (error: unknown): MigrateError => {
  const tagged = (error as { tagged?: { _tag: string } }).tagged;
  switch (tagged?._tag) {
    case 'MigrationChanged':
    case 'MigrationUnknown':
    case 'MigrationFailed':
      return tagged as MigrateError;
    default: {
      const fault = unreachable(faultOf(error));
      return fault._tag === 'MigrationMissing' ? { _tag: 'StoreUnavailable', message: fault.message } : fault;
    }
  }
};
