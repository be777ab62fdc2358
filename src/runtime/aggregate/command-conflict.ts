/** What a conflict of an aggregate's writers says: who expected what, what stands there, what each side wanted, what to do. */
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../../core/codec.js';
import type { EventData } from '../../core/event.js';
import {
  exactly,
  expectedAfter,
  type ExpectedVersion,
  noStream,
  type StreamVersion,
} from '../../core/stream.js';
import type { VersionConflict } from '../../store/event-store.js';
import type { Source } from './aggregate-context.js';
import { type ConcurrencyConflict, concurrencyConflict, conflictEventsMax } from './concurrency-conflict.js';

/** The expectation of a writer who decided on `version`. */
export const at = (version: StreamVersion): ExpectedVersion => (version === 0 ? noStream : exactly(version));

const callersAdvice = (expected: ExpectedVersion, actual: StreamVersion): string => {
  switch (expected._tag) {
    case 'noStream':
      return 'Nothing was written. It exists already: use another id, or send the command without expecting noStream.';
    case 'streamExists':
      return 'Nothing was written. There is no such stream: look at the id, or create it first.';
    case 'exactly':
      return actual < expected.version
        ? 'Nothing was written. The stream is shorter than what was seen: look whether it is the same store, and read it again.'
        : 'Nothing was written. Show what happened since, and send the command again with the version that was shown.';
    case 'any':
      return 'Nothing was written. Send the command again.';
  }
};

/** The stream is not as the caller saw it; what was written since is read for the explanation alone. */
export const callersConflict = async <Events extends Definitions, State>(
  { context, tenant, streamName }: Source<Events, State>,
  expected: ExpectedVersion,
  actual: StreamVersion,
): Promise<ConcurrencyConflict> => {
  const from = expectedAfter(expected) + 1;
  const since = await context.store.readStream({ tenant, streamName, from, maxCount: conflictEventsMax })();
  const theirEvents = E.isRight(since) ? since.right.events : [];
  const theirs = theirEvents.map(({ type }) => type);
  return concurrencyConflict(
    { streamName, expected, actual, attempts: 1, ours: [], theirs, theirEvents, strategy: 'expectedVersion' },
    callersAdvice(expected, actual),
  );
};

/** An append was refused and will not be tried again. */
export const lastConflict = (
  refusal: VersionConflict,
  attempts: number,
  ourEvents: ReadonlyArray<EventData>,
  callerExpected: ExpectedVersion,
): ConcurrencyConflict => {
  const { streamName, expected, actual } = refusal;
  const theirEvents = (refusal.tail ?? []).slice(0, conflictEventsMax);
  const theirs = theirEvents.map(({ type }) => type);
  const ours = ourEvents.map(({ type }) => type);
  const isPinned = callerExpected._tag === 'exactly' || callerExpected._tag === 'noStream';
  const advice = isPinned
    ? callersAdvice(callerExpected, actual)
    : 'Nothing was written. The stream is busy: send the command again later, raise retry.attemptsMax, or split the stream.';
  const strategy = isPinned ? 'expectedVersion' : 'retry';
  return concurrencyConflict(
    { streamName, expected, actual, attempts, ours, theirs, ourEvents, theirEvents, strategy },
    advice,
  );
};
