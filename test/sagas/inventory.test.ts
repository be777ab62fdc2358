/** The inventory example: however many want an item at once, under each strategy exactly what is there is reserved. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { type EventStore, memoryStore, sagaRuntime, toPromise } from 'watersmeet';
import { scenario } from 'watersmeet/testing';
import { type InventoryMessage, inventoryItem, inventorySaga } from '../../sagas/inventory/index.js';
import { freshId } from '../cases/support.js';
import { whyNoServer } from '../support/postgres.js';
import {
  type Answered,
  type Strategy,
  type StrategyName,
  type StrategyOptions,
  strategyNames,
  strategyOn,
} from '../support/inventory-strategies.js';

const supply = 30;
const wanted = 50;

const delivery = (itemId: string, delta: number): InventoryMessage => ({
  id: `delivery-${itemId}`,
  type: 'AdjustInventory',
  data: { itemId, delta, reason: 'delivery' },
});
const reservation = (itemId: string, orderId: string, quantity = 1): InventoryMessage => ({
  id: orderId,
  type: 'ReserveInventory',
  data: { itemId, quantity, orderId },
});
const ordersOf = (itemId: string): ReadonlyArray<InventoryMessage> =>
  Array.from({ length: wanted }, (_, index) => reservation(itemId, `${itemId}-${index}`));

/** Two handles on the same events, as two processes have them. */
interface Stores {
  readonly store: EventStore;
  readonly second: EventStore;
}

/** Several processes, except where the promise is that of one: partitions in memory know nothing of another process. */
const processesOf = (
  name: StrategyName,
  { store, second }: Stores,
  options: StrategyOptions = {},
): ReadonlyArray<Strategy> =>
  (name === 'partitioned' ? [store] : [store, second]).map((one) =>
    strategyOn(name, one, {
      handlerTimeMaxMs: Infinity,
      conflictRetry: { attemptsMax: 1_000, delayMs: 1, delayMaxMs: 10 },
      ...options,
    }),
  );

const runAll = async (processes: ReadonlyArray<Strategy>, messages: ReadonlyArray<InventoryMessage>) =>
  Promise.all(
    messages.map((message, index) => (processes[index % processes.length] as Strategy).handle(message)),
  );

const tagsOf = (answers: ReadonlyArray<Answered>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const tag = E.isLeft(answer) ? `failed: ${JSON.stringify(answer.left)}` : answer.right._tag;
    counts[tag] = (counts[tag] ?? 0) + 1;
  }
  return counts;
};

/** Who was told what: a saga tells it in messages, an aggregate in its answers. */
const toldOf = async (
  name: StrategyName,
  store: EventStore,
  itemId: string,
  messages: ReadonlyArray<InventoryMessage>,
  answers: ReadonlyArray<Answered>,
) => {
  if (name !== 'merge') {
    const of = (tag: string): ReadonlyArray<string> =>
      messages
        .filter((_, index) => {
          const answer = answers[index] as Answered;
          return E.isRight(answer) && answer.right._tag === tag;
        })
        .map(({ id }) => id);
    return { yes: of('Appended'), no: of('Invalid'), revoked: [] };
  }
  const { messages: sent } = await toPromise(sagaRuntime(inventorySaga, { store }).owed(itemId));
  const of = (type: string): ReadonlyArray<string> =>
    sent
      .filter((message) => message.type === type)
      .map(({ data }) => (data as { readonly orderId: string }).orderId);
  return {
    yes: of('ReservationConfirmed'),
    no: of('ReservationRejected'),
    revoked: of('ReservationRevoked'),
  };
};

/** Orders that the stream of the item holds as reserved. */
const reservedOn = async (store: EventStore, name: StrategyName, itemId: string) => {
  const category = name === 'merge' ? inventorySaga.name : inventoryItem.category;
  const page = await toPromise(
    store.readStream({ streamName: `${category}-${itemId}` as never, maxCount: 4_096 }),
  );
  return page.events
    .filter(({ type }) => type === 'InventoryReserved')
    .map(({ data }) => (data as { readonly orderId: string }).orderId);
};

const checkItem = async (
  name: StrategyName,
  bench: Stores,
  process: Strategy,
  itemId: string,
  messages: ReadonlyArray<InventoryMessage>,
  answers: ReadonlyArray<Answered>,
) => {
  expect(await process.stockOf(itemId)).toMatchObject({ supply, reserved: supply });
  const { yes, no, revoked } = await toldOf(name, bench.store, itemId, messages, answers);
  expect({ yes: yes.length, no: no.length, revoked }).toEqual({
    yes: supply,
    no: wanted - supply,
    revoked: [],
  });
  expect([...yes, ...no].sort()).toEqual(messages.map(({ id }) => id).sort());
  const reserved = await reservedOn(bench.store, name, itemId);
  expect([...reserved].sort()).toEqual([...yes].sort());
};

/** Handlers of the reservations alone: those that were told no were asked by `validate`, and only a saga's handler has run for them. */
const isRunsRight = (name: StrategyName, runs: number, items: number): boolean => {
  if (name === 'merge') return runs === wanted * items;
  return name === 'retry' ? runs >= supply * items : runs === supply * items;
};

const under = (name: StrategyName) => ({
  [`${name}: 50 at once for one item with 30: 30 are told yes, 20 no, and none is left`]: async (
    bench: Stores,
  ) => {
    const itemId = `${name}${freshId()}`;
    const processes = processesOf(name, bench, { workMs: 1 });
    await (processes[0] as Strategy).handle(delivery(itemId, supply));
    const before = processes.reduce((sum, process) => sum + process.handlerRuns(), 0);
    const messages = ordersOf(itemId);
    const answers = await runAll(processes, messages);
    expect(Object.keys(tagsOf(answers)).filter((tag) => tag.startsWith('failed'))).toEqual([]);
    const runs = processes.reduce((sum, process) => sum + process.handlerRuns(), 0) - before;
    expect({ runs, right: isRunsRight(name, runs, 1) }).toEqual({ runs, right: true });
    await checkItem(name, bench, processes[0] as Strategy, itemId, messages, answers);
    await Promise.all(processes.map((process) => process.stop()));
  },

  [`${name}: 10 items, 50 at once for each of them`]: async (bench: Stores) => {
    const items = Array.from({ length: 10 }, (_, index) => `${name}${index}${freshId()}`);
    const processes = processesOf(name, bench);
    for (const itemId of items) await (processes[0] as Strategy).handle(delivery(itemId, supply));
    // Mixed, so that the items are asked for at the same time.
    const perItem = items.map(ordersOf);
    const all = Array.from({ length: wanted }, (_, index) =>
      perItem.map((orders) => orders[index] as InventoryMessage),
    ).flat();
    const answers = await runAll(processes, all);
    for (const itemId of items) {
      const own = all.map((message, index) => [message, answers[index] as Answered] as const);
      const ofItem = own.filter(([message]) => message.data.itemId === itemId);
      await checkItem(
        name,
        bench,
        processes[0] as Strategy,
        itemId,
        ofItem.map(([message]) => message),
        ofItem.map(([, answer]) => answer),
      );
    }
    await Promise.all(processes.map((process) => process.stop()));
  },

  [`${name}: each of 20 reservations sent three times counts once`]: async (bench: Stores) => {
    const itemId = `${name}${freshId()}`;
    const processes = processesOf(name, bench);
    await (processes[0] as Strategy).handle(delivery(itemId, supply));
    const messages = ordersOf(itemId).slice(0, 20);
    const answers = await runAll(processes, [...messages, ...messages, ...messages]);
    expect(Object.keys(tagsOf(answers)).filter((tag) => tag.startsWith('failed'))).toEqual([]);
    expect(await (processes[0] as Strategy).stockOf(itemId)).toMatchObject({ supply, reserved: 20 });
    expect((await reservedOn(bench.store, name, itemId)).length).toBe(20);
    await Promise.all(processes.map((process) => process.stop()));
  },
});

interface Opened {
  readonly store: EventStore;
  readonly second: EventStore;
  readonly dispose: () => Promise<void>;
}

const openMemory = async (): Promise<Opened> => {
  const store = memoryStore();
  return { store, second: store, dispose: () => store.close() };
};
const openServer = async (): Promise<Opened> => {
  const opened = await (await import('../support/stores.js')).openTestPostgres();
  return { store: opened.store, second: await opened.secondHandle(), dispose: opened.dispose };
};

const whyNot = whyNoServer();
describe.each([
  ['memory', openMemory, undefined],
  [whyNot ?? 'postgres', openServer, whyNot],
] as const)('inventory [%s]', (_name, open, skip) => {
  let opened: Opened | undefined;
  beforeAll(async () => {
    if (skip === undefined) opened = await open();
  }, 60_000);
  afterAll(() => opened?.dispose());
  // 500 who wait for locks ask for them often: on a slow machine that takes its time.
  for (const [title, run] of strategyNames.flatMap((name) => Object.entries(under(name))))
    (skip === undefined ? it : it.skip)(title, () => run(opened as Opened), 180_000);
});

describe('the item as an aggregate', () => {
  const reserve = (quantity: number) =>
    ({ type: 'ReserveInventory', data: { itemId: 'umbrella', quantity, orderId: 'a' } }) as const;

  it('reserves what is there, and refuses the rest with a list of problems', () => {
    const adjusted = { type: 'InventoryAdjusted', data: { delta: 3, reason: 'delivery' } } as const;
    scenario(inventoryItem)
      .given([adjusted])
      .when(reserve(3))
      .then([{ type: 'InventoryReserved', data: { orderId: 'a', quantity: 3 } }]);
    scenario(inventoryItem)
      .given([adjusted])
      .when(reserve(4))
      .thenRejected({
        _tag: 'Refused',
        problems: ['Insufficient inventory: 4 asked for, 3 available'],
      });
  });

  it('takes no quantity that is none', async () => {
    const store = memoryStore();
    const process = strategyOn('retry', store, {
      conflictRetry: { attemptsMax: 1_000, delayMs: 1, delayMaxMs: 10 },
    });
    for (const quantity of [0, -1, 1.5, 1_000_001])
      expect(await process.handle(reservation('umbrella', `q${quantity}`, quantity))).toMatchObject({
        _tag: 'Left',
      });
    await process.stop();
  });
});
