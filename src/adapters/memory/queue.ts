/** The message queue of the memory store: the words of the port over the data in message-table.ts. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { StoreLimits } from '../../store/event-store.js';
import type { Fence, LeaseLost } from '../../store/leases.js';
import type {
  Enqueued,
  EnqueueOptions,
  FailedRequest,
  MessageQueue,
  QueuedMessage,
  QueueFull,
  TakenMessage,
  TakeRequest,
} from '../../store/message-queue.js';
import {
  type CheckedMessage,
  checkDone,
  checkEnqueueOptions,
  checkFailed,
  checkForget,
  checkMessageKey,
  checkMessages,
  checkTake,
  errorText,
  type MessageKey,
} from '../../store/queue-checks.js';
import type { BadRequest, StoreClosed } from '../../store/store-errors.js';
import { depths, discard, letters, names, retry, takenOf, type Told } from './dead-letters.js';
import { makeMessageTable, type StoredMessage } from './message-table.js';

export interface MemoryQueueParts {
  /** Never goes back. */
  readonly clockMs: () => number;
  readonly now: () => Date;
  readonly limits: StoreLimits;
  readonly fenced: (fence: Fence | undefined) => LeaseLost | undefined;
}

interface Kept extends Told, MemoryQueueParts {}

/** One call of the store: refused after it was closed. */
export type Call = <L, A>(answer: () => E.Either<L, A>) => TaskEither<L | StoreClosed, A>;

/** What an append enqueues too; checked before. */
const add =
  ({ table, clockMs, now }: Kept) =>
  (messages: ReadonlyArray<CheckedMessage>): Enqueued => {
    const added: string[] = [];
    const known: string[] = [];
    for (const message of messages)
      (table.add(message, clockMs(), now().toISOString()) ? added : known).push(message.id);
    return { added, known };
  };

const fullOf = (
  { table }: Kept,
  messages: ReadonlyArray<CheckedMessage>,
  depthMax: number,
): QueueFull | undefined => {
  for (const queue of new Set(messages.map((message) => message.queue))) {
    const added = messages.filter((message) => message.queue === queue && table.find(message) === undefined);
    const ids = new Set(added.map(({ tenant, id }) => JSON.stringify([tenant, id])));
    const depth = table.unhandled(queue);
    if (ids.size > 0 && depth + ids.size > depthMax) return { _tag: 'QueueFull', queue, depth, depthMax };
  }
  return undefined;
};

const enqueue =
  (kept: Kept) =>
  (
    messages: ReadonlyArray<QueuedMessage>,
    options: EnqueueOptions = {},
  ): E.Either<BadRequest | QueueFull, Enqueued> => {
    const checkedOptions = checkEnqueueOptions(options);
    if (E.isLeft(checkedOptions)) return checkedOptions;
    const checked = checkMessages('messages', messages, kept.limits);
    if (E.isLeft(checked)) return checked;
    const full = options.depthMax === undefined ? undefined : fullOf(kept, checked.right, options.depthMax);
    return full === undefined ? E.right(add(kept)(checked.right)) : E.left(full);
  };

const take =
  ({ table, clockMs, fenced }: Kept) =>
  (request: TakeRequest): E.Either<BadRequest | LeaseLost, ReadonlyArray<TakenMessage>> => {
    const checked = checkTake(request);
    if (E.isLeft(checked)) return checked;
    const lost = fenced(request.fence);
    if (lost !== undefined) return E.left(lost);
    const { partition, except = [], maxCount } = request;
    const time = clockMs();
    table.release(partition.queue, time);
    const inHand = new Set(except.map(({ tenant, key }) => JSON.stringify([tenant, key])));
    const heads = table
      .lines(partition.queue)
      .filter((line) => line.slot % partition.of === partition.index && !inHand.has(line.name))
      .map((line) => line.messages[0] as StoredMessage)
      .filter(({ state, readyAt }) => state === 'waiting' && readyAt <= time)
      .sort((a, b) => a.readyAt - b.readyAt || a.position - b.position)
      .slice(0, maxCount);
    for (const head of heads) head.attempt += 1;
    return E.right(heads.map(takenOf));
  };

const done =
  ({ table, clockMs, fenced, limits }: Kept) =>
  (messages: ReadonlyArray<MessageKey>, fence?: Fence): E.Either<BadRequest | LeaseLost, void> => {
    const checked = checkDone(messages, fence, limits);
    if (E.isLeft(checked)) return checked;
    const lost = fenced(fence);
    if (lost !== undefined) return E.left(lost);
    for (const message of messages) table.finish(table.find(message), clockMs());
    return E.right(undefined);
  };

const failed =
  ({ table, clockMs, now, fenced }: Kept) =>
  (request: FailedRequest): E.Either<BadRequest | LeaseLost, void> => {
    const checked = checkFailed(request);
    if (E.isLeft(checked)) return checked;
    const lost = fenced(request.fence);
    if (lost !== undefined) return E.left(lost);
    const stored = table.find(request.message);
    // One that was let go since and has not begun again: this is the repeat of a call whose answer was lost.
    if (stored?.state !== 'waiting' || stored.attempt === 0) return E.right(undefined);
    const { attempt } = stored;
    if (attempt > stored.attemptNoted)
      stored.history.push({ attempt, at: now().toISOString(), error: errorText(request.error) });
    stored.attemptNoted = attempt;
    if (request.then === 'park') stored.state = 'parked';
    else stored.readyAt = clockMs() + request.then.retryInMs;
    return E.right(undefined);
  };

export interface MemoryQueue {
  /** What an append enqueues: checked with it. */
  readonly add: (messages: ReadonlyArray<CheckedMessage>) => void;
  readonly queue: (call: Call) => MessageQueue;
}

export const keepMessages = (parts: MemoryQueueParts): MemoryQueue => {
  const table = makeMessageTable();
  const kept: Kept = { ...parts, table };
  const { clockMs } = parts;
  const cancel = (message: MessageKey): E.Either<BadRequest, boolean> => {
    const checked = checkMessageKey(message);
    return E.isLeft(checked) ? checked : E.right(table.finish(table.find(message), clockMs()));
  };
  const forget = (olderThanMs: number): E.Either<BadRequest, number> => {
    const checked = checkForget(olderThanMs);
    return E.isLeft(checked) ? checked : E.right(table.forget(clockMs() - olderThanMs));
  };
  return {
    add: add(kept),
    queue: (call) => ({
      enqueue: (messages, options) => call(() => enqueue(kept)(messages, options)),
      take: (request) => call(() => take(kept)(request)),
      done: (messages, fence) => call(() => done(kept)(messages, fence)),
      failed: (request) => call(() => failed(kept)(request)),
      cancel: (message) => call(() => cancel(message)),
      names: () => call(() => E.right(names(kept))),
      depths: (queue, partitions) => call(() => depths(kept)(queue, partitions)),
      deadLetters: {
        list: (request) => call(() => letters(kept)(request)),
        retry: (letter) => call(() => retry(kept)(letter)),
        discard: (letter) => call(() => discard(kept)(letter)),
      },
      forget: (olderThanMs) => call(() => forget(olderThanMs)),
    }),
  };
};
