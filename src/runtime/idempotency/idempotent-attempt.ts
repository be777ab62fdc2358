/** One attempt at an operation that has a key: begun within a limit of waiting, kept up while it runs, and ended as it ended. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { hostname } from 'node:os';
import { pid } from 'node:process';
import type { EncodeFailed } from '../../core/codec.js';
import { describeTagged, type Tagged, taggedError, thrownMessage } from '../../core/fault.js';
import type { Json } from '../../core/json.js';
import { defaultRetry, delayAfter } from '../../core/retry.js';
import type { Tenant } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type {
  Acquired,
  BeginError,
  BeginRequest,
  Begun,
  Completion,
  HeldKey,
  IdempotencyStore,
  SettleError,
} from '../../store/idempotency.js';
import type { LimitExceeded } from '../../store/store-errors.js';
import { realTimers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import { type Environment, realEnvironment } from '../environment.js';
import { lookPauseMs } from '../look-pause.js';

export interface IdempotencyContext {
  readonly store: EventStore;
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
  /** Who asks, for people to read. Default: host and process. */
  readonly holder?: string;
  readonly environment?: Environment;
}

/** What work under a key is given. `Kept` is what is kept of its answer: a response, or nothing. */
export interface IdempotentAttempt<Kept extends ReadonlyArray<unknown>> {
  /** How often it has been begun, with this time; 1 is the first. */
  readonly attempt: number;
  readonly token: number;
  /** Aborted once the operation went to another holder: what the work still writes outside of the store is written twice. */
  readonly signal: AbortSignal;
  /**
   * For `completes` of the append that is the work's effect, with the response that the work is going to answer: then the effect and
   * the mark that it is done cannot come apart. Throws an error that carries `EncodeFailed` for what its codec does not accept.
   */
  readonly completes: (...kept: Kept) => Completion;
}

export type IdempotentWork<L, A, Kept extends ReadonlyArray<unknown>> = (
  attempt: IdempotentAttempt<Kept>,
) => TaskEither<L, A>;

/** The context with its defaults, and the store’s memory. */
export interface IdempotencyShell {
  readonly operations: IdempotencyStore;
  readonly tenant: Tenant | undefined;
  readonly holder: string;
  readonly environment: Environment;
}

export const idempotencyShell = (context: IdempotencyContext): IdempotencyShell => {
  const { store, tenant, holder = `${hostname()}:${pid}`, environment = realEnvironment } = context;
  if (store.idempotency === undefined)
    throw new TypeError(`${store.name} does not remember operations by their keys`);
  return { operations: store.idempotency, tenant, holder, environment };
};

/** Begins it, or waits while somebody else has it in hand, within the limit. */
export const beginWithin = async (
  { operations, environment }: IdempotencyShell,
  request: BeginRequest,
  waitMaxMs: number,
): Promise<E.Either<BeginError, Begun>> => {
  const { now } = environment.timers ?? realTimers;
  const wake = makeWake(environment.timers);
  const began = now();
  // Ends: when it is decided, or with the limit.
  for (;;) {
    const begun = await operations.begin(request)();
    if (E.isLeft(begun) || begun.right._tag !== 'InProgress') return begun;
    const waitedMs = now() - began;
    if (waitedMs >= waitMaxMs) return begun;
    await wake.wait(Math.min(lookPauseMs(waitedMs, environment.random), waitMaxMs - waitedMs));
  }
};

/** Renews it at a third of its time, until it is over or lost. */
const keepUp = async (
  { operations, environment }: IdempotencyShell,
  held: HeldKey,
  pendingMs: number,
  over: AbortSignal,
  lose: () => void,
): Promise<void> => {
  const wake = makeWake(environment.timers);
  for (;;) {
    await wake.wait(pendingMs / 3, over);
    if (over.aborted) return;
    const renewed = await operations.renew(held, pendingMs)();
    // A store that cannot be reached is asked again: nobody else can reach it either, or else they have it in time.
    if (E.isLeft(renewed) && renewed.left._tag === 'IdempotencyLost') return lose();
  }
};

/** Says that it is done until the store has heard it, or patience ends: then it is done again by another. */
const complete = async (
  { operations, environment }: IdempotencyShell,
  completion: HeldKey & { readonly result: Json },
): Promise<E.Either<SettleError | LimitExceeded, void>> => {
  for (let attempt = 1; ; attempt += 1) {
    const completed = await operations.complete(completion)();
    const isOutage = E.isLeft(completed) && completed.left._tag === 'StoreUnavailable';
    if (!isOutage || attempt >= defaultRetry.attemptsMax) return completed;
    await environment.sleep(delayAfter(defaultRetry, attempt, environment.random));
  }
};

export interface AttemptRequest<A, Kept extends ReadonlyArray<unknown>> {
  readonly begun: Acquired;
  readonly begin: BeginRequest;
  /** What is kept, as the work says it beforehand, and of what it answers. */
  readonly encode: (...kept: Kept) => E.Either<EncodeFailed, Json>;
  readonly encodeAnswer: (answer: A) => E.Either<EncodeFailed, Json>;
}

export type AttemptError = EncodeFailed | SettleError | LimitExceeded;

/** Does the work under the token that was given, and says how it ended. What the work throws is thrown, after it was noted. */
export const runAttempt = async <L extends Tagged, A, Kept extends ReadonlyArray<unknown>>(
  shell: IdempotencyShell,
  { begun, begin, encode, encodeAnswer }: AttemptRequest<A, Kept>,
  work: IdempotentWork<L, A, Kept>,
): Promise<E.Either<L | AttemptError, A>> => {
  const { tenant, scope, key } = begin;
  const { token, attempt } = begun;
  const held: HeldKey = { ...(tenant !== undefined && { tenant }), scope, key, token };
  const [over, lost] = [new AbortController(), new AbortController()];
  const completes = (...kept: Kept): Completion => {
    const result = encode(...kept);
    if (E.isLeft(result)) throw taggedError(result.left);
    return { scope, key, token, result: result.right };
  };
  // Where it cannot be said, or is another's already, it is begun again all the same.
  const fail = (error: string) => shell.operations.fail({ ...held, error })();
  const keeping = keepUp(shell, held, begin.pendingMs, over.signal, () => lost.abort());
  // What it throws is thrown at the end; it must not end the process before.
  keeping.catch(() => undefined);
  try {
    const answer = await work({ attempt, token, signal: lost.signal, completes })();
    if (E.isLeft(answer)) {
      await fail(describeTagged(answer.left));
      return answer;
    }
    const result = encodeAnswer(answer.right);
    if (E.isLeft(result)) {
      await fail(describeTagged(result.left));
      return result;
    }
    const completed = await complete(shell, { ...held, result: result.right });
    if (E.isRight(completed)) return answer;
    // It cannot be kept, or could not be told: who waits for it need not wait until it is stale.
    await fail(describeTagged(completed.left));
    return completed;
  } catch (thrown) {
    await fail(thrownMessage(thrown));
    throw thrown;
  } finally {
    over.abort();
    await keeping;
  }
};
