/** Contract: the global order read backwards. */
import { strict as assert } from 'node:assert';
import type { RecordedEvent } from '../../core/event.js';
import { any, comparePositions, endPosition, type Position, startPosition } from '../../core/stream.js';
import type { EventFilter, EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import { allThrough, append, aStream, aTenant, events, right, same, streamAt } from './support.js';

/** Pages are bounded: a store that never says that the beginning is reached must fail a test, not hang it. */
const pagesMax = 10_000;

interface Backwards {
  readonly filter?: EventFilter;
  readonly maxCount?: number;
  readonly after?: Position;
}

/** Reads backwards down to the beginning; each page must lead on. */
const allBackwards = async (store: EventStore, request: Backwards): Promise<ReadonlyArray<RecordedEvent>> => {
  const all: RecordedEvent[] = [];
  let after = request.after ?? endPosition;
  for (let page = 1; page <= pagesMax; page += 1) {
    const read = await right(store.readAll({ ...request, direction: 'backwards', after }));
    assert.ok(read.events.length <= (request.maxCount ?? 512), 'a page held more events than were asked for');
    for (const { position } of read.events) {
      assert.ok(comparePositions(position, after) < 0, `${position} does not come before ${after}`);
      assert.ok(comparePositions(position, read.last) >= 0, `${position} lies beyond ${read.last}`);
      after = position;
    }
    all.push(...read.events);
    if (read.isEnd) return all;
    assert.ok(comparePositions(read.last, request.after ?? endPosition) < 0, 'a page did not lead on');
    after = read.last;
  }
  return assert.fail(`the beginning was not reached within ${pagesMax} pages`);
};

/** What stands in the global order, once it can be read through `through`, must be the same backwards. */
const sameBothWays = async (
  store: EventStore,
  request: Backwards,
  through: Position,
): Promise<ReadonlyArray<RecordedEvent>> => {
  const { filter } = request;
  const forwards = await allThrough(store, { ...(filter && { filter }) }, through);
  same(await allBackwards(store, request), [...forwards].reverse());
  return forwards;
};

const tests: ReadonlyArray<ContractTest> = [
  {
    title:
      'answers what reading forwards answers, newest first, in pages, nothing twice and nothing left out',
    run: async ({ store }) => {
      const tenant = aTenant();
      const streams = [aStream(), aStream(), aStream()] as const;
      let through = startPosition;
      for (let round = 0; round < 10; round += 1)
        through = (await append(store, streams[round % 3] ?? streams[0], events(3), any, { tenant }))
          .position;
      for (const maxCount of [1, 7, 30, 512]) {
        const read = await sameBothWays(store, { filter: { tenant }, maxCount }, through);
        assert.equal(read.length, 30);
      }
    },
  },
  {
    title: 'begins with the newest event where no place is given',
    run: async ({ store }) => {
      const { position, streamName } = await streamAt(store, 3, { tenant: aTenant() });
      await allThrough(store, {}, position);
      const page = await right(store.readAll({ direction: 'backwards', maxCount: 1 }));
      same(
        page.events.map((event) => [event.streamName, event.version]),
        [[streamName, 3]],
      );
      same(page.last, page.events[0]?.position);
    },
  },
  {
    title: 'answers events before the place that is given, and not the one at it',
    run: async ({ store }) => {
      const filter = { tenant: aTenant() };
      const { position } = await streamAt(store, 5, filter);
      const read = await allThrough(store, { filter }, position);
      for (const [index, event] of read.entries())
        same(
          await allBackwards(store, { filter, after: event.position, maxCount: 2 }),
          read.slice(0, index).reverse(),
        );
    },
  },
  {
    title:
      'says when the beginning is reached, also by a page that is just full, and answers nothing before it',
    run: async ({ store }) => {
      await streamAt(store, 2);
      const [first, second] = (await right(store.readAll({ maxCount: 2 }))).events;
      assert.ok(first !== undefined && second !== undefined);
      const includeArchived = { filter: { includeArchived: true } };
      const ask = { ...includeArchived, direction: 'backwards', maxCount: 1 } as const;
      const atFirst = await right(store.readAll({ ...ask, after: second.position }));
      same(atFirst.isEnd, true);
      for (const after of [first.position, atFirst.last, startPosition]) {
        const before = await right(store.readAll({ ...ask, after }));
        same([before.events, before.isEnd], [[], true]);
      }
    },
  },
  {
    title: 'where no event passes the filter the beginning is reached all the same',
    run: async ({ store }) => {
      const { position } = await streamAt(store, 20, { tenant: aTenant() });
      await sameBothWays(store, { filter: { tenant: aTenant() }, maxCount: 3 }, position);
    },
  },
  {
    title: 'keeps to every filter',
    run: async ({ store }) => {
      const tenant = aTenant();
      const [order, invoice] = [aStream('order'), aStream('invoice')];
      await append(store, order, [...events(2), ...events(2, 'Paid')], any, { tenant });
      await append(store, invoice, [...events(1), ...events(3, 'Paid')], any, { tenant });
      const { position } = await append(store, order, events(1, 'Paid'), any, { tenant });
      const counted = async (filter: EventFilter): Promise<number> =>
        (await sameBothWays(store, { filter, maxCount: 2 }, position)).length;
      same(await counted({ tenant }), 9);
      same(await counted({ tenant, types: ['Paid'] }), 6);
      same(await counted({ tenant, categories: ['invoice'] }), 4);
      same(await counted({ tenant, streamPrefixes: [order] }), 5);
      same(await counted({ tenant, streamPrefixes: [order], types: ['Paid'], categories: ['order'] }), 3);
      same(await counted({ tenant, types: [] }), 0);
    },
  },
  {
    title: 'leaves out archived streams unless they are asked for, and tombstoned ones always',
    run: async ({ store }) => {
      const tenant = aTenant();
      const [archived, gone] = [
        await streamAt(store, 2, { tenant }),
        await streamAt(store, 2, { tenant }),
      ] as const;
      const { position } = await streamAt(store, 1, { tenant });
      for (const [{ streamName }, as] of [
        [archived, 'archived'],
        [gone, 'tombstoned'],
      ] as const)
        await right(store.markStream({ tenant, streamName, as, expected: any }));
      same((await sameBothWays(store, { filter: { tenant } }, position)).length, 1);
      const everything = { tenant, includeArchived: true };
      same((await sameBothWays(store, { filter: everything, maxCount: 2 }, position)).length, 3);
    },
  },
];

export const readAllBackwardsPart: ContractPart = { title: 'readAll backwards:', tests };
