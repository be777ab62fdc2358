/** Databases of the PostgreSQL that the tests of one worker share. */
import { createDatabase, dropDatabase } from './embedded-postgres.mjs';

export { databaseOf, dropDatabase, runOn, withDatabase } from './embedded-postgres.mjs';

export const serversVariable = 'WATERSMEET_TEST_SERVERS';
export const withoutVariable = 'WATERSMEET_TEST_WITHOUT';

export interface TestServer {
  readonly url: string;
  /** Name of a migrated, empty database that is only copied. */
  readonly template: string;
}

/** Why PostgreSQL cannot run here; undefined where it can. */
export const whyNoServer = (): string | undefined => process.env[withoutVariable];

/** The server of this worker. */
const ownServer = (): TestServer => {
  const servers = JSON.parse(process.env[serversVariable] ?? '[]') as ReadonlyArray<TestServer>;
  const own = servers[Number(process.env['JEST_WORKER_ID'] ?? 1) - 1];
  if (own === undefined) throw new Error(whyNoServer() ?? 'the global setup did not start PostgreSQL');
  return own;
};

export const serverUrl = (): string => ownServer().url;

/** A migrated, empty database. */
export const migratedDatabase = (): Promise<string> => createDatabase(serverUrl(), ownServer().template);

/** A database without our schema. */
export const bareDatabase = (): Promise<string> => createDatabase(serverUrl());

export const dropTestDatabase = (url: string): Promise<void> => dropDatabase(serverUrl(), url);
