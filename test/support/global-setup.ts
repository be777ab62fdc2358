/** Before all tests: one real PostgreSQL, and a migrated database that each suite gets a copy of. */
import * as E from 'fp-ts/lib/Either.js';
import { migratePostgres } from '../../src/adapters/postgres/index.js';
import { taggedError } from '../../src/core/fault.js';
import { createDatabase, databaseOf, startPostgres, whyNoPostgres } from './embedded-postgres.mjs';
import { serverVariable, templateVariable, withoutVariable } from './postgres.js';

export default async (): Promise<void> => {
  const reason = whyNoPostgres();
  if (reason !== undefined) {
    process.env[withoutVariable] = reason;
    return;
  }
  const server = await startPostgres();
  const template = await createDatabase(server.url);
  const migrated = await migratePostgres({ connectionString: template })();
  if (E.isLeft(migrated)) throw taggedError(migrated.left);
  process.env[serverVariable] = server.url;
  process.env[templateVariable] = databaseOf(template);
  (globalThis as { stopTestPostgres?: () => Promise<void> }).stopTestPostgres = server.stop;
};
