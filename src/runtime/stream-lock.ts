/** The pessimistic answer to conflict: a lease on the stream, waited for within a limit, kept up while the work runs. */
import * as E from 'fp-ts/lib/Either.js';
import type { StreamName, Tenant } from '../core/stream.js';
import { type Fence, fenceOf, type Lease } from '../store/leases.js';
import type { BadRequest, Unreachable } from '../store/store-errors.js';
import { realTimers } from '../store/timers.js';
import { makeWake } from '../store/wake.js';
import type { HandlerContext, LockTimeout } from './message-delivery.js';
import { streamLeaseName } from './stream-lease.js';

/** A process that dies holds others up for this long at most; one that lives renews at a third of it. */
const lockTtlMs = 6_000;
/** No wait between two looks at a lock is longer, so that one given back early does not lie idle for long. */
const lookMaxMs = 50;

export interface LockRequest {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly waitMaxMs: number;
  readonly signal: AbortSignal;
}

type LockError = LockTimeout | BadRequest | Unreachable;

const timeout = (request: LockRequest, holder: string, waitedMs: number): LockTimeout => ({
  _tag: 'LockTimeout',
  streamName: request.streamName,
  holder,
  waitedMs,
  message: `${request.streamName} was locked by ${holder} for all of ${Math.round(waitedMs)} ms`,
});

const acquire = async (
  { store, environment, holder }: HandlerContext,
  request: LockRequest,
): Promise<E.Either<LockError, Lease>> => {
  const { leases } = store;
  if (leases === undefined)
    throw new TypeError(`${store.name} keeps no leases, so that no handler can answer conflict with lock`);
  const { now } = environment.timers ?? realTimers;
  const wake = makeWake(environment.timers);
  const began = now();
  // Ends: with the lock, or when the limit is reached.
  for (let look = 1; ; look += 1) {
    const acquired = await leases.acquire({
      name: streamLeaseName('lock', request),
      holder,
      ttlMs: lockTtlMs,
    })();
    if (E.isRight(acquired)) return acquired;
    if (acquired.left._tag !== 'LeaseHeld') return E.left(acquired.left);
    const waitedMs = now() - began;
    if (waitedMs >= request.waitMaxMs || request.signal.aborted)
      return E.left(timeout(request, acquired.left.holder, waitedMs));
    // Drawn at random, so that those who wait do not all ask at the moment when it is given back.
    const pauseMs = Math.min(lookMaxMs, 2 ** look) * (0.25 + 0.75 * environment.random());
    await wake.wait(Math.min(pauseMs, request.waitMaxMs - waitedMs), request.signal);
  }
};

/** Does `work` under the stream's lock. Its appends are fenced with it: one that outlives the lock writes nothing. */
export const withLock = async <L, A>(
  context: HandlerContext,
  request: LockRequest,
  work: (fence: Fence) => Promise<E.Either<L, A>>,
): Promise<E.Either<L | LockError, A>> => {
  const lock = await acquire(context, request);
  if (E.isLeft(lock)) return lock;
  const over = new AbortController();
  const keep = async (): Promise<void> => {
    const wake = makeWake(context.environment.timers);
    for (;;) {
      await wake.wait(lockTtlMs / 3, over.signal);
      // A lock that is lost is found out by the append that is fenced with it. Given up once the work has lost its right to write.
      if (over.signal.aborted || request.signal.aborted) return;
      await context.store.leases?.renew(lock.right, lockTtlMs)();
    }
  };
  const keeping = keep();
  try {
    return await work(fenceOf(lock.right));
  } finally {
    over.abort();
    await keeping;
    // One that cannot be given back ends by itself.
    await context.store.leases?.release(lock.right)();
  }
};
