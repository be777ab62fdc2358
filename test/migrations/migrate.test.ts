/** Migrations: the same files on both databases, once each, in order, and really dry on a dry run. */
import * as E from 'fp-ts/lib/Either.js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { epochOf } from '../../src/adapters/postgres/life.js';
import {
  allMigrations,
  migrate,
  type Migration,
  migrationStatus,
  missingMigrations,
  printMigrations,
} from '../../src/adapters/postgres/migrations.js';
import { schemaDefault, sqlLimits } from '../../src/adapters/postgres/index.js';
import { statementsOf } from '../../src/adapters/postgres/statements.js';
import { sqlStore } from '../../src/adapters/postgres/store.js';
import { taggedOf } from '../../src/core/fault.js';
import { any, noStream } from '../../src/core/stream.js';
import {
  allThrough,
  append,
  aStream,
  events,
  idsOf,
  refused,
  right,
} from '../../src/testing/contract/support.js';
import { dumpSchema } from '../support/schema-dump.js';
import { type OpenedDatabase, sqlSubjects } from '../support/sql-subjects.js';

const files = allMigrations.map(({ file }) => file);
const schema = schemaDefault;
const dumpFile = 'migrations/schema.txt';

const rejection = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error('it was expected to be refused');
    },
    (error: unknown) => taggedOf(error) ?? error,
  );

const oneMore = (sql: string): ReadonlyArray<Migration> => [
  ...allMigrations,
  { id: 9_000, file: '9000.do.more.sql', checksum: 'more', sql },
];

for (const subject of sqlSubjects) {
  const suite = subject.skip === undefined ? describe : describe.skip;
  suite(`migrations [${subject.name}]${subject.skip === undefined ? '' : ` (skipped: ${subject.skip})`}`, () => {
    let opened: OpenedDatabase;
    beforeEach(async () => {
      opened = await subject.open();
    });
    afterEach(() => opened.dispose());

    const countOfSchemas = async (): Promise<string | null | undefined> =>
      (await opened.sql(`select count(*)::text as count from pg_namespace where nspname = '${schema}'`))[0]?.[
        'count'
      ];

    it('run once, in order, and are found done afterwards', async () => {
      const { executor } = opened;
      expect(await missingMigrations(executor, schema)).toEqual(files);
      expect(await migrate(executor, { schema })).toEqual({ schema, run: files, before: [], adopted: false });
      expect(await migrate(executor, { schema })).toEqual({ schema, run: [], before: files, adopted: false });
      expect((await migrationStatus(executor, { schema })).every(({ applied }) => applied)).toBe(true);
      expect(await missingMigrations(executor, schema)).toEqual([]);
    });

    it('a dry run and a status write nothing at all', async () => {
      const { executor } = opened;
      expect((await migrate(executor, { schema, dryRun: true })).run).toEqual(files);
      expect((await migrationStatus(executor, { schema })).map(({ applied }) => applied)).toEqual(
        files.map(() => false),
      );
      expect(await countOfSchemas()).toBe('0');
    });

    it('make the schema that is checked in', async () => {
      await migrate(opened.executor, { schema });
      const dump = await dumpSchema(opened.sql, schema);
      // With the variable set, the file is written anew, to be looked at and committed.
      if (process.env['WATERSMEET_WRITE_SCHEMA'] !== undefined) writeFileSync(dumpFile, dump);
      expect(dump).toBe(readFileSync(dumpFile, 'utf8'));
    });

    it('make the same schema under another name', async () => {
      await migrate(opened.executor, { schema: 'elsewhere' });
      expect(await dumpSchema(opened.sql, 'elsewhere')).toBe(readFileSync(dumpFile, 'utf8'));
      expect(await countOfSchemas()).toBe('0');
    });

    it('printed as one script and run by other means, they are found done, with the same schema', async () => {
      const { executor } = opened;
      const printed = printMigrations(schema);
      if (E.isLeft(printed)) throw new Error(printed.left.reason);
      await executor.transaction(({ run }) => run(`commit;\n${printed.right}\nbegin;`));
      expect((await migrate(executor, { schema })).run).toEqual([]);
      expect(await dumpSchema(opened.sql, schema)).toBe(readFileSync(dumpFile, 'utf8'));
    });

    it('several at once: each runs once', async () => {
      const { executor } = opened;
      const reports = await Promise.all(Array.from({ length: 4 }, () => migrate(executor, { schema })));
      expect(reports.flatMap(({ run }) => run).sort()).toEqual(files);
    });

    it('one that says something else now is MigrationChanged', async () => {
      const { executor } = opened;
      await migrate(executor, { schema });
      await opened.sql(`update ${schema}.migrations set checksum = 'another' where id = 1`);
      expect(await rejection(migrate(executor, { schema }))).toMatchObject({
        _tag: 'MigrationChanged',
        file: files[0],
      });
    });

    it('one of a newer program is MigrationUnknown, and nothing is run', async () => {
      const { executor } = opened;
      await migrate(executor, { schema, migrations: oneMore('create table more (a integer)') });
      expect(await rejection(migrate(executor, { schema }))).toMatchObject({
        _tag: 'MigrationUnknown',
        id: 9_000,
        name: '9000.do.more.sql',
      });
    });

    it('one that fails is MigrationFailed with the file and the reason, is rolled back whole, and can be mended', async () => {
      const { executor } = opened;
      const bad = oneMore('create table half (a integer); create table nonsense (a no_such_type);');
      const failure = await rejection(migrate(executor, { schema, migrations: bad }));
      expect(failure).toMatchObject({ _tag: 'MigrationFailed', file: '9000.do.more.sql' });
      expect((failure as { message: string }).message).toMatch(/no_such_type/);
      expect(await opened.sql(`select to_regclass('${schema}.half')::text as half`)).toEqual([
        { half: null },
      ]);
      const report = await migrate(executor, {
        schema,
        migrations: oneMore('create table half (a integer)'),
      });
      expect(report.run).toEqual(['9000.do.more.sql']);
    });

    it('a store that was restored into another cluster says so, and is adopted: events are read again, in a new epoch', async () => {
      const { executor } = opened;
      await migrate(executor, { schema });
      const statements = statementsOf(schema);
      const store = sqlStore({
        name: 'restored',
        executor,
        statements,
        limits: sqlLimits(),
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
        resolveOutcomeMs: 1_000,
      });
      const [one, two] = [aStream(), aStream()];
      const [first, second, third] = [events(2), events(2), events(1)];
      await append(store, one, first, noStream);
      await append(store, two, second, noStream);
      await append(store, one, third, any);
      const before = await right(store.epoch());
      const position = (await right(store.readAll({}))).last;
      await right(store.checkpoints.save('reader', { position, epoch: before }));
      // As a dump of an older cluster, whose transactions had come further, looks in this one.
      await opened.sql(`update ${schema}.events set transaction_id = '18446744073709551000'::xid8`);
      await opened.sql(`update ${schema}.streams set transaction_id = '18446744073709551000'::xid8`);
      await opened.sql(`update ${schema}.store_info set system_identifier = '1'`);
      expect((await right(store.readAll({}))).events).toEqual([]);
      expect((await refused(store.epoch(), 'StoreUnavailable')).message).toMatch(/watersmeet migrate/);
      expect((await migrate(executor, { schema, dryRun: true })).adopted).toBe(true);
      expect(await epochOf(executor.query, statements)).toMatchObject({ _tag: 'Left' });

      expect((await migrate(executor, { schema })).adopted).toBe(true);
      expect((await migrate(executor, { schema })).adopted).toBe(false);
      const after = await right(store.epoch());
      expect(after).not.toBe(before);
      const all = await right(store.readAll({}));
      expect(idsOf(all.events)).toEqual(idsOf([...first, ...second, ...third]));
      const more = events(1);
      const { position: end } = await append(store, one, more, any);
      expect(idsOf(await allThrough(store, { after: all.last }, end))).toEqual(idsOf(more));
      await refused(store.checkpoints.save('reader', { position, epoch: before }), 'EpochChanged');
    });
  });
}
