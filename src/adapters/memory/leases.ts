/** The leases of the memory store. */
import * as E from 'fp-ts/lib/Either.js';

import { checkAcquire, checkLease, checkListLeases } from '../../store/lease-checks.js';
import { excludesEachOther } from '../../store/lease-scopes.js';
import type {
  AcquiredLease,
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
import { compareCodePoints } from '../../core/code-points.js';

interface Held {
  readonly token: number;
  readonly holder: string;
  /** By the store's clock; released: minus infinity. */
  readonly expiresAt: number;
}

type Entry = [name: string, held: Held];

const byName = ([a]: Entry, [b]: Entry): number => compareCodePoints(a, b);
/** What ends last comes first. */
const byEnd = (a: Entry, b: Entry): number => b[1].expiresAt - a[1].expiresAt || byName(a, b);

const list = (
  leases: Iterable<Entry>,
  request: ListLeasesRequest,
  now: number,
): E.Either<BadRequest, ReadonlyArray<LeaseSummary>> => {
  const count = checkListLeases(request);
  if (E.isLeft(count)) return count;
  const held = [...leases].filter(
    ([name, { expiresAt }]) => expiresAt > now && name.startsWith(request.prefix),
  );
  const summaryOf = ([name, { token, holder, expiresAt }]: Entry): LeaseSummary => ({
    name,
    token,
    holder,
    expiresInMs: Math.ceil(expiresAt - now),
  });
  return E.right(held.sort(byName).slice(0, count.right).map(summaryOf));
};

/** `clockMs` never goes back. */
export const keepLeases = (clockMs: () => number) => {
  const leases = new Map<string, Held>();
  const lost = (lease: string, token: number): LeaseLost => ({ _tag: 'LeaseLost', lease, token });
  /** The lease where it is still that holder's. Past its end it is, until another takes it. */
  const own = (name: string, token: number): Held | undefined => {
    const held = leases.get(name);
    return held?.token === token && held.expiresAt > -Infinity ? held : undefined;
  };
  const isOpen = ([, { expiresAt }]: Entry): boolean => expiresAt > -Infinity;
  const whole = (name: string): Entry[] => {
    const held = leases.get(name);
    return held === undefined ? [] : [[name, held] satisfies Entry].filter(isOpen);
  };
  /** Those on the scope, above and below it. */
  const around = (name: string): Entry[] =>
    [...leases].filter((entry) => isOpen(entry) && excludesEachOther(entry[0], name));
  return {
    /** What an append under this fence is refused with. */
    judge: (fence: Fence | undefined): LeaseLost | undefined =>
      fence === undefined || own(fence.lease, fence.token) !== undefined
        ? undefined
        : lost(fence.lease, fence.token),
    acquire: (request: AcquireRequest): E.Either<AcquireError, AcquiredLease> => {
      const checked = checkAcquire(request);
      if (E.isLeft(checked)) return checked;
      const name = checked.right;
      const now = clockMs();
      const inTheWay = request.scope === undefined ? whole(name) : around(name);
      const [longest] = inTheWay.filter(([, held]) => held.expiresAt > now).sort(byEnd);
      if (longest !== undefined) {
        const [lease, { holder, expiresAt }] = longest;
        return E.left({ _tag: 'LeaseHeld', lease, holder, expiresInMs: Math.ceil(expiresAt - now) });
      }
      for (const [other, held] of inTheWay) leases.set(other, { ...held, expiresAt: -Infinity });
      const token = (leases.get(name)?.token ?? 0) + 1;
      leases.set(name, { token, holder: request.holder, expiresAt: now + request.ttlMs });
      const recovered = inTheWay
        .sort(byName)
        .map(([other, held]) => ({ name: other, token: held.token, holder: held.holder }));
      const isTold = request.scope !== undefined && recovered.length > 0;
      return E.right({ name, token, ...(isTold && { recovered }) });
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
    list: (request: ListLeasesRequest) => list(leases, request, clockMs()),
  };
};
