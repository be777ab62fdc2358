/** What the server's answer to an append means: a result, or a conflict with what was written since. */
import type * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { streamIdOf } from '../../core/eventstoredb/stream-id.js';
import {
  comparePositions,
  expectedAfter,
  type Position,
  startPosition,
  type StreamVersion,
} from '../../core/stream.js';
import type { AppendError, AppendResult, VersionConflict } from '../../store/event-store.js';
import { type CheckedAppend, pageMax } from '../../store/limits.js';
import type { RawAppend, RawAppended } from './connection.js';
import type { StoreContext } from './context.js';
import { serverTypes } from './filter.js';
import { placed } from './reading.js';
import { recordedOf } from './wire.js';

export type Outcome = E.Either<AppendError, AppendResult>;

/** An append that is on its way. */
export interface Sending {
  readonly request: CheckedAppend;
  readonly raw: RawAppend;
  /** The latest place that was seen before it was sent: what is answered with an earlier one had been written before. */
  readonly before: Position;
}

/** The stream moved on: where it stands, and what was written since, as far as the writer asked and the batch needs comparing. */
export const conflictOf = async (
  { connection }: StoreContext,
  { tenant, streamName, expected, events, tailMax }: CheckedAppend,
  actual: StreamVersion,
): Promise<VersionConflict> => {
  const after = expectedAfter(expected);
  const count = Math.min(actual - after, Math.max(tailMax, Math.min(events.length, pageMax)));
  const key = { tenant, streamName };
  let tail: ReadonlyArray<RecordedEvent> = [];
  if (count > 0) {
    const from = (after + 1) as StreamVersion;
    const page = await connection.read({ streamId: streamIdOf(key), backwards: false, from, count });
    tail = page.events
      .filter(({ type, version }) => version <= actual && !serverTypes.has(type))
      .flatMap((raw) => recordedOf(placed(raw), key) ?? []);
  }
  const ids = new Set(events.map(({ eventId }) => eventId));
  return {
    _tag: 'VersionConflict',
    ...key,
    expected,
    actual,
    tail: tailMax === 0 ? undefined : tail.slice(0, tailMax),
    alreadyRecorded: tail.map(({ eventId }) => eventId).filter((eventId) => ids.has(eventId)),
  };
};

const positionAt = async (
  { connection }: StoreContext,
  { streamId }: RawAppend,
  version: StreamVersion,
): Promise<Position> => {
  const { events } = await connection.read({ streamId, backwards: false, from: version, count: 1 });
  return events[0] === undefined ? startPosition : (placed(events[0]).position ?? startPosition);
};

export const resultOf = async (
  context: StoreContext,
  { request, raw, before }: Sending,
  { version, position: told }: RawAppended,
): Promise<AppendResult> => {
  // A server that recognised a repeat may leave out where it stands.
  const position = told ?? (await positionAt(context, raw, version));
  context.seen.note(position);
  const idempotent = told === undefined || comparePositions(position, before) <= 0;
  return { streamName: request.streamName, version, position, idempotent };
};
