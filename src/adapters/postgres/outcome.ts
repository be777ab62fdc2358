/**
 * What became of an append whose answer was lost. The very same append is repeated, and recognises itself by its event
 * ids. This is no blind retry, because nothing can be written twice, whenever the lost statement runs:
 *
 * - It is over: its events stand in the stream, under whose row lock the repeat looks for them.
 * - It runs: it holds the row lock, or the key of a stream that begins; the repeat waits for it.
 * - It has yet to run (its bytes wait in the server's socket): then the repeat writes first, and the lost one finds the
 *   events in its turn. `exactly(n)` cannot be met any more, because versions only grow.
 *
 * A refusal of the repeat is handed on only where the lost statement can never be written either; see `isFinal`.
 */
import * as E from 'fp-ts/lib/Either.js';
import { expectedAfter } from '../../core/stream.js';
import type { AppendError, AppendResult, OutcomeUnknown } from '../../store/event-store.js';
import type { CheckedAppend } from '../../store/limits.js';
import { appendStatement, refusalOf, requestText, resultOf } from './append-words.js';
import { pause, type SqlContext } from './context.js';
import { faultOf } from './executor.js';
import { type AppendAnswer, answerOf, type Refusal, text, versionOf, type Written } from './rows.js';

type Outcome = E.Either<AppendError, ReadonlyArray<AppendResult>>;
type Requests = ReadonlyArray<CheckedAppend>;

/**
 * Refused by what it was to be written under. The lost statement is under the same, and tokens only grow; so does what stands
 * against a condition. So it will hold for ever; but what was written before may be the reason.
 */
const isUnderRefusal = ({ outcome }: Refusal): boolean =>
  ['lease_lost', 'idempotency_lost', 'condition_failed'].includes(outcome);

/**
 * Whether a refusal will hold for ever. A stream that is too short may grow to what was expected, an archived one may be
 * opened again, and what a batch without events requires may have been so when the lost statement ran.
 */
const isFinal = ({ expected, events, enqueue }: CheckedAppend, refusal: Refusal): boolean => {
  // Messages without events: the lost statement may have enqueued them, and a repeat does not recognise itself.
  if (events.length === 0 && enqueue.length > 0) return false;
  if (isUnderRefusal(refusal)) return true;
  if (refusal.outcome !== 'conflict' || events.length === 0) return false;
  return (
    refusal.already_recorded.length > 0 ||
    (expected._tag !== 'streamExists' && refusal.version > expectedAfter(expected))
  );
};

/** Whether the messages of appends that had no events are known to their queues. */
const knowsMessages = async (
  { executor, statements }: SqlContext,
  requests: Requests,
  timeoutMs: number,
): Promise<boolean> => {
  const messages = requests.flatMap(({ events, enqueue }) => (events.length === 0 ? enqueue : []));
  if (messages.length === 0) return true;
  const keys = JSON.stringify(messages.map(({ tenant, queue, id }) => ({ tenant, queue, id })));
  const rows = await executor.query(statements.messagesKnown, [keys], { timeoutMs });
  const { known, given } = answerOf<{ readonly known: number; readonly given: number }>(rows);
  return known === given;
};

/** All batches as they stand in their streams, whatever the streams' state; undefined where one does not. */
const findAll = async (
  context: SqlContext,
  requests: Requests,
  timeoutMs: number,
): Promise<ReadonlyArray<AppendResult> | undefined> => {
  const { executor, statements } = context;
  const found: AppendResult[] = [];
  for (const request of requests) {
    const { tenant, streamName, events } = request;
    // A batch without events leaves no trace but its messages: the others speak for it.
    if (events.length === 0) {
      const version = expectedAfter(request.expected);
      found.push(resultOf(request, { outcome: 'appended', version, transaction_id: '0', position: '0' }));
      continue;
    }
    const ids = JSON.stringify(events.map((event) => event.eventId));
    const [row] = await executor.query(statements.findBatch, [tenant, streamName, ids], { timeoutMs });
    if (row === undefined) return undefined;
    const [transaction_id, position] = [text(row, 'transaction_id'), text(row, 'position')];
    found.push(resultOf(request, { outcome: 'appended', version: versionOf(row), transaction_id, position }));
  }
  return (await knowsMessages(context, requests, timeoutMs)) ? found : undefined;
};

const repeat = async (
  context: SqlContext,
  requests: Requests,
  timeoutMs: number,
): Promise<Outcome | undefined> => {
  const rows = await context.executor.query(appendStatement(context, requests), [requestText(requests)], {
    timeoutMs,
  });
  const answer = answerOf<AppendAnswer>(rows);
  if ('appended' in answer) {
    // Recognised is what the lost statement wrote: to the caller, who called once, its events are appended now.
    const first = (written: Written): Written => ({ ...written, outcome: 'appended' });
    return E.right(
      answer.appended.map((written, index) => resultOf(requests[index] as CheckedAppend, first(written))),
    );
  }
  const refused = requests[answer.refused] as CheckedAppend;
  const refusal = E.left(refusalOf(refused, answer.answer));
  const wroteNothing = requests.every(({ events, enqueue }) => events.length + enqueue.length === 0);
  const isLast = wroteNothing || isFinal(refused, answer.answer);
  // In a stream that was closed since, the repeat does not recognise itself.
  if (isLast && (wroteNothing || !isUnderRefusal(answer.answer))) return refusal;
  const found = await findAll(context, requests, timeoutMs);
  if (found !== undefined) return E.right(found);
  return isLast ? refusal : undefined;
};

const unknown = (requests: Requests, message: string): OutcomeUnknown => ({
  _tag: 'OutcomeUnknown',
  streamName: (requests[0] as CheckedAppend).streamName,
  eventIds: requests.flatMap(({ events }) => events.map((event) => event.eventId)),
  message,
});

/** Asks, with growing pauses, until there is an answer or patience ends. */
export const resolveOutcome = async (
  context: SqlContext,
  requests: Requests,
  lost: string,
): Promise<Outcome> => {
  const end = performance.now() + context.resolveOutcomeMs;
  let message = lost;
  for (let attempt = 1; ; attempt += 1) {
    const leftMs = Math.ceil(end - performance.now());
    if (leftMs <= 0) return E.left(unknown(requests, message));
    try {
      const outcome = await repeat(context, requests, leftMs);
      if (outcome !== undefined) return outcome;
      return E.left(unknown(requests, `${lost}; asked again, the store refuses, but that may change`));
    } catch (error) {
      const fault = faultOf(error);
      if (fault._tag === 'StoreClosed')
        return E.left(unknown(requests, `${lost}; then the store was closed`));
      message = fault.message;
      await pause(Math.min(leftMs, 1_000, 25 * 2 ** attempt));
    }
  }
};
