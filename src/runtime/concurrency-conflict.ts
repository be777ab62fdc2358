/** The conflict that is left to the caller, of an aggregate or of a saga: its facts and its words. */
import type { ExpectedVersion, StreamName, StreamVersion } from '../core/stream.js';

/**
 * Other writers were first: of the version the caller saw, or on each of the attempts. Nothing was written. Follow
 * `advice`: show what happened since and ask again, or send the command again later.
 */
export interface ConcurrencyConflict {
  readonly _tag: 'ConcurrencyConflict';
  readonly streamName: StreamName;
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
  /** What to do now, in words. */
  readonly advice: string;
  readonly message: string;
}

const shown = (expected: ExpectedVersion): string =>
  expected._tag === 'exactly' ? `version ${expected.version}` : expected._tag;

type Facts = Pick<ConcurrencyConflict, 'streamName' | 'expected' | 'actual' | 'attempts' | 'ours' | 'theirs'>;

/** Puts the facts and the advice into words. */
export const concurrencyConflict = (facts: Facts, advice: string): ConcurrencyConflict => {
  const { streamName, expected, actual, attempts, ours, theirs } = facts;
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  const list = (types: ReadonlyArray<string>): string => (types.length === 0 ? 'nothing' : types.join(', '));
  const sides = `wanted to write ${list(ours)}; written meanwhile: ${list(theirs)}`;
  const message = `${streamName}: expected ${shown(expected)}, found version ${actual} after ${tries}; ${sides}. ${advice}`;
  return { _tag: 'ConcurrencyConflict', ...facts, advice, message };
};
