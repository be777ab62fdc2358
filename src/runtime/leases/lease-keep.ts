/** Keeps a lease up while the work under it runs, and tells the work when it is lost. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { Lease, LeaseLost, Leases } from '../../store/leases.js';
import type { Timers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';

/** It is renewed when this part of its time is over. */
const heartbeatShare = 1 / 2;
/** A renewal that the store could not be reached for is tried again after this part of its time. */
const againShare = 1 / 16;
/** Not renewed for this part of its time by our own clock, it counts as lost: two clocks do not run quite alike. */
const trustedShare = 9 / 10;

export interface KeptLease {
  readonly leases: Leases;
  readonly timers: Timers;
  readonly lease: Lease;
  readonly ttlMs: number;
  /** When the store was asked for it, by our own clock. */
  readonly askedAt: number;
  /** Ends the renewals, so that work that hangs holds others up for `ttlMs` more at most. */
  readonly callers: AbortSignal | undefined;
  readonly onLost: ((lost: LeaseLost) => void) | undefined;
}

export interface Keeping {
  /** Aborts when the lease is lost, with an error that carries `LeaseLost`, or when the caller calls it off, with the caller's reason. */
  readonly signal: AbortSignal;
  /** Throws what a hook, or the store, threw meanwhile. */
  readonly end: () => void;
}

export const keepLease = ({ leases, timers, lease, ttlMs, askedAt, callers, onLost }: KeptLease): Keeping => {
  const work = new AbortController();
  const over = new AbortController();
  const bugs: unknown[] = [];
  let callOff: () => void = () => undefined;
  const stop = (): void => {
    over.abort();
    callOff();
    callers?.removeEventListener('abort', abort);
  };
  const abort = (): void => {
    stop();
    work.abort(callers?.reason);
  };
  const lose = (): void => {
    if (over.signal.aborted) return;
    stop();
    const lost: LeaseLost = { _tag: 'LeaseLost', lease: lease.name, token: lease.token };
    work.abort(taggedError(lost));
    try {
      onLost?.(lost);
    } catch (bug) {
      bugs.push(bug);
    }
  };
  /** It lasts from when the store heard of it, which is not before it was asked. */
  const trustFrom = (asked: number): void => {
    callOff();
    callOff = timers.after(Math.max(0, asked + ttlMs * trustedShare - timers.now()), lose);
  };
  const keep = async (): Promise<void> => {
    const wake = makeWake(timers);
    let nextAt = askedAt + ttlMs * heartbeatShare;
    while (!over.signal.aborted) {
      await wake.wait(Math.max(0, nextAt - timers.now()), over.signal);
      if (over.signal.aborted) return;
      const asked = timers.now();
      const renewed = await leases.renew(lease, ttlMs)();
      if (over.signal.aborted) return;
      if (E.isRight(renewed)) {
        trustFrom(asked);
        nextAt = asked + ttlMs * heartbeatShare;
      } else if (renewed.left._tag === 'LeaseLost') lose();
      else nextAt = timers.now() + ttlMs * againShare;
    }
  };
  callers?.addEventListener('abort', abort, { once: true });
  trustFrom(askedAt);
  if (callers?.aborted === true) abort();
  // A renewal that hangs is not waited for: at the end of its time the lease counts as lost all the same.
  keep().catch((bug: unknown) => {
    bugs.push(bug);
    lose();
  });
  return {
    signal: work.signal,
    end: () => {
      stop();
      if (bugs.length > 0) throw bugs[0];
    },
  };
};
