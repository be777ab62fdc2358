/** Resolvers that merge states, and answer with the events that lead to the merged one: ours, or some that the user makes. */
import * as E from 'fp-ts/lib/Either.js';
import { isSame, showPath, storedState, touchedPaths } from './fields.js';
import type { AnyEvent, ThreeWay } from '../merge/merge.js';
import { refusalOf } from '../merge/merge.js';
import {
  type Resolver,
  type ResolverAnswer,
  type ResolverConflict,
  resolverRefused,
  type ResolverRefused,
  type ResolverRules,
} from './resolver.js';

/** The merged state, from the three; the events of both sides are there for rules that need more than states. */
export type MergeThree<S, Ev extends AnyEvent = AnyEvent> = (
  original: S,
  current: S,
  attempted: S,
  events: { readonly ours: ReadonlyArray<Ev>; readonly theirs: ReadonlyArray<Ev> },
) => S;

export interface ThreeWayResolverOptions<S, Ev extends AnyEvent = AnyEvent>
  extends Pick<Resolver<S, Ev>, 'claims'> {
  /** Default: the rule's own description. */
  readonly description?: string;
  /**
   * Events that lead from `current` to `merged`, for merges that ours, played on theirs, does not give. They are folded, and
   * refused where they lead elsewhere. Default: none, and such merges are refused.
   */
  readonly toEvents?: (current: S, merged: S) => ReadonlyArray<Ev>;
  /** When two states, as they are stored, are the same. Default: they are the same JSON, whatever the order of their keys. */
  readonly equals?: (a: unknown, b: unknown) => boolean;
}

type Answer<Ev extends AnyEvent> = E.Either<ResolverRefused, ResolverAnswer<Ev>>;

/** The stored state after the events; `undefined` where `evolve` does not take one of them on this state. */
const played = <S, Ev extends AnyEvent>(
  rules: ResolverRules<S, Ev>,
  from: S,
  events: ReadonlyArray<Ev>,
): unknown => {
  try {
    return storedState(
      rules,
      events.reduce((state, event) => rules.evolve(state, event), from),
    );
  } catch {
    return undefined;
  }
};

const mergeOf =
  <S, Ev extends AnyEvent>(rule: ThreeWay<S> | MergeThree<S, Ev>) =>
  (stored: readonly [S, S, S], { ours, theirs }: ResolverConflict<S, Ev>): ReturnType<ThreeWay<S>['merge']> =>
    typeof rule === 'function' ? E.right(rule(...stored, { ours, theirs })) : rule.merge(...stored);

const madeEvents = <S, Ev extends AnyEvent>(
  { current, rules }: ResolverConflict<S, Ev>,
  merged: S,
  toEvents: NonNullable<ThreeWayResolverOptions<S, Ev>['toEvents']>,
): E.Either<string, ReadonlyArray<Ev>> => {
  const decoded = rules.state === undefined ? E.right(merged) : rules.state.decode(merged);
  if (E.isLeft(decoded)) return E.left('the merged state is none that the codec of the state accepts');
  return E.right(toEvents(current, decoded.right));
};

/** The events for a merge that ours, played on theirs, does not give. */
const otherEvents = <S, Ev extends AnyEvent>(
  conflict: ResolverConflict<S, Ev>,
  merged: S,
  { toEvents }: ThreeWayResolverOptions<S, Ev>,
  equals: (a: unknown, b: unknown) => boolean,
): E.Either<readonly [reason: string, reached: unknown], ReadonlyArray<Ev>> => {
  const { current, ours, rules } = conflict;
  const now = storedState(rules, current);
  if (equals(now, merged)) return E.right([]);
  if (toEvents === undefined)
    return E.left([
      'our events, played on theirs, do not give the merged state, and there is no toEvents to make others',
      played(rules, current, ours) ?? now,
    ]);
  const made = madeEvents(conflict, merged, toEvents);
  if (E.isLeft(made)) return E.left([made.left, now]);
  const reached = played(rules, current, made.right);
  return equals(reached, merged)
    ? made
    : E.left(['the events of toEvents do not lead to the merged state', reached ?? now]);
};

/**
 * Merges the states over what both began from, and answers with events: ours where they, played on theirs, give just the
 * merged state; none where theirs is the merged state already; else those of `toEvents`. Where neither leads there, or the
 * rule refuses, it refuses with the fields.
 *
 * ```ts
 * threeWayResolver(record<Product>({ name: unlessBothChanged(), stock: counter, tags: union() }))
 * threeWayResolver((original, current, attempted) => ({ ...current, stock: Math.min(current.stock, attempted.stock) }),
 *   { toEvents: (_current, merged) => [{ type: 'StockSet', data: { stock: merged.stock } }] })
 * ```
 * The rule is any `ThreeWay`, with the stream's state in the place of the trunk's, or a function. It is given states as the
 * codec of the state writes them: a Date is its text.
 */
export const threeWayResolver = <S, Ev extends AnyEvent = AnyEvent>(
  rule: ThreeWay<S> | MergeThree<S, Ev>,
  options: ThreeWayResolverOptions<S, Ev> = {},
): Resolver<S, Ev> => {
  const { equals = isSame, claims } = options;
  const description = options.description ?? (typeof rule === 'function' ? 'three-way' : rule.description);
  const merge = mergeOf(rule);
  const refuse = (reason: string, fields: ReadonlyArray<string>): Answer<Ev> =>
    E.left(resolverRefused(description, reason, fields));
  return {
    description,
    ...(claims !== undefined && { claims }),
    resolve: (conflict) => {
      const { original, current, attempted, ours, rules } = conflict;
      const stored = [original, current, attempted].map((state) => storedState(rules, state));
      const merged = merge(stored as unknown as readonly [S, S, S], conflict);
      if (E.isLeft(merged)) {
        const { reason, paths } = refusalOf(merged.left);
        return refuse(reason, paths);
      }
      if (equals(played(rules, current, ours), merged.right)) return E.right({ events: ours });
      const others = otherEvents(conflict, merged.right, options, equals);
      if (E.isRight(others)) return E.right({ events: others.right });
      const [reason, reached] = others.left;
      return refuse(reason, touchedPaths(reached, merged.right).map(showPath));
    },
  };
};
