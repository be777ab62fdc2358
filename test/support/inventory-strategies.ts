/** The inventory example under each answer to contention, on any store: the same messages, the same rules, and what it cost. */
import * as E from 'fp-ts/lib/Either.js';
import {
  type EventStore,
  loadAggregate,
  localPartitions,
  type LocalPartitionsOptions,
  messageHandlers,
  type MessageOutcome,
  onAggregate,
  onSaga,
  queueWorker,
  type RetryPolicy,
  sagaRuntime,
  toPromise,
} from 'watersmeet';
import {
  adjustInventory,
  type InventoryMessage,
  inventoryItem,
  inventorySaga,
  reserveInventory,
  type Stock,
  validate,
} from '../../sagas/inventory/index.js';

export const strategyNames = ['retry', 'lock', 'partitioned', 'queue', 'merge'] as const;
/** `partitioned` is in this process; `queue` is the same through the durable queue. */
export type StrategyName = (typeof strategyNames)[number];

export interface StrategyOptions {
  /** How long a handler works besides deciding, between its read and its append, in milliseconds. Default 0. */
  readonly workMs?: number;
  /** How a lost append is tried again. Default: until it is done, 1,000 times at most. */
  readonly conflictRetry?: Partial<RetryPolicy>;
  /** How long a lock is waited for, in milliseconds. Default 60,000. */
  readonly lockWaitMaxMs?: number;
  /** Partitions of `partitioned` and `queue`. Default 4. */
  readonly partitions?: number;
  /** How long one attempt may take, waits included, in milliseconds. Default 30,000. */
  readonly handlerTimeMaxMs?: number;
  /** How often `queue` looks for messages, in milliseconds. Default 5. */
  readonly pollMs?: number;
}

export type Answered = E.Either<{ readonly _tag: string }, MessageOutcome>;

export interface Strategy {
  /** Handles a message to its end. Yes is `Appended`, `Merged` or `Branched`, no is `Invalid`; a saga tells its yes and no in messages. */
  readonly handle: (message: InventoryMessage) => Promise<Answered>;
  readonly handlerRuns: () => number;
  /** The item’s stock, all branches merged. */
  readonly stockOf: (itemId: string) => Promise<Stock>;
  readonly stop: () => Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Effort {
  /** A handler runs; it works for a while before it answers. */
  readonly work: () => Promise<void>;
  readonly runs: () => number;
}

const effort = (workMs: number): Effort => {
  let runs = 0;
  return {
    runs: () => runs,
    work: async () => {
      runs += 1;
      if (workMs > 0) await pause(workMs);
    },
  };
};

/** So many channels that no message waits for another one: what keeps them apart is the answer to conflict alone. */
const channelsMax = 1_024;

const itemOf = ({ itemId }: { readonly itemId: string }): string => itemId;
const orderOf = ({ orderId }: { readonly orderId: string }): string => orderId;
const none: Stock = { supply: 0, reserved: 0 };

const aggregateHandlers = (
  conflict: 'retry' | 'lock' | 'partitioned',
  { work }: Effort,
  { lockWaitMaxMs = 60_000 }: StrategyOptions,
) =>
  messageHandlers({
    ReserveInventory: onAggregate(inventoryItem, {
      data: reserveInventory,
      id: itemOf,
      key: conflict === 'partitioned' ? itemOf : orderOf,
      validate: (data, stock) => validate.ReserveInventory(stock, data),
      handle: async ({ orderId, quantity }) => {
        await work();
        return { events: [{ type: 'InventoryReserved', data: { orderId, quantity } }] };
      },
      conflict,
      lockWaitMaxMs,
    }),
    AdjustInventory: onAggregate(inventoryItem, {
      data: adjustInventory,
      id: itemOf,
      validate: (data, stock) => validate.AdjustInventory(stock, data),
      handle: async ({ delta, reason }) => {
        await work();
        return { events: [{ type: 'InventoryAdjusted', data: { delta, reason } }] };
      },
      conflict,
      lockWaitMaxMs,
    }),
  });

const sagaHandlers = () =>
  messageHandlers({
    ReserveInventory: onSaga(inventorySaga, 'ReserveInventory', { id: itemOf, key: orderOf }),
    AdjustInventory: onSaga(inventorySaga, 'AdjustInventory', { id: itemOf }),
  });

type Ours = ReturnType<typeof aggregateHandlers>;
type Handlers = Ours | ReturnType<typeof sagaHandlers>;

/** In this process. A message is tried once: what the answer to conflict cannot settle counts as a failure. */
const inProcess = (
  store: EventStore,
  handlers: Handlers,
  options: Pick<LocalPartitionsOptions<never>, 'partitions' | 'conflictRetry' | 'saga' | 'handlerTimeMaxMs'>,
) => {
  const local = localPartitions({ ...options, store, handlers: handlers as Ours, retry: { attemptsMax: 1 } });
  return {
    handle: async (message: InventoryMessage): Promise<Answered> => {
      const accepted = await local.send(message as never)();
      return E.isLeft(accepted) ? accepted : accepted.right.outcome;
    },
    stop: () => local.stop(),
  };
};

type Tell = (answer: Answered) => void;
/** Senders who wait, by message id: a message may be handled by another worker than its sender's. */
const waiting = new Map<string, ReadonlyArray<Tell>>();
const tell = (id: string, answer: Answered): void => {
  const senders = waiting.get(id) ?? [];
  waiting.delete(id);
  for (const sender of senders) sender(answer);
};

/** Through the durable queue: enqueued by the sender, handled by a worker, which tells the sender. */
const throughQueue = (store: EventStore, handlers: Handlers, partitions: number, pollMs = 5) => {
  const { queue } = store;
  if (queue === undefined) throw new TypeError(`${store.name} has no queue`);
  const name = 'inventory';
  const worker = queueWorker({
    ...{ store, handlers, queue: name, partitions, pollMs },
    hooks: {
      onHandled: ({ message, outcome }) => tell(message.id, E.right(outcome)),
      onParked: ({ message, error }) => tell(message.id, E.left(error)),
    },
  });
  return {
    handle: async ({ id, type, data }: InventoryMessage): Promise<Answered> => {
      const isFirst = !waiting.has(id);
      const answered = new Promise<Answered>((resolve) =>
        waiting.set(id, [...(waiting.get(id) ?? []), resolve]),
      );
      if (!isFirst) return answered;
      const enqueued = await queue.enqueue([{ queue: name, id, key: data.itemId, type, data }])();
      if (E.isLeft(enqueued)) tell(id, enqueued);
      else if (enqueued.right.known.length > 0) tell(id, E.right({ _tag: 'Duplicate' }));
      return answered;
    },
    stop: () => worker.stop(),
  };
};

const aggregateStock = (store: EventStore) => async (itemId: string) => {
  const { state } = await toPromise(loadAggregate({ store })(inventoryItem, itemId));
  return state ?? none;
};

const stubborn: Partial<RetryPolicy> = { attemptsMax: 1_000 };

const timeOf = ({ handlerTimeMaxMs }: StrategyOptions) =>
  handlerTimeMaxMs === undefined ? {} : { handlerTimeMaxMs };

const onSagas = (store: EventStore, options: StrategyOptions): Strategy => {
  const spent = effort(options.workMs ?? 0);
  // A saga's handler is a pure function: its work stands where an aggregate's handler does it, between its read and its append.
  const saga = { hooks: { onReacted: () => spent.work() } };
  const running = inProcess(store, sagaHandlers(), {
    ...timeOf(options),
    partitions: channelsMax,
    saga,
  });
  return {
    ...running,
    handlerRuns: spent.runs,
    stockOf: async (itemId) => {
      const runtime = sagaRuntime(inventorySaga, { store });
      await toPromise(runtime.resolve(itemId));
      return (await toPromise(runtime.load(itemId))).state;
    },
  };
};

/** A strategy at work on a store. */
export const strategyOn = (
  name: StrategyName,
  store: EventStore,
  options: StrategyOptions = {},
): Strategy => {
  if (name === 'merge') return onSagas(store, options);
  const { workMs = 0, conflictRetry = stubborn, partitions = 4 } = options;
  const spent = effort(workMs);
  const conflict = name === 'queue' ? 'partitioned' : name;
  const handlers = aggregateHandlers(conflict, spent, options);
  const running =
    name === 'queue'
      ? throughQueue(store, handlers, partitions, options.pollMs)
      : inProcess(store, handlers, {
          ...timeOf(options),
          partitions: name === 'partitioned' ? partitions : channelsMax,
          conflictRetry,
        });
  return { ...running, handlerRuns: spent.runs, stockOf: aggregateStock(store) };
};
