/** The lease that merges of one saga are done under once they have lost too often: whoever merges then, merges alone. */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import { type Fence, fenceOf, type Lease } from '../../store/leases.js';
import type { SagaShell } from './saga-context.js';
import { streamLeaseName } from '../leases/stream-lease.js';

/** A merge takes milliseconds; a process that dies holds others up for this long at most. */
const leaseTtlMs = 2_000;

export interface MergeLease {
  /** Tries to get the lease, unless it is held already. False where somebody else holds it now. */
  readonly acquire: () => Promise<boolean>;
  /** What the append of a merge is fenced with; `undefined` without a lease. */
  readonly fence: () => Fence | undefined;
  /** The store says that it is lost. */
  readonly forget: () => void;
  readonly release: () => Promise<void>;
}

export const mergeLease = <S, Ev extends AnyEvent>(
  { store, holder }: SagaShell<S, Ev>,
  instance: Instance,
): MergeLease => {
  const { leases } = store;
  let lease: Lease | undefined;
  return {
    acquire: async () => {
      if (leases === undefined || lease !== undefined) return true;
      const request = { name: streamLeaseName('merge', instance), holder, ttlMs: leaseTtlMs };
      const acquired = await leases.acquire(request)();
      // A store that cannot give a lease now is no reason not to merge: the append decides.
      if (E.isLeft(acquired)) return acquired.left._tag !== 'LeaseHeld';
      lease = acquired.right;
      return true;
    },
    fence: () => lease && fenceOf(lease),
    forget: () => {
      lease = undefined;
    },
    release: async () => {
      // One that cannot be given back ends by itself.
      if (lease !== undefined) await leases?.release(lease)();
      lease = undefined;
    },
  };
};
