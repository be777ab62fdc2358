/** Starts PGlite on a directory or in memory, and says in one line why it cannot. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { taggedError } from '../../core/fault.js';
import type { StoreUnavailable } from '../../store/event-store.js';
import { messageOf } from '../postgres/executor.js';
import type { DriverMissing } from '../postgres/index.js';
import type { PGliteDatabase } from './pglite-executor.js';
import { sha256, templateFor } from './template.js';

interface PGliteConfig {
  readonly dataDir?: string;
  readonly loadDataDir?: Blob;
  readonly relaxedDurability: false;
}

interface PGliteInstance extends PGliteDatabase {
  readonly waitReady: Promise<void>;
  dumpDataDir(compression: 'none'): Promise<Blob>;
}

type PGliteClass = new (config: PGliteConfig) => PGliteInstance;

const loadPGlite = async (): Promise<PGliteClass> => {
  try {
    return ((await import('@electric-sql/pglite')) as unknown as { readonly PGlite: PGliteClass }).PGlite;
  } catch {
    const message = 'PGlite is not installed: npm install @electric-sql/pglite';
    throw taggedError<DriverMissing>({ _tag: 'DriverMissing', driver: '@electric-sql/pglite', message });
  }
};

const unavailable = (message: string): Error =>
  taggedError<StoreUnavailable>({ _tag: 'StoreUnavailable', message });

/** Where it cannot start, PGlite leaves the exit code of its server as that of the process. */
const withExitCodeKept = async <T>(work: () => Promise<T>): Promise<T> => {
  const before = process.exitCode;
  try {
    return await work();
  } catch (error) {
    process.exitCode = before;
    throw error;
  }
};

const boot = (
  PGlite: PGliteClass,
  place: string,
  dataDir: string | undefined,
  loadDataDir?: Blob,
): Promise<PGliteInstance> =>
  withExitCodeKept(async () => {
    try {
      const at = dataDir === undefined ? {} : { dataDir };
      const database = new PGlite({ ...at, ...(loadDataDir && { loadDataDir }), relaxedDurability: false });
      await database.waitReady;
      return database;
    } catch (error) {
      throw unavailable(`PGlite cannot start on ${place}: ${messageOf(error)}`);
    }
  });

const versionOf = async (database: PGliteInstance): Promise<string> =>
  JSON.stringify((await database.query('select version() as version')).rows);

/** Starts on nothing: from the copy where there is a good one, else the slow way, leaving a copy for the next time. */
const startFresh = async (
  PGlite: PGliteClass,
  place: string,
  dataDir: string | undefined,
  empty: () => void,
): Promise<PGliteInstance> => {
  const template = templateFor(sha256(PGlite.toString()).slice(0, 16));
  const copy = await template.load();
  if (copy !== undefined) {
    try {
      const database = await boot(PGlite, place, dataDir, copy);
      await versionOf(database);
      return database;
    } catch {
      empty();
    }
  }
  const database = await boot(PGlite, place, dataDir);
  await template.save(await database.dumpDataDir('none'));
  return database;
};

export const startInMemory = async (): Promise<PGliteDatabase> =>
  startFresh(await loadPGlite(), 'memory', undefined, () => undefined);

type Found = 'nothing' | 'data' | 'something else';

const lookAt = (directory: string): Found => {
  if (!existsSync(directory)) return 'nothing';
  if (!statSync(directory).isDirectory()) return 'something else';
  const entries = readdirSync(directory);
  if (entries.length === 0) return 'nothing';
  return entries.includes('PG_VERSION') ? 'data' : 'something else';
};

// Not `recursive`: on file systems that take no directories, as /proc, Node's own tries for ever.
const makeDirectories = (directory: string): void => {
  if (existsSync(directory)) return;
  makeDirectories(dirname(directory));
  try {
    mkdirSync(directory);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
};

/** Makes the directory's parents. */
export const prepareDirectory = (directory: string): void => {
  try {
    makeDirectories(dirname(directory));
  } catch (error) {
    throw unavailable(`${directory} cannot be made: ${messageOf(error)}`);
  }
};

/** Starts on a directory that is locked by the caller. */
export const startInDirectory = async (directory: string): Promise<PGliteDatabase> => {
  const PGlite = await loadPGlite();
  // Stands beside the directory while it is being made: whoever finds it, and holds the lock, may begin anew, because
  // nobody was told yet that the store is open.
  const unfinished = `${directory}.unfinished`;
  const empty = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    if (existsSync(unfinished)) empty();
    const found = lookAt(directory);
    if (found === 'something else')
      throw unavailable(
        `${directory} is no PGlite directory: it holds other files; name an empty or a new one`,
      );
    if (found === 'data') return await boot(PGlite, directory, directory);
    writeFileSync(unfinished, '');
    const database = await startFresh(PGlite, directory, directory, empty);
    rmSync(unfinished, { force: true });
    return database;
  } catch (error) {
    if ((error as { tagged?: unknown }).tagged !== undefined) throw error;
    throw unavailable(`${directory} cannot be used: ${messageOf(error)}`);
  }
};
