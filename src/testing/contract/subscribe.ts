/** Contract: a subscription catches up, then lives; it never skips and never goes back. */
import { strict as assert } from 'node:assert';
import { taggedOf } from '../../core/fault.js';
import { any, comparePositions, type Position } from '../../core/stream.js';
import type { Checkpoint, EventFilter, EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import { append, aStream, aTenant, events, idsOf, pause, right, same, streamAt } from './support.js';
import { eventsOf, follow, untilCaughtUp, untilEvents } from './follow.js';

/** Items come quickly in tests. */
const soon = { pollMs: 10 };

const catchingUp: ReadonlyArray<ContractTest> = [
  {
    title:
      'hands over all events from the beginning, says that it has caught up, then hands over what comes, live',
    run: async ({ store }) => {
      const tenant = aTenant();
      const old = await streamAt(store, 5, { tenant });
      const items = follow(store, { ...soon, filter: { tenant }, maxCount: 2 });
      try {
        const before = await items.until(untilCaughtUp(5));
        same(idsOf(eventsOf(before)), idsOf(old.written));
        assert.equal(before.at(-1)?._tag, 'CaughtUp');
        const fresh = await streamAt(store, 3, { tenant });
        same(idsOf(eventsOf(await items.until(untilEvents(3)))), idsOf(fresh.written));
        assert.equal(
          (await items.until((some) => some.at(-1)?._tag === 'CaughtUp')).length,
          1,
          'it says again that it has caught up',
        );
      } finally {
        await items.end();
      }
    },
  },
  {
    title: 'goes on from the checkpoint of any event or of having caught up, without a gap or a repeat',
    run: async ({ store }) => {
      const tenant = aTenant();
      const filter = { tenant };
      const { written } = await streamAt(store, 6, { tenant });
      const first = follow(store, { ...soon, filter });
      const seen = await first.until(untilCaughtUp(6));
      await first.end();
      for (const [index, { checkpoint }] of seen.entries()) {
        const done = eventsOf(seen.slice(0, index + 1)).length;
        const again = follow(store, { ...soon, filter, after: checkpoint });
        const rest = await again.until(untilCaughtUp(6 - done));
        await again.end();
        same(idsOf(eventsOf(rest)), idsOf(written.slice(done)));
      }
    },
  },
  {
    title: 'hands over only what its filter lets pass, and its checkpoint still advances',
    run: async ({ store }) => {
      const tenant = aTenant();
      const wanted = await streamAt(store, 2, { tenant, category: 'invoice' });
      const unwanted = await streamAt(store, 20, { tenant, category: 'order' });
      const filter: EventFilter = { tenant, categories: ['invoice'] };
      const items = follow(store, { ...soon, filter, maxCount: 3 });
      try {
        const seen = await items.until((some) =>
          some.some((item) => reached(item.checkpoint, unwanted.position)),
        );
        same(idsOf(eventsOf(seen)), idsOf(wanted.written));
      } finally {
        await items.end();
      }
    },
  },
  {
    title: 'hands over events that are committed while it catches up, all once and in order',
    run: async ({ store }) => {
      const tenant = aTenant();
      const streamName = aStream();
      const written = events(60);
      await append(store, streamName, written.slice(0, 20), any, { tenant });
      const items = follow(store, { ...soon, filter: { tenant }, maxCount: 3 });
      const writing = (async () => {
        for (let index = 20; index < 60; index += 2)
          await append(store, streamName, written.slice(index, index + 2), any, { tenant });
      })();
      try {
        const seen = eventsOf(await items.until(untilEvents(60)));
        await writing;
        same(idsOf(seen), idsOf(written));
        assertAdvances(seen.map((event) => event.position));
        await pause(50);
        same(eventsOf(await items.until((some) => some.at(-1)?._tag === 'CaughtUp')), []);
      } finally {
        await items.end();
      }
    },
  },
];

const reached = (checkpoint: Checkpoint, position: Position): boolean =>
  comparePositions(checkpoint.position, position) >= 0;

const assertAdvances = (positions: ReadonlyArray<Position>): void => {
  for (const [index, position] of positions.entries())
    if (index > 0)
      assert.ok(
        comparePositions(positions[index - 1] as Position, position) < 0,
        'the subscription went back',
      );
};

const consumers: ReadonlyArray<ContractTest> = [
  {
    title: 'waits for a slow consumer, and loses nothing of what comes meanwhile',
    run: async ({ store }) => {
      const tenant = aTenant();
      const streamName = aStream();
      const written = events(70);
      await append(store, streamName, written.slice(0, 50), any, { tenant });
      const items = follow(store, { ...soon, filter: { tenant }, maxCount: 5 });
      try {
        const early = eventsOf(await items.until(untilEvents(7)));
        for (let index = 50; index < 70; index += 5) {
          await append(store, streamName, written.slice(index, index + 5), any, { tenant });
          await pause(15);
        }
        const late = eventsOf(await items.until(untilEvents(63)));
        same(idsOf([...early, ...late]), idsOf(written));
      } finally {
        await items.end();
      }
    },
  },
  {
    title: 'reads no page before the consumer asks for it',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { streamName } = await streamAt(store, 20, { tenant });
      const items = follow(store, { ...soon, filter: { tenant }, maxCount: 2 });
      try {
        await items.until(untilEvents(1));
        await pause(50);
        await right(store.markStream({ tenant, streamName, as: 'archived', expected: any }));
        const fence = await streamAt(store, 1, { tenant });
        const rest = eventsOf(
          await items.until((some) => eventsOf(some).some((event) => event.streamName === fence.streamName)),
        );
        // At most two pages were in memory; later ones are read now, when the stream is out of default reads.
        assert.ok(rest.length - 1 <= 3, `${rest.length - 1} events were read ahead`);
      } finally {
        await items.end();
      }
    },
  },
  {
    title: 'hands over each of 40 events that come live, one by one',
    run: async ({ store }) => {
      const tenant = aTenant();
      const items = follow(store, { ...soon, filter: { tenant } });
      try {
        for (let number = 1; number <= 40; number += 1) {
          const { written } = await streamAt(store, 1, { tenant });
          same(idsOf(eventsOf(await items.until(untilCaughtUp(1)))), idsOf(written), `event ${number}`);
        }
      } finally {
        await items.end();
      }
    },
  },
  {
    title: 'serves two subscribers, each in full',
    run: async ({ store }) => {
      const tenant = aTenant();
      const two = [1, 2].map((maxCount) => follow(store, { ...soon, filter: { tenant }, maxCount }));
      const reading = two.map(async (items) => eventsOf(await items.until(untilEvents(30))));
      const written = events(30);
      const streamName = aStream();
      for (const event of written) await append(store, streamName, [event], any, { tenant });
      try {
        for (const seen of await Promise.all(reading)) same(idsOf(seen), idsOf(written));
      } finally {
        await Promise.all(two.map((items) => items.end()));
      }
    },
  },
];

const ending: ReadonlyArray<ContractTest> = [
  {
    title: 'ends when its signal aborts, while it waits and while it is read',
    run: async ({ store }) => {
      const tenant = aTenant();
      await streamAt(store, 5, { tenant });
      for (const count of [0, 2, 5]) {
        const items = follow(store, { ...soon, pollMs: 60_000, filter: { tenant } });
        await items.until(count === 5 ? untilCaughtUp(5) : untilEvents(count));
        setTimeout(items.abort, 20);
        await pause(count === 5 ? 0 : 40);
        await items.untilDone();
      }
      const aborted = follow(store, { ...soon, filter: { tenant } });
      aborted.abort();
      same(await aborted.untilDone(), []);
    },
  },
  {
    title: 'ends when its consumer stops, and another can follow',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { written } = await streamAt(store, 3, { tenant });
      for (const _ of [1, 2]) {
        const seen: string[] = [];
        for await (const item of store.subscribe({ ...soon, filter: { tenant } })) {
          if (item._tag === 'Event') seen.push(item.event.eventId);
          if (seen.length === 3) break;
        }
        same(seen, idsOf(written));
      }
    },
  },
  {
    title: 'rejects a checkpoint of another epoch with EpochChanged',
    run: async ({ store }) => {
      const { position } = await streamAt(store, 1);
      const error = await firstError(store, { after: { position, epoch: 'another life' } });
      same(taggedOf(error), {
        _tag: 'EpochChanged',
        checkpointEpoch: 'another life',
        storeEpoch: await right(store.epoch()),
      });
    },
  },
  {
    title: 'rejects a request that cannot be served with InvalidRequest',
    run: async ({ store }) => {
      const epoch = await right(store.epoch());
      const bad = [
        { maxCount: 0 },
        { maxCount: 4_097 },
        { pollMs: 0 },
        { pollMs: 60_001 },
        { after: { position: 'x' as Position, epoch } },
      ];
      for (const request of bad)
        assert.equal(
          taggedOf(await firstError(store, request))?._tag,
          'InvalidRequest',
          JSON.stringify(request),
        );
    },
  },
];

const firstError = async (
  store: EventStore,
  request: Parameters<EventStore['subscribe']>[0],
): Promise<unknown> => {
  try {
    for await (const item of store.subscribe(request)) return assert.fail(`it handed over ${item._tag}`);
    return assert.fail('it ended without an error');
  } catch (error) {
    return error;
  }
};

export const subscribePart: ContractPart = {
  title: 'subscribe:',
  tests: [...catchingUp, ...consumers, ...ending],
};
