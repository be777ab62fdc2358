/** What a resolver is given when an aggregate's save meets a conflict, and what it may answer. */
import type * as E from 'fp-ts/lib/Either.js';
import type { Codec } from '../codec.js';
import type { AnyEvent } from '../merge/merge.js';

/** The part of an aggregate's rules that a resolver may ask; an `Aggregate` is one. */
export interface ResolverRules<S, Ev extends AnyEvent = AnyEvent> {
  evolve(state: S, event: Ev): S;
  /** How states are written, so that states with values of their own (a Date) can be compared. Default: states are JSON as they are. */
  readonly state?: Codec<S>;
}

/**
 * One save that was not the first.
 *
 *                /--- ours ---> attempted
 *   original ---
 *                \--- theirs --> current
 */
export interface ResolverConflict<S, Ev extends AnyEvent = AnyEvent> {
  /** The state that was loaded and decided on. */
  readonly original: S;
  /** The stream's state now: `original` and then `theirs`. */
  readonly current: S;
  /** The state that was to be saved: `original` and then `ours`. */
  readonly attempted: S;
  readonly ours: ReadonlyArray<Ev>;
  /** What others appended meanwhile, oldest first. */
  readonly theirs: ReadonlyArray<Ev>;
  readonly rules: ResolverRules<S, Ev>;
}

/** The resolver cannot decide. Nothing was written. Show both sides of `fields` to whoever changed them, load again, and decide anew. */
export interface ResolverRefused {
  readonly _tag: 'ResolverRefused';
  /** The resolver's description. */
  readonly resolver: string;
  readonly reason: string;
  /** The parts of the state that both sides changed, as `$.field.path`. */
  readonly fields: ReadonlyArray<string>;
}

export interface ResolverAnswer<Ev extends AnyEvent = AnyEvent> {
  /** Appended on `current`, in this order. None: theirs stands, and nothing is appended. */
  readonly events: ReadonlyArray<Ev>;
  /** How it was decided, in words, for whoever reads the conflict later. Default: the resolver's description. */
  readonly rule?: string;
}

/**
 * `commutative`: the state is the same whichever side was first. `idempotent`: where both sides did the same, the state is
 * that of one of them.
 */
export type ResolverClaim = 'commutative' | 'idempotent';

/** An aggregate's answer to a conflict. Pure: no I/O, no clock, no random; it may run any number of times for one save. */
export interface Resolver<S, Ev extends AnyEvent = AnyEvent> {
  /** Which rule this is, in words. */
  readonly description: string;
  /** What it promises beyond the laws of all; `checkResolver` tries what is claimed. Default: nothing. */
  readonly claims?: ReadonlyArray<ResolverClaim>;
  resolve(conflict: ResolverConflict<S, Ev>): E.Either<ResolverRefused, ResolverAnswer<Ev>>;
}

export const resolverRefused = (
  resolver: string,
  reason: string,
  fields: ReadonlyArray<string> = [],
): ResolverRefused => ({ _tag: 'ResolverRefused', resolver, reason, fields });
