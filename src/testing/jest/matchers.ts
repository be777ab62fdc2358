/** The matchers of `watersmeet/jest`: what they compare, and what they say. Each is given Jest's own printing. */
import type { RecordedEvent } from '../../core/event.js';
import { explainConflicts } from '../../core/saga/explain.js';
import { reservedTypes } from '../../core/saga/saga.js';
import * as records from '../../core/saga/saga-records.js';
import { compared, type MatcherContext, type MatcherResult, plainly } from './context.js';
import { drawingOf, type Look, looking } from './look.js';
import { toCommute } from './commute.js';
import { toConverge } from './converge.js';

type Answer = MatcherResult | Promise<MatcherResult>;
type Item = string | { readonly type: string };

/** The fields of an event that an expectation speaks of; its type alone where that is all that is named. */
const spokenOf = (expected: unknown, event: object): unknown => {
  if (typeof expected === 'string') return (event as { readonly type?: unknown }).type;
  if (typeof expected !== 'object' || expected === null || 'asymmetricMatch' in expected) {
    const { type, data } = event as { readonly type?: unknown; readonly data?: unknown };
    return { type, data };
  }
  const named = new Set(Object.keys(expected));
  return Object.fromEntries(Object.entries(event).filter(([key]) => named.has(key)));
};

/** What nobody expected is shown by type and data; a record of the engine by its type, the drawing tells the rest. */
const unexpected = (event: object): unknown =>
  reservedTypes.has((event as { readonly type?: string }).type ?? '')
    ? spokenOf('', event)
    : spokenOf(undefined, event);

const allSpokenOf = (
  expected: ReadonlyArray<unknown>,
  events: ReadonlyArray<object>,
): ReadonlyArray<unknown> =>
  events.map((event, index) =>
    index < expected.length ? spokenOf(expected[index], event) : unexpected(event),
  );

const drawn = (look: Look): string => ('stream' in look ? drawingOf(look.stream) : '');

function toHaveAppended(
  this: MatcherContext,
  received: unknown,
  expected: ReadonlyArray<Item>,
  { after }: { readonly after?: number } = {},
): Answer {
  const name = 'toHaveAppended';
  return looking(this, name, received, ['Aggregate', 'Saga', 'Stream'], (look) => {
    if (look._tag === 'Aggregate' && look.outcome.isRejected) {
      const why = `The command was rejected: ${this.utils.printReceived(look.outcome.rejection)}`;
      return plainly(this, name, false, { yes: '', no: why });
    }
    const events = (
      look._tag === 'Stream'
        ? look.stream.slice(after ?? Math.max(0, look.stream.length - expected.length))
        : look.outcome.events
    ) as ReadonlyArray<object>;
    return compared(this, name, expected, allSpokenOf(expected, events), drawn(look));
  });
}

function toMatchStream(this: MatcherContext, received: unknown, expected: ReadonlyArray<Item>): Answer {
  return looking(this, 'toMatchStream', received, ['Saga', 'Stream'], (look) =>
    compared(this, 'toMatchStream', expected, allSpokenOf(expected, look.stream), drawn(look)),
  );
}

interface BranchCounts {
  readonly pending: number;
  readonly merged: number;
}

const countIn = (stream: ReadonlyArray<RecordedEvent>): BranchCounts => {
  const outcomes = explainConflicts(undefined, stream).map(({ outcome }) => outcome._tag);
  const merged = outcomes.filter((tag) => tag === 'Merged').length;
  return { merged, pending: outcomes.filter((tag) => tag !== 'Void').length - merged };
};

function toHaveDiverged(this: MatcherContext, received: unknown, expected?: Partial<BranchCounts>): Answer {
  const name = 'toHaveDiverged';
  return looking(this, name, received, ['Saga', 'Stream', 'View'], (look) => {
    // A view knows what waits; what was merged is in the stream.
    const counts: Partial<BranchCounts> =
      look._tag === 'View' ? { pending: look.view.pending.length } : countIn(look.stream);
    if (expected !== undefined)
      return compared(this, name, expected, spokenOf(expected, counts), drawn(look));
    const { pending = 0, merged = 0 } = counts;
    const yes = `Expected no branch, found ${merged} merged and ${pending} that ${pending === 1 ? 'waits' : 'wait'}.`;
    const no = 'Expected a branch, found none: every message was handled on the trunk.';
    return plainly(this, name, pending + merged > 0, { yes, no }, drawn(look));
  });
}

/** State of the last merge, as it is recorded; `undefined` where there was none. */
const mergedStateIn = (
  look: Extract<Look, { _tag: 'Saga' | 'Stream' }>,
): { readonly state: unknown } | undefined => {
  const last = look.stream.map(({ data }) => data).findLast((data) => records.sagaMerged.is(data));
  if (last === undefined) return undefined;
  return { state: look._tag === 'Saga' ? look.outcome.state : last.state };
};

function toHaveMergedInto(this: MatcherContext, received: unknown, expected: unknown): Answer {
  const name = 'toHaveMergedInto';
  return looking(this, name, received, ['Saga', 'Stream'], (look) => {
    const merged = mergedStateIn(look);
    const { pending } = countIn(look.stream);
    if (merged !== undefined && pending === 0)
      return compared(this, name, expected, merged.state, drawn(look));
    const refused = look._tag === 'Saga' && look.outcome.refused?.reason;
    const waits = `${pending === 1 ? '1 branch waits' : `${pending} branches wait`}${refused ? `, refused: ${refused}` : ''}.`;
    const no = pending > 0 ? `Not merged: ${waits}` : 'Nothing diverged, so nothing was merged.';
    return plainly(this, name, false, { yes: '', no }, drawn(look));
  });
}

const plannedIn = (stream: ReadonlyArray<RecordedEvent>): ReadonlyArray<object> =>
  stream.flatMap(({ data }) => (records.sagaMerged.is(data) ? data.compensations : []));

function toCompensate(this: MatcherContext, received: unknown, expected: ReadonlyArray<object>): Answer {
  const name = 'toCompensate';
  return looking(this, name, received, ['Saga', 'Stream'], (look) => {
    const all = look._tag === 'Saga' ? look.outcome.compensations : plannedIn(look.stream);
    const found = all.map((one, index) => spokenOf(expected[index] ?? { hook: '', data: '' }, one));
    return compared(this, name, expected, found, drawn(look));
  });
}

/** For `expect.extend`, where they are not registered by importing `watersmeet/jest`. */
export const matchers = {
  toHaveAppended,
  toMatchStream,
  toHaveDiverged,
  toHaveMergedInto,
  toCompensate,
  toCommute,
  toConverge,
};
