/** What a save that is not written says: which check failed or who was first, what both sides wanted, and what to do now. */
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import { saveMark } from '../../core/concurrency/save-header.js';
import { type ExpectedVersion, exactly, type StreamVersion } from '../../core/stream.js';
import type { Source } from '../aggregate/aggregate-context.js';
import { at } from '../aggregate/command-conflict.js';
import {
  type ConcurrencyConflict,
  concurrencyConflict,
  conflictEventsMax,
} from '../aggregate/concurrency-conflict.js';
import type { Look } from './check.js';
import type { Concrete } from './choice.js';
import type { SaveError } from './context.js';
import type { Stand } from './stand.js';
import { eventsOf, type SaveWork } from './work.js';

const adviceOf = (strategy: Concrete): string => {
  switch (strategy) {
    case 'expectedVersion':
    case 'token':
    case 'expectedRevision':
    case 'ifNotModifiedSince':
      return 'Nothing was written. Load it again, show what happened since, and make the change anew; or let a policy choose retry or merge.';
    case 'condition':
    case 'lastWriteWins':
      return 'Nothing was written. The stream is busy: save again later.';
    case 'retry':
      return 'Nothing was written. The stream is busy: save again later, raise attemptsMax, or let a policy choose pessimistic.';
    case 'pessimistic':
      return 'Nothing was written. Others write to the stream without its lock: let them take it too, or raise attemptsMax.';
    case 'merge':
      return 'Nothing was written. The stream is busy: save again later, or raise attemptsMax.';
  }
};

interface Lost {
  readonly expected: ExpectedVersion;
  readonly theirEvents: ReadonlyArray<RecordedEvent>;
  readonly advice: string;
}

const conflictOf = <State>(
  work: SaveWork<State>,
  { current, proposal }: Stand<State>,
  attempts: number,
  { expected, theirEvents, advice }: Lost,
): ConcurrencyConflict => {
  const ourEvents = eventsOf(work, proposal, attempts);
  const { strategy, policy } = work.choice;
  return concurrencyConflict(
    {
      streamName: work.source.streamName,
      expected,
      actual: current.version,
      attempts,
      ours: ourEvents.map(({ type }) => type),
      theirs: theirEvents.slice(0, conflictEventsMax).map(({ type }) => type),
      ...{ ourEvents, theirEvents, strategy, policy },
    },
    advice,
  );
};

/** Others were first, and the strategy has no more to try. */
export const lostTo = <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  attempts: number,
  why = '',
): ConcurrencyConflict =>
  conflictOf(work, stand, attempts, {
    expected: at(stand.base.version),
    theirEvents: stand.theirs,
    advice: `${adviceOf(work.choice.strategy)}${why}`,
  });

const eventsAfter = async (
  { context, tenant, streamName }: Source<Definitions, unknown>,
  version: StreamVersion,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const request = { tenant, streamName, from: version + 1, maxCount: conflictEventsMax };
  const page = await context.store.readStream(request)();
  return E.isRight(page) ? page.right.events : [];
};

/** The newest events of editors, oldest first, as far as `isNew` says; looks at one page and no more. */
const editedSince = async (
  { context, tenant, streamName }: Source<Definitions, unknown>,
  isNew: (event: RecordedEvent, revisionsSeen: number) => boolean,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const request = { tenant, streamName, direction: 'backwards' as const, maxCount: conflictEventsMax };
  const page = await context.store.readStream(request)();
  if (E.isLeft(page)) return [];
  const found: RecordedEvent[] = [];
  let revisions = 0;
  let last: string | undefined;
  for (const event of page.right.events) {
    const { id, isSystemWork } = saveMark(event.metadata);
    if (isSystemWork) continue;
    if (id === undefined || id !== last) revisions += 1;
    last = id;
    if (!isNew(event, revisions)) break;
    found.push(event);
  }
  return found.toReversed();
};

/** The version that the caller saw, as far as it can be told from what came after it. */
const before = <State>(theirs: ReadonlyArray<RecordedEvent>, { base }: Stand<State>): ExpectedVersion =>
  at(theirs[0] === undefined ? base.version : ((theirs[0].version - 1) as StreamVersion));

/** What a check that does not hold is answered with. What was written since is read for the explanation alone. */
export const refusedBy = async <State>(
  work: SaveWork<State>,
  look: Look,
  stand: Stand<State>,
  attempts: number,
): Promise<SaveError<never>> => {
  const { current } = stand;
  const { streamName } = work.source;
  const source = work.source as unknown as Source<Definitions, unknown>;
  const { revision, lastModified, lastModifiedBy } = current.about;
  const by = lastModifiedBy === undefined ? '' : ` by ${lastModifiedBy}`;
  const advice = adviceOf('expectedVersion');
  switch (look._tag) {
    case 'token': {
      const message = `the token of ${streamName} is of version ${look.version}, which is ${current.version} by now`;
      return { _tag: 'TokenStale', streamName, expected: look.version, actual: current.version, message };
    }
    case 'condition': {
      const message = `the condition of the save does not hold for ${streamName} at version ${current.version}`;
      return { _tag: 'ConditionNotMet', streamName, version: current.version, message };
    }
    case 'expectedVersion':
      return conflictOf(work, stand, attempts, {
        expected: look.version === 0 ? at(look.version) : exactly(look.version),
        theirEvents: await eventsAfter(source, look.version),
        advice,
      });
    case 'expectedRevision': {
      const theirEvents = await editedSince(source, (_, seen) => seen <= revision - look.revision);
      return conflictOf(work, stand, attempts, {
        ...{ expected: before(theirEvents, stand), theirEvents },
        advice: `Revision ${look.revision} was expected, and it is at ${revision}${by}. ${advice}`,
      });
    }
    case 'ifNotModifiedSince': {
      const since = new Date(look.sinceMs).toISOString();
      const theirEvents = await editedSince(
        source,
        ({ recordedAt }, seen) =>
          Date.parse(recordedAt) > look.sinceMs || seen <= revision - (look.revision ?? revision),
      );
      return conflictOf(work, stand, attempts, {
        ...{ expected: before(theirEvents, stand), theirEvents },
        advice: `It was modified at ${lastModified ?? 'no time'}${by}, after ${since}. ${advice}`,
      });
    }
  }
};
