/**
 * Watches the durable queues: a model of every line, which holds each call against what the queue and its workers promise. Only
 * the first of a key is taken, in its time, with its attempt counted; nothing is over before it was handled, and nothing changes
 * under a lease that was lost.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { Fence } from '../../store/leases.js';
import type { FailedRequest, MessageQueue, QueuedMessage, TakenMessage } from '../../store/message-queue.js';
import { brokenPromise, must } from './promises.js';
import { attemptsMax } from './shape.js';

/** The queue that carries the messages of a simulation; every other one holds timeouts. */
export const messageQueueName = 'messages';

export interface WatchedMessage {
  readonly queue: string;
  readonly id: string;
  readonly key: string;
  /** Not before this it is taken. */
  readyAt: number;
  attempt: number;
  /** How often somebody has let it be tried anew. */
  retries: number;
  isParked: boolean;
  /** A handler has answered, since it was taken last, that it is over. */
  isAnswered: boolean;
  /** Under which lease it was taken last. */
  takenUnder: Fence | undefined;
}

export interface QueueWatch {
  /** One that is not over. */
  readonly find: (id: string) => WatchedMessage | undefined;
  /** Messages that are not handled, cancelled or given up. */
  readonly unfinished: () => ReadonlyArray<WatchedMessage>;
  /** All that the queues have ever taken. */
  readonly known: () => ReadonlyArray<Key>;
  readonly parked: () => ReadonlyArray<WatchedMessage>;
  /** Whether all that waits in the queue of messages is parked, or waits behind one that is. */
  readonly isHeldUp: () => boolean;
  /** The first of its key. */
  readonly isHead: (message: WatchedMessage) => boolean;
  /** Nothing else changes a queue. */
  readonly queue: MessageQueue;
}

export interface QueueWatchParts {
  readonly queue: MessageQueue;
  readonly now: () => number;
  /** Whether a lease is still that holder's. */
  readonly isHeld: (fence: Fence) => boolean;
  /** What is against saying that a timeout is over. */
  readonly timeoutProblem: (id: string, how: 'done' | 'cancelled') => string | undefined;
  /** What is against putting a timeout into its queue. */
  readonly enqueueProblem: (message: QueuedMessage) => string | undefined;
  readonly onParked: () => void;
  readonly onEnqueued: () => void;
  readonly broken: (what: string) => void;
}

/** No id is used in two queues. */
type Key = Pick<TakenMessage, 'queue' | 'id'>;

const sorted = (ids: ReadonlyArray<string>): string => [...ids].sort().join();

/** The lines: what is not over yet, in the order of each key. */
const makeLines = () => {
  const byId = new Map<string, WatchedMessage>();
  const known = new Map<string, Key>();
  const lines = new Map<string, WatchedMessage[]>();
  const lineOf = ({ queue, key }: Pick<WatchedMessage, 'queue' | 'key'>): WatchedMessage[] => {
    const name = `${queue}/${key}`;
    const line = lines.get(name) ?? [];
    lines.set(name, line);
    return line;
  };
  return {
    find: ({ id }: Pick<Key, 'id'>): WatchedMessage | undefined => byId.get(id),
    isKnown: ({ id }: Key): boolean => known.has(id),
    known: (): ReadonlyArray<Key> => [...known.values()],
    all: (): ReadonlyArray<WatchedMessage> => [...byId.values()],
    lineOf,
    add: (message: WatchedMessage): void => {
      known.set(message.id, message);
      byId.set(message.id, message);
      lineOf(message).push(message);
    },
    drop: (message: WatchedMessage): void => {
      byId.delete(message.id);
      const line = lineOf(message);
      line.splice(line.indexOf(message), 1);
    },
  };
};

export const watchQueue = (parts: QueueWatchParts): QueueWatch => {
  const { queue: raw, now, isHeld, broken } = parts;
  const lines = makeLines();
  const isMessage = ({ queue }: Pick<WatchedMessage, 'queue'>): boolean => queue === messageQueueName;
  const isHead = (message: WatchedMessage): boolean => lines.lineOf(message)[0] === message;

  const fenced = (what: string, fence: Fence | undefined): void => {
    must(fence !== undefined, () => `${what} without the lease of the partition`);
    must(isHeld(fence as Fence), () => `${what} under a lease that had been lost`);
  };

  const enqueued = (messages: ReadonlyArray<QueuedMessage>, added: ReadonlyArray<string>): void => {
    const fresh = messages.filter((message) => !lines.isKnown(message));
    must(
      sorted(fresh.map(({ id }) => id)) === sorted(added),
      () => 'a queue took other messages than were new',
    );
    for (const message of fresh) {
      const { queue, id, key, delayMs = 0 } = message;
      const problem = isMessage({ queue }) ? undefined : parts.enqueueProblem(message);
      must(problem === undefined, () => `${problem}`);
      const begun = { attempt: 0, retries: 0, isParked: false, isAnswered: false, takenUnder: undefined };
      parts.onEnqueued();
      lines.add({ queue, id, key, readyAt: now() + delayMs, ...begun });
    }
  };

  const taken = (messages: ReadonlyArray<TakenMessage>, fence: Fence | undefined): void => {
    for (const { queue, id, attempt } of messages) {
      fenced(`${queue}: message ${id} was taken`, fence);
      const message = lines.find({ id });
      must(message !== undefined, () => `${queue}: message ${id} was taken after it was over`);
      const known = message as WatchedMessage;
      must(!known.isParked, () => `${queue}: message ${id} was taken although it is parked`);
      must(now() >= known.readyAt, () => `${queue}: message ${id} was taken before its time`);
      // Timeouts take their places when they are due; only those of messages are fixed from the start.
      must(
        !isMessage(known) || isHead(known),
        () => `${queue}: message ${id} was taken before one of its key`,
      );
      known.attempt += 1;
      known.takenUnder = fence;
      known.isAnswered = false;
      must(
        attempt === known.attempt,
        () => `${queue}: message ${id} was taken for attempt ${known.attempt}, and it says ${attempt}`,
      );
    }
  };

  const done = (messages: ReadonlyArray<Key>, fence: Fence | undefined): void => {
    for (const key of messages) {
      fenced(`${key.queue}: message ${key.id} was told done`, fence);
      const message = lines.find(key);
      if (message === undefined) continue;
      const problem = isMessage(key) ? undefined : parts.timeoutProblem(key.id, 'done');
      must(problem === undefined, () => `${problem}`);
      must(
        !isMessage(key) || message.isAnswered,
        () => `message ${key.id} was told done, and no handler had answered`,
      );
      lines.drop(message);
    }
  };

  const failed = ({ message: key, then, fence }: FailedRequest): void => {
    fenced(`${key.queue}: message ${key.id} was told failed`, fence);
    const message = lines.find(key);
    // A repeat says nothing of one that was let go meanwhile.
    if (message === undefined || message.isParked || message.attempt === 0) return;
    if (then !== 'park') {
      must(
        !isMessage(message) || message.attempt < attemptsMax,
        () => `message ${key.id} comes again after attempt ${message.attempt} of ${attemptsMax}`,
      );
      message.readyAt = now() + then.retryInMs;
    } else {
      must(
        message.attempt >= attemptsMax,
        () => `${key.queue}: message ${key.id} was parked in attempt ${message.attempt} of ${attemptsMax}`,
      );
      message.isParked = true;
      parts.onParked();
    }
  };

  const cancelled = (key: Key): void => {
    const message = lines.find(key);
    must(message !== undefined, () => `${key.queue}: message ${key.id} was cancelled after it was over`);
    const problem = parts.timeoutProblem(key.id, 'cancelled');
    must(problem === undefined, () => `${problem}`);
    lines.drop(message as WatchedMessage);
  };

  const letGo = (key: Key, isRetried: boolean): void => {
    const message = lines.find(key);
    must(message?.isParked === true, () => `${key.queue}: message ${key.id} was let go and is not parked`);
    const known = message as WatchedMessage;
    if (!isRetried) return lines.drop(known);
    known.retries += 1;
    Object.assign(known, { isParked: false, attempt: 0, readyAt: now() });
  };

  const watched =
    <R extends ReadonlyArray<unknown>, L, A>(
      call: (...request: R) => () => Promise<E.Either<L, A>>,
      note: (answer: A, ...request: R) => void,
    ) =>
    (...request: R) =>
    async (): Promise<E.Either<L, A>> => {
      const answer = await call(...request)();
      try {
        if (E.isRight(answer)) note(answer.right, ...request);
      } catch (thrown) {
        broken(brokenPromise(thrown));
      }
      return answer;
    };
  const letters = raw.deadLetters;
  return {
    find: (id) => lines.find({ id }),
    unfinished: lines.all,
    known: lines.known,
    parked: () => lines.all().filter(({ isParked }) => isParked),
    isHeldUp: () =>
      lines.all().every((message) => !isMessage(message) || lines.lineOf(message)[0]?.isParked === true),
    isHead,
    queue: {
      ...raw,
      enqueue: watched(raw.enqueue, ({ added }, messages: ReadonlyArray<QueuedMessage>) =>
        enqueued(messages, added),
      ),
      take: watched(raw.take, (messages, { fence }) => taken(messages, fence)),
      done: watched(raw.done, (_answer, messages, fence) => done(messages, fence)),
      failed: watched(raw.failed, (_answer, request) => failed(request)),
      cancel: watched(raw.cancel, (wasWaiting, message) => {
        if (wasWaiting) cancelled(message);
      }),
      deadLetters: {
        list: letters.list,
        retry: watched(letters.retry, (_answer, letter) => letGo(letter, true)),
        discard: watched(letters.discard, (_answer, letter) => letGo(letter, false)),
      },
    },
  };
};
