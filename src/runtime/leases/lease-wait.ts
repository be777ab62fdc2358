/** Waits for a lease on a scope: asks the store now and then, within a limit, and can be called off. */
import * as E from 'fp-ts/lib/Either.js';
import { thrownMessage } from '../../core/fault.js';
import { delayAfter, type RetryPolicy } from '../../core/retry.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { LeaseScope } from '../../store/lease-scopes.js';
import type { AcquiredLease, LeaseHeld, Leases } from '../../store/leases.js';
import type { BadRequest, Unreachable } from '../../store/store-errors.js';
import { realTimers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import type { Environment } from '../environment.js';

/** Somebody else worked on the scope, or above or below it, for all of the wait. Nothing was written: the work did not begin. Try again later, or wait for longer. */
export interface LeaseTimeout {
  readonly _tag: 'LeaseTimeout';
  /** The lease that was asked for. */
  readonly lease: string;
  /** The lease in the way, as it was last seen. */
  readonly inTheWay: string;
  readonly holder: string;
  readonly waitedMs: number;
  readonly message: string;
}

/**
 * The caller's signal called it off: while it waited, and nothing was done; or while the work ran, and the work stopped by throwing
 * the signal's reason: what it had written by then stays. The lease is given back. Nothing is left to do, unless the work is wanted
 * after all: then start it again, as after a crash.
 */
export interface LeaseAborted {
  readonly _tag: 'LeaseAborted';
  readonly lease: string;
  readonly message: string;
}

export const leaseTimeout = (
  lease: string,
  { lease: inTheWay, holder }: Pick<LeaseHeld, 'lease' | 'holder'>,
  waitedMs: number,
): LeaseTimeout => {
  const [asked, other] = [lease, inTheWay].map((name) => escapeForDisplay(name, 600));
  const waited = `${Math.round(waitedMs)} ms`;
  const message = `${asked} could not be had: ${escapeForDisplay(holder)} held ${asked === other ? 'it' : other} for all of ${waited}`;
  return { _tag: 'LeaseTimeout', lease, inTheWay, holder, waitedMs, message };
};

export const leaseAborted = (lease: string, reason: unknown): LeaseAborted => ({
  _tag: 'LeaseAborted',
  lease,
  message: `${escapeForDisplay(lease, 600)} was called off: ${escapeForDisplay(thrownMessage(reason), 200)}`,
});

/** One given back early does not lie idle for long, and those who wait for long do not keep the store busy. */
const looks: RetryPolicy = {
  attemptsMax: Infinity,
  delayMs: 5,
  delayMaxMs: 500,
  multiplier: 2,
  jitter: 0.5,
};

export interface WantedLease {
  readonly name: string;
  readonly scope: LeaseScope;
  readonly holder: string;
  readonly ttlMs: number;
  readonly waitMaxMs: number;
  readonly signal?: AbortSignal;
}

export interface WaitedLease {
  readonly lease: AcquiredLease;
  /** Before the store was asked for it, by this process's clock: it lasts until later than it would from then. */
  readonly askedAt: number;
  readonly waitedMs: number;
}

type WaitError = LeaseTimeout | LeaseAborted | BadRequest | Unreachable;

export const waitForLease = async (
  leases: Leases,
  { random, timers = realTimers }: Environment,
  { name, scope, holder, ttlMs, waitMaxMs, signal }: WantedLease,
): Promise<E.Either<WaitError, WaitedLease>> => {
  const wake = makeWake(timers);
  const began = timers.now();
  const calledOff = (): LeaseAborted | undefined =>
    signal?.aborted === true ? leaseAborted(name, signal.reason) : undefined;
  for (let attempt = 1; ; attempt += 1) {
    const before = calledOff();
    if (before !== undefined) return E.left(before);
    const askedAt = timers.now();
    const acquired = await leases.acquire({ scope, holder, ttlMs })();
    const waitedMs = timers.now() - began;
    if (E.isRight(acquired)) {
      const lease = acquired.right;
      const meanwhile = calledOff();
      if (meanwhile === undefined) return E.right({ lease, askedAt, waitedMs });
      await leases.release({ name, token: lease.token })();
      return E.left(meanwhile);
    }
    const { left: refusal } = acquired;
    if (refusal._tag !== 'LeaseHeld') return E.left(refusal);
    if (waitedMs >= waitMaxMs) return E.left(leaseTimeout(name, refusal, waitedMs));
    // Looks once more at the very end, and when the one in the way is to run out.
    const pauseMs = Math.min(delayAfter(looks, attempt, random), refusal.expiresInMs, waitMaxMs - waitedMs);
    await wake.wait(Math.max(1, pauseMs), signal);
  }
};
