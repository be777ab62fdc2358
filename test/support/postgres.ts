/** Databases of the PostgreSQL that the tests share. */
import { createDatabase, dropDatabase } from './embedded-postgres.mjs';

export { databaseOf, dropDatabase, runOn, withDatabase } from './embedded-postgres.mjs';

export const serverVariable = 'WATERSMEET_TEST_SERVER';
export const templateVariable = 'WATERSMEET_TEST_TEMPLATE';
export const withoutVariable = 'WATERSMEET_TEST_WITHOUT';

/** Why PostgreSQL cannot run here; undefined where it can. */
export const whyNoServer = (): string | undefined => process.env[withoutVariable];

export const serverUrl = (): string => {
  const url = process.env[serverVariable];
  if (url === undefined) throw new Error(whyNoServer() ?? 'the global setup did not start PostgreSQL');
  return url;
};

/** A migrated, empty database. */
export const migratedDatabase = (): Promise<string> =>
  createDatabase(serverUrl(), process.env[templateVariable]);

/** A database without our schema. */
export const bareDatabase = (): Promise<string> => createDatabase(serverUrl());

export const dropTestDatabase = (url: string): Promise<void> => dropDatabase(serverUrl(), url);
