/** Idempotency of requests by users: a repeat is given the response of the first, and another request under its key is refused. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { type Codec, type DecodeFailed, decodeWith, encodeWith } from '../../core/codec.js';
import type { Tagged } from '../../core/fault.js';
import { findJsonProblem, hashOf, type Json } from '../../core/json.js';
import { checkCount } from '../../store/checks.js';
import { pendingMsMax } from '../../store/idempotency-checks.js';
import type { BeginRequest, FailedEarlier, InProgress, KeyReused } from '../../store/idempotency.js';
import type { InvalidRequest } from '../../store/store-errors.js';
import {
  type AttemptError,
  beginWithin,
  type IdempotencyContext,
  type IdempotencyShell,
  idempotencyShell,
  type IdempotentWork,
  runAttempt,
} from './idempotent-attempt.js';

const pendingMsDefault = 30_000;
const keepMsDefault = 86_400_000;

export interface IdempotentRequest<A> {
  /** The kind of operation, as `redeem-points`. 1 to 500 bytes. Those of `idempotentJob` are others, whatever their names. */
  readonly scope: string;
  /** The client's own key, the same for each try at one request. Default: the request itself, so that an equal one is a repeat. */
  readonly key?: string;
  /** All that the client asks for: what differs in it is another request. */
  readonly request: Json;
  /** How a response is kept for repeats. As JSON the store's `resultBytesMax` at most. */
  readonly response: Codec<A>;
  /** How long the response is kept, in milliseconds. Default 24 hours. */
  readonly keepMs?: number;
  /** How long a process that died holds up a repeat, in milliseconds; one that lives renews at a third of it. Default 30,000. */
  readonly pendingMs?: number;
  /** How long a repeat waits for a first one that runs still, in milliseconds, before it is `InProgress`, 0 to 86,400,000. Default 0. */
  readonly waitMaxMs?: number;
  /** How often a request that fails may be begun in all, 1 or more. Default: no bound. */
  readonly attemptsMax?: number;
}

export interface IdempotentResponse<A> {
  readonly response: A;
  /** True where it is that of an earlier request. */
  readonly replayed: boolean;
}

export type IdempotentRequestError = KeyReused | InProgress | FailedEarlier | DecodeFailed | AttemptError;

const beginOf = <A>(
  { tenant, holder }: IdempotencyShell,
  asked: IdempotentRequest<A>,
): E.Either<InvalidRequest, BeginRequest> => {
  const { scope, key, request, pendingMs = pendingMsDefault, keepMs = keepMsDefault, attemptsMax } = asked;
  const wait = checkCount('waitMaxMs', asked.waitMaxMs, 0, 0, pendingMsMax);
  if (E.isLeft(wait)) return wait;
  const problem = findJsonProblem(request);
  if (problem !== undefined) {
    const reason = `found ${problem.found}; ${problem.advice}`;
    return E.left({ _tag: 'InvalidRequest', field: `request${problem.path.slice(1)}`, reason });
  }
  const requestHash = hashOf(request);
  return E.right({
    ...(tenant !== undefined && { tenant }),
    // A client may choose a key that looks like a hash.
    ...(key === undefined
      ? { scope: `api-hash:${scope}`, key: requestHash }
      : { scope: `api:${scope}`, key }),
    ...{ requestHash, holder, pendingMs, keepMs },
    ...(attemptsMax !== undefined && { attemptsMax }),
  });
};

/**
 * Does `work` for a request that is new, and answers what it came to; a repeat within `keepMs` is answered the same, and does
 * nothing. Work that answers an error or throws has failed: the next repeat does it again. So does a repeat that comes after its
 * process died: work that must not be done twice writes its effect with `completes`, or looks whether it is there already.
 *
 * `KeyReused`: another request under the key. `InProgress`: the first one runs still. `IdempotencyLost`: this process was slower than
 * `pendingMs`, and another does the work, or has done it: ask again.
 */
export const idempotentApi =
  (context: IdempotencyContext) =>
  <L extends Tagged, A>(
    asked: IdempotentRequest<A>,
    work: IdempotentWork<L, A, readonly [response: A]>,
  ): TaskEither<L | IdempotentRequestError, IdempotentResponse<A>> =>
  async () => {
    const shell = idempotencyShell(context);
    const begin = beginOf(shell, asked);
    if (E.isLeft(begin)) return begin;
    const begun = await beginWithin(shell, begin.right, asked.waitMaxMs ?? 0);
    if (E.isLeft(begun)) return begun;
    const { scope, response: codec } = asked;
    switch (begun.right._tag) {
      case 'Acquired': {
        const encode = (response: A) => encodeWith(scope, codec, response);
        const attempt = { begun: begun.right, begin: begin.right, encode, encodeAnswer: encode };
        const answer = await runAttempt(shell, attempt, work);
        return E.isLeft(answer) ? answer : E.right({ response: answer.right, replayed: false });
      }
      case 'Completed': {
        const response = decodeWith(scope, codec, begun.right.result);
        return E.isLeft(response) ? response : E.right({ response: response.right, replayed: true });
      }
      case 'InProgress':
      case 'FailedEarlier':
        return E.left(begun.right);
    }
  };
