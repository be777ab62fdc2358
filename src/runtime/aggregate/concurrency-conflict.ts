/** The conflict that is left to the caller, of an aggregate or of a saga: its facts and its words. */
import type { ConcurrencyStrategy } from '../../core/concurrency/concurrency-strategy.js';
import type { EventData, RecordedEvent } from '../../core/event.js';
import { categoryOf, type ExpectedVersion, type StreamName, type StreamVersion } from '../../core/stream.js';

/** A conflict shows so many events of each side at most. */
export const conflictEventsMax = 64;

/**
 * Other writers were first: of the version the caller saw, or on each of the attempts. Nothing was written. Follow
 * `advice`: show what happened since and ask again, or send the command again later.
 */
export interface ConcurrencyConflict {
  readonly _tag: 'ConcurrencyConflict';
  readonly streamName: StreamName;
  /** The stream's category. */
  readonly aggregateType: string;
  /** How it was saved; absent for sagas. */
  readonly strategy?: ConcurrencyStrategy;
  /** Names of the rules that chose the strategy; absent where no policies were asked. */
  readonly policy?: string;
  /** What the caller expected, or the version that the last attempt decided on. */
  readonly expected: ExpectedVersion;
  /** Where the stream stood when the conflict was seen. */
  readonly actual: StreamVersion;
  /** How often the command was tried; 1 is the first. */
  readonly attempts: number;
  /** Types of the events that the command came to; none where it was not decided at all. */
  readonly ours: ReadonlyArray<string>;
  /** Types of the first events after the expected version, oldest first, at most 64. */
  readonly theirs: ReadonlyArray<string>;
  /** What the caller wanted to write, the first 64; none where it is not known any more. */
  readonly ourEvents: ReadonlyArray<EventData>;
  /** What was written meanwhile, as recorded: the events of `theirs`. */
  readonly theirEvents: ReadonlyArray<RecordedEvent>;
  /** What to do now, in words. */
  readonly advice: string;
  readonly message: string;
}

const shown = (expected: ExpectedVersion): string =>
  expected._tag === 'exactly' ? `version ${expected.version}` : expected._tag;

type Facts = Pick<
  ConcurrencyConflict,
  'streamName' | 'expected' | 'actual' | 'attempts' | 'ours' | 'theirs' | 'strategy' | 'policy'
> &
  Partial<Pick<ConcurrencyConflict, 'ourEvents' | 'theirEvents'>>;

const chosen = ({ strategy, policy }: Facts): string => {
  if (strategy === undefined) return '';
  return policy === undefined
    ? ` (saved with ${strategy})`
    : ` (saved with ${strategy}, chosen by ${policy})`;
};

/** Puts the facts and the advice into words. */
export const concurrencyConflict = (facts: Facts, advice: string): ConcurrencyConflict => {
  const { streamName, expected, actual, attempts, ours, theirs, ourEvents = [], theirEvents = [] } = facts;
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  const list = (types: ReadonlyArray<string>): string => (types.length === 0 ? 'nothing' : types.join(', '));
  const sides = `wanted to write ${list(ours)}; written meanwhile: ${list(theirs)}`;
  const found = `expected ${shown(expected)}, found version ${actual} after ${tries}`;
  return {
    _tag: 'ConcurrencyConflict',
    ...facts,
    aggregateType: categoryOf(streamName),
    ourEvents: ourEvents.slice(0, conflictEventsMax),
    theirEvents: theirEvents.slice(0, conflictEventsMax),
    advice,
    message: `${streamName}: ${found}${chosen(facts)}; ${sides}. ${advice}`,
  };
};
