/** What the tests of workers share: an item of stock, its handlers, workers that die, and waiting for what must come. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { accept, aggregate, reject } from '../../src/core/decider.js';
import { toPromise } from '../../src/core/fault.js';
import type { StreamName } from '../../src/core/stream.js';
import type { MessageInfo } from '../../src/runtime/queue/message-delivery.js';
import { messageHandlers, onAggregate } from '../../src/runtime/queue/message-handlers.js';
import { queueWorker, type QueueWorker } from '../../src/runtime/queue/queue-worker.js';
import type { QueueWorkerOptions } from '../../src/runtime/queue/worker-options.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { MessageQueue, QueuedMessage } from '../../src/store/message-queue.js';

const Reservation = t.type({ orderId: t.string, quantity: t.number });

export const item = aggregate({
  category: 'item',
  commands: { Stock: t.type({ quantity: t.number }), Reserve: Reservation },
  events: { Stocked: t.type({ quantity: t.number }), Reserved: Reservation },
  state: t.type({ available: t.number }),
  initialState: { available: 0 },
  evolve: {
    Stocked: (state, { quantity }) => ({ available: state.available + quantity }),
    Reserved: (state, { quantity }) => ({ available: state.available - quantity }),
  },
  decide: {
    Stock: (_state, data) => accept({ type: 'Stocked', data }),
    Reserve: ({ available }, data) =>
      data.quantity > available ? reject({ _tag: 'TooFew', available }) : accept({ type: 'Reserved', data }),
  },
});

export const Reserve = t.type({ itemId: t.string, orderId: t.string, quantity: t.number });

type Conflict = 'retry' | 'lock' | 'partitioned';

/** `before` runs inside the handler, with the message in hand. */
export const itemHandlers = (
  before: (info: MessageInfo) => void | Promise<void> = () => undefined,
  conflict: Conflict = 'partitioned',
  lockWaitMaxMs = 5_000,
) =>
  messageHandlers({
    Stock: onAggregate(item, {
      data: t.type({ itemId: t.string, quantity: t.number }),
      id: ({ itemId }) => itemId,
      command: ({ quantity }) => ({ type: 'Stock', data: { quantity } }),
    }),
    Reserve: onAggregate(item, {
      data: Reserve,
      id: ({ itemId }) => itemId,
      load: 'required',
      conflict,
      lockWaitMaxMs,
      validate: ({ quantity }, { available }) =>
        quantity > available ? [`wants ${quantity} of ${available}`] : [],
      handle: async ({ orderId, quantity }, _state, info) => {
        await before(info);
        return { events: [{ type: 'Reserved', data: { orderId, quantity } }] };
      },
    }),
  });

export const queueOf = (store: EventStore): MessageQueue => {
  if (store.queue === undefined) throw new Error(`${store.name} has no queue`);
  return store.queue;
};

export const enqueue = (store: EventStore, ...messages: ReadonlyArray<QueuedMessage>) =>
  toPromise(queueOf(store).enqueue(messages));

const made = <A>(answer: E.Either<{ readonly message: string }, A>): A => {
  if (E.isLeft(answer)) throw new Error(answer.left.message);
  return answer.right;
};

export const stock = (queue: string, itemId: string, quantity: number): QueuedMessage =>
  made(
    itemHandlers().message({
      ...{ queue, type: 'Stock', id: `stock-${itemId}` },
      data: { itemId, quantity },
    }),
  );

export const reserve = (queue: string, itemId: string, orderId: string, quantity = 1): QueuedMessage =>
  made(
    itemHandlers().message({
      ...{ queue, type: 'Reserve', id: orderId },
      data: { itemId, orderId, quantity },
    }),
  );

/** Order ids that were reserved of an item, in the order of its stream. */
export const reservedOf = async (store: EventStore, itemId: string): Promise<ReadonlyArray<string>> => {
  const streamName = `item-${itemId}` as StreamName;
  const { events } = await toPromise(store.readStream({ streamName, maxCount: 4_096 }));
  return events
    .filter(({ type }) => type === 'Reserved')
    .map(({ data }) => (data as { orderId: string }).orderId);
};

/** Fails the test where it does not come to be in time; a machine that is busy gets as long as it needs. */
export const eventually = async (
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> => {
  const until = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > until) throw new Error(`not in ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A gate that work waits at. */
export const gate = () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
};

/** Waiting and parked messages of a queue. */
export const left = async (store: EventStore, queue: string) => {
  const depths = await toPromise(queueOf(store).depths(queue, 1));
  return { depth: depths[0]?.depth ?? 0, parked: depths[0]?.parked ?? 0 };
};

/** A store as a process has it that can be killed: after `kill` nothing of it reaches the store, and nothing is answered. */
export const mortal = (store: EventStore) => {
  let isDead = false;
  const never = new Promise<never>(() => undefined);
  const guard = <Args extends ReadonlyArray<unknown>, A>(call: (...args: Args) => () => Promise<A>) => {
    const guarded =
      (...args: Args) =>
      async (): Promise<A> => {
        if (isDead) return never;
        const answer = await call(...args)();
        return isDead ? never : answer;
      };
    return guarded;
  };
  const queue = queueOf(store);
  const { leases } = store;
  if (leases === undefined) throw new Error(`${store.name} has no leases`);
  const guarded: EventStore = {
    ...store,
    append: guard(store.append),
    readStream: guard(store.readStream),
    queue: {
      ...queue,
      take: guard(queue.take),
      done: guard(queue.done),
      failed: guard(queue.failed),
      enqueue: guard(queue.enqueue),
    },
    leases: {
      acquire: guard(leases.acquire),
      renew: guard(leases.renew),
      release: guard(leases.release),
      list: guard(leases.list),
    },
  };
  return {
    store: guarded,
    kill: () => {
      isDead = true;
    },
  };
};

/** A worker with the patience of a test. */
export const worker = (
  options: Omit<QueueWorkerOptions, 'retry'> & Partial<QueueWorkerOptions>,
): QueueWorker =>
  queueWorker({ partitions: 4, ttlMs: 600, pollMs: 5, retry: { delayMs: 5, attemptsMax: 3 }, ...options });
