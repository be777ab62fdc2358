/** Where `watersmeet replay` takes its history from: a fixture, or a stream of a store. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RecordedEvent } from '../core/event.js';
import { taggedError, taggedOf, toPromise } from '../core/fault.js';
import { escapeForDisplay } from '../core/stream.js';
import type { EventStore } from '../store/event-store.js';
import type { Snapshot, Snapshots } from '../store/snapshots.js';
import type { FixtureEvent } from '../testing/replay/fixture.js';
import { loadFixture } from '../testing/replay/fixture-read.js';
import { readHistory } from '../testing/replay/replay.js';
import type { UnknownStore } from './failure.js';
import { checkedStream, lookInto, type LookOptions, tenantOption } from './look.js';
import { streamMissing } from './stream-missing.js';
import type { Session } from './session.js';

export interface LoadedHistory {
  /** For people. */
  readonly from: string;
  readonly events: ReadonlyArray<RecordedEvent & Partial<FixtureEvent>>;
  readonly snapshots: ReadonlyArray<Snapshot>;
}

/** The file's path, where the argument means one: there it is, or it is written as a path. `--store` means a stream. */
export const fixturePath = (session: Session, name: string, { store }: LookOptions): string | undefined => {
  if (store !== undefined) return undefined;
  const path = resolve(session.cwd, name);
  return existsSync(path) || /[\\/]|\.(jsonl|ndjson|json|gz)$/.test(name) ? path : undefined;
};

const snapshotsOf = async (
  store: EventStore & { readonly snapshots?: Snapshots },
  key: Parameters<Snapshots['load']>[0],
): Promise<ReadonlyArray<Snapshot>> => {
  const found = store.snapshots && (await toPromise(store.snapshots.load(key)));
  return found === undefined ? [] : [found];
};

/** Without a store it may well have been meant as a file. */
const lookIntoStream = <A>(
  session: Session,
  name: string,
  options: LookOptions,
  work: (store: EventStore) => Promise<A>,
): Promise<A> => {
  try {
    return lookInto(session, options, work);
  } catch (error) {
    const told = taggedOf(error) as UnknownStore | undefined;
    if (told?._tag !== 'UnknownStore' || options.store !== undefined) throw error;
    const message = `there is no file ${escapeForDisplay(name, 200)}, and for a stream: ${told.message}`;
    throw taggedError<UnknownStore>({ ...told, message });
  }
};

export const loadHistory = async (
  session: Session,
  name: string,
  options: LookOptions,
): Promise<LoadedHistory> => {
  const path = fixturePath(session, name, options);
  if (path !== undefined) {
    // Messages name the file as it was typed.
    const { events } = await loadFixture(session.cwd === process.cwd() ? name : path);
    return { from: escapeForDisplay(name, 300), events, snapshots: [] };
  }
  const streamName = checkedStream(name);
  return lookIntoStream(session, name, options, async (store) => {
    const tenant = tenantOption(options);
    const events = await readHistory(store, streamName, tenant);
    if (events.length === 0)
      throw streamMissing(name, options.store === undefined ? 'file or stream' : 'stream');
    const snapshots = await snapshotsOf(store, { streamName, ...tenant });
    return { from: escapeForDisplay(name, 300), events, snapshots };
  });
};
