/** From `--store` to an open store. Drivers are loaded only where they are asked for. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { memoryStore } from '../adapters/memory/index.js';
import { taggedError, toPromise } from '../core/fault.js';
import type { EventStore } from '../store/event-store.js';
import type { BadOption, StoreMissing, UnknownStore } from './failure.js';
import type { Session } from './session.js';

export type StorePlace =
  | { readonly kind: 'memory'; readonly shown: string }
  /** `directory` is absolute, or `memory` where nothing is kept. */
  | { readonly kind: 'pglite'; readonly shown: string; readonly directory: string }
  | { readonly kind: 'postgres'; readonly shown: string; readonly url: string }
  | { readonly kind: 'eventstoredb'; readonly shown: string; readonly url: string };

export interface StoreOptions {
  readonly store?: string;
  readonly schema?: string;
}

const kinds =
  'memory, pglite:<directory>, postgres://user@host/database or esdb://host:port (kurrentdb:// is the same)';

const unknownStore = (message: string): Error => taggedError<UnknownStore>({ _tag: 'UnknownStore', message });

/** What may be shown of an address: a password never. */
const withoutPassword = (url: string): string => {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    return parsed.href;
  } catch {
    return `${url.slice(0, url.indexOf('://'))}://...`;
  }
};

export const parseStore = (text: string, cwd: string): StorePlace => {
  if (text === 'memory') return { kind: 'memory', shown: text };
  if (/^postgres(ql)?:\/\//.test(text)) return { kind: 'postgres', shown: withoutPassword(text), url: text };
  if (/^(esdb|kurrentdb|kdb)(\+discover)?:\/\//.test(text))
    return { kind: 'eventstoredb', shown: withoutPassword(text), url: text };
  if (text.startsWith('pglite:')) {
    const directory = text.slice('pglite:'.length);
    if (directory === '')
      throw unknownStore('pglite: must be followed by a directory, as in pglite:.watersmeet/loans');
    return {
      kind: 'pglite',
      shown: text,
      directory: directory === 'memory' ? directory : resolve(cwd, directory),
    };
  }
  const shown = text.includes('://') ? withoutPassword(text) : text;
  throw unknownStore(`unknown store ${JSON.stringify(shown)}; it must be ${kinds}`);
};

const folder = '.watersmeet';

/** `loans` for `/data/loans.xes.gz`. */
const logName = (input: string): string => basename(input).replace(/\.[^.]+(\.gz)?$/, '') || 'log';

/** Where `run` keeps what it does: as told, or one embedded database for each log. */
export const storeForInput = (session: Session, { store }: StoreOptions, input: string): StorePlace =>
  parseStore(
    store ?? session.env['WATERSMEET_STORE'] ?? `pglite:${join(folder, logName(input))}`,
    session.cwd,
  );

const keptStores = (cwd: string): ReadonlyArray<string> => {
  try {
    const entries = readdirSync(join(cwd, folder), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name);
  } catch {
    return [];
  }
};

/** The store that commands look into: as told, or the only one that `run` has made here. */
export const storeToLookInto = (session: Session, { store }: StoreOptions): StorePlace => {
  const told = store ?? session.env['WATERSMEET_STORE'];
  if (told !== undefined) {
    const place = parseStore(told, session.cwd);
    if (place.kind === 'memory' || (place.kind === 'pglite' && place.directory === 'memory'))
      throw unknownStore(
        `${place.shown} ends with the process that filled it; name a store that is kept: ${kinds}`,
      );
    return place;
  }
  const kept = keptStores(session.cwd);
  const [only] = kept;
  if (kept.length === 1 && only !== undefined) return parseStore(`pglite:${join(folder, only)}`, session.cwd);
  const choice = kept.map((name) => `pglite:${join(folder, name)}`).join(', ');
  throw unknownStore(
    kept.length === 0
      ? `which store? Name it with --store or WATERSMEET_STORE: ${kinds}`
      : `which store? Name one with --store: ${choice}`,
  );
};

export const storeMissing = (place: StorePlace): Error =>
  taggedError<StoreMissing>({
    _tag: 'StoreMissing',
    message: `there is no store at ${place.shown}; watersmeet run and watersmeet migrate make one`,
  });

/** Whether an embedded database is in the directory; stores elsewhere are asked when they are opened. */
export const isThere = (place: StorePlace): boolean =>
  place.kind !== 'pglite' || place.directory === 'memory' || existsSync(place.directory);

export interface Opening {
  readonly schema: string | undefined;
  /** Connections at most, where there are any. */
  readonly poolMax: number;
  /** Make an embedded database where none is. */
  readonly create: boolean;
}

const open = async (place: StorePlace, { schema, poolMax, create }: Opening): Promise<EventStore> => {
  const inSchema = schema === undefined ? {} : { schema };
  switch (place.kind) {
    case 'memory':
      return memoryStore();
    case 'pglite': {
      if (!create && !isThere(place)) throw storeMissing(place);
      const { openPGlite } = await import('../adapters/pglite/index.js');
      return toPromise(openPGlite({ directory: place.directory, ...inSchema, migrate: create }));
    }
    case 'postgres': {
      const { openPostgres } = await import('../adapters/postgres/index.js');
      return toPromise(openPostgres({ connectionString: place.url, ...inSchema, poolMax }));
    }
    case 'eventstoredb': {
      if (schema !== undefined)
        throw taggedError<BadOption>({
          _tag: 'BadOption',
          option: '--schema',
          message: `${place.shown} has no schemas; they are PostgreSQL's`,
        });
      const { openEventStoreDB } = await import('../adapters/eventstoredb/index.js');
      return toPromise(openEventStoreDB({ connectionString: place.url }));
    }
  }
};

/** Opens, works, and closes on every path: a directory would stay locked otherwise. */
export const withStore = async <A>(
  place: StorePlace,
  opening: Opening,
  work: (store: EventStore) => Promise<A>,
): Promise<A> => {
  const store = await open(place, opening);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
};
