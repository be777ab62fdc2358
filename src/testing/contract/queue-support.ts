/** Makes queues and messages for the contract's tests, and takes from them as workers do. */
import { strict as assert } from 'node:assert';
import type { Json } from '../../core/json.js';
import { partitionOf } from '../../core/partition.js';
import { defaultTenant } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { Fence } from '../../store/leases.js';
import type { MessageQueue, QueuedMessage, TakenMessage } from '../../store/message-queue.js';
import { numbersFrom, pause, right, unique } from './support.js';

export const queueOf = (store: EventStore): MessageQueue => {
  if (store.queue === undefined) return assert.fail('the store says that it keeps a queue, and has none');
  return store.queue;
};

export const aQueue = (): string => `queue-${unique()}`;

export const aMessage = (
  queue: string,
  key: string,
  data: Json = { what: key },
  more: Partial<QueuedMessage> = {},
): QueuedMessage => ({ queue, id: unique(), key, type: 'Do', data, ...more });

/** Messages of one key, told by its name and their numbers. */
export const line = (queue: string, key: string, count: number): ReadonlyArray<QueuedMessage> =>
  numbersFrom(1, count).map((number) => aMessage(queue, key, `${key}${number}`));

export const enqueue = (store: EventStore, ...messages: ReadonlyArray<QueuedMessage>) =>
  right(queueOf(store).enqueue(messages));

/** The only partition of a queue. */
export const whole = (queue: string) => ({ queue, index: 0, of: 1 });

export const take = (
  store: EventStore,
  queue: string,
  more: { readonly maxCount?: number; readonly except?: ReadonlyArray<TakenMessage> } = {},
): Promise<ReadonlyArray<TakenMessage>> =>
  right(queueOf(store).take({ partition: whole(queue), maxCount: 100, ...more }));

export const datasOf = (messages: ReadonlyArray<TakenMessage>): ReadonlyArray<Json> =>
  messages.map(({ data }) => data);

/** Takes until there is something to take. */
export const takeSoon = async (store: EventStore, queue: string): Promise<ReadonlyArray<TakenMessage>> => {
  for (let attempt = 1; attempt <= 250; attempt += 1) {
    const taken = await take(store, queue);
    if (taken.length > 0) return taken;
    await pause(20);
  }
  return assert.fail('nothing became due within 5 s');
};

/** Takes and handles one round after another until nothing is left, and answers the data in the order of handling. */
export const drain = async (store: EventStore, queue: string): Promise<ReadonlyArray<Json>> => {
  const handled: Json[] = [];
  for (let round = 1; round <= 10_000; round += 1) {
    const taken = await take(store, queue);
    if (taken.length === 0) return handled;
    handled.push(...datasOf(taken));
    await right(queueOf(store).done(taken));
  }
  return assert.fail('the queue did not come to an end');
};

/** The lease of a partition, as the fence of what its worker does. */
export const leaseFor = async (store: EventStore, name: string, ttlMs = 60_000): Promise<Fence> => {
  if (store.leases === undefined) return assert.fail('the store keeps no leases');
  const { token } = await right(store.leases.acquire({ name, holder: 'worker', ttlMs }));
  return { lease: name, token };
};

/** A key of each partition. */
export const keysOfAll = (partitions: number): ReadonlyArray<string> => {
  const keys: string[] = [];
  for (let number = 0; keys.filter((key) => key !== undefined).length < partitions; number += 1) {
    const key = `key-${number}`;
    keys[partitionOf(defaultTenant, key, partitions)] ??= key;
  }
  return keys;
};
