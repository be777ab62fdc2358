/** Types of the starter of a real PostgreSQL, see embedded-postgres.mjs. */
export interface StartedPostgres {
  /** The server's first database, as a superuser. */
  readonly url: string;
  /** Stops the server and removes its data. */
  readonly stop: () => Promise<void>;
  /** Stops it with `immediate`, as a crash does, and starts it again after so many milliseconds. Absent where the server was given. */
  readonly crash?: (downMs: number) => Promise<void>;
  /** The folder of its data; absent where the server was given. */
  readonly data?: string;
  /** The server's own file with its process id; absent where the server was given. */
  readonly pidFile?: string;
}
export const whyNoPostgres: () => string | undefined;
export const startPostgres: (settings?: Readonly<Record<string, string | number>>) => Promise<StartedPostgres>;
export interface StartedStandby {
  readonly url: string;
  /** Holds it where it is. */
  readonly hold: () => Promise<void>;
  readonly goOn: () => Promise<void>;
  readonly stop: () => Promise<void>;
}
export const startStandby: (primary: StartedPostgres) => Promise<StartedStandby>;
export const runOn: (url: string, ...statements: string[]) => Promise<void>;
export const withDatabase: (url: string, database: string) => string;
export const createDatabase: (url: string, template?: string) => Promise<string>;
export const databaseOf: (url: string) => string;
export const dropDatabase: (url: string, databaseUrl: string) => Promise<void>;
