/** The pessimistic answer to conflict: a lease on the stream, waited for within a limit, kept up while the work runs. */
import * as E from 'fp-ts/lib/Either.js';
import type { StreamName, Tenant } from '../../core/stream.js';
import { type Fence, fenceOf, type Lease, type Leases } from '../../store/leases.js';
import type { BadRequest, Unreachable } from '../../store/store-errors.js';
import { realTimers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import { lookMaxMs, lookPauseMs } from '../look-pause.js';
import { type LockLine, lockLines } from './lock-line.js';
import type { HandlerContext, LockTimeout } from '../queue/message-delivery.js';
import { streamLeaseName } from './stream-lease.js';

/** A process that dies holds others up for this long at most; one that lives renews at a third of it. */
const lockTtlMs = 6_000;
/** One token serves so many handlers in a row, for so long at most: a third of the time after which it may be another's. */
const handOversMax = 16;
const handOverMaxMs = lockTtlMs / 3;
/** For this part of the time it held a lock with hand-overs a process keeps away then, so that another can get in. */
const restShare = 1 / 10;

export interface LockRequest {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly waitMaxMs: number;
  readonly signal: AbortSignal;
}

type LockError = LockTimeout | BadRequest | Unreachable;

/** A lease that is held. */
interface Held {
  readonly _tag: 'Held';
  readonly lease: Lease;
  /** Before the store was asked for it, by this process's clock: it lasts until later than it would from then. */
  readonly since: number;
  readonly handOvers: number;
}

/** The lease was given back after many hand-overs. */
interface Rest {
  readonly _tag: 'Rest';
  readonly ms: number;
}

/** One line for each lock of a store in this process, whoever's context it is: the process asks the store with one request at a time. */
const lineOf = lockLines<Held | Rest>();

const timeout = (request: LockRequest, holder: string, waitedMs: number): LockTimeout => ({
  _tag: 'LockTimeout',
  streamName: request.streamName,
  holder,
  waitedMs,
  message: `${request.streamName} was locked by ${holder} for all of ${Math.round(waitedMs)} ms`,
});

interface Wanted {
  readonly context: HandlerContext;
  readonly leases: Leases;
  readonly request: LockRequest;
  readonly name: string;
  readonly line: LockLine<Held | Rest>;
  /** When it was asked for, by this process's clock. */
  readonly began: number;
}

/** Asks the store for the lease until it has it, or the limit is reached. */
const acquire = async (
  { context, leases, request, name, line, began }: Wanted,
  restMs: number,
): Promise<E.Either<LockError, Held>> => {
  const { environment, holder } = context;
  const { now } = environment.timers ?? realTimers;
  const wake = makeWake(environment.timers);
  const leftMs = (): number => request.waitMaxMs - (now() - began);
  if (restMs > 0) await wake.wait(Math.min(restMs, Math.max(0, leftMs())), request.signal);
  for (;;) {
    const since = now();
    const acquired = await leases.acquire({ name, holder, ttlMs: lockTtlMs })();
    if (E.isRight(acquired)) {
      line.holder = holder;
      return E.right({ _tag: 'Held', lease: acquired.right, since, handOvers: 0 });
    }
    if (acquired.left._tag !== 'LeaseHeld') return E.left(acquired.left);
    line.holder = acquired.left.holder;
    const waitedMs = now() - began;
    if (waitedMs >= request.waitMaxMs || request.signal.aborted)
      return E.left(timeout(request, line.holder, waitedMs));
    await wake.wait(Math.min(lookPauseMs(waitedMs, environment.random), leftMs()), request.signal);
  }
};

/** Does the work under a lease that is held, and keeps it up. Then the turn in the line is over. */
const workUnder = async <L, A>(
  { context, leases, request, line }: Wanted,
  held: Held,
  work: (fence: Fence) => Promise<E.Either<L, A>>,
): Promise<E.Either<L, A>> => {
  const { signal } = request;
  const { timers } = context.environment;
  const { now } = timers ?? realTimers;
  const over = new AbortController();
  const keep = async (): Promise<void> => {
    const wake = makeWake(timers);
    for (;;) {
      await wake.wait(lockTtlMs / 3, over.signal);
      // A lock that is lost is found out by the append that is fenced with it.
      if (over.signal.aborted) return;
      await leases.renew(held.lease, lockTtlMs)();
    }
  };
  const giveBack = async (): Promise<void> => {
    try {
      // One that cannot be given back ends by itself.
      await leases.release(held.lease)();
    } finally {
      const heldMs = now() - held.since;
      const isSpent = held.handOvers >= handOversMax || heldMs >= handOverMaxMs;
      line.leave(isSpent ? { _tag: 'Rest', ms: Math.min(lookMaxMs, heldMs * restShare) } : undefined);
    }
  };
  let ending: Promise<void> | undefined;
  const end = (isDone: boolean): Promise<void> => {
    over.abort();
    signal.removeEventListener('abort', drop);
    const { handOvers } = held;
    const mayHandOver = handOvers < handOversMax && now() - held.since < handOverMaxMs;
    // Only from one that is done, with every append of its answered: what a failed or hung one still has on its way must find
    // the token used up, and would pass under that of its successor.
    if (isDone && mayHandOver && line.isWaitedFor()) {
      line.leave({ ...held, handOvers: handOvers + 1 });
      return Promise.resolve();
    }
    return giveBack();
  };
  /** Its time is up: given back at once, although its handler may hang for long. */
  const drop = (): void => {
    ending ??= end(false);
    ending.catch(() => undefined);
  };
  signal.addEventListener('abort', drop, { once: true });
  const keeping = keep();
  // What it throws is thrown at the end; it must not end the process before.
  keeping.catch(() => undefined);
  if (signal.aborted) drop();
  let isDone = false;
  try {
    const result = await work(fenceOf(held.lease));
    isDone = E.isRight(result);
    return result;
  } finally {
    ending ??= end(isDone);
    await Promise.all([ending, keeping]);
  }
};

/**
 * Does `work` under the stream's lock. Its appends are fenced with it: one that outlives the lock writes nothing. Those of one
 * process take their turns in the order in which they came; `waitMaxMs` is for all of the wait.
 */
export const withLock = async <L, A>(
  context: HandlerContext,
  request: LockRequest,
  work: (fence: Fence) => Promise<E.Either<L, A>>,
): Promise<E.Either<L | LockError, A>> => {
  const { store, environment, holder } = context;
  const { leases } = store;
  if (leases === undefined)
    throw new TypeError(`${store.name} keeps no leases, so that no handler can answer conflict with lock`);
  const { now } = environment.timers ?? realTimers;
  const name = streamLeaseName('lock', request);
  const line = lineOf(leases, name, holder);
  const began = now();
  const turn = await line.enter(request.waitMaxMs, request.signal, environment.timers);
  if (turn === undefined) return E.left(timeout(request, line.holder, now() - began));
  const wanted: Wanted = { context, leases, request, name, line, began };
  const { left } = turn;
  let held: E.Either<LockError, Held> | undefined;
  try {
    held = left?._tag === 'Held' ? E.right(left) : await acquire(wanted, left?.ms ?? 0);
  } finally {
    // Not had: the next in the line asks.
    if (held === undefined || E.isLeft(held)) line.leave();
  }
  return E.isLeft(held) ? held : workUnder(wanted, held.right, work);
};
