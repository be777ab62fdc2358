/** What a merger must keep, law by law, each as a judgement over one random history. */
import * as E from 'fp-ts/lib/Either.js';
import { isDeepStrictEqual } from 'node:util';
import { type Codec, encodeWith } from '../../core/codec.js';
import { isJsonEqual } from '../../core/json.js';
import type { AnyEvent, Merger } from '../../core/merge/merge.js';
import {
  conflictOf,
  emptied,
  type Fork,
  isStorable,
  play,
  type Played,
  type Track,
  unmoved,
} from './play.js';
import { ask, sidesOf } from './purity.js';
import { purityLaws } from './purity-laws.js';
import type { BreachOf, Equals, LawOf, Shown, VerdictOf } from './try-laws.js';

export type Breach = BreachOf<Track>;
export type Law = LawOf<Track>;
type Verdict = VerdictOf<Track>;

/** Whether two states are written equal; those that cannot be written are compared as they are. */
export const areStoredEqual = (saga: { readonly state: Codec }): Equals => {
  return (a, b) => {
    const [left, right] = [a, b].map((state) => encodeWith('state', saga.state, state));
    return left !== undefined && right !== undefined && E.isRight(left) && E.isRight(right)
      ? isJsonEqual(left.right, right.right)
      : isDeepStrictEqual(a, b);
  };
};

const outcome = (played: Played): unknown =>
  played.kind === 'merged' ? played.state : `refused: ${played.reason}`;

/** What no store takes was in the branch already: the merger can do nothing about it. */
const refusal = (played: Extract<Played, { kind: 'refused' }>): Verdict =>
  played.cause === 'refused' ? 'refused' : 'aside';

/** Two ways to the same: they agree, both are refused, or one of them is wrong. */
const compare = (
  track: Track,
  equals: Equals,
  problem: string,
  [a, b]: readonly [readonly [string, Played], readonly [string, Played]],
): Verdict => {
  const [left, right] = [a[1], b[1]];
  const merged = [
    { label: a[0], value: outcome(left) },
    { label: b[0], value: outcome(right) },
  ];
  if (left.kind === 'refused' && right.kind === 'refused') return refusal(left);
  if (left.kind === 'refused' || right.kind === 'refused')
    return { problem: `${problem} One way is refused, the other answered.`, track, merged };
  if (left.isLate || right.isLate) return 'aside';
  return equals(left.state, right.state) ? 'held' : { problem, track, merged };
};

const against = (track: Track, equals: Equals, problem: string, expected: Shown, played: Played): Verdict => {
  if (played.kind === 'refused') return refusal(played);
  if (played.isLate) return 'aside';
  if (equals(expected.value, played.state)) return 'held';
  return { problem, track, merged: [expected, { label: 'merged', value: played.state }] };
};

const mergerOf = (track: Track): Merger<unknown, AnyEvent> => track.saga.merger as Merger<unknown, AnyEvent>;

const answers: Law = {
  name: 'answers',
  says: 'the answer can be stored, or is a refusal; nothing throws',
  judge: (track) => {
    if (track.forks.length === 0) return 'aside';
    const played = play(track, [track.forks]);
    if (played.kind === 'merged') return 'held';
    const { cause, reason } = played;
    const isOwnFault = cause === 'threw' || track.forks.every(({ state }) => isStorable(track.saga, state));
    if (cause === 'refused') return 'refused';
    return isOwnFault ? { problem: `There is no answer to store: ${reason}`, track, merged: [] } : 'aside';
  },
};

const only = (track: Track, forks: ReadonlyArray<Fork>): Track => ({ ...track, forks });

const unchangedBranch: Law = {
  name: 'unchangedBranch',
  says: 'a branch that changed nothing changes nothing',
  formula: 'm(b, c, b) = c',
  judge: (track, equals) => {
    const [fork] = track.forks;
    if (fork === undefined) return 'aside';
    const empty = emptied(track, fork);
    const expected = { label: 'expected (ours)', value: track.tip.state };
    const problem = 'A branch that changed nothing changes the trunk.';
    return against(only(track, [empty]), equals, problem, expected, play(track, [[empty]]));
  },
};

const unmovedTrunk: Law = {
  name: 'unmovedTrunk',
  says: 'a trunk that did not move takes the branch',
  formula: 'm(b, b, x) = x',
  judge: (track, equals) => {
    const [fork] = track.forks;
    if (fork === undefined) return 'aside';
    const still = unmoved(track, fork);
    const expected = { label: 'expected (theirs)', value: fork.state };
    const problem = 'The trunk did not move, yet the branch is not taken as it is.';
    return against(still, equals, problem, expected, play(still, [[fork]]));
  },
};

/** Those that the engine would merge. */
const diverged = (track: Track): ReadonlyArray<Fork> => track.forks.filter(({ commutes }) => !commutes);

const pairsOf = (forks: ReadonlyArray<Fork>): ReadonlyArray<readonly [Fork, Fork]> =>
  forks.flatMap((first, index) => forks.slice(index + 1).map((second) => [first, second] as const));

const diamond: Law = {
  name: 'diamond',
  says: 'two branches, each with its own base, give one state in either order',
  formula: 'm(b2, m(b1, c, x1), x2) = m(b1, m(b2, c, x2), x1)',
  judge: (track, equals) => {
    const verdicts = pairsOf(diverged(track)).map(([first, second]) =>
      compare(only(track, [first, second]), equals, 'The order of two merges decides about the state.', [
        ['merged, 1 then 2', play(track, [[first], [second]])],
        ['merged, 2 then 1', play(track, [[second], [first]])],
      ]),
    );
    return (
      verdicts.find((verdict) => typeof verdict !== 'string') ??
      verdicts.find((verdict) => verdict !== 'aside') ??
      'aside'
    );
  },
};

/** The forks by stage; where all are of one stage, one after another. */
const groupsOf = (forks: ReadonlyArray<Fork>): ReadonlyArray<ReadonlyArray<Fork>> => {
  const stages = [...new Set(forks.map(({ stage }) => stage))].sort((a, b) => a - b);
  if (stages.length === 1) return forks.map((fork) => [fork]);
  return stages.map((stage) => forks.filter((fork) => fork.stage === stage));
};

const named = (groups: ReadonlyArray<ReadonlyArray<Fork>>): string =>
  groups.map((group) => group.map(({ place }) => place).join(' with ')).join(', then ');

const grouping: Law = {
  name: 'grouping',
  says: 'several branches in one merge give what they give one after another, in every order and grouping',
  formula: 'm(c, {x1, x2, x3}) = m(m(m(c, {x1}), {x2}), {x3}) = …',
  judge: (track, equals) => {
    const forks = diverged(track);
    if (forks.length < 2) return 'aside';
    const groups = groupsOf(forks);
    return compare(
      only(track, forks),
      equals,
      'How branches are grouped into merges decides about the state.',
      [
        ['merged at once', play(track, [forks])],
        [`merged, ${named(groups)}`, play(track, groups)],
      ],
    );
  },
};

/** A predicate that holds for trunk and branches must hold for what they are merged to. */
export const invariant = (name: string, holds: (state: unknown) => boolean): Law => ({
  name: `invariant ${name}`,
  says: 'what holds on the trunk and on every branch holds after their merge',
  judge: (track) => {
    const forks = diverged(track);
    const before = [track.tip.state, ...forks.flatMap(({ base, state }) => [base.state, state])];
    if (forks.length === 0 || !before.every(holds)) return 'aside';
    const shown = only(track, forks);
    const played = play(shown, [forks]);
    if (played.kind === 'refused') return refusal(played);
    if (holds(played.state)) return 'held';
    const problem = `The invariant ${name} holds on the trunk and on every branch, and not after their merge.`;
    return { problem, track: shown, merged: [{ label: 'merged', value: played.state }] };
  },
});

/** Where one of these does not hold, the others cannot be told. */
export const purity: ReadonlyArray<Law> = purityLaws({
  subject: 'the merger',
  askOf: (track: Track) => (conflict) => ask(mergerOf(track), conflict),
  inputOf: (track) => conflictOf(track)?.conflict,
  answerPart: ({ state }) => state,
  shownPart: sidesOf,
  frozen: 'The engine gives it frozen',
});
export const laws: ReadonlyArray<Law> = [answers, unchangedBranch, unmovedTrunk, diamond, grouping];
