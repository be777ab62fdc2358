/** Contract: the global order, in pages, and its filters. */
import { strict as assert } from 'node:assert';
import type { RecordedEvent } from '../../core/event.js';
import {
  any,
  comparePositions,
  type Position,
  startPosition,
  type StreamName,
  type Tenant,
} from '../../core/stream.js';
import type { EventFilter, EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  allThrough,
  anEvent,
  append,
  aStream,
  asWritten,
  aTenant,
  events,
  idsOf,
  refused,
  right,
  same,
  streamAt,
  unique,
} from './support.js';

const assertAscending = (some: ReadonlyArray<RecordedEvent>): void => {
  for (const [index, { position }] of some.entries()) {
    const before = some[index - 1]?.position ?? startPosition;
    assert.ok(comparePositions(before, position) < 0, `${before} does not come before ${position}`);
  }
};

/** One event in each of these streams, in this order, and the position of the last. */
const oneEach = async (
  store: EventStore,
  tenant: Tenant,
  names: ReadonlyArray<string>,
): Promise<Position> => {
  let position = startPosition;
  for (const name of names)
    position = (await append(store, name as StreamName, [anEvent('Happened', name)], any, { tenant }))
      .position;
  return position;
};

const dataOf = (some: ReadonlyArray<RecordedEvent>): ReadonlyArray<unknown> =>
  some.map((event) => event.data);

const paging: ReadonlyArray<ContractTest> = [
  {
    title:
      'events of several streams come in the order of their positions, in pages, nothing twice and nothing left out',
    run: async ({ store }) => {
      const tenant = aTenant();
      const streams = [aStream(), aStream(), aStream()];
      const written = [];
      let through = startPosition;
      for (let round = 0; round < 10; round += 1) {
        const batch = events(3);
        through = (await append(store, streams[round % 3] as StreamName, batch, any, { tenant })).position;
        written.push(...batch);
      }
      for (const maxCount of [1, 7, 512]) {
        const read = await allThrough(store, { filter: { tenant }, maxCount }, through);
        same(asWritten(read), written);
        assertAscending(read);
      }
    },
  },
  {
    title: 'reading begins after the position that is given',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { position } = await streamAt(store, 3, { tenant });
      const later = await streamAt(store, 2, { tenant });
      const read = await allThrough(store, { filter: { tenant }, after: position }, later.position);
      same(asWritten(read), later.written);
      same(await allThrough(store, { filter: { tenant }, after: later.position }, later.position), []);
    },
  },
  {
    title: 'a position between the events of one batch is good to read on from',
    run: async ({ store }) => {
      const { streamName, written, position } = await streamAt(store, 6, { tenant: aTenant() });
      const filter = { streamPrefixes: [streamName] };
      const read = await allThrough(store, { filter }, position);
      for (const [index, event] of read.entries())
        same(
          asWritten(await allThrough(store, { filter, after: event.position, maxCount: 2 }, position)),
          written.slice(index + 1),
        );
    },
  },
  {
    title: 'the place to read on from advances although no event passes the filter',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { position: before } = await streamAt(store, 1, { tenant });
      const { position } = await streamAt(store, 30, { tenant });
      same(
        await allThrough(store, { filter: { tenant: aTenant() }, after: before, maxCount: 5 }, position),
        [],
      );
    },
  },
  {
    title: 'at its end, a reader stays where it is, and finds what comes later',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { position } = await streamAt(store, 1, { tenant });
      await allThrough(store, { filter: { tenant } }, position);
      const end = await right(store.readAll({ after: position, filter: { tenant } }));
      same([end.events, end.isEnd], [[], true]);
      assert.ok(comparePositions(end.last, position) >= 0);
      const later = await streamAt(store, 2, { tenant });
      same(
        asWritten(await allThrough(store, { filter: { tenant }, after: end.last }, later.position)),
        later.written,
      );
    },
  },
  {
    title: 'a position that no store answered is refused',
    run: async ({ store }) => {
      for (const bad of [
        '',
        'x',
        '1',
        '1/',
        '/1',
        '-1/0',
        '0/-1',
        '1/2/3',
        '0x1/1',
        "1/1'; --",
        ' 1/1',
        NaN,
        {},
        1,
      ])
        await refused(store.readAll({ after: bad as Position }), 'InvalidRequest');
    },
  },
];

interface FilterRow {
  readonly title: string;
  readonly filter: (own: (name: string) => string) => EventFilter;
  /** Names whose event passes, before `own` made them unique. */
  readonly passes: ReadonlyArray<string>;
}

const written = [
  'order-1',
  'order-2',
  'orders-1',
  'order',
  'order_x-1',
  'orderXx-1',
  'or%er-1',
  'order\\x-1',
  'order-1-2',
  'ORDER-1',
  "o'r-1",
];

const filterRows: ReadonlyArray<FilterRow> = [
  {
    title: 'one category',
    filter: (own) => ({ categories: [own('order')] }),
    passes: ['order-1', 'order-2', 'order', 'order-1-2'],
  },
  {
    title: 'any of two categories',
    filter: (own) => ({ categories: [own('orders'), own('ORDER')] }),
    passes: ['orders-1', 'ORDER-1'],
  },
  { title: 'a category with %', filter: (own) => ({ categories: [own('or%er')] }), passes: ['or%er-1'] },
  { title: 'no category at all', filter: () => ({ categories: [] }), passes: [] },
  {
    title: 'a prefix',
    filter: (own) => ({ streamPrefixes: [own('order-')] }),
    passes: ['order-1', 'order-2', 'order-1-2'],
  },
  {
    title: 'a prefix that is a whole name',
    filter: (own) => ({ streamPrefixes: [own('order-1')] }),
    passes: ['order-1', 'order-1-2'],
  },
  { title: 'a prefix with _', filter: (own) => ({ streamPrefixes: [own('order_')] }), passes: ['order_x-1'] },
  { title: 'a prefix with %', filter: (own) => ({ streamPrefixes: [own('or%')] }), passes: ['or%er-1'] },
  {
    title: 'a prefix with a backslash',
    filter: (own) => ({ streamPrefixes: [own('order\\')] }),
    passes: ['order\\x-1'],
  },
  { title: 'a prefix with a quote', filter: (own) => ({ streamPrefixes: [own("o'")] }), passes: ["o'r-1"] },
  {
    title: 'any of two prefixes',
    filter: (own) => ({ streamPrefixes: [own('orders'), own('order-2')] }),
    passes: ['order-2', 'orders-1'],
  },
  { title: 'no prefix at all', filter: () => ({ streamPrefixes: [] }), passes: [] },
  {
    title: 'a prefix that only pattern matching would match',
    filter: (own) => ({ streamPrefixes: [own('%'), own('o.*'), own('_rder')] }),
    passes: [],
  },
  {
    title: 'category and prefix together',
    filter: (own) => ({ categories: [own('order')], streamPrefixes: [own('order-1')] }),
    passes: ['order-1', 'order-1-2'],
  },
];

const filterTest = ({ title, filter, passes }: FilterRow): ContractTest => ({
  title: `a filter by ${title} lets only those events pass`,
  run: async ({ store }) => {
    const [tenant, mark] = [aTenant(), `x${unique()}`];
    const own = (name: string): string => `${mark}${name}`;
    const through = await oneEach(store, tenant, written.map(own));
    for (const maxCount of [2, 512])
      same(dataOf(await allThrough(store, { filter: filter(own), maxCount }, through)), passes.map(own));
    const other = aTenant();
    same(await allThrough(store, { filter: { ...filter(own), tenant: other } }, through), []);
  },
});

const filters: ReadonlyArray<ContractTest> = [
  {
    title: 'a filter by event type lets only those events pass, in combination with the others too',
    run: async ({ store }) => {
      const [tenant, type] = [aTenant(), `T${unique()}`];
      const [one, two] = [aStream('order'), aStream('invoice')];
      const [a, b, c] = [anEvent(type), anEvent(`${type}_`), anEvent(type)];
      await append(store, one, [a, b], any, { tenant });
      const { position } = await append(store, two, [c], any, { tenant });
      const ids = async (filter: EventFilter): Promise<ReadonlyArray<string>> =>
        idsOf(await allThrough(store, { filter }, position));
      same(await ids({ types: [type] }), idsOf([a, c]));
      same(await ids({ types: [type, `${type}_`] }), idsOf([a, b, c]));
      same(await ids({ types: [type], streamPrefixes: [one] }), idsOf([a]));
      same(await ids({ types: [type], categories: ['invoice'], tenant }), idsOf([c]));
      same(await ids({ types: [`${type}%`] }), []);
      same(await ids({ types: [], tenant }), []);
    },
  },
  {
    title: 'events of archived streams pass only where they are asked for, those of tombstoned streams never',
    run: async ({ store }) => {
      const tenant = aTenant();
      const [open, archived, gone] = [
        await streamAt(store, 1, { tenant }),
        await streamAt(store, 1, { tenant }),
        await streamAt(store, 1, { tenant }),
      ];
      await right(
        store.markStream({ tenant, streamName: archived.streamName, as: 'archived', expected: any }),
      );
      await right(store.markStream({ tenant, streamName: gone.streamName, as: 'tombstoned', expected: any }));
      const ids = async (filter: EventFilter): Promise<ReadonlyArray<string>> =>
        idsOf(await allThrough(store, { filter: { tenant, ...filter } }, gone.position));
      same(await ids({}), idsOf(open.written));
      same(await ids({ includeArchived: true }), idsOf([...open.written, ...archived.written]));
      await right(store.markStream({ tenant, streamName: archived.streamName, as: 'open', expected: any }));
      same(await ids({}), idsOf([...open.written, ...archived.written]));
    },
  },
];

export const readAllPart: ContractPart = {
  title: 'readAll:',
  tests: [...paging, ...filterRows.map(filterTest), ...filters],
};
