/** Idempotency of background work: a job is known by its key, and a mark says that it is done. No answer is kept. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Tagged } from '../../core/fault.js';
import type { BeginError, BeginRequest, FailedEarlier } from '../../store/idempotency.js';
import {
  type AttemptError,
  beginWithin,
  type IdempotencyContext,
  idempotencyShell,
  type IdempotentWork,
  runAttempt,
} from './idempotent-attempt.js';

const pendingMsDefault = 60_000;
const keepMsDefault = 7 * 86_400_000;

export interface IdempotentJob {
  /** The kind of job, as `import-record`. 1 to 500 bytes. Those of `idempotentApi` are others, whatever their names. */
  readonly scope: string;
  /** The same for every delivery of one job: see `businessKey`. 1 to 512 bytes. */
  readonly dedupeKey: string;
  /** How long it is known that the job is done, in milliseconds: longer than the job may be delivered again. Default 7 days. */
  readonly keepMs?: number;
  /** How long a process that died holds up the job, in milliseconds; one that lives renews at a third of it. Default 60,000. */
  readonly pendingMs?: number;
  /** How often a job that fails may be begun in all, 1 or more. Default: no bound, for a queue counts its attempts itself. */
  readonly attemptsMax?: number;
}

/** What became of a delivery of a job. Only where it is `Done` was anything done by it. */
export type JobAnswer<A> =
  /** It was done now; `value` is what the work answered, and is not kept. */
  | { readonly _tag: 'Done'; readonly value: A }
  | { readonly _tag: 'AlreadyDone'; readonly completedAt: string }
  /** Another does it. Leave it to them, or ask again in `expiresInMs` at the latest. */
  | { readonly _tag: 'InProgress'; readonly holder: string; readonly expiresInMs: number };

export type IdempotentJobError = BeginError | FailedEarlier | AttemptError;

// A job is its key: there is no request beside it that could differ.
const requestHash = 'job';

/**
 * Does `work` for a job that is new, has failed, or whose process died; else says how it stands. Work that answers an error or throws
 * has failed. Work that must not be done twice writes its effect with `completes`, or bears to be repeated.
 *
 * `IdempotencyLost`: this process was slower than `pendingMs`, and another does the job, or has done it.
 */
export const idempotentJob =
  (context: IdempotencyContext) =>
  <L extends Tagged, A>(
    job: IdempotentJob,
    work: IdempotentWork<L, A, readonly []>,
  ): TaskEither<L | IdempotentJobError, JobAnswer<A>> =>
  async () => {
    const shell = idempotencyShell(context);
    const { tenant, holder } = shell;
    const { scope, dedupeKey: key, pendingMs = pendingMsDefault, keepMs = keepMsDefault, attemptsMax } = job;
    const begin: BeginRequest = {
      ...(tenant !== undefined && { tenant }),
      ...{ scope: `job:${scope}`, key, requestHash, holder, pendingMs, keepMs },
      ...(attemptsMax !== undefined && { attemptsMax }),
    };
    const begun = await beginWithin(shell, begin, 0);
    if (E.isLeft(begun)) return begun;
    switch (begun.right._tag) {
      case 'Acquired': {
        const encode = () => E.right(null);
        const attempt = { begun: begun.right, begin, encode, encodeAnswer: encode };
        const answer = await runAttempt(shell, attempt, work);
        return E.isLeft(answer) ? answer : E.right({ _tag: 'Done', value: answer.right });
      }
      case 'Completed':
        return E.right({ _tag: 'AlreadyDone', completedAt: begun.right.completedAt });
      case 'InProgress': {
        const { holder: other, expiresInMs } = begun.right;
        return E.right({ _tag: 'InProgress', holder: other, expiresInMs });
      }
      case 'FailedEarlier':
        return E.left(begun.right);
    }
  };
