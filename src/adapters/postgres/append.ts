/** Appends: one request to the server, and its answer in the words of the port. */
import * as E from 'fp-ts/lib/Either.js';
import { expectedAfter, type StreamVersion } from '../../core/stream.js';
import type { AppendError, AppendResult } from '../../store/event-store.js';
import type { CheckedAppend } from '../../store/limits.js';
import { appendStatement, refusalOf, requestText, resultOf } from './append-words.js';
import { isRolledBack, rolledBackMax } from './change.js';
import { ask, pause, type SqlContext } from './context.js';
import { faultOf, type SqlFault, type SqlRefused, unreachable } from './executor.js';
import { resolveOutcome } from './outcome.js';
import { type AppendAnswer, answerOf, eventsOf, versionOf } from './rows.js';

type Outcome = E.Either<AppendError, ReadonlyArray<AppendResult>>;

const outcomeOf = (requests: ReadonlyArray<CheckedAppend>, answer: AppendAnswer): Outcome =>
  'refused' in answer
    ? E.left(refusalOf(requests[answer.refused] as CheckedAppend, answer.answer))
    : E.right(answer.appended.map((written, index) => resultOf(requests[index] as CheckedAppend, written)));

/**
 * The unique key refused: somebody wrote events past the streams' row locks, not by this program. What stands there is
 * asked for; a conflict it is.
 */
const keyConflict = async (
  context: SqlContext,
  requests: ReadonlyArray<CheckedAppend>,
): Promise<AppendError> => {
  for (const { tenant, streamName, expected, tailMax } of requests) {
    const [row] = await ask(context, context.statements.streamEnd, [tenant, streamName]);
    const actual = row === undefined ? (0 as StreamVersion) : versionOf(row);
    const after = expectedAfter(expected);
    if (expected._tag === 'exactly' || expected._tag === 'noStream' ? actual <= after : requests.length > 1)
      continue;
    const page = [tenant, streamName, String(after + 1), String(tailMax)];
    const tail =
      tailMax === 0 ? undefined : eventsOf(await ask(context, context.statements.readStreamForwards, page));
    return { _tag: 'VersionConflict', tenant, streamName, expected, actual, tail, alreadyRecorded: [] };
  }
  return {
    _tag: 'StoreUnavailable',
    message: 'the unique key of events refused, and nothing stands in the way',
  };
};

const isKeyConflict = ({ code, constraint }: SqlRefused): boolean =>
  code === '23505' && constraint === 'events_pkey';

const onFault = async (
  context: SqlContext,
  requests: ReadonlyArray<CheckedAppend>,
  fault: SqlFault,
  attempt: number,
): Promise<Outcome | 'again'> => {
  if (fault._tag === 'ConnectionLost') return resolveOutcome(context, requests, fault.message);
  if (fault._tag === 'SqlRefused') {
    if (isKeyConflict(fault)) return E.left(await keyConflict(context, requests));
    if (isRolledBack(fault) && attempt < rolledBackMax) {
      await pause(Math.random() * Math.min(200, 2 ** attempt));
      return 'again';
    }
  }
  return E.left(unreachable(fault));
};

/** Appends all of the requests or none, in one round trip where every expectation is met. */
export const appendAll = async (
  context: SqlContext,
  requests: ReadonlyArray<CheckedAppend>,
): Promise<Outcome> => {
  const parameters = [requestText(requests)];
  for (let attempt = 1; ; attempt += 1) {
    try {
      const rows = await context.executor.query(appendStatement(context, requests), parameters);
      return outcomeOf(requests, answerOf<AppendAnswer>(rows));
    } catch (error) {
      const outcome = await onFault(context, requests, faultOf(error), attempt);
      if (outcome !== 'again') return outcome;
    }
  }
};
