/** Partitions under leases, held by one worker: renewed while it runs, believed only as far as the store's fence goes. */
import * as E from 'fp-ts/lib/Either.js';
import { partitionOf } from '../../src/core/partition.js';
import { type AcquireError, defaultTenant, type Fence, type Lease } from '../../src/index.js';
import type { SqlStore } from '../../src/adapters/postgres/index.js';
import type { WorkerSetup } from './words.js';

export interface LeaseHolder {
  /** The fence for a key, whose lease is taken where nobody has it. */
  readonly fenceFor: (key: string) => Promise<E.Either<AcquireError, Fence>>;
  /** The store says that the lease of this key is lost. */
  readonly forget: (key: string) => void;
  readonly stop: () => void;
}

export const leaseHolder = (
  { leases }: SqlStore,
  holder: string,
  { ttlMs, partitions }: WorkerSetup['lease'],
): LeaseHolder => {
  const held = new Map<number, Promise<E.Either<AcquireError, Lease>>>();
  const indexOf = (key: string): number => partitionOf(defaultTenant, key, partitions);

  const acquire = async (index: number): Promise<E.Either<AcquireError, Lease>> => {
    const acquired = await leases.acquire({ name: `chaos-${index}`, holder, ttlMs })();
    if (E.isLeft(acquired)) held.delete(index);
    return acquired;
  };

  const renewAll = async (): Promise<void> => {
    for (const [index, pending] of held) {
      const lease = await pending;
      if (E.isLeft(lease)) continue;
      const renewed = await leases.renew(lease.right, ttlMs)();
      if (E.isLeft(renewed) && renewed.left._tag === 'LeaseLost' && held.get(index) === pending)
        held.delete(index);
    }
  };
  const timer = setInterval(() => void renewAll(), ttlMs / 3);

  return {
    fenceFor: async (key) => {
      const index = indexOf(key);
      const pending = held.get(index) ?? acquire(index);
      held.set(index, pending);
      const lease = await pending;
      if (E.isLeft(lease)) return lease;
      const { name, token } = lease.right;
      return E.right({ lease: name, token });
    },
    forget: (key) => void held.delete(indexOf(key)),
    stop: () => clearInterval(timer),
  };
};
