/** `watersmeet migrate`: brings a store's schema up to date, or says what would be done. */
import type { Command } from 'commander';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { migratePGlite, pgliteMigrationStatus } from '../../adapters/pglite/index.js';
import {
  migratePostgres,
  type MigrateReport,
  type MigrationStatus,
  postgresMigrationStatus,
  printMigrations,
  schemaDefault,
} from '../../adapters/postgres/index.js';
import { toPromise } from '../../core/fault.js';
import { badOption } from '../options.js';
import { isThere, parseStore, type StoreOptions, type StorePlace, storeMissing } from '../open-store.js';
import type { Session } from '../session.js';

interface MigrateOptions extends StoreOptions {
  readonly print?: boolean;
  readonly status?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const placeOf = (
  session: Session,
  { store }: MigrateOptions,
): Exclude<StorePlace, { readonly kind: 'memory' | 'eventstoredb' }> => {
  const told = store ?? session.env['WATERSMEET_STORE'];
  if (told === undefined)
    throw badOption('--store', 'is missing: name pglite:<directory> or postgres://user@host/database');
  const place = parseStore(told, session.cwd);
  if (place.kind === 'memory' || place.kind === 'eventstoredb')
    throw badOption('--store', `${place.shown} has no schema, hence nothing to migrate`);
  return place;
};

const statusLines = (status: ReadonlyArray<MigrationStatus>): ReadonlyArray<string> =>
  status.map(({ file, applied }) => `${applied ? 'done   ' : 'missing'}  ${file}`);

const reportLines = (
  { schema, run, before, adopted }: MigrateReport,
  dryRun: boolean,
): ReadonlyArray<string> => [
  ...run.map((file) => `${dryRun ? 'would run' : 'run'}  ${file}`),
  ...(adopted
    ? [
        `the store comes from another cluster: its events ${dryRun ? 'would be' : 'were'} taken over, and a new epoch ${dryRun ? 'would begin' : 'began'}`,
      ]
    : []),
  ...(run.length === 0 ? [`schema ${schema} is up to date (${before.length} migrations)`] : []),
];

const statusOf = (
  place: ReturnType<typeof placeOf>,
  schema: string,
): Promise<ReadonlyArray<MigrationStatus>> =>
  place.kind === 'pglite'
    ? toPromise(pgliteMigrationStatus({ directory: place.directory, schema }))
    : toPromise(postgresMigrationStatus({ connectionString: place.url, schema, poolMax: 1 }));

const migrateAt = (
  place: ReturnType<typeof placeOf>,
  schema: string,
  dryRun: boolean,
): Promise<MigrateReport> =>
  place.kind === 'pglite'
    ? toPromise(migratePGlite({ directory: place.directory, schema, dryRun }))
    : toPromise(migratePostgres({ connectionString: place.url, schema, dryRun, poolMax: 1 }));

const migrate = async (session: Session, options: MigrateOptions): Promise<void> => {
  const { schema = schemaDefault, dryRun = false, status = false, json = false } = options;
  if (options.print === true) {
    await session.out(await toPromise(TE.fromEither(printMigrations(schema))));
    return;
  }
  const place = placeOf(session, options);
  // Looking must not make a database.
  if ((dryRun || status) && !isThere(place)) throw storeMissing(place);
  if (status) {
    const found = await statusOf(place, schema);
    for (const line of json ? [JSON.stringify(found)] : statusLines(found)) await session.out(line);
    return;
  }
  const report = await migrateAt(place, schema, dryRun);
  for (const line of json ? [JSON.stringify(report)] : reportLines(report, dryRun)) await session.out(line);
};

const examples = `
Examples:
  $ watersmeet migrate --store postgres://me@localhost/loans
  $ watersmeet migrate --store postgres://me@localhost/loans --dry-run
  $ watersmeet migrate --print --schema events > schema.sql
`;

export const addMigrate = (cli: Command, session: Session): void => {
  cli
    .command('migrate')
    .summary("bring a store's schema up to date")
    .description(
      "Brings a store's schema up to date: under a lock, each migration in a transaction of its own.",
    )
    .option('--store <store>', 'pglite:<dir> or postgres://... (default: $WATERSMEET_STORE)')
    .option('--schema <name>', 'schema of the tables (default: watersmeet)')
    .option('--print', 'print the SQL of all migrations, and do nothing; needs no store')
    .option('--status', 'say which migrations were run')
    .option('--dry-run', 'say what would be run, and write nothing')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action((options: MigrateOptions) => migrate(session, options));
};
