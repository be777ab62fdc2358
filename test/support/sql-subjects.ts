/** The two databases that run our SQL, bare, for tests of migrations and statements. */
import pg from 'pg';
import { openPGliteExecutor } from '../../src/adapters/pglite/index.js';
import type { Executor } from '../../src/adapters/postgres/executor.js';
import { pgExecutor, type PgPool } from '../../src/adapters/postgres/pg-executor.js';
import { bareDatabase, dropTestDatabase, whyNoServer } from './postgres.js';

export interface OpenedDatabase {
  readonly executor: Executor;
  /** Runs text of a test's own; answers every column as text. */
  readonly sql: (text: string) => Promise<ReadonlyArray<Readonly<Record<string, string | null>>>>;
  readonly dispose: () => Promise<void>;
}

export interface SqlSubject {
  readonly name: string;
  readonly skip: string | undefined;
  readonly open: () => Promise<OpenedDatabase>;
}

const openedWith = (executor: Executor, drop: () => Promise<void>): OpenedDatabase => ({
  executor,
  sql: (text) => executor.query({ name: '', text }),
  dispose: async () => {
    await executor.close();
    await drop();
  },
});

export const sqlSubjects: ReadonlyArray<SqlSubject> = [
  {
    name: 'postgres',
    skip: whyNoServer(),
    open: async () => {
      const url = await bareDatabase();
      const pool: PgPool = new pg.Pool({ connectionString: url, max: 8 });
      return openedWith(pgExecutor(pool, { prepare: false, endsPool: true }), () => dropTestDatabase(url));
    },
  },
  {
    name: 'pglite',
    skip: undefined,
    open: async () => openedWith((await openPGliteExecutor('memory')).executor, async () => undefined),
  },
];
