/**
 * Before all tests: a real PostgreSQL for each worker, and in it a migrated database that each suite gets a copy of. They share no server, because
 * an open transaction holds back the global order of all its databases.
 */
import * as E from 'fp-ts/lib/Either.js';
import { migratePostgres } from '../../src/adapters/postgres/index.js';
import { taggedError } from '../../src/core/fault.js';
import { createDatabase, databaseOf, startPostgres, whyNoPostgres } from './embedded-postgres.mjs';
import { serversVariable, type TestServer, withoutVariable } from './postgres.js';

type Stop = () => Promise<void>;

const startServer = async (): Promise<{ readonly server: TestServer; readonly stop: Stop }> => {
  const { url, stop } = await startPostgres();
  const template = await createDatabase(url);
  const migrated = await migratePostgres({ connectionString: template })();
  if (E.isLeft(migrated)) throw taggedError(migrated.left);
  return { server: { url, template: databaseOf(template) }, stop };
};

export default async ({ maxWorkers }: { readonly maxWorkers: number }): Promise<void> => {
  const reason = whyNoPostgres();
  if (reason !== undefined) {
    process.env[withoutVariable] = reason;
    return;
  }
  const started = await Promise.all(Array.from({ length: maxWorkers }, startServer));
  process.env[serversVariable] = JSON.stringify(started.map(({ server }) => server));
  (globalThis as { stopTestPostgres?: Stop }).stopTestPostgres = async () => {
    await Promise.all(started.map(({ stop }) => stop()));
  };
};
