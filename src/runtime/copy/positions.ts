/** Where the copied events stand on both sides, and what a subscriber's checkpoint becomes by that. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { taggedError, toPromise } from '../../core/fault.js';
import { comparePositions, type Position, startPosition } from '../../core/stream.js';
import { keyOf } from '../../core/stream-digest.js';
import type { Checkpoint, CheckpointError, EventStore } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import { realEnvironment } from '../environment.js';
import { lifted } from './lifted.js';
import { type CopyScope, pagesOf } from './pages.js';

/** The place of an event in the source, and the place of the same event in the target. */
export type PositionPair = readonly [source: Position, target: Position];

export interface PositionPairsOptions extends CopyScope {
  /** Events of the source after this position. Default: from the beginning. */
  readonly after?: Position;
  /** Ends the pairs between two pages. */
  readonly signal?: AbortSignal;
}

/** Positions in the target of the same events; what is not there has none. */
const placesOf = async (
  to: EventStore,
  events: ReadonlyArray<RecordedEvent>,
): Promise<ReadonlyMap<number, Position>> => {
  const places = new Map<number, Position>();
  const [first, last] = [events[0], events.at(-1)];
  if (first === undefined || last === undefined) return places;
  const { tenant, streamName } = first;
  const ids = new Map(events.map(({ version, eventId }) => [version as number, eventId]));
  let from: number | undefined = first.version;
  while (from !== undefined && from <= last.version) {
    const maxCount = Math.min(pageMax, last.version - from + 1);
    const read = await to.readStream({ tenant, streamName, from, maxCount, includeArchived: true })();
    if (E.isLeft(read) && read.left._tag === 'StreamTombstoned') break;
    if (E.isLeft(read)) throw taggedError(read.left);
    for (const { version, eventId, position } of read.right.events)
      if (ids.get(version) === eventId) places.set(version, position);
    from = read.right.next;
  }
  return places;
};

/**
 * The places of all events that both stores hold, in the source's order; events that were not copied have no pair. Both stores are read
 * for it. Iteration rejects with a `TaggedError` of `ReadAllError`.
 */
export async function* positionPairs(
  from: EventStore,
  to: EventStore,
  { after = startPosition, signal, ...scope }: PositionPairsOptions = {},
): AsyncGenerator<PositionPair, void, undefined> {
  const reading = {
    store: from,
    scope,
    environment: realEnvironment,
    maxCount: pageMax,
    heldBackMaxMs: 0,
    signal,
  };
  for await (const { events } of pagesOf(reading, after)) {
    const byStream = new Map<string, RecordedEvent[]>();
    for (const event of events) {
      const key = keyOf(event.tenant, event.streamName);
      const others = byStream.get(key);
      if (others === undefined) byStream.set(key, [event]);
      else others.push(event);
    }
    const places = new Map<string, ReadonlyMap<number, Position>>();
    for (const [key, own] of byStream) places.set(key, await placesOf(to, own));
    for (const { tenant, streamName, version, position } of events) {
      const place = places.get(keyOf(tenant, streamName))?.get(version);
      if (place !== undefined) yield [position, place];
    }
  }
}

/**
 * The last place in the target up to which somebody who has seen the source up to `seen` has seen everything. Who reads on after it
 * misses nothing; and meets nothing twice where the target's order is the source's, as `strict` copies into an empty store have it.
 * `pairs` is iterated twice.
 */
export const translatePosition = async (
  pairs: () => AsyncIterable<PositionPair>,
  seen: Position,
): Promise<Position> => {
  let firstUnseen: Position | undefined;
  const isBeforeUnseen = (place: Position): boolean =>
    firstUnseen === undefined || comparePositions(place, firstUnseen) < 0;
  for await (const [source, target] of pairs())
    if (comparePositions(source, seen) > 0 && isBeforeUnseen(target)) firstUnseen = target;
  let last = startPosition;
  for await (const [source, target] of pairs())
    if (comparePositions(source, seen) <= 0 && isBeforeUnseen(target) && comparePositions(target, last) > 0)
      last = target;
  return last;
};

/**
 * Gives a subscriber the checkpoint in the target that it has in the source, so that it goes on there. `undefined` where it has none.
 * `EpochChanged` where its checkpoint is of a former life of the source. A later checkpoint that the target has is kept.
 */
export const moveCheckpoint = (
  from: EventStore,
  to: EventStore,
  subscriber: string,
  pairs: () => AsyncIterable<PositionPair> = () => positionPairs(from, to),
): TaskEither<CheckpointError, Checkpoint | undefined> =>
  lifted(async () => {
    const checkpoint = await toPromise(from.checkpoints.load(subscriber));
    if (checkpoint === undefined) return undefined;
    const storeEpoch = await toPromise(from.epoch());
    if (checkpoint.epoch !== storeEpoch)
      throw taggedError({ _tag: 'EpochChanged', checkpointEpoch: checkpoint.epoch, storeEpoch });
    const position = await translatePosition(pairs, checkpoint.position);
    const moved = { position, epoch: await toPromise(to.epoch()) };
    await toPromise(to.checkpoints.save(subscriber, moved));
    return moved;
  });
