/**
 * What a merger is given, what it answers, and the three ways to write one.
 *
 *          /--- branch ---\
 *   base --                --> merged --> onMerged --> compensations
 *          \--- trunk ----/
 */
import * as E from 'fp-ts/lib/Either.js';
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js';
import type { EventMetadata } from '../event.js';
import type { Json } from '../json.js';
import type { StreamVersion } from '../stream.js';

/** Any event of a saga, where its exact type does not matter. */
export interface AnyEvent {
  readonly type: string;
  readonly data: unknown;
}

/** A message on its way out of a saga. */
export interface OutgoingMessage {
  /** Stable: the same for every delivery, derived from what caused it. */
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Json;
  /** At most one message of a key leaves a saga per epoch. */
  readonly key?: string;
}

/** A message that has left, or may leave at any moment: it was committed on the trunk. */
export interface ReleasedMessage extends OutgoingMessage {
  /** Version of the record that released it. */
  readonly version: StreamVersion;
  /** The conversation it belongs to, what caused it, and where its trace stood. Missing in what a merge is about to release. */
  readonly metadata?: EventMetadata;
}

/** What becomes of a held message. */
export type Fate =
  | 'release'
  | 'cancel'
  | { readonly replaceWith: { readonly type: string; readonly data: unknown; readonly key?: string } };

export interface ConflictBranch<S, Ev extends AnyEvent = AnyEvent> {
  readonly id: string;
  /** The version at which the branch left the trunk. */
  readonly baseVersion: StreamVersion;
  /** The trunk's state there. */
  readonly base: S;
  /** The branch's tip: `base` and then `events`. */
  readonly state: S;
  readonly events: ReadonlyArray<Ev>;
  /** Held until the merge decides. */
  readonly messages: ReadonlyArray<OutgoingMessage>;
  /** The message whose handling lost the append. */
  readonly cause: { readonly messageId: string; readonly type: string; readonly data: unknown };
  /** The handler wanted to complete the saga. Provisional: `onMerged` decides. */
  readonly completes: boolean;
  /** What the trunk did since `baseVersion`. */
  readonly trunkEvents: ReadonlyArray<Ev>;
}

export interface Conflict<S, Ev extends AnyEvent = AnyEvent> {
  /** The trunk's tip. */
  readonly current: S;
  /** Sorted by base, then id: the same input for the same set, everywhere. */
  readonly branches: ReadonlyNonEmptyArray<ConflictBranch<S, Ev>>;
  /** The trunk had completed before these branches arrived. */
  readonly completed: boolean;
  /** Messages of this epoch that have left the trunk, oldest first. */
  readonly released: ReadonlyArray<ReleasedMessage>;
}

/** The merger cannot decide. The branches stay pending, their messages held, and the saga is parked until a merger can. */
export interface MergeRefused {
  readonly _tag: 'MergeRefused';
  readonly reason: string;
  /** The parts of the state that both sides changed, as `$.field.path`. */
  readonly paths: ReadonlyArray<string>;
}

export interface MergeAnswer<S, Ev extends AnyEvent = AnyEvent> {
  readonly state: S;
  /** The events that stand: those of the branches (the very same objects) are accepted, others added, missing ones rejected. Default: all of the branches'. */
  readonly events?: ReadonlyArray<Ev>;
  /** Fate of one held message; `undefined` leaves it to the rule: cancelled where its key has gone out already, else released. */
  readonly messages?: (message: OutgoingMessage, branch: ConflictBranch<S, Ev>) => Fate | undefined;
  /** Only where `completed`: take the branches in, begin a new epoch, or turn them away as they are. Default `absorb`. */
  readonly late?: 'absorb' | 'reopen' | 'reject';
  /** How it was decided, in words, for whoever reads the conflict later. Default: the merger's description. */
  readonly rule?: string;
}

/** The user's answer to a conflict. Pure: no I/O, no clock, no random; it may run any number of times. */
export interface Merger<S, Ev extends AnyEvent = AnyEvent> {
  /** Which rule this is, in words. */
  readonly description: string;
  readonly merge: (conflict: Conflict<S, Ev>) => E.Either<MergeRefused, MergeAnswer<S, Ev>>;
}

export const mergeRefused = (reason: string, paths: ReadonlyArray<string> = []): MergeRefused => ({
  _tag: 'MergeRefused',
  reason,
  paths,
});

/** Sides of one part of the state that cannot be brought together. */
export interface FieldConflict {
  readonly path: string;
  readonly reason: string;
}

/**
 * A merge of one trunk and one branch over their common base. To give one state whatever the order and grouping it obeys
 * `m(b, c, b) = c`, `m(b, b, x) = x` and `m(b2, m(b1, c, x1), x2) = m(b1, m(b2, c, x2), x1)`.
 */
export interface ThreeWay<A> {
  readonly description: string;
  readonly merge: (base: A, ours: A, theirs: A) => E.Either<ReadonlyArray<FieldConflict>, A>;
}

/** Writes a merger out in full. */
export const merger = <S, Ev extends AnyEvent = AnyEvent>(
  merge: Merger<S, Ev>['merge'],
  description = 'the saga’s own merger',
): Merger<S, Ev> => ({ description, merge });

/**
 * Rhino's form: all states at once, the trunk's first, then each branch's; without their bases. Enough where the state only
 * grows; a counter would count its base once for each state.
 */
export const mergeStates = <S, Ev extends AnyEvent = AnyEvent>(
  merge: (states: ReadonlyNonEmptyArray<S>) => S,
  description = 'all states at once',
): Merger<S, Ev> => ({
  description,
  merge: ({ current, branches }) =>
    E.right({ state: merge([current, ...branches.map(({ state }) => state)]) }),
});

const isThreeWay = <S>(value: ThreeWay<S> | ((base: S, ours: S, theirs: S) => S)): value is ThreeWay<S> =>
  typeof value !== 'function';

/** The three-way form: each branch in turn is merged into the trunk, over the branch's own base. */
export const threeWay = <S, Ev extends AnyEvent = AnyEvent>(
  rule: ThreeWay<S> | ((base: S, ours: S, theirs: S) => S),
  description = isThreeWay(rule) ? rule.description : 'three-way',
): Merger<S, Ev> => {
  const merge: ThreeWay<S>['merge'] = isThreeWay(rule)
    ? rule.merge
    : (base, ours, theirs) => E.right(rule(base, ours, theirs));
  return {
    description,
    merge: ({ current, branches }) => {
      let state = current;
      for (const branch of branches) {
        const merged = merge(branch.base, state, branch.state);
        if (E.isLeft(merged)) return E.left(refusalOf(merged.left));
        state = merged.right;
      }
      return E.right({ state });
    },
  };
};

/** All conflicts of a rule as one refusal. */
export const refusalOf = (conflicts: ReadonlyArray<FieldConflict>): MergeRefused =>
  mergeRefused(
    conflicts.map(({ path, reason }) => `${path}: ${reason}`).join('; '),
    conflicts.map(({ path }) => path),
  );
