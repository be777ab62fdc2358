/** Filters of reads and subscriptions of all streams: prefixes or a pattern on stream names or event types. */
import * as E from 'fp-ts/lib/Either.js';
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import type { RecordedEvent } from '../core/event.js';
import { streamIdOf } from '../core/eventstoredb/stream-id.js';
import { escapeForDisplay } from '../core/stream.js';
import { type PatternTest, patternTest } from './patterns.js';

export interface AllFilter {
  /** Throws a refusal where a pattern takes too long. */
  readonly matches: (streamId: string, eventType: string) => boolean;
  /** Told of the events that `matches` is asked of next: a pattern judges many at once for less. May be left out. */
  readonly foresee?: (events: ReadonlyArray<RecordedEvent>) => void;
  /** A checkpoint comes after each so many events that were looked at. */
  readonly checkpointEvery: number;
}

/** How many events are looked at for one page where the client does not say. */
const windowDefault = 32;
const patternCharactersMax = 4_096;

const compile = (pattern: string): RegExp | undefined => {
  for (const flags of ['u', ''])
    try {
      return new RegExp(pattern, flags);
    } catch {
      // Patterns of other languages may hold escapes that are none with the flag `u`.
    }
  return undefined;
};

const patternMatcher = (pattern: string): E.Either<string, PatternTest> => {
  if (pattern.length > patternCharactersMax)
    return E.left(`The filter's pattern is longer than ${patternCharactersMax} characters.`);
  const compiled = compile(pattern);
  return compiled === undefined
    ? E.left(`The filter's pattern is no regular expression of JavaScript: ${escapeForDisplay(pattern)}`)
    : E.right(patternTest(compiled));
};

/** The matcher of a pattern, or of prefixes where there are any. */
const testOf = (pattern: string, prefixes: ReadonlyArray<string>): E.Either<string, PatternTest> =>
  prefixes.length > 0
    ? E.right({
        test: (text) => prefixes.some((prefix) => text.startsWith(prefix)),
        foresee: () => undefined,
      })
    : patternMatcher(pattern);

/** The same, of one text after another. */
export const matcherOf = (
  pattern: string,
  prefixes: ReadonlyArray<string>,
): E.Either<string, PatternTest['test']> => E.map(({ test }: PatternTest) => test)(testOf(pattern, prefixes));

/** `window` events a page times `multiplier` pages; 0 stands for what the client left out. */
export const checkpointEveryOf = (window: number, multiplier: number): number =>
  (window > 0 ? window : windowDefault) * Math.max(1, multiplier);

/** What a filter needs of the message of either service that has one. */
type FilterMessage = Pick<
  ReadReq.Options.FilterOptions,
  'getStreamIdentifier' | 'getEventType' | 'getMax' | 'getCheckpointintervalmultiplier'
>;

/** The filter that a client sent, or a sentence about what is wrong with it. */
export const filterOf = (message: FilterMessage): E.Either<string, AllFilter> => {
  const streams = message.getStreamIdentifier();
  const expression = streams ?? message.getEventType();
  if (expression === undefined) return E.left('The filter names neither streams nor event types.');
  const tested = testOf(expression.getRegex(), expression.getPrefixList());
  if (E.isLeft(tested)) return tested;
  const { test, foresee } = tested.right;
  const isOnTypes = streams === undefined;
  return E.right({
    matches: (streamId, eventType) => test(isOnTypes ? eventType : streamId),
    foresee: (events) => foresee(events.map((event) => (isOnTypes ? event.type : streamIdOf(event)))),
    checkpointEvery: checkpointEveryOf(message.getMax(), message.getCheckpointintervalmultiplier()),
  });
};
