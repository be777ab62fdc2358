/** Partitioned sequential handling inside one process, without a queue in a database: bounded channels, one for each partition. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { EncodeFailed } from '../../core/codec.js';
import { partitionOf, slotsCount } from '../../core/partition.js';
import { checkName, defaultTenant, type InvalidName } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { QueuedMessage, QueueFull, TakenMessage } from '../../store/message-queue.js';
import { realTimers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import { realEnvironment } from '../environment.js';
import { localChannel, type LocalPartitionState } from './local-channel.js';
import type { LocalAnswer, PartitionsStopped } from './local-jobs.js';
import type { HandlersByType, MessageHandlers, MessageToSend } from './message-handlers.js';
import { messageRunner } from './message-runner.js';
import { handlerContext, type HandlingOptions, retryOf, type WorkerHooks } from './worker-options.js';

export type { LocalPartitionState } from './local-channel.js';
export type { LocalAnswer, MessageGivenUp, PartitionsStopped } from './local-jobs.js';

export interface LocalPartitionsOptions<H extends HandlersByType> extends HandlingOptions {
  /** Where aggregates and sagas are kept; its queue and its leases are not used. */
  readonly store: EventStore;
  readonly handlers: MessageHandlers<H>;
  /** 1 to 1,024. Default 16. */
  readonly partitions?: number;
  /** Messages of one partition at most, those in hand included, 1 or more. Default 1,000. */
  readonly capacity?: number;
  /** For people, and part of derived ids. Default `local`. */
  readonly name?: string;
  readonly hooks?: WorkerHooks;
}

/** The message is in its channel. */
export interface Accepted {
  /** What became of it. A promise of its own, so that a sender need not wait for it. */
  readonly outcome: Promise<LocalAnswer>;
}

type LocalMessage<H, K extends keyof H> = Omit<
  MessageToSend<K, H[K] extends { readonly key: (data: infer Data) => string } ? Data : never>,
  'queue'
>;
type SendError = EncodeFailed | InvalidName | PartitionsStopped;

export interface LocalPartitions<H extends HandlersByType> {
  /** Waits until its partition has room. Do not wait for it inside a handler: answer with `enqueue` instead. */
  readonly send: <K extends keyof H & string>(message: LocalMessage<H, K>) => TaskEither<SendError, Accepted>;
  /** The same, but refuses with `QueueFull` where there is no room now. */
  readonly offer: <K extends keyof H & string>(
    message: LocalMessage<H, K>,
  ) => TaskEither<SendError | QueueFull, Accepted>;
  readonly state: () => ReadonlyArray<LocalPartitionState>;
  /** Resolves when no message is in any channel. */
  readonly idle: () => Promise<void>;
  /** Takes no more, handles what is there within `withinMs` (default 30,000), and drops the rest: each is answered `PartitionsStopped`. */
  readonly stop: (withinMs?: number) => Promise<void>;
}

const check = (field: string, value: number, max: number): number => {
  if (!Number.isInteger(value) || value < 1 || value > max)
    throw new TypeError(`localPartitions: ${field} must be a whole number from 1 to ${max}, found ${value}`);
  return value;
};

/** Messages as handlers see them, numbered as they come. */
const numbered = (queue: string) => {
  let position = 0;
  return ({
    tenant = defaultTenant,
    metadata = {},
    schemaVersion = 1,
    ...rest
  }: QueuedMessage): TakenMessage => {
    const { id, key, type, data } = rest;
    position += 1;
    const times = { position: String(position), enqueuedAt: new Date().toISOString() };
    return { ...{ tenant, queue, id, key, type, schemaVersion, data, metadata }, ...times, attempt: 1 };
  };
};

/**
 * Handles messages of one key one after another and of different partitions at once, in this process alone: what waits is lost
 * with it. Retries as a queue worker does, but a message whose attempts are used up is answered `MessageGivenUp` to its
 * sender, and later ones of its key go on. Batch handlers are given what waits side by side in one partition. What handlers answer to `enqueue` is put into the partitions beyond their
 * capacity, since a handler that waited for room would wait for itself; senders from outside wait until that is worked off.
 *
 * ```ts
 * const local = localPartitions({ store, handlers, partitions: 4, capacity: 100 });
 * const accepted = await toPromise(local.send({ type: 'ReserveInventory', id: 'order-7', data }));
 * const outcome = await accepted.outcome;
 * ```
 */
export const localPartitions = <H extends HandlersByType>(
  options: LocalPartitionsOptions<H>,
): LocalPartitions<H> => {
  const { store, handlers, name = 'local', hooks = {}, environment = realEnvironment } = options;
  const partitions = check('partitions', options.partitions ?? 16, slotsCount);
  const capacity = check('capacity', options.capacity ?? 1_000, Number.MAX_SAFE_INTEGER);
  const handling = handlerContext(options, store, { holder: name, enqueues: 'byCaller' });
  const runner = messageRunner(handlers as unknown as MessageHandlers, handling);
  const timers = environment.timers ?? realTimers;
  const changes = makeWake(timers);
  let isStopping = false;

  const taken = numbered(name);
  const channelOf = ({ tenant, key }: TakenMessage) =>
    channels[partitionOf(tenant, key, partitions)] as (typeof channels)[number];
  const channels = Array.from({ length: partitions }, (_, index) =>
    localChannel({
      ...{ index, capacity, environment, runner, hooks, retry: retryOf(options.retry) },
      onNext: ({ next }) => {
        for (const one of next) {
          const message = taken(one);
          void channelOf(message).put(message, { delayMs: one.delayMs, hasRoom: false });
        }
      },
      onChange: changes.notify,
    }),
  );

  const accept = async <L>(
    message: Parameters<LocalPartitions<H>['send']>[0],
    enter: (channel: (typeof channels)[number], message: TakenMessage) => Promise<L | undefined>,
  ): Promise<E.Either<SendError | L, Accepted>> => {
    const id = checkName('id', message.id, 512);
    if (E.isLeft(id)) return id;
    const encoded = handlers.message({ ...message, queue: name });
    if (E.isLeft(encoded)) return encoded;
    const ready = taken(encoded.right);
    const stopped = E.left({ _tag: 'PartitionsStopped', id: message.id } as const);
    if (isStopping) return stopped;
    const refused = await enter(channelOf(ready), ready);
    if (refused !== undefined) return E.left(refused);
    return E.right({ outcome: channelOf(ready).put(ready, { delayMs: message.delayMs, hasRoom: true }) });
  };
  const isIdle = (): boolean => channels.every((channel) => channel.state().depth === 0);
  const idle = async (): Promise<void> => {
    while (!isIdle()) await changes.wait(1_000);
  };
  return {
    send: (message) => () =>
      accept(message, async (channel, { id }) =>
        (await channel.room()) && !isStopping ? undefined : ({ _tag: 'PartitionsStopped', id } as const),
      ),
    offer: (message) => () =>
      accept(message, async (channel) => {
        if (channel.tryRoom()) return undefined;
        const { depth } = channel.state();
        return { _tag: 'QueueFull', queue: name, depth, depthMax: capacity } as const;
      }),
    state: () => channels.map((channel) => channel.state()),
    idle,
    stop: async (withinMs = 30_000) => {
      isStopping = true;
      const end = (): void => channels.forEach((channel) => channel.stop());
      const callOff = timers.after(withinMs, end);
      await idle();
      callOff();
      end();
      await Promise.all(channels.map(({ ended }) => ended));
    },
  };
};
