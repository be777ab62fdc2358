/** Resolvers that are ready: who wrote last, who wrote first, a table of what commutes, and the first that can. */
import * as E from 'fp-ts/lib/Either.js';
import { contestedFields } from './fields.js';
import type { AnyEvent } from '../merge/merge.js';
import {
  type Resolver,
  resolverRefused,
  type ResolverAnswer,
  type ResolverConflict,
  type ResolverRefused,
} from './resolver.js';

type Refuse = (reason: string, fields?: ReadonlyArray<string>) => E.Either<ResolverRefused, never>;

/**
 * A resolver of your own. `resolve` is given the conflict and `refuse`, for what it cannot decide:
 *
 * ```ts
 * const keepOpen = resolver<Order, OrderEvent>('an open order takes more lines', ({ current, ours }, refuse) =>
 *   current.isOpen ? E.right({ events: ours }) : refuse('the order was closed', ['$.isOpen']),
 * );
 * ```
 * Pure, like every resolver; `checkResolver` tries whether it is.
 */
export const resolver = <S, Ev extends AnyEvent = AnyEvent>(
  description: string,
  resolve: (
    conflict: ResolverConflict<S, Ev>,
    refuse: Refuse,
  ) => E.Either<ResolverRefused, ResolverAnswer<Ev>>,
  options: Pick<Resolver<S, Ev>, 'claims'> = {},
): Resolver<S, Ev> => ({
  description,
  ...options,
  resolve: (conflict) =>
    resolve(conflict, (reason, fields) => E.left(resolverRefused(description, reason, fields))),
});

const typesOf = (events: ReadonlyArray<AnyEvent>): string =>
  [...new Set(events.map(({ type }) => type))].sort().join(', ');

/**
 * Ours is appended on whatever stands there, undecided: what theirs set, ours sets again. Nothing is refused. Only for events
 * that are right in every state, such as a setting that is replaced as a whole.
 */
export const lastWriteWins = <S, Ev extends AnyEvent = AnyEvent>(): Resolver<S, Ev> =>
  resolver('last write wins', ({ ours }) => E.right({ events: ours }));

/** Theirs stands and ours is dropped, which the answer's `rule` says. Nothing is refused. */
export const firstWriteWins = <S, Ev extends AnyEvent = AnyEvent>(): Resolver<S, Ev> =>
  resolver(
    'first write wins',
    ({ ours, theirs }) => {
      if (theirs.length === 0 || ours.length === 0) return E.right({ events: ours });
      return E.right({ events: [], rule: `first write wins: ${typesOf(ours)} of ours dropped` });
    },
    { claims: ['idempotent'] },
  );

/** `true`: they always commute. A function: whether these two do, by the data of the first and of the second. */
export type Commutes<A, B> = true | ((first: A, second: B) => boolean);

type DataOfType<Ev extends AnyEvent, Type> = Extract<Ev, { readonly type: Type }>['data'];

/**
 * Which types of events commute: `a` then `b` leaves the state that `b` then `a` leaves. Each pair is written once, under
 * either of the two; where it stands under both, both must agree. What is not in the table does not commute.
 */
export type CommutingTable<Ev extends AnyEvent> = {
  readonly [A in Ev['type']]?: {
    readonly [B in Ev['type']]?: Commutes<DataOfType<Ev, A>, DataOfType<Ev, B>>;
  };
};

type Entries = Readonly<Record<string, Readonly<Record<string, Commutes<unknown, unknown>>>>>;

const entryOf = (table: Entries, a: string, b: string): Commutes<unknown, unknown> | undefined => {
  const row = Object.hasOwn(table, a) ? table[a] : undefined;
  return row !== undefined && Object.hasOwn(row, b) ? row[b] : undefined;
};

const holds = (entry: Commutes<unknown, unknown> | undefined, a: AnyEvent, b: AnyEvent): boolean =>
  entry === undefined || entry === true || entry(a.data, b.data);

const doCommute = (table: Entries, a: AnyEvent, b: AnyEvent): boolean => {
  const [there, back] = [entryOf(table, a.type, b.type), entryOf(table, b.type, a.type)];
  return (there !== undefined || back !== undefined) && holds(there, a, b) && holds(back, b, a);
};

/**
 * Ours is appended where every event of ours commutes with every one of theirs, by the table:
 *
 * ```ts
 * commuting<EventOf<typeof product>>({
 *   Renamed: { PriceSet: true, TagAdded: true },
 *   TagAdded: { TagAdded: true, TagRemoved: (added, removed) => added.tag !== removed.tag },
 * })
 * ```
 * Else it refuses, with the pairs and the fields that both sides changed. That the table is right is tried by `checkResolver`.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- it looks at events only: a resolver for any state
export const commuting = <Ev extends AnyEvent>(table: CommutingTable<Ev>): Resolver<any, Ev> =>
  resolver(
    'commuting events',
    (conflict, refuse) => {
      const pairs = conflict.ours.flatMap((a) =>
        conflict.theirs
          .filter((b) => !doCommute(table as Entries, a, b))
          .map((b) => `${a.type} of ours does not commute with ${b.type} of theirs`),
      );
      return pairs.length === 0
        ? E.right({ events: conflict.ours })
        : refuse([...new Set(pairs)].join('; '), contestedFields(conflict));
    },
    { claims: ['commutative'] },
  );

/** The first of them that does not refuse. Where all do, so does this, with what each has said and all of their fields. */
export const firstOf = <S, Ev extends AnyEvent = AnyEvent>(
  ...resolvers: readonly [Resolver<S, Ev>, ...ReadonlyArray<Resolver<S, Ev>>]
): Resolver<S, Ev> => {
  const description = `first of: ${resolvers.map((each) => each.description).join('; ')}`;
  return resolver(description, (conflict, refuse) => {
    const refusals: ResolverRefused[] = [];
    for (const each of resolvers) {
      const answer = each.resolve(conflict);
      if (E.isRight(answer)) return E.right({ ...answer.right, rule: answer.right.rule ?? each.description });
      refusals.push(answer.left);
    }
    const reasons = refusals.map((refused) => `${refused.resolver}: ${refused.reason}`).join('; ');
    return refuse(reasons, [...new Set(refusals.flatMap(({ fields }) => fields))]);
  });
};
