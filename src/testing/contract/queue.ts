/** Contract: the message queue, one caller at a time. */
import { strict as assert } from 'node:assert';
import type { Json } from '../../core/json.js';
import { any, exactly, noStream } from '../../core/stream.js';
import {
  aMessage,
  aQueue,
  datasOf,
  drain,
  enqueue,
  keysOfAll,
  leaseFor,
  line,
  queueOf,
  take,
  whole,
} from './queue-support.js';
import { failingTests } from './queue-failing.js';
import { badTests } from './queue-input.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  aStream,
  aTenant,
  events,
  numbersFrom,
  pause,
  refused,
  right,
  same,
  streamAt,
  unique,
  wholeStream,
} from './support.js';

const needs = ['queue'] as const;

const takingTests: ReadonlyArray<ContractTest> = [
  {
    title: 'a message is taken as it was enqueued, with its attempt and place',
    needs,
    run: async ({ store }) => {
      const [queue, tenant] = [aQueue(), aTenant()];
      const metadata = { correlationId: 'c', causationId: 'b', actor: 'a', headers: { deep: [1, null] } };
      const given = { tenant, queue, id: '42/æ', key: '__proto__', type: 'Ship', schemaVersion: 3, metadata };
      const data = { a: [1, 'two', { three: null }], constructor: 'x', ü: '\u2028' };
      same(await enqueue(store, { ...given, data }), { added: ['42/æ'], known: [] });
      const [taken, ...others] = await take(store, queue);
      same(others, []);
      const { position, enqueuedAt, ...rest } = taken!;
      same(rest, { ...given, data, attempt: 1 });
      assert.match(position, /^\d+$/);
      assert.match(enqueuedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    },
  },
  {
    title:
      'of each key the first message is taken, those of several keys at once, oldest first, and no more than asked for',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      for (const message of line(queue, 'a', 2)) await enqueue(store, message);
      await pause(5);
      for (const key of ['b', 'c']) {
        await enqueue(store, ...line(queue, key, 2));
        await pause(5);
      }
      same(datasOf(await take(store, queue)), ['a1', 'b1', 'c1']);
      same(datasOf(await take(store, queue, { maxCount: 2 })), ['a1', 'b1']);
      same(await drain(store, queue), ['a1', 'b1', 'c1', 'a2', 'b2', 'c2']);
      same(await take(store, queue), []);
    },
  },
  {
    title: 'a message that was taken is given again and counted again, unless its key is said to be in hand',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      await enqueue(store, ...line(queue, 'a', 2), ...line(queue, 'b', 1));
      const first = await take(store, queue);
      same(await take(store, queue, { except: first }), []);
      const onlyA = first.filter(({ key }) => key === 'a');
      same(datasOf(await take(store, queue, { except: onlyA })), ['b1']);
      const again = await take(store, queue);
      same(Object.fromEntries(again.map(({ data, attempt }) => [data, attempt])), { a1: 2, b1: 3 });
    },
  },
  {
    title: 'one tenant’s keys and ids are not another’s, and neither are one queue’s',
    needs,
    run: async ({ store }) => {
      const [queue, other, one, two] = [aQueue(), aQueue(), aTenant(), aTenant()];
      const message = aMessage(queue, 'key', 'one', { tenant: one });
      const all = [message, { ...message, tenant: two, data: 'two' }, { ...message, queue: other }];
      same((await enqueue(store, ...all)).added.length, 3);
      const taken = await take(store, queue);
      same([...datasOf(taken)].sort(), ['one', 'two']);
      const ofOne = taken.filter(({ tenant }) => tenant === one);
      same(datasOf(await take(store, queue, { except: ofOne })), ['two']);
      await right(queueOf(store).done(ofOne));
      same(datasOf(await take(store, queue)), ['two']);
      same(datasOf(await take(store, other)), ['one']);
    },
  },
  {
    title:
      'a partition gives the messages of its keys only, whatever their number, and all partitions give all of them',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const keys = numbersFrom(1, 40).map((number) => `key ${number}`);
      await enqueue(store, ...keys.map((key) => aMessage(queue, key, key)));
      for (const count of [1, 3, 16]) {
        const all: Json[] = [];
        for (const index of numbersFrom(0, count - 1)) {
          const partition = { queue, index, of: count };
          all.push(...datasOf(await right(queueOf(store).take({ partition, maxCount: 100 }))));
        }
        same([...all].sort(), [...keys].sort());
      }
      const split = keysOfAll(4);
      const apart = aQueue();
      await enqueue(store, ...split.map((key) => aMessage(apart, key, key)));
      for (const [index, key] of split.entries()) {
        const partition = { queue: apart, index, of: 4 };
        same(datasOf(await right(queueOf(store).take({ partition, maxCount: 10 }))), [key]);
      }
    },
  },
  {
    title: 'an id is taken once: repeats are known, also in one batch, and after the message was handled',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const [first, second] = [aMessage(queue, 'a', 1), aMessage(queue, 'a', 2)];
      same(await enqueue(store, first, first), { added: [first.id], known: [first.id] });
      same(await enqueue(store, { ...first, key: 'b', data: 'other' }, second), {
        added: [second.id],
        known: [first.id],
      });
      same(await drain(store, queue), [1, 2]);
      same(await enqueue(store, first, second), { added: [], known: [first.id, second.id] });
      same(await take(store, queue), []);
    },
  },
  {
    title: 'an id that was handled is forgotten when that is asked for, and what waits is not',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const [handled, waiting] = [aMessage(queue, 'a', 1), aMessage(queue, 'a', 2)];
      await enqueue(store, handled, waiting);
      await right(queueOf(store).done(await take(store, queue)));
      await right(queueOf(store).forget(60_000));
      same((await enqueue(store, handled)).known, [handled.id]);
      await pause(5);
      assert.ok((await right(queueOf(store).forget(0))) >= 1);
      same(await enqueue(store, handled, waiting), { added: [handled.id], known: [waiting.id] });
      same(await drain(store, queue), [2, 1]);
    },
  },
  {
    title:
      'a delayed message takes its place when it is due: not before, and not before those that were there',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const late = aMessage(queue, 'a', 'late', { delayMs: 150 });
      const later = aMessage(queue, 'a', 'later', { delayMs: 60_000 });
      same((await enqueue(store, later, late)).added.length, 2);
      await enqueue(store, aMessage(queue, 'a', 'at once'));
      same(datasOf(await take(store, queue)), ['at once']);
      await pause(200);
      // Due now, it stands behind what was there, and what comes now stands behind it.
      same(datasOf(await take(store, queue)), ['at once']);
      await enqueue(store, aMessage(queue, 'a', 'after'));
      same(await drain(store, queue), ['at once', 'late', 'after']);
      same((await enqueue(store, late, later)).known.length, 2);
    },
  },
];

const appendTests: ReadonlyArray<ContractTest> = [
  {
    title: 'an append enqueues with its events or not at all',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const { streamName } = await streamAt(store, 1);
      const [message, other] = [aMessage(queue, 'a', 1), aMessage(queue, 'a', 2)];
      const late = { streamName, expected: noStream, events: events(1), enqueue: [message] };
      await refused(store.append(late), 'VersionConflict');
      same(await take(store, queue), []);
      const request = { streamName, expected: exactly(1), events: events(1), enqueue: [message, other] };
      same((await right(store.append(request))).version, 2);
      same(datasOf(await take(store, queue)), [1]);
      same((await right(store.append({ ...request, enqueue: [aMessage(queue, 'b')] }))).idempotent, true);
      same(await drain(store, queue), [1, 2]);
      same((await enqueue(store, message)).known, [message.id]);
    },
  },
  {
    title: 'a bad message refuses the append with it',
    needs,
    run: async ({ store }) => {
      const streamName = aStream();
      const enqueued = [aMessage(aQueue(), 'a'), aMessage(aQueue(), 'a', { n: [Number.NaN] })];
      const request = { streamName, expected: any, events: [anEvent()], enqueue: enqueued };
      same((await refused(store.append(request), 'InvalidRequest')).field, 'enqueue[1].data.n[0]');
      same(await wholeStream(store, { streamName }), []);
    },
  },
  {
    title: 'an append to several streams enqueues for all of them or for none',
    needs: ['queue', 'atomicAppendMany'],
    run: async ({ store }) => {
      const queue = aQueue();
      const { streamName } = await streamAt(store, 1);
      const one = { streamName: aStream(), expected: any, events: events(1), enqueue: line(queue, 'a', 1) };
      const two = { streamName, expected: exactly(7), events: events(1), enqueue: line(queue, 'b', 1) };
      await refused(store.appendMany([one, two]), 'VersionConflict');
      same(await take(store, queue), []);
      await right(store.appendMany([one, { ...two, expected: exactly(1) }]));
      same([...(await drain(store, queue))].sort(), ['a1', 'b1']);
    },
  },
  {
    title: 'an append without events enqueues if its expectation is met',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const { streamName } = await streamAt(store, 2);
      const request = { streamName, expected: exactly(1), events: [], enqueue: line(queue, 'a', 1) };
      await refused(store.append(request), 'VersionConflict');
      same(await take(store, queue), []);
      await right(store.append({ ...request, expected: exactly(2) }));
      same(await drain(store, queue), ['a1']);
    },
  },
];

const fenceTests: ReadonlyArray<ContractTest> = [
  {
    title: 'who has lost the lease takes nothing, and nothing that they say of a message counts',
    needs: ['queue', 'leases'],
    run: async ({ store }) => {
      const [queue, name] = [aQueue(), `lease-${unique()}`];
      await enqueue(store, ...line(queue, 'a', 2));
      const { take: takeFrom, done, failed } = queueOf(store);
      const old = await leaseFor(store, name);
      const request = { partition: whole(queue), maxCount: 10 };
      const [message] = await right(takeFrom({ ...request, fence: old }));
      await right(store.leases!.release({ name, token: old.token }));
      const fence = await leaseFor(store, name);
      const lost = { _tag: 'LeaseLost', lease: name, token: old.token };
      same(await refused(takeFrom({ ...request, fence: old }), 'LeaseLost'), lost);
      same(await refused(done([message!], old), 'LeaseLost'), lost);
      const failure = { message: message!, error: 'late', then: 'park' as const, fence: old };
      same(await refused(failed(failure), 'LeaseLost'), lost);
      const [again] = await right(takeFrom({ ...request, fence }));
      same([again!.data, again!.attempt], ['a1', 2]);
      await right(failed({ ...failure, then: { retryInMs: 0 }, fence }));
      await right(done([again!], fence));
      same(datasOf(await right(takeFrom({ ...request, fence }))), ['a2']);
    },
  },
];

export const queuePart: ContractPart = {
  title: 'message queue:',
  tests: [...takingTests, ...failingTests, ...appendTests, ...fenceTests, ...badTests],
};
