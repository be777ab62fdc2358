/** Appends: one request to the server, and its answer in the words of the port. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { expectedAfter, type StreamVersion } from '../../core/stream.js';
import type { AppendError, AppendResult } from '../../store/event-store.js';
import type { CheckedAppend } from '../../store/limits.js';
import {
  appendStatement,
  type PlainAppend,
  plainQuery,
  refusalOf,
  requestText,
  resultOf,
  sharedQuery,
} from './append-words.js';
import { isRolledBack, pauseBeforeAgain, rolledBackMax } from './change.js';
import { ask, type SqlContext } from './context.js';
import { faultOf, type SqlFault, type SqlRefused, unreachable } from './executor.js';
import { readAlone } from './read-line.js';
import { resolveOutcome } from './outcome.js';
import { type AppendAnswer, answerOf, eventsOfStream, type StreamKey, versionOf } from './rows.js';

type Outcome = E.Either<AppendError, ReadonlyArray<AppendResult>>;
export type OneOutcome = E.Either<AppendError, AppendResult>;
/** Asks for an outcome that is not known yet. */
export type LateOutcome = () => Promise<OneOutcome>;

const outcomeOf = (requests: ReadonlyArray<CheckedAppend>, answer: AppendAnswer): Outcome =>
  'refused' in answer
    ? E.left(refusalOf(requests[answer.refused] as CheckedAppend, answer.answer))
    : E.right(answer.appended.map((written, index) => resultOf(requests[index] as CheckedAppend, written)));

/** Versions of a stream. */
interface Stretch {
  readonly after: number;
  readonly to: number;
}

const readStretch = async (
  context: SqlContext,
  key: StreamKey,
  { after, to }: Stretch,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const rows = await readAlone(context)({ key, from: after + 1, count: to - after, backwards: false });
  return eventsOfStream(rows, key);
};

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
    const tail =
      tailMax === 0
        ? undefined
        : await readStretch(context, { tenant, streamName }, { after, to: after + tailMax });
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
      await pauseBeforeAgain(attempt);
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

const oneOf = (outcome: Outcome): OneOutcome =>
  E.isLeft(outcome) ? outcome : E.right(outcome.right[0] as AppendResult);

interface Answered {
  readonly request: CheckedAppend;
  readonly answer: AppendAnswer;
}

/** The version that a refusal in a shared statement tells without the tail that was asked for; undefined for all else. */
const versionWithoutTail = ({ request, answer }: Answered): number | undefined =>
  'refused' in answer &&
  answer.answer.outcome === 'conflict' &&
  answer.answer.tail === null &&
  request.tailMax > 0
    ? answer.answer.version
    : undefined;

const streamOf = ({ request: { tenant, streamName } }: Answered): string =>
  JSON.stringify([tenant, streamName]);

/** Stretches that overlap as one: between those that do not there may be a long stream that nobody asked for. */
const joined = (stretches: ReadonlyArray<Stretch>): ReadonlyArray<Stretch> => {
  const all: Stretch[] = [];
  for (const one of [...stretches].sort((a, b) => a.after - b.after)) {
    const last = all.at(-1);
    if (last === undefined || one.after > last.to) all.push(one);
    else all[all.length - 1] = { after: last.after, to: Math.max(last.to, one.to) };
  }
  return all;
};

/** What the refused of one stream have missed, read once. Events stay what they are, so that each may have its part. */
const readTails = async (
  context: SqlContext,
  ofStream: ReadonlyArray<Answered>,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const { tenant, streamName } = (ofStream[0] as Answered).request;
  const missed = ofStream.map((one): Stretch => {
    const after = expectedAfter(one.request.expected);
    return { after, to: Math.min(versionWithoutTail(one) ?? after, after + one.request.tailMax) };
  });
  const events: RecordedEvent[] = [];
  for (const stretch of joined(missed))
    events.push(...(await readStretch(context, { tenant, streamName }, stretch)));
  return events;
};

const withTail = (
  { request, answer }: Answered,
  events: ReadonlyArray<RecordedEvent>,
): OneOutcome | undefined => {
  const actual = versionWithoutTail({ request, answer }) as number;
  const after = expectedAfter(request.expected);
  const tail = events.filter(({ version }) => version > after && version <= actual).slice(0, request.tailMax);
  if (tail.length < Math.min(actual - after, request.tailMax)) return undefined;
  const refusal = oneOf(outcomeOf([request], answer));
  return E.isLeft(refusal) && refusal.left._tag === 'VersionConflict'
    ? E.left({ ...refusal.left, tail })
    : refusal;
};

/**
 * The outcomes of a shared statement. Who was refused waits for the tail by itself, read once for each stream, and nobody else waits for it.
 * Where it cannot be read any more, the append is sent again by itself, and refused by itself.
 */
const withTails = (
  context: SqlContext,
  all: ReadonlyArray<Answered>,
): ReadonlyArray<OneOutcome | LateOutcome> => {
  const refusedOf = (stream: string): ReadonlyArray<Answered> =>
    all.filter((one) => versionWithoutTail(one) !== undefined && streamOf(one) === stream);
  const tails = new Map<string, Promise<ReadonlyArray<RecordedEvent>>>();
  const tailOf = (stream: string): Promise<ReadonlyArray<RecordedEvent>> => {
    const tail = tails.get(stream) ?? readTails(context, refusedOf(stream)).catch(() => []);
    tails.set(stream, tail);
    return tail;
  };
  return all.map((one) =>
    versionWithoutTail(one) === undefined
      ? oneOf(outcomeOf([one.request], one.answer))
      : async () =>
          withTail(one, await tailOf(streamOf(one))) ?? oneOf(await appendAll(context, [one.request])),
  );
};

/**
 * Appends several in one statement and one commit, each with its own outcome; those of one stream one after the other. Where the
 * statement as a whole came to nothing, or nobody knows what it came to, each is seen to alone: then its outcome is how to ask for it.
 */
export const appendShared = async (
  context: SqlContext,
  appends: ReadonlyArray<PlainAppend>,
): Promise<ReadonlyArray<OneOutcome | LateOutcome>> => {
  const [first] = appends as readonly [PlainAppend];
  const isOne = appends.length === 1;
  const [statement, parameters] = isOne ? plainQuery(context, first) : sharedQuery(context, appends);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const rows = await context.executor.query(statement, parameters);
      const answers = isOne ? [answerOf<AppendAnswer>(rows)] : answerOf<ReadonlyArray<AppendAnswer>>(rows);
      if (answers.length !== appends.length)
        throw new TypeError(`the server answered ${answers.length} appends, not ${appends.length}`);
      return withTails(
        context,
        appends.map(({ request }, index) => ({ request, answer: answers[index] as AppendAnswer })),
      );
    } catch (error) {
      const fault = faultOf(error);
      if (fault._tag === 'ConnectionLost')
        return appends.map(
          ({ request }) =>
            async () =>
              oneOf(await resolveOutcome(context, [request], fault.message)),
        );
      if (fault._tag !== 'SqlRefused') return appends.map(() => E.left(unreachable(fault)));
      // Not all at once, a lock that did not come, or a fault that one of them has: nothing was written.
      if (!isRolledBack(fault) || attempt >= rolledBackMax)
        return appends.map(
          ({ request }) =>
            async () =>
              oneOf(await appendAll(context, [request])),
        );
      await pauseBeforeAgain(attempt);
    }
  }
};

/** Appends what depends on nothing but its expected version. */
export const appendPlain = async (context: SqlContext, append: PlainAppend): Promise<OneOutcome> => {
  const [outcome] = (await appendShared(context, [append])) as readonly [OneOutcome | LateOutcome];
  return typeof outcome === 'function' ? outcome() : outcome;
};
