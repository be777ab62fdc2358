/** The port for leases: who may do a thing for a while. What is written under one is fenced by the store, not by the holder's belief. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { LeaseScope } from './lease-scopes.js';
import type { BadRequest, Unreachable } from './store-errors.js';

export interface Lease {
  /** On a scope: `scope:/product-123/assets`, see `scopeLeaseName`. */
  readonly name: string;
  /** Grows with every holder of the name, from 1. */
  readonly token: number;
}

/** Somebody else holds the lease. Nothing was changed. Wait up to `expiresInMs` and ask again, or leave the work to them. */
export interface LeaseHeld {
  readonly _tag: 'LeaseHeld';
  /** Which lease is in the way: the one that was asked for, or one on a scope above or below; of several the one that lasts longest. */
  readonly lease: string;
  readonly holder: string;
  readonly expiresInMs: number;
}

/** The lease has ended and was given to somebody else, or was released. Nothing was written. Stop the work done under it; acquire it again to go on. */
export interface LeaseLost {
  readonly _tag: 'LeaseLost';
  readonly lease: string;
  readonly token: number;
}

/** A condition of an append: it is refused with `LeaseLost` once the lease is another's. */
export interface Fence {
  readonly lease: string;
  readonly token: number;
}

/** The fence of a lease that is held. */
export const fenceOf = ({ name, token }: Lease): Fence => ({ lease: name, token });

interface AcquireTerms {
  /** Who asks, for people to read. 1 to 512 bytes. */
  readonly holder: string;
  /** How long it lasts unless renewed, in milliseconds by the store's clock, 1 to 86,400,000. */
  readonly ttlMs: number;
}

/** A lease that stands for itself. */
export interface AcquireNamed extends AcquireTerms {
  /** 1 to 512 bytes. Names that begin with `scope:/` are kept for scopes. */
  readonly name: string;
  readonly scope?: undefined;
}

/** A lease on a scope: it excludes those on the same, on every wider one it lies in, and on every narrower one in it. Siblings stand side by side. */
export interface AcquireScoped extends AcquireTerms {
  readonly scope: LeaseScope;
  readonly name?: undefined;
}

export type AcquireRequest = AcquireNamed | AcquireScoped;

/** A lease whose holder neither gave it back nor renewed it in time. */
export interface RecoveredLease extends Lease {
  readonly holder: string;
}

/** A lease that was just taken. */
export interface AcquiredLease extends Lease {
  /** On a scope: the leases in the way that had run out, and are their holders' no more; absent where there were none. By name. */
  readonly recovered?: ReadonlyArray<RecoveredLease>;
}

export interface ListLeasesRequest {
  /** What the names begin with, letter for letter; empty: all. 512 bytes at most. */
  readonly prefix: string;
  /** Leases at most, 1 to 4,096. Default 512. */
  readonly maxCount?: number;
}

/** A lease that is held and has not ended. */
export interface LeaseSummary extends Lease {
  readonly holder: string;
  readonly expiresInMs: number;
}

export type AcquireError = LeaseHeld | BadRequest | Unreachable;
export type KeepError = LeaseLost | BadRequest | Unreachable;

/**
 * A lease that nobody renews ends by itself; after that it is still its holder's until another takes it, and then the holder's
 * fenced appends are refused: the store compares tokens in the same step in which it writes. One on a scope is taken from its
 * holder also by a lease above or below it.
 */
export interface Leases {
  /**
   * Takes a lease that is free or has ended, under the next token. On a scope: if everything above and below it is free or has
   * ended too, all seen in one step. To look for those takes longer the more leases there ever were below the scope.
   */
  readonly acquire: (request: AcquireRequest) => TaskEither<AcquireError, AcquiredLease>;
  /** Lets it last `ttlMs` from now. */
  readonly renew: (lease: Lease, ttlMs: number) => TaskEither<KeepError, void>;
  /** Gives it back. One that is lost already is nothing to worry about. */
  readonly release: (lease: Lease) => TaskEither<BadRequest | Unreachable, void>;
  /** Leases that are held and have not ended, by name in code point order: so that workers can count each other. */
  readonly list: (
    request: ListLeasesRequest,
  ) => TaskEither<BadRequest | Unreachable, ReadonlyArray<LeaseSummary>>;
}
