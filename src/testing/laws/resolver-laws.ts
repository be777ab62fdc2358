/** What a resolver must keep, law by law, each as a judgement over one random conflict. */
import * as E from 'fp-ts/lib/Either.js';
import { contestedFields } from '../../core/concurrency/fields.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Resolver, ResolverClaim } from '../../core/concurrency/resolver.js';
import {
  type AggregateTrack,
  type ConflictData,
  conflictOfTrack,
  foldStored,
  swapped,
  without,
} from './aggregate-scenario.js';
import type { Ask } from './purity.js';
import { purityLaws } from './purity-laws.js';
import type { Equals, LawOf, Shown, VerdictOf } from './try-laws.js';

export type AnyResolver = Resolver<unknown>;
export type ResolverLaw = LawOf<AggregateTrack>;
type Verdict = VerdictOf<AggregateTrack>;

/** The laws whose breach leaves no sense in the others, the laws of all, and those of what is claimed. */
export interface ResolverLaws {
  readonly purity: ReadonlyArray<ResolverLaw>;
  readonly laws: ReadonlyArray<ResolverLaw>;
  readonly claims: Readonly<Record<ResolverClaim, ResolverLaw>>;
}

const isConflict = ({ ours, theirs }: AggregateTrack): boolean =>
  ours.events.length > 0 && theirs.events.length > 0;

const asker =
  (resolver: AnyResolver, { rules }: AggregateTrack): Ask<ConflictData> =>
  (data) => {
    try {
      const answer = resolver.resolve({ ...data, rules: { evolve: rules.evolve, state: rules.state } });
      return { answered: E.isLeft(answer) ? { ...answer.left } : { ...answer.right } };
    } catch (thrown) {
      return { threw: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  };

type Resolved =
  | { readonly kind: 'state'; readonly state: unknown; readonly events: ReadonlyArray<AnyEvent> }
  | { readonly kind: 'refused'; readonly refusal: Readonly<Record<string, unknown>> }
  /** Neither an answer nor a refusal that can be used. */
  | { readonly kind: 'unusable'; readonly problem: string };

const isEvents = (value: unknown): value is ReadonlyArray<AnyEvent> =>
  Array.isArray(value) &&
  (value as ReadonlyArray<unknown>).every(
    (event) => typeof event === 'object' && event !== null && 'type' in event && 'data' in event,
  );

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';

const readRefusal = (refusal: Readonly<Record<string, unknown>>): Resolved => {
  const { _tag, reason, resolver, fields } = refusal;
  const areFields =
    Array.isArray(fields) &&
    (fields as ReadonlyArray<unknown>).every((field) => typeof field === 'string' && field.startsWith('$'));
  return _tag === 'ResolverRefused' && isText(reason) && isText(resolver) && areFields
    ? { kind: 'refused', refusal }
    : {
        kind: 'unusable',
        problem: 'A refusal has a reason, the resolver’s description, and fields as $.a.b.',
      };
};

/** What the stream would hold after the resolver's answer. */
const resolved = (resolver: AnyResolver, track: AggregateTrack): Resolved => {
  const said = asker(resolver, track)(conflictOfTrack(track));
  if ('threw' in said) return { kind: 'unusable', problem: `It throws: ${said.threw}` };
  if ('_tag' in said.answered) return readRefusal(said.answered);
  const { events } = said.answered;
  if (!isEvents(events)) return { kind: 'unusable', problem: 'It answers no list of events.' };
  const state = foldStored(track.rules, track.theirs.state, events);
  return E.isLeft(state)
    ? { kind: 'unusable', problem: `Its events cannot be appended: ${state.left}` }
    : { kind: 'state', state: state.right, events };
};

const shownOf = (label: string, value: Resolved): Shown => ({
  label,
  value: value.kind === 'state' ? value.state : value.kind === 'refused' ? value.refusal : value.problem,
});

const purityOf = (resolver: AnyResolver): ReadonlyArray<ResolverLaw> =>
  purityLaws({
    subject: 'the resolver',
    askOf: (track: AggregateTrack) => asker(resolver, track),
    inputOf: conflictOfTrack,
    answerPart: ({ events }) => events,
    shownPart: (data) => data,
    frozen: 'It is given frozen',
  });

const answersOf = (resolver: AnyResolver): ResolverLaw => ({
  name: 'answers',
  says: 'the answer can be appended and folded, or is a refusal with a reason; nothing throws',
  judge: (track) => {
    if (!isConflict(track)) return 'aside';
    const answer = resolved(resolver, track);
    if (answer.kind === 'unusable') return { problem: answer.problem, track, merged: [] };
    return answer.kind === 'refused' ? 'refused' : 'held';
  },
});

const namesFields = (resolver: AnyResolver): ResolverLaw => ({
  name: 'namesFields',
  says: 'where both sides changed one field, a refusal names a field',
  judge: (track) => {
    const data = conflictOfTrack(track);
    const both = contestedFields({ ...data, rules: track.rules });
    const answer = resolved(resolver, track);
    if (both.length === 0 || answer.kind !== 'refused') return 'aside';
    if ((answer.refusal['fields'] as ReadonlyArray<string>).length > 0) return 'held';
    const problem = `It refuses without naming a field; both sides changed ${both.join(', ')}.`;
    return { problem, track, merged: [{ label: 'refusal', value: answer.refusal }] };
  },
});

const against = (
  track: AggregateTrack,
  equals: Equals,
  problem: string,
  expected: Shown,
  answer: Resolved,
): Verdict => {
  if (answer.kind === 'refused') return 'refused';
  if (answer.kind === 'unusable') return 'aside';
  if (equals(expected.value, answer.state)) return 'held';
  return { problem, track, merged: [expected, { label: 'resolved', value: answer.state }] };
};

const unmovedStream = (resolver: AnyResolver): ResolverLaw => ({
  name: 'unmovedStream',
  says: 'where theirs did nothing, ours stands as it was attempted',
  formula: 'r(o, o, a) = a',
  judge: (track, equals) => {
    if (track.ours.events.length === 0) return 'aside';
    const still = without(track, 'theirs');
    const expected = { label: 'expected (attempted)', value: track.ours.state };
    const problem = 'Theirs did nothing, yet ours does not stand as it was attempted.';
    return against(still, equals, problem, expected, resolved(resolver, still));
  },
});

const unchangedSave = (resolver: AnyResolver): ResolverLaw => ({
  name: 'unchangedSave',
  says: 'a save of nothing changes nothing',
  formula: 'r(o, c, o) = c',
  judge: (track, equals) => {
    if (track.theirs.events.length === 0) return 'aside';
    const nothing = without(track, 'ours');
    const expected = { label: 'expected (current)', value: track.theirs.state };
    const problem = 'Ours did nothing, yet it changes the state.';
    return against(nothing, equals, problem, expected, resolved(resolver, nothing));
  },
});

const commutative = (resolver: AnyResolver): ResolverLaw => ({
  name: 'commutative',
  says: 'as claimed: the state is the same whichever side was first, where both are answered',
  formula: 'r(o, t, u) = r(o, u, t)',
  judge: (track, equals) => {
    if (!isConflict(track)) return 'aside';
    const [one, other] = [resolved(resolver, track), resolved(resolver, swapped(track))];
    // Nothing was tried where one of them does not answer: a claim that holds of refusals only is not known to hold.
    if (one.kind !== 'state' || other.kind !== 'state') return 'aside';
    if (equals(one.state, other.state)) return 'held';
    const merged = [shownOf('theirs first', one), shownOf('ours first', other)];
    return { problem: 'Which side was first decides about the state.', track, merged };
  },
});

const idempotent = (resolver: AnyResolver): ResolverLaw => ({
  name: 'idempotent',
  says: 'as claimed: where both sides did the same, it is done once',
  formula: 'r(o, a, a) = a',
  judge: (track, equals) => {
    if (track.ours.events.length === 0) return 'aside';
    const same = { ...track, theirs: track.ours };
    const expected = { label: 'expected (once)', value: track.ours.state };
    const problem = 'Both sides did the same, and it is not the state after doing it once.';
    return against(same, equals, problem, expected, resolved(resolver, same));
  },
});

/** What holds before must hold after. */
export const resolverInvariant = (
  resolver: AnyResolver,
  name: string,
  holds: (state: unknown) => boolean,
): ResolverLaw => ({
  name: `invariant ${name}`,
  says: 'what holds of both sides holds of the state after the answer',
  judge: (track) => {
    const before = [track.before.state, track.theirs.state, track.ours.state];
    if (!isConflict(track) || !before.every(holds)) return 'aside';
    const answer = resolved(resolver, track);
    if (answer.kind === 'refused') return 'refused';
    if (answer.kind === 'unusable' || holds(answer.state)) return 'held';
    const problem = `The invariant ${name} holds of both sides, and not of what is made of them.`;
    return { problem, track, merged: [shownOf('resolved', answer)] };
  },
});

export const resolverLaws = (resolver: AnyResolver): ResolverLaws => ({
  purity: purityOf(resolver),
  laws: [answersOf, namesFields, unmovedStream, unchangedSave].map((law) => law(resolver)),
  claims: { commutative: commutative(resolver), idempotent: idempotent(resolver) },
});
