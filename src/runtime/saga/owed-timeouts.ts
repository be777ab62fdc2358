/**
 * Timeouts on their way: put into the store's queue when their record is seen, taken from it when they are due, and handled as
 * messages. The queue knows each by its id, so that any number of followers may put it there, and one of them gives it out.
 */
import * as E from 'fp-ts/lib/Either.js';
import { describeTagged, thrownMessage } from '../../core/fault.js';
import { hashOf } from '../../core/json.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance, SagaMessage } from '../../core/saga/reacting.js';
import { delayAfter } from '../../core/retry.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import type { TimeoutEntry } from '../../core/saga/saga-timeouts.js';
import { defaultTenant } from '../../core/stream.js';
import type { Checkpoint } from '../../store/event-store.js';
import type { Fence } from '../../store/leases.js';
import type { FailedRequest, MessageQueue, Partition, TakenMessage } from '../../store/message-queue.js';
import { realTimers, type Timers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import type { HandleOptions } from './handle-message.js';
import { isOutage } from '../outage.js';
import { isClosed, orThrow } from './owed-closed.js';
import { type PartitionLeases, partitionLeases } from './owed-leases.js';
import type { Handled, HandleError, SagaShell } from './saga-context.js';

export interface TimeoutOptions {
  /** How often the queue is asked for timeouts that are due, in milliseconds, 1 or more: so much later one may come. Default 500. */
  readonly pollMs?: number;
  /** Parts of the queue, 1 to 1,024, each of which one process works on at a time. The same on all processes. Default 4. */
  readonly partitions?: number;
  /** How long a process that has died keeps its parts, in milliseconds. Default 15,000. */
  readonly leaseMs?: number;
}

/** Handles one message of the saga that is followed. */
export type HandleOwn = (
  message: SagaMessage,
  options?: HandleOptions,
) => Promise<E.Either<HandleError, Handled>>;

/** What a record has changed in the timeouts of one saga. */
export interface TimeoutChange {
  readonly instance: Instance;
  readonly entry: TimeoutEntry;
}

export interface TimeoutKeeper {
  /** Keeps what began to wait and drops what waits no longer. Resolves when that outlives the process, as far as the store does. */
  readonly take: (changes: ReadonlyArray<TimeoutChange>, seen: Checkpoint | undefined) => Promise<void>;
  /** Gives out what is due, until the signal. */
  readonly run: () => Promise<void>;
  /** Looks at once; resolves to whether nothing was due. */
  readonly isQuiet: () => Promise<boolean>;
}

/** What versions from `first` on have said of a saga's timeouts. */
export const changesSince = (instance: Instance, log: SagaLog, first: number): ReadonlyArray<TimeoutChange> =>
  [...log.timeouts().byId.values()]
    .filter(({ fateVersion }) => fateVersion >= first)
    .map((entry) => ({ instance, entry }));

/** The message a timeout is delivered as; what causes it is said by its own id. */
export const messageOf = (
  { sagaId }: Pick<Instance, 'sagaId'>,
  {
    id,
    type,
    schemaVersion,
    data,
    metadata,
  }: Omit<TakenMessage, 'key' | 'queue' | 'tenant' | 'attempt' | 'position' | 'enqueuedAt'>,
): SagaMessage => {
  const { causationId: _, ...conversation } = metadata;
  return { id, sagaId, type, schemaVersion, data, metadata: conversation };
};

/** One queue for each saga and tenant: `<saga>-timeouts`, with a hash where that does not say it all. */
export const timeoutQueueOf = (sagaName: string, tenant: string): string =>
  tenant === defaultTenant && sagaName.length <= 60
    ? `${sagaName}-timeouts`
    : `${sagaName.slice(0, 60)}-timeouts-${hashOf([tenant, sagaName]).slice(0, 16)}`;

/**
 * Remembers in the store, as a checkpoint under `name`, that the saga has ever asked for a timeout: one that never has costs no
 * polling, and a process that starts later knows that it has to look.
 */
export const timeoutMark = <S, Ev extends AnyEvent>({ store }: SagaShell<S, Ev>, name: string) => {
  let known: boolean | undefined;
  return {
    /** `undefined` where the store cannot say at the moment. */
    isSet: async (): Promise<boolean | undefined> => {
      if (known !== undefined) return known;
      const mark = await store.checkpoints.load(name)();
      if (E.isLeft(mark) && mark.left._tag === 'StoreUnavailable') return undefined;
      // One of the store's former life says the same; and what has been set meanwhile stays so.
      known ||= (E.isLeft(mark) && mark.left._tag === 'EpochChanged') || orThrow(mark) !== undefined;
      return known;
    },
    /** Before the first is kept, so that whoever starts after a crash in between looks too. */
    set: async (seen: Checkpoint | undefined): Promise<void> => {
      if (known === true || seen === undefined) return;
      orThrow(await store.checkpoints.save(name, seen)());
      known = true;
    },
  };
};

/** Where no timeout was ever asked for, the loop sleeps until one is. */
export const dormantMs = 3_600_000;

/** A loop that looks again and again, and can be asked to look now. `look` says how long it may wait then; 0: something was due. */
export const lookingLoop = (timers: Timers, signal: AbortSignal, look: () => Promise<number>) => {
  const wake = makeWake(timers);
  let asked: Array<(isQuiet: boolean) => void> = [];
  let isOver = false;
  return {
    wake: wake.notify,
    isQuiet: (): Promise<boolean> =>
      new Promise((resolve) => {
        if (isOver) return resolve(true);
        asked.push(resolve);
        wake.notify();
      }),
    run: async (): Promise<void> => {
      try {
        while (!signal.aborted) {
          const waiting = asked;
          asked = [];
          const waitMs = await look();
          for (const answer of waiting) answer(waitMs > 0);
          if (waitMs > 0 && asked.length === 0) await wake.wait(waitMs, signal);
        }
      } finally {
        isOver = true;
        for (const answer of asked) answer(true);
      }
    },
  };
};

/** A saga that is parked waits for a person; its timeouts wait with it, and are looked at now and then. */
const parkedSagaMs = 60_000;

/** Handles timeouts that were taken from the queue, and says there what has become of each. */
const deliverer = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  queue: MessageQueue,
  handle: HandleOwn,
  leases: PartitionLeases,
) => {
  const { environment, retry, hooks } = shell;
  const fail = async (
    message: TakenMessage,
    error: string,
    then: FailedRequest['then'],
    fence: Fence | undefined,
  ): Promise<void> => {
    const failed = await queue.failed({ message, error, then, ...(fence && { fence }) })();
    if (E.isLeft(failed)) return leases.met(failed.left);
    if (then !== 'park') return;
    const { id: messageId, type, attempt: attempts } = message;
    const { streamName } = shell.instanceOf(message.key);
    hooks.onDeliveryParked?.({ streamName, kind: 'timeout', messageId, type, attempts, error });
  };

  const deliver = async (message: TakenMessage, fence: Fence | undefined): Promise<void> => {
    const later = (): FailedRequest['then'] => ({
      retryInMs: Math.ceil(delayAfter(retry, message.attempt, environment.random)),
    });
    const retryOrPark = (): FailedRequest['then'] =>
      message.attempt >= retry.attemptsMax ? 'park' : later();
    let answer: E.Either<HandleError, Handled>;
    try {
      const options = { readsFirst: true, ...(fence && { fence }) };
      answer = await handle(messageOf(shell.instanceOf(message.key), message), options);
    } catch (thrown) {
      return fail(message, thrownMessage(thrown), retryOrPark(), fence);
    }
    if (E.isRight(answer) || isClosed(answer.left)) {
      const done = await queue.done([message], fence)();
      return E.isLeft(done) ? leases.met(done.left) : undefined;
    }
    const { left } = answer;
    if (left._tag === 'LeaseLost') return leases.met(left);
    const words = describeTagged(left);
    if (left._tag === 'SagaParked') return fail(message, words, { retryInMs: parkedSagaMs }, fence);
    // While the store is away no timeout is at fault.
    return fail(message, words, isOutage(left) ? later() : retryOrPark(), fence);
  };
  return deliver;
};

export const queuedTimeouts = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  queue: MessageQueue,
  handle: HandleOwn,
  { pollMs = 500, partitions = 4, leaseMs = 15_000 }: TimeoutOptions,
  signal: AbortSignal,
): TimeoutKeeper => {
  const { tenant } = shell.instanceOf('');
  const name = timeoutQueueOf(shell.saga.name, tenant);
  const leases: PartitionLeases = partitionLeases(shell, leaseMs);
  const mark = timeoutMark(shell, name);
  const deliver = deliverer(shell, queue, handle, leases);

  /** One part of the queue: what is due is handled, different sagas at once. Says whether anything was due. */
  const lookAt = async (partition: Partition): Promise<boolean> => {
    const held = await leases.hold(partition);
    if (held === undefined) return false;
    const { fence } = held;
    const taken = await queue.take({ partition, maxCount: 64, ...(fence && { fence }) })();
    if (E.isLeft(taken)) {
      leases.met(taken.left);
      return false;
    }
    await Promise.all(taken.right.map((message) => deliver(message, fence)));
    return taken.right.length > 0;
  };

  const look = async (): Promise<number> => {
    const isSet = await mark.isSet();
    if (isSet !== true) return isSet === false ? dormantMs : pollMs;
    let isBusy = false;
    leases.beginRound();
    for (let index = 0; index < partitions && !signal.aborted; index += 1)
      isBusy = (await lookAt({ queue: name, index, of: partitions })) || isBusy;
    return isBusy || leases.isTaking() ? 0 : pollMs;
  };
  const loop = lookingLoop(shell.environment.timers ?? realTimers, signal, look);

  return {
    take: async (changes, seen) => {
      const wanted = changes.filter(({ entry }) => entry.fate === 'waits');
      if (wanted.length > 0) {
        await mark.set(seen);
        const messages = wanted.map(
          ({ instance, entry: { id, type, schemaVersion, data, metadata, afterMs } }) => ({
            ...{ tenant, queue: name, id, key: instance.sagaId, type, schemaVersion, data, delayMs: afterMs },
            ...(metadata && { metadata }),
          }),
        );
        orThrow(await queue.enqueue(messages)());
        loop.wake();
      }
      for (const { entry } of changes)
        if (entry.fate === 'cancelled') orThrow(await queue.cancel({ tenant, queue: name, id: entry.id })());
    },
    isQuiet: loop.isQuiet,
    run: async () => {
      await loop.run();
      await leases.release();
    },
  };
};
