/** Operations by their keys in SQL; the server's clock alone says when one may be begun again, or is forgotten. */
import * as E from 'fp-ts/lib/Either.js';
import type { Json } from '../../core/json.js';
import type { Tenant } from '../../core/stream.js';
import {
  attemptsCountMax,
  checkBegin,
  checkCleanUp,
  checkComplete,
  checkHeld,
  checkIdempotencyKey,
  checkListIdempotency,
  fullKey,
} from '../../store/idempotency-checks.js';
import type {
  BeginError,
  BeginRequest,
  Begun,
  HeldKey,
  IdempotencyEntry,
  IdempotencyKey,
  IdempotencyLost,
  IdempotencyState,
  IdempotencyStore,
  IdempotencySummary,
} from '../../store/idempotency.js';
import { newId } from '../../store/ids.js';
import { errorText } from '../../store/queue-checks.js';
import type { BadRequest, LimitExceeded } from '../../store/store-errors.js';
import { changeAgain } from './change.js';
import { ask, lifted, type SqlContext } from './context.js';
import type { Row } from './executor.js';
import { answerOf, text } from './rows.js';

type BeginAnswer =
  | { readonly outcome: 'acquired'; readonly token: number; readonly attempt: number }
  | { readonly outcome: 'completed'; readonly result: Json; readonly completed_at: string }
  | { readonly outcome: 'in_progress'; readonly holder: string; readonly expires_in_ms: number }
  | { readonly outcome: 'failed'; readonly attempt: number; readonly error: string }
  | { readonly outcome: 'reused'; readonly request_hash: string };

/** What `operation_as_json` answers, see the migrations. */
interface JsonOperation {
  readonly tenant: Tenant;
  readonly scope: string;
  readonly key: string;
  readonly state: IdempotencyState;
  readonly request_hash: string;
  readonly token: number;
  readonly attempt: number;
  readonly holder: string;
  readonly begun_at: string;
  readonly settled_at: string | null;
  readonly stale_in_ms: number | null;
  readonly expires_in_ms: number;
  readonly error: string | null;
}

const keyTexts = (key: IdempotencyKey): readonly [string, string, string] => {
  const { tenant, scope, key: name } = fullKey(key);
  return [tenant, scope, name];
};

const heldTexts = (held: HeldKey) => [...keyTexts(held), String(held.token)] as const;

const lostOf = ({ scope, key, token }: HeldKey): E.Either<IdempotencyLost, never> =>
  E.left({ _tag: 'IdempotencyLost', scope, key, token });

const begunOf = (
  { scope, key, requestHash }: BeginRequest,
  answer: BeginAnswer,
): E.Either<BeginError, Begun> => {
  switch (answer.outcome) {
    case 'acquired':
      return E.right({ _tag: 'Acquired', token: answer.token, attempt: answer.attempt });
    case 'completed':
      return E.right({ _tag: 'Completed', result: answer.result, completedAt: answer.completed_at });
    case 'in_progress': {
      const { holder, expires_in_ms: expiresInMs } = answer;
      return E.right({ _tag: 'InProgress', scope, key, holder, expiresInMs });
    }
    case 'failed':
      return E.right({ _tag: 'FailedEarlier', scope, key, attempt: answer.attempt, error: answer.error });
    case 'reused':
      return E.left({ _tag: 'KeyReused', scope, key, requestHash, recordedHash: answer.request_hash });
  }
};

const summaryOf = (row: Row): IdempotencySummary => {
  const json = JSON.parse(text(row, 'entry')) as JsonOperation;
  const { tenant, scope, key, state, token, attempt, holder } = json;
  return {
    ...{ tenant, scope, key, state, requestHash: json.request_hash, token, attempt, holder },
    begunAt: json.begun_at,
    settledAt: json.settled_at ?? undefined,
    staleInMs: json.stale_in_ms ?? undefined,
    expiresInMs: json.expires_in_ms,
    error: json.error ?? undefined,
  };
};

const entryOf = (row: Row): IdempotencyEntry => ({
  ...summaryOf(row),
  result: row['result'] === null ? undefined : (JSON.parse(text(row, 'result')) as Json),
});

const begin =
  (context: SqlContext): IdempotencyStore['begin'] =>
  (request) =>
    lifted<BeginError, Begun>(async () => {
      const checked = checkBegin(request);
      if (E.isLeft(checked)) return checked;
      const { requestHash, holder, pendingMs, keepMs, attemptsMax = attemptsCountMax } = request;
      const numbers = [pendingMs, keepMs, attemptsMax].map(String);
      // A call whose answer was lost is asked again, and knows by its own id what it has begun.
      const parameters = [...keyTexts(request), requestHash, holder, ...numbers, newId()];
      const rows = await changeAgain(context, context.statements.idempotencyBegin, parameters);
      return begunOf(request, answerOf<BeginAnswer>(rows));
    });

const settle = async (
  context: SqlContext,
  held: HeldKey,
  end: { readonly state: IdempotencyState; readonly result?: Json; readonly error?: string },
): Promise<E.Either<IdempotencyLost, void>> => {
  const result = end.result === undefined ? null : JSON.stringify(end.result);
  const parameters = [...heldTexts(held), end.state, result, end.error ?? null];
  const rows = await changeAgain(context, context.statements.idempotencySettle, parameters);
  return answerOf<boolean>(rows) ? E.right(undefined) : lostOf(held);
};

const settling = (context: SqlContext): Pick<IdempotencyStore, 'renew' | 'complete' | 'fail'> => ({
  renew: (held, pendingMs) =>
    lifted<IdempotencyLost | BadRequest, void>(async () => {
      const checked = checkHeld(held, pendingMs);
      if (E.isLeft(checked)) return checked;
      const parameters = [...heldTexts(held), String(pendingMs)];
      const rows = await changeAgain(context, context.statements.idempotencyRenew, parameters);
      return rows.length === 1 ? E.right(undefined) : lostOf(held);
    }),
  complete: (request) =>
    lifted<IdempotencyLost | BadRequest | LimitExceeded, void>(async () => {
      const checked = checkComplete(request, context.limits);
      if (E.isLeft(checked)) return checked;
      return settle(context, request, { state: 'completed', result: request.result });
    }),
  fail: (request) =>
    lifted<IdempotencyLost | BadRequest, void>(async () => {
      const checked = checkHeld(request);
      if (E.isLeft(checked)) return checked;
      return settle(context, request, { state: 'failed', error: errorText(request.error) });
    }),
});

const looking = (context: SqlContext): Pick<IdempotencyStore, 'list' | 'show'> => ({
  list: (request) =>
    lifted<BadRequest, ReadonlyArray<IdempotencySummary>>(async () => {
      const count = checkListIdempotency(request);
      if (E.isLeft(count)) return count;
      const { scope = null, state = null, after } = request;
      const [tenant] = keyTexts({ ...request, scope: '', key: '' });
      const from = [after?.scope ?? null, after?.key ?? null];
      const parameters = [tenant, scope, state, ...from, String(count.right)];
      return E.right((await ask(context, context.statements.idempotencyList, parameters)).map(summaryOf));
    }),
  show: (key) =>
    lifted<BadRequest, IdempotencyEntry | undefined>(async () => {
      const checked = checkIdempotencyKey(key);
      if (E.isLeft(checked)) return checked;
      return E.right((await ask(context, context.statements.idempotencyShow, keyTexts(key))).map(entryOf)[0]);
    }),
});

export const sqlIdempotency = (context: SqlContext): IdempotencyStore => ({
  begin: begin(context),
  ...settling(context),
  ...looking(context),
  forget: (key) =>
    lifted<BadRequest, boolean>(async () => {
      const checked = checkIdempotencyKey(key);
      if (E.isLeft(checked)) return checked;
      const rows = await changeAgain(context, context.statements.idempotencyForget, keyTexts(key));
      return E.right(answerOf<boolean>(rows));
    }),
  cleanUp: (request) =>
    lifted<BadRequest, number>(async () => {
      const count = checkCleanUp(request?.maxCount);
      if (E.isLeft(count)) return count;
      const parameters = [String(count.right)];
      const rows = await changeAgain(context, context.statements.idempotencyCleanUp, parameters);
      return E.right(answerOf<number>(rows));
    }),
});
