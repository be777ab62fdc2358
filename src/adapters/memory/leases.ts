/** The leases of the memory store. */
import * as E from 'fp-ts/lib/Either.js';

import { checkAcquire, checkLease, checkListLeases } from '../../store/lease-checks.js';
import type {
  AcquireError,
  AcquireRequest,
  Fence,
  KeepError,
  Lease,
  LeaseLost,
  LeaseSummary,
  ListLeasesRequest,
} from '../../store/leases.js';
import type { BadRequest } from '../../store/store-errors.js';

interface Held {
  readonly token: number;
  readonly holder: string;
  /** By the store's clock; released: minus infinity. */
  readonly expiresAt: number;
}

/** `clockMs` never goes back. */
export const keepLeases = (clockMs: () => number) => {
  const leases = new Map<string, Held>();
  const lost = (lease: string, token: number): LeaseLost => ({ _tag: 'LeaseLost', lease, token });
  /** The lease where it is still that holder's. Past its end it is, until another takes it. */
  const own = (name: string, token: number): Held | undefined => {
    const held = leases.get(name);
    return held?.token === token && held.expiresAt > -Infinity ? held : undefined;
  };
  return {
    /** What an append under this fence is refused with. */
    judge: (fence: Fence | undefined): LeaseLost | undefined =>
      fence === undefined || own(fence.lease, fence.token) !== undefined
        ? undefined
        : lost(fence.lease, fence.token),
    acquire: (request: AcquireRequest): E.Either<AcquireError, Lease> => {
      const checked = checkAcquire(request);
      if (E.isLeft(checked)) return checked;
      const { name, holder, ttlMs } = request;
      const now = clockMs();
      const current = leases.get(name);
      if (current !== undefined && current.expiresAt > now) {
        const expiresInMs = Math.ceil(current.expiresAt - now);
        return E.left({ _tag: 'LeaseHeld', lease: name, holder: current.holder, expiresInMs });
      }
      const token = (current?.token ?? 0) + 1;
      leases.set(name, { token, holder, expiresAt: now + ttlMs });
      return E.right({ name, token });
    },
    renew: (lease: Lease, ttlMs: number): E.Either<KeepError, void> => {
      const checked = checkLease(lease, ttlMs);
      if (E.isLeft(checked)) return checked;
      const held = own(lease.name, lease.token);
      if (held === undefined) return E.left(lost(lease.name, lease.token));
      leases.set(lease.name, { ...held, expiresAt: clockMs() + ttlMs });
      return E.right(undefined);
    },
    release: (lease: Lease): E.Either<BadRequest, void> => {
      const checked = checkLease(lease);
      if (E.isLeft(checked)) return checked;
      const held = own(lease.name, lease.token);
      if (held !== undefined) leases.set(lease.name, { ...held, expiresAt: -Infinity });
      return E.right(undefined);
    },
    list: (request: ListLeasesRequest): E.Either<BadRequest, ReadonlyArray<LeaseSummary>> => {
      const count = checkListLeases(request);
      if (E.isLeft(count)) return count;
      const now = clockMs();
      const held = [...leases].filter(
        ([name, { expiresAt }]) => expiresAt > now && name.startsWith(request.prefix),
      );
      // The order of code points, as everywhere.
      held.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const summaryOf = ([name, { token, holder, expiresAt }]: [string, Held]): LeaseSummary => ({
        name,
        token,
        holder,
        expiresInMs: Math.ceil(expiresAt - now),
      });
      return E.right(held.slice(0, count.right).map(summaryOf));
    },
  };
};
