/** Judges the end of a schedule: the engine's own promises, the user's invariants, and whether it is the same end as the others. */
import { createTwoFilesPatch } from 'diff';
import { canonicalJson, type Json } from '../../core/json.js';
import type { Saga } from '../../core/saga/saga.js';
import { codecOf } from '../../core/codec.js';
import type { LogNode } from './log.js';
import type { Local } from './local.js';
import { type Outcome, outcomeAt } from './outcome.js';
import type { Part } from './watch.js';

export type FailureKind = 'diverged' | 'invariant' | 'engine';

export interface Verdict {
  readonly kind: FailureKind;
  /** What is wrong, in a few lines. */
  readonly what: string;
}

/** `undefined`, `true` or nothing: it holds. `false`, a text or a throw: it does not. */
export type Invariant<O = Outcome> = (outcome: O) => boolean | string | undefined | void;

export interface Judging {
  readonly saga: Saga;
  readonly invariants: ReadonlyArray<readonly [name: string, invariant: Invariant]>;
  readonly view: ((outcome: Outcome) => unknown) | undefined;
  readonly equals: ((a: unknown, b: unknown) => boolean) | undefined;
  readonly mayPark: boolean;
  /** Parts of outcomes that somebody looked at. */
  readonly looked: Set<Part>;
}

const isHandled = new Set(['Appended', 'Merged', 'Branched']);

/** Promises that the engine makes at the end of every schedule. */
const engineVerdict = (node: LogNode, locals: ReadonlyArray<Local>): Verdict | undefined => {
  const problems = [...node.problems];
  const { fold, tally } = node;
  const ids = new Set(
    locals.flatMap(({ actor }) => (actor.messageId === undefined ? [] : [actor.messageId])),
  );
  for (const { ended, actor } of locals)
    if (ended?._tag === 'Threw') problems.push(`${actor.name} threw: ${String(ended.thrown)}`);
  if (fold.parked === undefined) {
    for (const id of ids) {
      const isOwed = locals.some(
        ({ actor, ended }) =>
          actor.messageId === id && ended?._tag === 'Answered' && isHandled.has(ended.answer),
      );
      const count = tally.effects.get(id) ?? 0;
      if (isOwed && count !== 1)
        problems.push(`message ${id} was acknowledged, and took effect ${count} times`);
      if (!isOwed && count > 1) problems.push(`message ${id} took effect ${count} times`);
    }
    if (fold.pending.byId.size > 0) problems.push('a branch is left that nobody has merged');
    if ([...fold.compensations.values()].some(({ parked }) => !parked))
      problems.push('a compensation is left that nobody has done');
  }
  return problems.length === 0 ? undefined : { kind: 'engine', what: problems.join('\n') };
};

const givenBackVerdict = (locals: ReadonlyArray<Local>): Verdict | undefined => {
  const lines = locals.flatMap(({ ended, actor }) =>
    ended?._tag === 'GivenBack'
      ? [
          `${actor.name} was given back: ${ended.error._tag}${ended.error.message === undefined ? '' : `: ${ended.error.message}`}`,
        ]
      : [],
  );
  return lines.length === 0 ? undefined : { kind: 'invariant', what: lines.join('\n') };
};

const brokenInvariant = (
  outcome: Outcome,
  [name, invariant]: readonly [string, Invariant],
): Verdict | undefined => {
  const broken = (reason: string): Verdict => ({
    kind: 'invariant',
    what: `The invariant ${name} does not hold${reason === '' ? '.' : `: ${reason}`}`,
  });
  try {
    const answer = invariant(outcome);
    if (typeof answer === 'string' && answer !== '') return broken(answer);
    return answer === false ? broken('') : undefined;
  } catch (thrown) {
    return broken(thrown instanceof Error ? thrown.message : String(thrown));
  }
};

/** A state as its codec writes it: what converges is what is stored. */
const wholeState = (saga: Saga, outcome: Outcome): unknown => codecOf(saga.state).encode(outcome.state);

export const viewOf = ({ saga, view }: Judging, outcome: Outcome): unknown =>
  view === undefined ? wholeState(saga, outcome) : view(outcome);

const isSame = ({ equals }: Judging, a: unknown, b: unknown): boolean =>
  equals === undefined ? canonicalJson(a as Json) === canonicalJson(b as Json) : equals(a, b);

const sorted = (value: Json): Json =>
  value === undefined ? null : (JSON.parse(canonicalJson(value)) as Json);
const pretty = (value: unknown): string => `${JSON.stringify(sorted(value as Json), null, 2)}\n`;

/** Two views as a diff; lines of the first begin with `-`, of the second with `+`. */
export const differenceOf = (expected: unknown, found: unknown, names: readonly [string, string]): string =>
  createTwoFilesPatch(names[0], names[1], pretty(expected), pretty(found), undefined, undefined, {
    context: 3,
  })
    .split('\n')
    .filter(
      (line) => line !== '' && !line.startsWith('===') && !line.startsWith('\\') && !line.startsWith('@@'),
    )
    .join('\n');

/** What is wrong with an end; `undefined` where nothing is. `reference` is the end that all must be the same as. */
export const judge = (
  judging: Judging,
  node: LogNode,
  locals: ReadonlyArray<Local>,
  reference: { readonly view: unknown } | undefined,
): Verdict | undefined => {
  const engine = engineVerdict(node, locals);
  if (engine !== undefined) return engine;
  const outcome = outcomeAt(node, judging.looked);
  if (outcome.parked !== undefined)
    return judging.mayPark
      ? undefined
      : { kind: 'diverged', what: `The merge was refused, and the saga is parked: ${outcome.parked}` };
  const back = givenBackVerdict(locals);
  if (back !== undefined) return back;
  for (const invariant of judging.invariants) {
    const broken = brokenInvariant(outcome, invariant);
    if (broken !== undefined) return broken;
  }
  if (reference === undefined) return undefined;
  const view = viewOf(judging, outcome);
  return isSame(judging, reference.view, view)
    ? undefined
    : {
        kind: 'diverged',
        what: `The end is not the one of the same messages handled one after another:\n\n${differenceOf(reference.view, view, ['one after another', 'this schedule'])}`,
      };
};
