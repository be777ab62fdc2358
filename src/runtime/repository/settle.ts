/** What to append after others were first: the same events, the commands decided anew, or what the resolver makes of both sides. */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { type Settlement, settleFields } from '../../core/concurrency/ownership-settle.js';
import type { SaveError } from './context.js';
import { invalid } from './check.js';
import { decideOn, encodeOn } from './copy.js';
import { lostTo } from './refusal.js';
import { decodedTheirs, type Stand, standOn } from './stand.js';
import type { SaveWork } from './work.js';

/** Events that may go on as they are try so often at least before they are given up. */
export const triesMin = 16;

export interface Settled<State> {
  readonly stand: Stand<State>;
  /** How often this may be tried in all. */
  readonly attemptsMax: number;
  /** Whether even the second attempt waits, as the retry policy says. */
  readonly waits: boolean;
}

type Settling<State> = E.Either<SaveError<unknown>, Settled<State>>;

const again = <State>(work: SaveWork<State>, { current }: Stand<State>): Settling<State> => {
  const decided = decideOn(work.rules, current.state, work.commands);
  if (E.isLeft(decided)) return decided;
  const { attemptsMax } = work.choice.settings;
  return E.right({ stand: standOn(current, decided.right), attemptsMax, waits: true });
};

const asTheyAre = <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  events: ReadonlyArray<AnyEvent> = stand.decided.events,
  resolution?: string,
): Settling<State> => {
  const proposal = encodeOn(work.rules, stand.current.state, events);
  if (E.isLeft(proposal)) return proposal;
  const attemptsMax = Math.max(triesMin, work.choice.settings.attemptsMax);
  return E.right({
    stand: { ...stand, proposal: proposal.right, resolution },
    attemptsMax,
    waits: false,
  });
};

const merged = <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  ours: ReadonlyArray<AnyEvent>,
): Settling<State> => {
  const { resolver, attemptsMax } = work.choice.settings;
  if (resolver === undefined)
    return E.left(invalid('settings.resolver', 'a shared field is to be merged, and there is no resolver'));
  if (!stand.isWhole)
    return E.left(lostTo(work, stand, 1, ' It is too far behind to be merged: load it again.'));
  const theirs = decodedTheirs(work.source, stand);
  if (E.isLeft(theirs)) return theirs;
  const { base, current, decided } = stand;
  const answer = resolver.resolve({
    original: base.state,
    current: current.state,
    attempted: decided.state,
    ours,
    theirs: theirs.right,
    rules: work.rules,
  });
  if (E.isLeft(answer)) return answer;
  const proposal = encodeOn(work.rules, current.state, answer.right.events as ReadonlyArray<AnyEvent>);
  if (E.isLeft(proposal)) return proposal;
  const resolution = answer.right.rule ?? resolver.description;
  return E.right({ stand: { ...stand, proposal: proposal.right, resolution }, attemptsMax, waits: true });
};

const byStrategy = <State>(work: SaveWork<State>, stand: Stand<State>, attempts: number): Settling<State> => {
  switch (work.choice.strategy) {
    case 'expectedVersion':
    case 'token':
      return E.left(lostTo(work, stand, attempts));
    case 'ifNotModifiedSince':
    case 'expectedRevision':
    case 'condition':
    case 'lastWriteWins':
      return asTheyAre(work, stand);
    case 'retry':
    case 'pessimistic':
      return again(work, stand);
    case 'merge':
      return merged(work, stand, stand.decided.events);
  }
};

/** What the ownership of fields makes of it; `undefined` where there is none, or the events of others are too many to look at. */
const byOwnership = <State>(
  { context, source }: SaveWork<State>,
  stand: Stand<State>,
): E.Either<SaveError<unknown>, Settlement | undefined> => {
  if (context.ownership === undefined || !stand.isWhole) return E.right(undefined);
  const theirs = decodedTheirs(source, stand);
  if (E.isLeft(theirs)) return theirs;
  return E.right(settleFields(context.ownership, { ours: stand.decided.events, theirs: theirs.right }));
};

/**
 * Settles what is to be appended on `stand.current`, where others have written after `stand.base`. Fields that nobody else wrote
 * are no conflict, whatever the strategy; what is shared is settled as its field says; the rest as the strategy says.
 */
export const settle = <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  attempts: number,
): Settling<State> => {
  const fields = byOwnership(work, stand);
  if (E.isLeft(fields)) return fields;
  const settlement = fields.right;
  switch (settlement?._tag) {
    case 'Disjoint': {
      const skipped = settlement.skipped.map(({ field, eventType }) => `${eventType} (${field})`);
      const resolution = skipped.length === 0 ? undefined : `skipped ${skipped.join(', ')}`;
      return asTheyAre(work, stand, settlement.events, resolution);
    }
    case 'Retry':
      return again(work, stand);
    case 'Merge':
      return merged(work, stand, settlement.events);
    case 'Conflict':
    case undefined:
      return byStrategy(work, stand, attempts);
  }
};
