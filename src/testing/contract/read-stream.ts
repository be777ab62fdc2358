/** Contract: reading one stream, forwards and backwards, in pages; and listing streams. */
import { strict as assert } from 'node:assert';
import { any, type StreamName } from '../../core/stream.js';
import type { Direction, EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  append,
  aStream,
  asWritten,
  aTenant,
  events,
  numbersFrom,
  refused,
  right,
  same,
  streamAt,
  unique,
  versionsOf,
  wholeStream,
} from './support.js';

interface Row {
  readonly direction: Direction;
  readonly from?: number;
  readonly maxCount: number;
  /** Versions on the page of a stream at version 10. */
  readonly page: readonly [number, number] | 'none';
  readonly next: number | undefined;
}

const rows: ReadonlyArray<Row> = [
  { direction: 'forwards', maxCount: 4, page: [1, 4], next: 5 },
  { direction: 'forwards', from: 4, maxCount: 3, page: [4, 6], next: 7 },
  { direction: 'forwards', from: 8, maxCount: 3, page: [8, 10], next: undefined },
  { direction: 'forwards', from: 10, maxCount: 3, page: [10, 10], next: undefined },
  { direction: 'forwards', from: 11, maxCount: 3, page: 'none', next: undefined },
  { direction: 'forwards', from: 2 ** 31 - 1, maxCount: 3, page: 'none', next: undefined },
  { direction: 'forwards', maxCount: 10, page: [1, 10], next: undefined },
  { direction: 'forwards', maxCount: 4_096, page: [1, 10], next: undefined },
  { direction: 'backwards', maxCount: 4, page: [10, 7], next: 6 },
  { direction: 'backwards', from: 6, maxCount: 2, page: [6, 5], next: 4 },
  { direction: 'backwards', from: 4, maxCount: 3, page: [4, 2], next: 1 },
  { direction: 'backwards', from: 3, maxCount: 3, page: [3, 1], next: undefined },
  { direction: 'backwards', from: 1, maxCount: 3, page: [1, 1], next: undefined },
  { direction: 'backwards', from: 99, maxCount: 2, page: [10, 9], next: 8 },
  { direction: 'backwards', maxCount: 10, page: [10, 1], next: undefined },
];

const spread = (page: Row['page']): ReadonlyArray<number> => {
  if (page === 'none') return [];
  const [first, last] = page;
  return first <= last ? numbersFrom(first, last) : [...numbersFrom(last, first)].reverse();
};

const rowTest = (row: Row): ContractTest => ({
  title:
    `a stream at version 10 read ${row.direction} from ${row.from ?? 'its end in that direction'}, ${row.maxCount} a page, ` +
    `answers ${row.page === 'none' ? 'no events' : `versions ${row.page[0]} to ${row.page[1]}`} and ` +
    (row.next === undefined ? 'no next page' : `next ${row.next}`),
  run: async ({ store }) => {
    const { streamName, written } = await streamAt(store, 10);
    const { direction, maxCount, from } = row;
    const page = await right(
      store.readStream({ streamName, direction, maxCount, ...(from === undefined ? {} : { from }) }),
    );
    const versions = spread(row.page);
    same([versionsOf(page.events), page.version, page.next], [versions, 10, row.next]);
    same(
      asWritten(page.events),
      versions.map((version) => written[version - 1]),
    );
  },
});

const others: ReadonlyArray<ContractTest> = [
  ...(['forwards', 'backwards'] as const).map((direction) => ({
    title: `a stream of 100 events read ${direction} in pages of 7 comes whole, in order, nothing twice`,
    run: async ({ store }: { readonly store: EventStore }) => {
      const { streamName, written } = await streamAt(store, 100);
      const read = asWritten(await wholeStream(store, { streamName, direction, maxCount: 7 }));
      same(direction === 'forwards' ? read : [...read].reverse(), written);
    },
  })),
  {
    title: 'a stream that does not exist is an empty page at version 0, in both directions',
    run: async ({ store }) => {
      for (const direction of ['forwards', 'backwards'] as const) {
        const page = await right(store.readStream({ streamName: aStream(), direction }));
        same(page, { events: [], version: 0, next: undefined });
      }
    },
  },
  {
    title: 'a page is 512 events where no size is asked for',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 513);
      const page = await right(store.readStream({ streamName }));
      same([page.events.length, page.next, page.version], [512, 513, 513]);
    },
  },
  {
    title: 'a page of no or more than 4,096 events, and a version that is none, are refused',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      for (const bad of [0, -1, 1.5, NaN, Infinity, 4_097, '1' as never]) {
        await refused(store.readStream({ streamName, maxCount: bad }), 'InvalidRequest');
        await refused(store.readAll({ maxCount: bad }), 'InvalidRequest');
        await refused(store.listStreams({ maxCount: bad }), 'InvalidRequest');
      }
      for (const direction of ['forwards', 'backwards'] as const)
        for (const bad of [0, -1, 1.5, NaN, Infinity, '1' as never])
          await refused(store.readStream({ streamName, direction, from: bad }), 'InvalidRequest');
    },
  },
];

const names = (some: ReadonlyArray<{ readonly streamName: StreamName }>): ReadonlyArray<string> =>
  some.map((stream) => stream.streamName);

const lists: ReadonlyArray<ContractTest> = [
  {
    title: 'streams are listed in code point order, page by page, with version and state',
    run: async ({ store }) => {
      const tenant = aTenant();
      // In UTF-16 order, U+10000 would come before U+FF21.
      const ordered = ['A', 'B-1', 'B-10', 'B-2', 'b-1', 'é', '\uff21', '\u{10000}'] as StreamName[];
      for (const [index, name] of [...ordered].reverse().entries())
        await append(store, name, events(index + 1), any, { tenant });
      const listed = [];
      let after: string | undefined;
      for (let page = 0; page < 4; page += 1) {
        const some = await right(
          store.listStreams({ tenant, maxCount: 3, ...(after === undefined ? {} : { after }) }),
        );
        assert.ok(some.length <= 3);
        listed.push(...some);
        after = some.at(-1)?.streamName ?? after;
      }
      same(
        listed,
        ordered.map((streamName, index) => ({
          tenant,
          streamName,
          version: ordered.length - index,
          state: 'open',
        })),
      );
    },
  },
  {
    title: 'streams are listed by category, which is matched whole',
    run: async ({ store }) => {
      const [tenant, category] = [aTenant(), `c${unique()}`];
      const named = ['', '-1', '-2', 'x-1', '_-1'].map((end) => `${category}${end}` as StreamName);
      for (const name of named) await append(store, name, events(1), any, { tenant });
      same(names(await right(store.listStreams({ tenant, category }))), named.slice(0, 3));
      same(names(await right(store.listStreams({ tenant, category: `${category}_` }))), named.slice(4));
      same(names(await right(store.listStreams({ tenant, category: '%' }))), []);
    },
  },
  {
    title: 'archived streams are listed only where they are asked for',
    run: async ({ store }) => {
      const tenant = aTenant();
      const [open, archived] = [await streamAt(store, 1, { tenant }), await streamAt(store, 2, { tenant })];
      await right(
        store.markStream({ tenant, streamName: archived.streamName, as: 'archived', expected: any }),
      );
      same(names(await right(store.listStreams({ tenant }))), [open.streamName]);
      const all = await right(store.listStreams({ tenant, includeArchived: true }));
      same(
        all.map(({ streamName, state }) => `${streamName} ${state}`).sort(),
        [`${archived.streamName} archived`, `${open.streamName} open`].sort(),
      );
    },
  },
  {
    title: 'a page that is read while others append holds all that its version tells of',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      let writing = true;
      const writer = (async () => {
        for (const event of events(100)) await append(store, streamName, [event]);
        writing = false;
      })();
      let seen = 1;
      while (writing) {
        const page = await right(store.readStream({ streamName, from: seen + 1 }));
        same(versionsOf(page.events), numbersFrom(seen + 1, page.version));
        seen = page.version;
      }
      await writer;
      same(versionsOf(await wholeStream(store, { streamName })), numbersFrom(1, 101));
    },
  },
];

export const readStreamPart: ContractPart = {
  title: 'readStream and listStreams:',
  tests: [...rows.map(rowTest), ...others, ...lists],
};
