/** Contract: the message queue while many enqueue and take at once, on one handle and on two. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import { slotOf } from '../../core/partition.js';
import { any, defaultTenant } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { TakenMessage } from '../../store/message-queue.js';
import { aMessage, aQueue, leaseFor, queueOf, whole } from './queue-support.js';
import { type Handles, handleOf, race, warmHandles } from './race.js';
import type { ContractPart, ContractTest } from './subject.js';
import { aStream, events, numbersFrom, pause, right, same, unique } from './support.js';

const partitions = 4;
const enqueuers = 6;
const each = 30;
const keys = ['hot', 'a', 'b', 'c', 'd', 'e', 'f', 'g'];

interface Told {
  readonly by: number;
  readonly number: number;
}
const toldBy = ({ data }: TakenMessage): Told => data as unknown as Told;

/** One in three goes with an append, one in five is said twice, one in four goes with another one to another key. */
const enqueueAll = async (store: EventStore, queue: string, by: number): Promise<number> => {
  let count = 0;
  for (const number of numbersFrom(1, each)) {
    const keyOf = (offset: number): string =>
      number % 2 === 0 ? 'hot' : (keys[(number + by + offset) % keys.length] as string);
    const made = (key: string) => aMessage(queue, key, { by, number });
    const batch = number % 4 === 0 ? [made(keyOf(0)), made('a'), made('z')] : [made(keyOf(0))];
    count += batch.length;
    if (number % 3 === 0)
      await right(store.append({ streamName: aStream(), expected: any, events: events(1), enqueue: batch }));
    else await right(queueOf(store).enqueue(batch));
    if (number % 5 === 0) same((await right(queueOf(store).enqueue(batch))).added, []);
  }
  return count;
};

/** Takes and handles what is in a partition until told to stop, several keys at once; a handler takes a moment, some fail. */
const workOn = async (
  store: EventStore,
  queue: string,
  index: number,
  isOver: () => boolean,
  handled: TakenMessage[],
): Promise<void> => {
  const fence = await leaseFor(store, `${queue}/${index}`);
  const inHand = new Map<string, TakenMessage>();
  const handle = async (message: TakenMessage): Promise<void> => {
    await pause(Math.random() * 3);
    if (message.attempt === 1 && toldBy(message).number % 7 === 0)
      await right(queueOf(store).failed({ message, error: 'at first', then: { retryInMs: 5 }, fence }));
    else {
      handled.push(message);
      await right(queueOf(store).done([message], fence));
    }
    inHand.delete(message.key);
  };
  const running = new Set<Promise<void>>();
  while (!isOver()) {
    const partition = { queue, index, of: partitions };
    const except = [...inHand.values()];
    const taken = await right(queueOf(store).take({ partition, maxCount: 8, except, fence }));
    for (const message of taken) {
      assert.ok(!inHand.has(message.key), 'a key was taken that was in hand');
      inHand.set(message.key, message);
      const one: Promise<void> = handle(message).finally(() => running.delete(one));
      running.add(one);
    }
    await pause(2);
  }
  await Promise.all(running);
};

const checkHandled = (handled: ReadonlyArray<TakenMessage>): void => {
  const ids = handled.map(({ id }) => id);
  same(ids.length, new Set(ids).size, 'a message was handled twice');
  const last = new Map<string, bigint>();
  const lastOf = new Map<string, number>();
  for (const message of handled) {
    const { key, position } = message;
    const { by, number } = toldBy(message);
    assert.ok(BigInt(position) > (last.get(key) ?? 0n), `${key} was handled against its order`);
    last.set(key, BigInt(position));
    const writer = `${key} of ${by}`;
    assert.ok(number >= (lastOf.get(writer) ?? 0), `${writer} came against the order of its enqueuing`);
    lastOf.set(writer, number);
  }
};

const everyoneAtOnce = async (handles: Handles): Promise<void> => {
  const queue = aQueue();
  const handled: TakenMessage[] = [];
  let expected: number | undefined;
  let enqueuing = enqueuers;
  let sum = 0;
  const isOver = (): boolean => expected !== undefined && handled.length >= expected;
  await race(enqueuers + partitions, async (number) => {
    const store = handleOf(handles, number);
    if (number >= enqueuers) return workOn(store, queue, number - enqueuers, isOver, handled);
    const count = await enqueueAll(store, queue, number);
    sum += count;
    enqueuing -= 1;
    if (enqueuing === 0) expected = sum;
  });
  same(handled.length, sum);
  checkHandled(handled);
  const depths = await right(queueOf(handles[0]).depths(queue, partitions));
  same(
    depths.map(({ depth }) => depth),
    numbersFrom(1, partitions).map(() => 0),
  );
  same(
    await right(queueOf(handles[0]).enqueue([aMessage(queue, 'a')], { depthMax: 1 })).then(() => 'room'),
    'room',
  );
};

/** One id by many at once: one of them adds it. */
const oneId = async (handles: Handles): Promise<void> => {
  for (const _round of numbersFrom(1, 10)) {
    const [queue, id] = [aQueue(), unique()];
    const answers = await race(8, (number) => {
      const batch = [aMessage(queue, `key ${number % 3}`, number, { id }), aMessage(queue, 'other', number)];
      return right(
        queueOf(handleOf(handles, number)).enqueue(number % 2 === 0 ? batch : [...batch].reverse()),
      );
    });
    same(answers.filter(({ added }) => added.includes(id)).length, 1);
    const [depth] = await right(queueOf(handles[0]).depths(queue, 1));
    same(depth!.depth, 9);
  }
};

/** The lease goes to another while its old holder keeps taking and finishing: nothing of the old one counts after that. */
const lateHolder = async (handles: Handles): Promise<void> => {
  for (const _round of numbersFrom(1, 5)) {
    const [queue, name] = [aQueue(), `lease-${unique()}`];
    await right(queueOf(handles[0]).enqueue(numbersFrom(1, 40).map((n) => aMessage(queue, `key ${n}`, n))));
    const old = await leaseFor(handles[0], name);
    let isGiven = false;
    const late: string[] = [];
    await race(4, async (number) => {
      const store = handleOf(handles, number);
      if (number === 0) {
        await pause(10);
        await right(store.leases!.release({ name, token: old.token }));
        await leaseFor(store, name);
        isGiven = true;
        return;
      }
      for (const _try of numbersFrom(1, 15)) {
        const askedAfter = isGiven;
        const taken = await queueOf(store).take({ partition: whole(queue), maxCount: 2, fence: old })();
        if (askedAfter && E.isRight(taken)) late.push('took');
        if (E.isLeft(taken)) continue;
        const askedLater = isGiven;
        const done = await queueOf(store).done(taken.right, old)();
        if (askedLater && E.isRight(done)) late.push('finished');
      }
    });
    same(late, []);
  }
};

/** Messages wait in every slot that these keys have, whoever enqueues them, and are found by any number of partitions. */
const repartitioned = async (handles: Handles): Promise<void> => {
  const queue = aQueue();
  const all = numbersFrom(1, 60).map((number) => aMessage(queue, `key ${number}`, number));
  await race(6, (by) =>
    right(queueOf(handleOf(handles, by)).enqueue(all.filter((_, index) => index % 6 === by))),
  );
  for (const count of [2, 5]) {
    const taken = await race(count, (index) =>
      right(
        queueOf(handleOf(handles, index)).take({ partition: { queue, index, of: count }, maxCount: 100 }),
      ),
    );
    same(
      taken
        .flat()
        .map(({ data }) => data as number)
        .sort((a, b) => a - b),
      numbersFrom(1, 60),
    );
    for (const [index, some] of taken.entries())
      for (const { key } of some) same(slotOf(defaultTenant, key) % count, index);
  }
};

const scenarios: Readonly<Record<string, (handles: Handles) => Promise<void>>> = {
  'enqueuers and workers at once: each message is handled once, in the order of its key, and none is lost':
    everyoneAtOnce,
  'one id that many enqueue at once is added once': oneId,
  'a holder whose lease went to another takes and finishes nothing after that': lateHolder,
  'messages of many writers are found by any number of partitions': repartitioned,
};

export const queueRacePart: ContractPart = {
  title: 'message queue under load:',
  tests: Object.entries(scenarios).map(
    ([title, scenario]): ContractTest => ({
      title,
      needs: ['queue', 'leases'],
      timeoutMs: 60_000,
      run: async (opened, subject) => scenario(await warmHandles(opened, subject)),
    }),
  ),
};
