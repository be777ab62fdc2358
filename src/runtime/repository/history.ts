/** What people see of an aggregate's past: its revisions, with who made them and when; and beside them the system's operations. */
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import { saveHeaderOf, saveMark } from '../../core/concurrency/save-header.js';
import type { StreamVersion } from '../../core/stream.js';
import { checkCount } from '../../store/checks.js';
import type { Direction, ReadError } from '../../store/event-store.js';
import type { Source } from '../aggregate/aggregate-context.js';
import { load, type LoadAggregateError } from '../aggregate/load-aggregate.js';

/** What one save, or one event without a save, left in the stream. */
export interface HistoryEntry {
  /** `metadata.actor`. */
  readonly by: string | undefined;
  /** When it was recorded, ISO 8601 with milliseconds, by the store's clock. */
  readonly at: string;
  /** As recorded, oldest first. */
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly fromVersion: StreamVersion;
  readonly toVersion: StreamVersion;
  readonly saveId: string | undefined;
}

/** Work of an editor. */
export interface Revision extends HistoryEntry {
  /** 1 is the first. */
  readonly revision: number;
}

/** Work of the system. */
export interface Operation extends HistoryEntry {
  /** Its name; undefined where it was written without one. */
  readonly operation: string | undefined;
}

/** Where a page begins. Take it from `next` of the page before. */
export interface HistoryPlace {
  readonly version: number;
  readonly revision: number;
}

export interface HistoryRequest {
  /** `forwards`: oldest first. Default `backwards`, newest first. */
  readonly direction?: Direction;
  /** Default: the beginning in this direction. */
  readonly from?: HistoryPlace;
  /** Entries a page, 1 to 512. Default 50. A page ends early where its events come to more than 4,096; no entry is ever cut. */
  readonly maxCount?: number;
}

export interface HistoryPage<Entry> {
  readonly entries: ReadonlyArray<Entry>;
  /** Where the next page begins; undefined where this was the last. */
  readonly next: HistoryPlace | undefined;
}

type Task<A> = Promise<E.Either<LoadAggregateError, A>>;
type Wanted = 'editors' | 'system';

const countDefault = 50;
const countMax = 512;
const eventsMax = 4_096;
const readCount = 512;

interface Group {
  readonly events: RecordedEvent[];
  readonly isSystem: boolean;
  readonly saveId: string | undefined;
}

/** Reads groups of events that were saved together, in this direction. A generator, so that only what a page needs is read. */
async function* groupsOf(
  { context, tenant, streamName }: Source<Definitions, unknown>,
  direction: Direction,
  from: number | undefined,
): AsyncGenerator<E.Either<ReadError, Group>> {
  let group: Group | undefined;
  let place = from;
  do {
    const request = { tenant, streamName, direction, maxCount: readCount };
    const page = await context.store.readStream({
      ...request,
      ...(place !== undefined && { from: place }),
    })();
    if (E.isLeft(page)) return yield page;
    for (const event of page.right.events) {
      const { id, isSystemWork } = saveMark(event.metadata);
      const isSame = id !== undefined && group?.saveId === id && group.isSystem === isSystemWork;
      if (isSame) {
        group?.events.push(event);
        continue;
      }
      if (group !== undefined) yield E.right(group);
      group = { events: [event], isSystem: isSystemWork, saveId: id };
    }
    place = page.right.next;
  } while (place !== undefined);
  if (group !== undefined) yield E.right(group);
}

const entryOf = ({ events, saveId }: Group, direction: Direction): HistoryEntry => {
  const inOrder = direction === 'forwards' ? events : events.toReversed();
  const first = inOrder[0] as RecordedEvent;
  const last = inOrder.at(-1) as RecordedEvent;
  return {
    by: last.metadata.actor,
    at: last.recordedAt,
    events: inOrder,
    fromVersion: first.version,
    toVersion: last.version,
    saveId,
  };
};

interface Filled {
  readonly groups: ReadonlyArray<Group>;
  /** Version of the first event that the next page may begin with. */
  readonly nextVersion: number | undefined;
}

/** Groups of the wanted kind until the page is full. */
const fill = async (
  source: Source<Definitions, unknown>,
  wanted: Wanted,
  direction: Direction,
  from: number | undefined,
  maxCount: number,
): Task<Filled> => {
  const groups: Group[] = [];
  let events = 0;
  for await (const group of groupsOf(source, direction, from)) {
    if (E.isLeft(group)) return group;
    if (group.right.isSystem !== (wanted === 'system')) continue;
    const isFull =
      groups.length === maxCount || (events > 0 && events + group.right.events.length > eventsMax);
    if (isFull) return E.right({ groups, nextVersion: group.right.events[0]?.version });
    groups.push(group.right);
    events += group.right.events.length;
  }
  return E.right({ groups, nextVersion: undefined });
};

interface Asked {
  readonly direction: Direction;
  readonly maxCount: number;
  readonly from: HistoryPlace | undefined;
}

const asked = ({ direction = 'backwards', maxCount, from }: HistoryRequest): E.Either<ReadError, Asked> => {
  const count = checkCount('maxCount', maxCount, countDefault, 1, countMax);
  return E.isLeft(count) ? count : E.right({ direction, maxCount: count.right, from });
};

/** The number that the first revision of a page has. */
const firstRevision = async (
  source: Source<Definitions, unknown>,
  { direction, from }: Asked,
): Task<HistoryPlace | undefined> => {
  if (from !== undefined) return E.right(from);
  if (direction === 'forwards') return E.right({ version: 1, revision: 1 });
  const loaded = await load(source, undefined);
  if (E.isLeft(loaded)) return loaded;
  const { version, about } = loaded.right;
  return E.right(version === 0 ? undefined : { version, revision: about.revision });
};

/** Revisions by page. Bounded memory: a page and the one save that does not fit any more. */
export const revisionsOf = async (
  source: Source<Definitions, unknown>,
  request: HistoryRequest,
): Task<HistoryPage<Revision>> => {
  const page = asked(request);
  if (E.isLeft(page)) return page;
  const place = await firstRevision(source, page.right);
  if (E.isLeft(place)) return place;
  if (place.right === undefined) return E.right({ entries: [], next: undefined });
  const { direction, maxCount } = page.right;
  const { version, revision: first } = place.right;
  const filled = await fill(source, 'editors', direction, version, maxCount);
  if (E.isLeft(filled)) return filled;
  const step = direction === 'forwards' ? 1 : -1;
  const { groups, nextVersion } = filled.right;
  const entries = groups.map((group, index) => ({
    revision: first + step * index,
    ...entryOf(group, direction),
  }));
  const next =
    nextVersion === undefined ? undefined : { version: nextVersion, revision: first + step * groups.length };
  return E.right({ entries, next });
};

/** The system's operations by page. */
export const operationsOf = async (
  source: Source<Definitions, unknown>,
  request: HistoryRequest,
): Task<HistoryPage<Operation>> => {
  const page = asked(request);
  if (E.isLeft(page)) return page;
  const { direction, maxCount, from } = page.right;
  const filled = await fill(source, 'system', direction, from?.version, maxCount);
  if (E.isLeft(filled)) return filled;
  const { groups, nextVersion } = filled.right;
  const entries = groups.map((group) => {
    const [event] = group.events;
    const operation = event === undefined ? undefined : saveHeaderOf(event)?.operation;
    return { operation, ...entryOf(group, direction) };
  });
  const next = nextVersion === undefined ? undefined : { version: nextVersion, revision: 0 };
  return E.right({ entries, next });
};
