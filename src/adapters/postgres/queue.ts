/** The message queue in SQL; the server's clock alone says what is due. */
import * as E from 'fp-ts/lib/Either.js';
import type { Fence, LeaseLost } from '../../store/leases.js';
import type {
  DeadLetter,
  DeadLetterMissing,
  Enqueued,
  MessageQueue,
  PartitionDepth,
  QueueFull,
  TakenMessage,
} from '../../store/message-queue.js';
import {
  type CheckedMessage,
  checkDone,
  checkEnqueueOptions,
  checkFailed,
  checkForget,
  checkLetters,
  checkMessageKey,
  checkMessages,
  checkPartitions,
  checkTake,
  errorText,
  type MessageKey,
} from '../../store/queue-checks.js';
import type { BadRequest } from '../../store/store-errors.js';
import { change, changeAgain } from './change.js';
import { ask, lifted, type SqlContext } from './context.js';
import type { Row } from './executor.js';
import { answerOf, type JsonMessage, letterOfJson, messageOfJson, text } from './rows.js';

const forgetAtOnce = 5_000;
/** What is handled meanwhile is left to the next call. */
const forgetRoundsMax = 10_000;

const keyOf = ({ tenant, queue, id }: MessageKey): MessageKey => ({ tenant, queue, id });
const nameOf = (message: MessageKey): string => JSON.stringify([message.tenant, message.queue, message.id]);

const fenceTexts = (fence: Fence | undefined): readonly [string | null, string | null] =>
  fence === undefined ? [null, null] : [fence.lease, String(fence.token)];

const lostOf = (fence: Fence | undefined): E.Either<LeaseLost, never> =>
  E.left({ _tag: 'LeaseLost', lease: fence?.lease ?? '', token: fence?.token ?? 0 });

type EnqueueAnswer =
  | { readonly outcome: 'enqueued'; readonly added: ReadonlyArray<MessageKey> }
  | { readonly outcome: 'full'; readonly queue: string; readonly depth: number };
type TakeAnswer =
  | { readonly outcome: 'taken'; readonly messages: ReadonlyArray<JsonMessage> }
  | { readonly outcome: 'lease_lost' };
type FinishAnswer =
  | { readonly outcome: 'finished'; readonly count: number }
  | { readonly outcome: 'lease_lost' };
interface FailAnswer {
  readonly outcome: 'noted' | 'passed_over' | 'lease_lost';
}

/** Which of the messages are added by this call; one that stands twice is added once. */
const enqueuedOf = (
  messages: ReadonlyArray<CheckedMessage>,
  addedKeys: ReadonlyArray<MessageKey>,
): Enqueued => {
  const left = new Set(addedKeys.map(nameOf));
  const added: string[] = [];
  const known: string[] = [];
  for (const message of messages) (left.delete(nameOf(message)) ? added : known).push(message.id);
  return { added, known };
};

const depthOf = (index: number, row: Row | undefined): PartitionDepth =>
  row === undefined
    ? { index, depth: 0, parked: 0, oldestMs: 0, hottest: [] }
    : {
        index,
        depth: Number(text(row, 'depth')),
        parked: Number(text(row, 'parked')),
        oldestMs: Number(text(row, 'oldest_ms')),
        hottest: JSON.parse(text(row, 'hottest')) as PartitionDepth['hottest'],
      };

const finish = async (
  context: SqlContext,
  messages: ReadonlyArray<MessageKey>,
  onlyState: 'parked' | null,
  fence?: Fence,
): Promise<E.Either<LeaseLost, number>> => {
  const given = JSON.stringify(messages.map(keyOf));
  const rows = await changeAgain(context, context.statements.messageFinish, [
    given,
    onlyState,
    ...fenceTexts(fence),
  ]);
  const answer = answerOf<FinishAnswer>(rows);
  return answer.outcome === 'lease_lost' ? lostOf(fence) : E.right(answer.count);
};

const missing = ({ queue, id }: MessageKey): E.Either<DeadLetterMissing, never> =>
  E.left({ _tag: 'DeadLetterMissing', queue, id });

const deadLetters = (context: SqlContext): MessageQueue['deadLetters'] => {
  const { statements } = context;
  return {
    list: (request) =>
      lifted<BadRequest, ReadonlyArray<DeadLetter>>(async () => {
        const count = checkLetters(request);
        if (E.isLeft(count)) return count;
        const { queue = null, after = '0' } = request;
        const rows = await ask(context, statements.messageLetters, [queue, after, String(count.right)]);
        return E.right(rows.map(letterOfJson));
      }),
    retry: (letter) =>
      lifted<BadRequest | DeadLetterMissing, void>(async () => {
        const checked = checkMessageKey(letter);
        if (E.isLeft(checked)) return checked;
        const { tenant, queue, id } = letter;
        const rows = await change(() => context.executor.query(statements.messageRetry, [tenant, queue, id]));
        return answerOf<boolean>(rows) ? E.right(undefined) : missing(letter);
      }),
    discard: (letter) =>
      lifted<BadRequest | DeadLetterMissing, void>(async () => {
        const checked = checkMessageKey(letter);
        if (E.isLeft(checked)) return checked;
        const finished = await finish(context, [letter], 'parked');
        return E.isRight(finished) && finished.right > 0 ? E.right(undefined) : missing(letter);
      }),
  };
};

const forget = async (context: SqlContext, olderThanMs: number): Promise<number> => {
  let count = 0;
  for (let round = 1; round <= forgetRoundsMax; round += 1) {
    const parameters = [String(olderThanMs), String(forgetAtOnce)];
    const forgotten = answerOf<number>(await ask(context, context.statements.messageForget, parameters));
    count += forgotten;
    if (forgotten < forgetAtOnce) break;
  }
  return count;
};

const enqueue =
  (context: SqlContext): MessageQueue['enqueue'] =>
  (messages, options = {}) =>
    lifted<BadRequest | QueueFull, Enqueued>(async () => {
      const checkedOptions = checkEnqueueOptions(options);
      if (E.isLeft(checkedOptions)) return checkedOptions;
      const checked = checkMessages('messages', messages, context.limits);
      if (E.isLeft(checked)) return checked;
      if (checked.right.length === 0) return E.right({ added: [], known: [] });
      const { depthMax } = options;
      const parameters = [JSON.stringify(checked.right), depthMax === undefined ? null : String(depthMax)];
      const rows = await changeAgain(context, context.statements.messageEnqueue, parameters);
      const answer = answerOf<EnqueueAnswer>(rows);
      if (answer.outcome === 'enqueued') return E.right(enqueuedOf(checked.right, answer.added));
      const { queue, depth } = answer;
      return E.left({ _tag: 'QueueFull', queue, depth, depthMax: depthMax ?? 0 });
    });

export const sqlQueue = (context: SqlContext): MessageQueue => {
  const { statements, limits, executor } = context;
  return {
    enqueue: enqueue(context),
    // Not asked again where the answer is lost: an attempt would be counted twice.
    take: (request) =>
      lifted<BadRequest | LeaseLost, ReadonlyArray<TakenMessage>>(async () => {
        const checked = checkTake(request);
        if (E.isLeft(checked)) return checked;
        const { partition, maxCount, except = [], fence } = request;
        const parameters = [
          partition.queue,
          ...[partition.index, partition.of, maxCount].map(String),
          JSON.stringify(except.map(({ tenant, key }) => [tenant, key])),
          ...fenceTexts(fence),
        ];
        const answer = answerOf<TakeAnswer>(
          await change(() => executor.query(statements.messageTake, parameters)),
        );
        return answer.outcome === 'taken' ? E.right(answer.messages.map(messageOfJson)) : lostOf(fence);
      }),
    done: (messages, fence) =>
      lifted<BadRequest | LeaseLost, void>(async () => {
        const checked = checkDone(messages, fence, limits);
        if (E.isLeft(checked)) return checked;
        const finished = await finish(context, messages, null, fence);
        return E.isLeft(finished) ? finished : E.right(undefined);
      }),
    failed: (request) =>
      lifted<BadRequest | LeaseLost, void>(async () => {
        const checked = checkFailed(request);
        if (E.isLeft(checked)) return checked;
        const { message, error, then, fence } = request;
        const { tenant, queue, id } = message;
        const retryMs = then === 'park' ? null : String(then.retryInMs);
        const parameters = [tenant, queue, id, errorText(error), retryMs, ...fenceTexts(fence)];
        const rows = await changeAgain(context, statements.messageFail, parameters);
        return answerOf<FailAnswer>(rows).outcome === 'lease_lost' ? lostOf(fence) : E.right(undefined);
      }),
    cancel: (message) =>
      lifted<BadRequest, boolean>(async () => {
        const checked = checkMessageKey(message);
        if (E.isLeft(checked)) return checked;
        const finished = await finish(context, [message], null);
        return E.right(E.isRight(finished) && finished.right > 0);
      }),
    names: () =>
      lifted<never, ReadonlyArray<string>>(async () => {
        const rows = await ask(context, statements.messageQueues, []);
        return E.right(rows.map((row) => text(row, 'queue')));
      }),
    depths: (queue, partitions) =>
      lifted<BadRequest, ReadonlyArray<PartitionDepth>>(async () => {
        const checked = checkPartitions(queue, partitions);
        if (E.isLeft(checked)) return checked;
        await changeAgain(context, statements.messageRelease, [queue]);
        const rows = await ask(context, statements.messageDepths, [queue, String(partitions)]);
        const byPart = new Map(rows.map((row) => [Number(text(row, 'part')), row]));
        return E.right(Array.from({ length: partitions }, (_, index) => depthOf(index, byPart.get(index))));
      }),
    deadLetters: deadLetters(context),
    forget: (olderThanMs) =>
      lifted<BadRequest, number>(async () => {
        const checked = checkForget(olderThanMs);
        return E.isLeft(checked) ? checked : E.right(await forget(context, olderThanMs));
      }),
  };
};
