/** Contract: streams are archived, opened again, and tombstoned. */
import { strict as assert } from 'node:assert';
import { any, exactly, noStream, streamExists } from '../../core/stream.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  append,
  asWritten,
  aTenant,
  events,
  refused,
  right,
  same,
  streamAt,
  wholeStream,
  writesNothing,
} from './support.js';

const tests: ReadonlyArray<ContractTest> = [
  {
    title: 'an archived stream refuses an append, whatever it expects, and says so',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { streamName } = await streamAt(store, 2, { tenant });
      const summary = await right(
        store.markStream({ tenant, streamName, as: 'archived', expected: exactly(2) }),
      );
      same(summary, { tenant, streamName, version: 2, state: 'archived' });
      for (const expected of [any, noStream, streamExists, exactly(2), exactly(1)]) {
        const call = store.append({ tenant, streamName, expected, events: events(1) });
        const refusal = await writesNothing(store, () => refused(call, 'StreamArchived'));
        same(refusal, { _tag: 'StreamArchived', tenant, streamName });
      }
    },
  },
  {
    title: 'an archived stream is read only where archived ones are asked for',
    run: async ({ store }) => {
      const { streamName, written } = await streamAt(store, 2);
      await right(store.markStream({ streamName, as: 'archived', expected: any }));
      for (const direction of ['forwards', 'backwards'] as const)
        same(
          (await refused(store.readStream({ streamName, direction }), 'StreamArchived')).streamName,
          streamName,
        );
      same(asWritten(await wholeStream(store, { streamName, includeArchived: true })), written);
    },
  },
  {
    title: 'an archived stream that is opened again takes appends where it stood',
    run: async ({ store }) => {
      const { streamName, written } = await streamAt(store, 2);
      await right(store.markStream({ streamName, as: 'archived', expected: any }));
      same((await right(store.markStream({ streamName, as: 'open', expected: exactly(2) }))).state, 'open');
      const more = events(1);
      same((await append(store, streamName, more, exactly(2))).version, 3);
      same(asWritten(await wholeStream(store, { streamName })), [...written, ...more]);
    },
  },
  {
    title: 'a tombstoned stream can neither be read nor written, and that is for ever',
    run: async ({ store }) => {
      const tenant = aTenant();
      const { streamName } = await streamAt(store, 2, { tenant });
      same(
        (await right(store.markStream({ tenant, streamName, as: 'tombstoned', expected: any }))).state,
        'tombstoned',
      );
      const gone = { _tag: 'StreamTombstoned', tenant, streamName };
      for (const expected of [any, noStream, streamExists, exactly(0), exactly(2)])
        same(
          await refused(
            store.append({ tenant, streamName, expected, events: events(1) }),
            'StreamTombstoned',
          ),
          gone,
        );
      for (const includeArchived of [false, true])
        same(
          await refused(store.readStream({ tenant, streamName, includeArchived }), 'StreamTombstoned'),
          gone,
        );
      for (const as of ['open', 'archived'] as const)
        same(
          await refused(store.markStream({ tenant, streamName, as, expected: any }), 'StreamTombstoned'),
          gone,
        );
      same(await right(store.listStreams({ tenant })), []);
    },
  },
  {
    title: 'an archived stream can be tombstoned',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      for (const as of ['archived', 'tombstoned'] as const)
        same((await right(store.markStream({ streamName, as, expected: any }))).state, as);
      await refused(store.readStream({ streamName, includeArchived: true }), 'StreamTombstoned');
    },
  },
  {
    title: 'a stream that is not as expected is not marked, and the refusal says where it stands',
    run: async ({ store }) => {
      const { streamName, written } = await streamAt(store, 3);
      for (const expected of [exactly(2), exactly(4), noStream]) {
        const conflict = await refused(
          store.markStream({ streamName, as: 'tombstoned', expected }),
          'VersionConflict',
        );
        same([conflict.actual, conflict.expected, conflict.streamName], [3, expected, streamName]);
      }
      same(asWritten(await wholeStream(store, { streamName })), written);
      await refused(
        store.markStream({ streamName, as: 'archived', expected: exactly(-1) }),
        'InvalidExpectedVersion',
      );
      await refused(
        store.markStream({ streamName: '' as never, as: 'archived', expected: any }),
        'InvalidName',
      );
    },
  },
  {
    title: 'a mark in one tenant leaves the stream of that name in another as it is',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      const tenant = aTenant();
      await append(store, streamName, events(1), noStream, { tenant });
      await right(store.markStream({ streamName, tenant, as: 'archived', expected: any }));
      assert.equal((await append(store, streamName, events(1), exactly(1))).version, 2);
    },
  },
  {
    title: 'appendMany with an archived stream writes to none',
    needs: ['atomicAppendMany'],
    run: async ({ store }) => {
      const [open, archived] = [await streamAt(store, 1), await streamAt(store, 1)];
      await right(store.markStream({ streamName: archived.streamName, as: 'archived', expected: any }));
      const requests = [open, archived].map(({ streamName }) => ({
        streamName,
        expected: any,
        events: events(1),
      }));
      await writesNothing(store, () => refused(store.appendMany(requests), 'StreamArchived'));
    },
  },
];

export const markPart: ContractPart = { title: 'markStream:', tests };
