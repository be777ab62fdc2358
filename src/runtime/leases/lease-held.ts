/** What work under a lease is given: its fence, a signal, and narrower scopes within its own. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { taggedOf } from '../../core/fault.js';
import { checkCount } from '../../store/checks.js';
import { ttlMsMax } from '../../store/lease-checks.js';
import { checkScope, type LeaseScope, scopeLeaseName } from '../../store/lease-scopes.js';
import type { Fence, LeaseLost } from '../../store/leases.js';
import type { BadRequest } from '../../store/store-errors.js';
import type { Timers } from '../../store/timers.js';
import { type LeaseAborted, leaseAborted, type LeaseTimeout, leaseTimeout } from './lease-wait.js';
import { scopeLine } from './scope-line.js';

export const waitMaxMsDefault = 5_000;

export interface WithinOptions {
  /** How long to wait for others under the same lease, in milliseconds, 0 to 86,400,000. Default 5,000. */
  readonly waitMaxMs?: number;
  /** Calls this part of the work off. */
  readonly signal?: AbortSignal;
}

export type WithinError = LeaseTimeout | LeaseLost | LeaseAborted | BadRequest;

export interface HeldLease {
  readonly scope: LeaseScope;
  readonly holder: string;
  /** For appends, and for `handleCommand`: what is written with it is refused once the lease is another's. */
  readonly fence: Fence;
  /**
   * Aborts when the lease is lost or the caller calls the work off. Hand it on, look at it between steps (`signal.throwIfAborted()`):
   * what the work throws then is an outcome. Work that does not look is fenced all the same.
   */
  readonly signal: AbortSignal;
  /**
   * Works on a narrower scope under this very lease: the store is not asked. Those within one lease exclude each other as leases do:
   * siblings go on side by side, the same, wider and narrower ones take their turns in the order in which they asked. What is taken
   * through the inner handle is within the inner scope, and so on; asked of the outer handle while one works within, the same scope
   * waits for itself until `waitMaxMs` is over.
   */
  readonly within: <L, A>(
    narrower: string | LeaseScope,
    work: (held: HeldLease) => Promise<E.Either<L, A>>,
    options?: WithinOptions,
  ) => TaskEither<L | WithinError, A>;
}

/** What a handle and all that are within it share. */
interface Terms {
  readonly holder: string;
  readonly fence: Fence;
  readonly timers: Timers;
}

const lostOf = ({ lease, token }: Fence): LeaseLost => ({ _tag: 'LeaseLost', lease, token });

const isLoss = ({ lease, token }: Fence, thrown: unknown): boolean => {
  const tagged = taggedOf(thrown) as LeaseLost | undefined;
  return tagged?._tag === 'LeaseLost' && tagged.lease === lease && tagged.token === token;
};

/** Runs the work. What it throws is an outcome where it says no more than that the lease is lost or the work was called off. */
export const settled = async <L, A>(
  held: HeldLease,
  work: (held: HeldLease) => Promise<E.Either<L, A>>,
): Promise<E.Either<L | LeaseLost | LeaseAborted, A>> => {
  const { fence, signal, scope } = held;
  try {
    return await work(held);
  } catch (thrown) {
    if (isLoss(fence, thrown)) return E.left(lostOf(fence));
    // Some wrap the reason in an error of their own, as the timers of Node do.
    const said = [thrown, (thrown as { readonly cause?: unknown } | null | undefined)?.cause];
    if (!signal.aborted || !said.includes(signal.reason)) throw thrown;
    return E.left(
      isLoss(fence, signal.reason) ? lostOf(fence) : leaseAborted(scopeLeaseName(scope), signal.reason),
    );
  }
};

interface Opened {
  readonly held: HeldLease;
  /** From now on nothing narrower is given. */
  readonly end: () => void;
}

const checkWithin = (
  wider: LeaseScope,
  narrower: string | LeaseScope,
  waitMaxMs: number,
): E.Either<BadRequest, LeaseScope> => {
  const segments = typeof narrower === 'string' ? [narrower] : narrower;
  const checked = checkScope('within', segments);
  if (E.isLeft(checked)) return checked;
  const scope = [...wider, ...segments];
  const whole = checkScope('scope', scope);
  if (E.isLeft(whole)) return whole;
  const wait = checkCount('waitMaxMs', waitMaxMs, 0, 0, ttlMsMax);
  return E.isLeft(wait) ? wait : E.right(scope);
};

export const heldLease = (terms: Terms, scope: LeaseScope, signal: AbortSignal): Opened => {
  const { holder, fence, timers } = terms;
  const line = scopeLine(timers);
  let isOver = false;
  const within: HeldLease['within'] =
    (narrower, work, { waitMaxMs = waitMaxMsDefault, signal: callers } = {}) =>
    async () => {
      const checked = checkWithin(scope, narrower, waitMaxMs);
      if (E.isLeft(checked)) return checked;
      const name = scopeLeaseName(checked.right);
      const either = callers === undefined ? signal : AbortSignal.any([signal, callers]);
      const refusal = (): LeaseLost | LeaseAborted | undefined => {
        if (isOver || isLoss(fence, either.reason)) return lostOf(fence);
        return either.aborted ? leaseAborted(name, either.reason) : undefined;
      };
      const refused = refusal();
      if (refused !== undefined) return E.left(refused);
      const began = timers.now();
      const turn = await line.enter(name, waitMaxMs, either);
      if ('inTheWay' in turn)
        return E.left(
          refusal() ?? leaseTimeout(name, { lease: turn.inTheWay, holder }, timers.now() - began),
        );
      const inner = heldLease(terms, checked.right, either);
      try {
        const late = refusal();
        return late === undefined ? await settled(inner.held, work) : E.left(late);
      } finally {
        inner.end();
        turn.leave();
      }
    };
  return {
    held: { scope, holder, fence, signal, within },
    end: () => {
      isOver = true;
    },
  };
};
