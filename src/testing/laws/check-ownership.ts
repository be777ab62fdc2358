/** Tries an ownership of fields against what an aggregate's rules really do. */
import { showField, touchedPaths } from '../../core/concurrency/fields.js';
import { checkTouched, disjoint, holdersOf, type Ownership } from '../../core/concurrency/ownership.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import * as E from 'fp-ts/lib/Either.js';
import {
  type AggregateTrack,
  type AnyAggregate,
  areEventsEqual,
  decidedAgain,
  foldStored,
} from './aggregate-scenario.js';
import {
  type AggregateCounterexample,
  type AggregateTrialOptions,
  tryOnAggregate,
} from './aggregate-trial.js';
import { type LawResult, reportText } from './report.js';
import { type LawOf, seedOf } from './try-laws.js';

export type OwnershipLawName = 'declared' | 'owned' | 'undisturbed' | 'decidesAlike';
export type OwnershipLawResult = LawResult<OwnershipLawName, AggregateCounterexample>;

export interface OwnershipReport {
  /** Every law was tried and holds; the last two also where no two saves were disjoint. */
  readonly ok: boolean;
  readonly seed: number;
  readonly laws: ReadonlyArray<OwnershipLawResult>;
  /** For people: a line for each law, then the counterexamples. */
  readonly text: string;
}

export interface CheckOwnershipOptions<A extends AnyAggregate = AnyAggregate>
  extends AggregateTrialOptions<A> {
  /** Default: all; with `steps: 'events'` without `decidesAlike`, since nothing is decided. */
  readonly laws?: ReadonlyArray<OwnershipLawName>;
}

type OwnershipLaw = LawOf<AggregateTrack>;

const eventsOf = ({ before, ours }: AggregateTrack): ReadonlyArray<AnyEvent> => [
  ...before.events,
  ...ours.events,
];

const declared = (of: Ownership): OwnershipLaw => ({
  name: 'declared',
  says: 'an event changes no field that it is not declared to touch',
  judge: (track) => {
    const missing = Object.keys(track.rules.events as object).filter((type) => !of.touches.has(type));
    if (missing.length > 0)
      return { problem: `The ownership does not declare ${missing.join(', ')}.`, track, merged: [] };
    const events = eventsOf(track);
    if (events.length === 0) return 'aside';
    const checked = checkTouched(of, track.rules, track.rules.initialState as unknown, events);
    return E.isRight(checked) ? 'held' : { problem: `${checked.left.message}.`, track, merged: [] };
  },
});

const owned = (of: Ownership): OwnershipLaw => ({
  name: 'owned',
  says: 'every field of every state belongs to an owner or is shared',
  judge: (track) => {
    const state: unknown = track.rules.state.encode(track.ours.state);
    const nobodys = touchedPaths(undefined, state).filter((path) => holdersOf(of, path).length === 0);
    if (nobodys.length === 0) return 'held';
    return { problem: `Nobody owns ${nobodys.map(showField).join(', ')}.`, track, merged: [] };
  },
});

const isDisjointPair = (of: Ownership, { ours, theirs }: AggregateTrack): boolean =>
  ours.events.length > 0 && theirs.events.length > 0 && disjoint(of, ours.events, theirs.events);

const undisturbed = (of: Ownership): OwnershipLaw => ({
  name: 'undisturbed',
  says: 'two saves that touch different fields give one state, whichever is first',
  judge: (track, equals) => {
    if (!isDisjointPair(of, track)) return 'aside';
    const { rules, ours, theirs } = track;
    const [one, other] = [
      foldStored(rules, theirs.state, ours.events),
      foldStored(rules, ours.state, theirs.events),
    ].map((folded) => (E.isLeft(folded) ? { unusable: folded.left } : folded.right));
    if (equals(one, other)) return 'held';
    const merged = [
      { label: 'theirs first', value: one },
      { label: 'ours first', value: other },
    ];
    return {
      problem: 'They touch different fields, yet which is first decides about the state.',
      track,
      merged,
    };
  },
});

const decidesAlike = (of: Ownership): OwnershipLaw => ({
  name: 'decidesAlike',
  says: 'what is decided before a save that touches other fields is decided alike after it',
  judge: (track) => {
    if (track.kind === 'events' || !isDisjointPair(of, track)) return 'aside';
    const { rules, ours, theirs } = track;
    const again = decidedAgain('checkOwnership', track, theirs.state);
    if (again !== undefined && areEventsEqual(rules, again, ours.events)) return 'held';
    const merged = [
      { label: 'decided before theirs', value: ours.events },
      { label: 'decided after theirs', value: again ?? 'rejected' },
    ];
    const problem =
      'Theirs touches other fields, yet after it ours is decided otherwise: declare under `reads` what the decision rests on.';
    return { problem, track, merged };
  },
});

const isNeeded = ({ name }: OwnershipLawResult): boolean => name === 'declared' || name === 'owned';

/**
 * Tries an ownership on random histories of the aggregate, without a store. Answers a report; throws a TypeError where the
 * options do not fit or the ownership names an event that the aggregate does not have, and an `Error` whose `tagged` is
 * `ArbitraryMissing` where no data can be derived for a type.
 *
 * | law | says |
 * |---|---|
 * | `declared` | each type of event is declared, and changes no field besides those |
 * | `owned` | every field of every state belongs to an owner or is shared |
 * | `undisturbed` | two saves that are disjoint give one state, whichever is first |
 * | `decidesAlike` | after a disjoint save the same is decided: `reads` is complete |
 */
export const checkOwnership = <A extends AnyAggregate>(
  aggregate: A,
  of: Ownership,
  options: CheckOwnershipOptions<A> = {},
): OwnershipReport => {
  const known = Object.keys(aggregate.events as object);
  const unknown = [...of.touches.keys(), ...of.reads.keys()].filter((type) => !known.includes(type));
  if (unknown.length > 0)
    throw new TypeError(
      `checkOwnership: ${aggregate.category} has no event ${unknown.join(', ')}; there are ${known.join(', ')}`,
    );
  const all = [declared, owned, undisturbed, decidesAlike].map((law) => law(of));
  const laws = options.steps === 'events' ? all.slice(0, 3) : all;
  const seed = seedOf(options);
  const call = 'checkOwnership(aggregate, ownership, {';
  const tried = tryOnAggregate(
    aggregate,
    { caller: 'checkOwnership', call, purity: [], laws, seed },
    options,
  );
  // Their names are those of the laws that were chosen.
  const results = tried as ReadonlyArray<OwnershipLawResult>;
  const words = {
    subject: `The ownership of ${aggregate.category}`,
    untested: 'was not asked enough: a law met no two saves of different fields',
    advice: 'Give `arbitraries` with which both sides decide something.',
  };
  const ok = results.every((law) => law.status === 'holds' || (law.status === 'untested' && !isNeeded(law)));
  return { ok, seed, laws: results, text: reportText(words, seed, results) };
};

/** As `checkOwnership`, but throws an `Error` with the report's text unless it is right; else it answers the report. */
export const assertOwnership = <A extends AnyAggregate>(
  aggregate: A,
  of: Ownership,
  options: CheckOwnershipOptions<A> = {},
): OwnershipReport => {
  const report = checkOwnership(aggregate, of, options);
  if (!report.ok) throw new Error(report.text);
  return report;
};
