/** Work under a lease on a scope: waited for within a limit, kept up while the work runs, given back after it. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { checkName } from '../../core/stream.js';
import { checkCount, firstLeft, idBytesMax } from '../../store/checks.js';
import type { EventStore, NotSupported } from '../../store/event-store.js';
import { ttlMsMax } from '../../store/lease-checks.js';
import { checkScope, type LeaseScope } from '../../store/lease-scopes.js';
import { fenceOf, type LeaseLost, type Leases, type RecoveredLease } from '../../store/leases.js';
import type { BadRequest, Unreachable } from '../../store/store-errors.js';
import { realTimers } from '../../store/timers.js';
import { type Environment, realEnvironment } from '../environment.js';
import { type HeldLease, heldLease, settled, waitMaxMsDefault } from './lease-held.js';
import { keepLease } from './lease-keep.js';
import {
  type LeaseAborted,
  type LeaseTimeout,
  type WaitedLease,
  type WantedLease,
  waitForLease,
} from './lease-wait.js';

const ttlMsDefault = 30_000;

/** A lease was taken for work. */
export interface LeaseNotice {
  readonly lease: string;
  readonly token: number;
  readonly holder: string;
  readonly waitedMs: number;
}

/** For those who want to watch. A hook that throws is a bug: the lease is given back, and it surfaces as a rejection. */
export interface LeaseHooks {
  readonly onAcquired?: (notice: LeaseNotice) => void;
  /** Leases in the way had run out without being given back: their holders died, hang, or lost the store. They are taken over. */
  readonly onRecovered?: (
    notice: LeaseNotice & { readonly recovered: ReadonlyArray<RecoveredLease> },
  ) => void;
  /** The work has lost its lease; its signal is aborted. */
  readonly onLost?: (lost: LeaseLost) => void;
}

export interface LeaseContext {
  readonly store: Pick<EventStore, 'leases'>;
  readonly environment?: Environment;
  readonly hooks?: LeaseHooks;
}

export interface LeaseRequest {
  /** What the work needs for itself: nobody works above, below or on the same scope meanwhile. */
  readonly scope: LeaseScope;
  /** Who works, for people to read: a process, a job. 1 to 512 bytes. */
  readonly holder: string;
  /** After so long without a sign of life the lease may be another's, in milliseconds, 1 to 86,400,000. Renewed at half of it. Default 30,000. */
  readonly ttlMs?: number;
  /** How long to wait for it, in milliseconds, 0 to 86,400,000; 0 asks once. Default 5,000. */
  readonly waitMaxMs?: number;
  /** Calls it off: the wait ends, work that runs has its signal aborted, and its lease is renewed no more. */
  readonly signal?: AbortSignal;
}

export type WithLeaseError =
  | LeaseTimeout
  | LeaseLost
  | LeaseAborted
  | NotSupported
  | BadRequest
  | Unreachable;

const checked = (request: LeaseRequest): E.Either<BadRequest, WantedLease> => {
  const { ttlMs = ttlMsDefault, waitMaxMs = waitMaxMsDefault } = request;
  const name = checkScope('scope', request.scope);
  if (E.isLeft(name)) return name;
  const terms = firstLeft(
    () => checkName('holder', request.holder, idBytesMax),
    () => checkCount('ttlMs', ttlMs, 0, 1, ttlMsMax),
    () => checkCount('waitMaxMs', waitMaxMs, 0, 0, ttlMsMax),
  );
  return E.isLeft(terms) ? terms : E.right({ ...request, name: name.right, ttlMs, waitMaxMs });
};

/** Tells the hooks, then works under a lease that was taken. */
const workUnder = async <L, A>(
  leases: Leases,
  { environment, hooks = {} }: LeaseContext,
  { scope, holder, ttlMs, signal }: WantedLease,
  { lease, askedAt, waitedMs }: WaitedLease,
  work: (held: HeldLease) => Promise<E.Either<L, A>>,
): Promise<E.Either<L | LeaseLost | LeaseAborted, A>> => {
  const { name, token, recovered } = lease;
  const timers = environment?.timers ?? realTimers;
  const { onAcquired, onRecovered, onLost } = hooks;
  const kept = { leases, timers, lease: { name, token }, ttlMs, askedAt, callers: signal, onLost };
  const keeping = keepLease(kept);
  const { held, end } = heldLease({ holder, fence: fenceOf(lease), timers }, scope, keeping.signal);
  try {
    const notice: LeaseNotice = { lease: name, token, holder, waitedMs };
    onAcquired?.(notice);
    if (recovered !== undefined) onRecovered?.({ ...notice, recovered });
    return await settled(held, work);
  } finally {
    end();
    try {
      keeping.end();
    } finally {
      // One that cannot be given back ends by itself.
      await leases.release(kept.lease)();
    }
  }
};

/**
 * Does `work` while nobody else works on the scope, above it or below it: across processes, as long as everybody takes the lease.
 *
 * ```ts
 * const scope = ['product-123', 'assets'];
 * await withLease({ store }, { scope, holder: 'thumbnails' }, async ({ fence, signal }) => {
 *   const image = await render(signal);
 *   return store.append({ ...request(image), fence })();
 * })();
 * ```
 * What the work answers is the outcome; what it throws rejects, but for its signal's reason and `LeaseLost` of its own lease, which
 * are outcomes too. A lease that is lost does not end the work: it aborts the signal, and what is appended with the fence is refused.
 * Not re-entrant by itself: what needs a narrower scope inside is given the handle and asks that, see `HeldLease.within`.
 */
export const withLease =
  <L, A>(
    context: LeaseContext,
    request: LeaseRequest,
    work: (held: HeldLease) => Promise<E.Either<L, A>>,
  ): TaskEither<L | WithLeaseError, A> =>
  async () => {
    const { leases } = context.store;
    if (leases === undefined) return E.left({ _tag: 'NotSupported', capability: 'leases' });
    const wanted = checked(request);
    if (E.isLeft(wanted)) return wanted;
    const waited = await waitForLease(leases, context.environment ?? realEnvironment, wanted.right);
    return E.isLeft(waited) ? waited : workUnder(leases, context, wanted.right, waited.right, work);
  };
