/** The leases of one process on the parts of its saga's queue of timeouts: taken one at a time, so that several processes share them. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { type Fence, fenceOf, type Lease } from '../../store/leases.js';
import type { Partition } from '../../store/message-queue.js';
import { realTimers } from '../../store/timers.js';
import type { SagaShell } from './saga-context.js';

export interface PartitionLeases {
  readonly beginRound: () => void;
  /** Whether this round has left a partition for the next only because it has taken one already. */
  readonly isTaking: () => boolean;
  /** The fence to work on a partition under; `undefined` where it is another's. A store without leases has one process. */
  readonly hold: (partition: Partition) => Promise<{ readonly fence?: Fence } | undefined>;
  /** Takes an error of the store: a lost lease is forgotten, an outage waited out; anything else is thrown. */
  readonly met: (error: { readonly _tag: string; readonly lease?: string }) => void;
  readonly release: () => Promise<void>;
}

interface Held {
  readonly lease: Lease;
  /** When this process should renew it, by its own clock; what counts is the store's. */
  renewAt: number;
}

const passing: ReadonlySet<string> = new Set(['LeaseLost', 'StoreUnavailable', 'OutcomeUnknown']);

export const partitionLeases = <S, Ev extends AnyEvent>(
  { store: { leases }, holder, environment }: SagaShell<S, Ev>,
  leaseMs: number,
): PartitionLeases => {
  const { now } = environment.timers ?? realTimers;
  const held = new Map<string, Held>();
  const triedAgainAt = new Map<string, number>();
  let mayAcquire = true;
  let isTaking = false;

  const met: PartitionLeases['met'] = (error) => {
    if (!passing.has(error._tag)) throw taggedError(error);
    if (error._tag === 'LeaseLost' && error.lease !== undefined) held.delete(error.lease);
  };
  const acquire = async (name: string): Promise<Held | undefined> => {
    if (leases === undefined || (triedAgainAt.get(name) ?? -Infinity) > now()) return undefined;
    if (!mayAcquire) {
      isTaking = true;
      return undefined;
    }
    const acquired = await leases.acquire({ name, holder, ttlMs: leaseMs })();
    if (E.isRight(acquired)) {
      mayAcquire = false;
      const fresh: Held = { lease: acquired.right, renewAt: now() + leaseMs / 3 };
      held.set(name, fresh);
      return fresh;
    }
    if (acquired.left._tag === 'LeaseHeld')
      triedAgainAt.set(name, now() + Math.min(acquired.left.expiresInMs, leaseMs / 3));
    else met(acquired.left);
    return undefined;
  };
  const renew = async ({ lease, ...mine }: Held): Promise<Held | undefined> => {
    if (leases === undefined || mine.renewAt > now()) return { lease, ...mine };
    const renewed = await leases.renew(lease, leaseMs)();
    if (E.isLeft(renewed)) {
      met(renewed.left);
      return held.get(lease.name);
    }
    const fresh: Held = { lease, renewAt: now() + leaseMs / 3 };
    held.set(lease.name, fresh);
    return fresh;
  };

  return {
    beginRound: () => {
      mayAcquire = true;
      isTaking = false;
    },
    isTaking: () => isTaking,
    hold: async ({ queue, index, of }) => {
      if (leases === undefined) return {};
      const name = `${queue} ${index + 1} of ${of}`;
      const mine = held.get(name);
      const now = await (mine === undefined ? acquire(name) : renew(mine));
      return now && { fence: fenceOf(now.lease) };
    },
    met,
    release: async () => {
      if (leases === undefined) return;
      // What cannot be given back ends by itself.
      for (const { lease } of held.values()) await leases.release(lease)();
      held.clear();
    },
  };
};
