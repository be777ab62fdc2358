/** Contract: a store that was closed says so on every call. */
import { strict as assert } from 'node:assert';
import { taggedOf } from '../../core/fault.js';
import { any, startPosition } from '../../core/stream.js';
import { untilCaughtUp, follow } from './follow.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  append,
  aStream,
  asWritten,
  events,
  numbersFrom,
  pause,
  refused,
  same,
  streamAt,
  versionsOf,
  wholeStream,
} from './support.js';

const tests: ReadonlyArray<ContractTest> = [
  {
    title: 'a closed store answers StoreClosed to every call, and can be closed again',
    timeoutMs: 60_000,
    run: async (_, subject) => {
      const { store, dispose } = await subject.open();
      try {
        const { streamName } = await streamAt(store, 1);
        await store.close();
        const request = { streamName, expected: any, events: events(1) };
        await refused(store.append(request), 'StoreClosed');
        if (store.capabilities.atomicAppendMany) await refused(store.appendMany([request]), 'StoreClosed');
        await refused(store.readStream({ streamName }), 'StoreClosed');
        await refused(store.readAll({}), 'StoreClosed');
        await refused(store.listStreams({}), 'StoreClosed');
        await refused(store.markStream({ streamName, as: 'archived', expected: any }), 'StoreClosed');
        await refused(store.epoch(), 'StoreClosed');
        await refused(store.checkpoints.load('someone'), 'StoreClosed');
        await refused(
          store.checkpoints.save('someone', { position: startPosition, epoch: 'any' }),
          'StoreClosed',
        );
        await assert.rejects(
          async () => {
            for await (const item of store.subscribe({})) assert.fail(`it handed over ${item._tag}`);
          },
          (error) => taggedOf(error)?._tag === 'StoreClosed',
        );
        await store.close();
      } finally {
        await dispose();
      }
    },
  },
  {
    title: 'closing a store ends its subscriptions',
    timeoutMs: 60_000,
    run: async (_, subject) => {
      const { store, dispose } = await subject.open();
      try {
        await streamAt(store, 2);
        const items = follow(store, { pollMs: 1_000 });
        await items.until(untilCaughtUp(2));
        const end = items.untilDone();
        await pause(20);
        await store.close();
        await end;
      } finally {
        await dispose();
      }
    },
  },
  {
    title: 'two opened stores have nothing to do with each other',
    timeoutMs: 60_000,
    run: async ({ store }, subject) => {
      const other = await subject.open();
      try {
        const { streamName } = await streamAt(store, 2);
        same(await wholeStream(other.store, { streamName }), []);
        assert.equal((await append(other.store, streamName, events(1))).version, 1);
      } finally {
        await other.dispose();
      }
    },
  },
  {
    title: 'another handle sees what the first one wrote, and the other way round',
    needs: ['multiProcess'],
    run: async ({ store, secondHandle }) => {
      const second = await secondHandle();
      const [streamName, batch] = [aStream(), events(2)];
      await append(store, streamName, batch.slice(0, 1));
      await append(second, streamName, batch.slice(1));
      for (const handle of [store, second]) {
        const recorded = await wholeStream(handle, { streamName });
        same(asWritten(recorded), batch);
        same(versionsOf(recorded), numbersFrom(1, 2));
      }
      same(await second.epoch()(), await store.epoch()());
    },
  },
];

export const closingPart: ContractPart = { title: 'opening and closing:', tests };
