/** Contract: appends to several streams at once, all or none. */
import { strict as assert } from 'node:assert';
import { any, comparePositions, exactly, noStream, startPosition } from '../../core/stream.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  aStream,
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

const needs = ['atomicAppendMany'] as const;

const tests: ReadonlyArray<ContractTest> = [
  {
    title:
      'writes to several streams, each with its own expectation, and answers in the order of the requests',
    needs,
    run: async ({ store }) => {
      const { streamName: old } = await streamAt(store, 2);
      const [fresh, loose] = [aStream(), aStream()];
      const requests = [
        { streamName: fresh, expected: noStream, events: events(2) },
        { streamName: old, expected: exactly(2), events: events(3) },
        { streamName: loose, expected: any, events: events(1) },
      ];
      const results = await right(store.appendMany(requests));
      same(
        results.map(({ streamName, version, idempotent }) => [streamName, version, idempotent]),
        [
          [fresh, 2, false],
          [old, 5, false],
          [loose, 1, false],
        ],
      );
      for (const [index, request] of requests.entries()) {
        const recorded = (await wholeStream(store, request)).slice(-request.events.length);
        same(asWritten(recorded), request.events);
        assert.equal(recorded.at(-1)?.position, results[index]?.position);
      }
      const positions = results.map((result) => result.position);
      assert.equal(new Set(positions).size, 3);
      for (const position of positions) assert.ok(comparePositions(startPosition, position) < 0);
    },
  },
  {
    title: 'writes nothing at all where one stream is not as expected, and hands over its tail',
    needs,
    run: async ({ store }) => {
      const { streamName: old, written } = await streamAt(store, 3);
      const conflict = await writesNothing(store, () =>
        refused(
          store.appendMany([
            { streamName: aStream(), expected: noStream, events: events(2) },
            { streamName: old, expected: exactly(1), events: events(1), tailMax: 10 },
            { streamName: aStream(), expected: noStream, events: events(2) },
          ]),
          'VersionConflict',
        ),
      );
      same([conflict.streamName, conflict.actual, conflict.expected], [old, 3, exactly(1)]);
      same(asWritten(conflict.tail ?? []), written.slice(1));
    },
  },
  {
    title: 'answers the first refusal in the order of the requests',
    needs,
    run: async ({ store }) => {
      const [one, two] = [await streamAt(store, 1), await streamAt(store, 2)];
      for (const [first, second] of [
        [one, two],
        [two, one],
      ] as const) {
        const conflict = await refused(
          store.appendMany([
            { streamName: first.streamName, expected: noStream, events: events(1) },
            { streamName: second.streamName, expected: noStream, events: events(1) },
          ]),
          'VersionConflict',
        );
        assert.equal(conflict.streamName, first.streamName);
      }
    },
  },
  {
    title: 'writes nothing where one event cannot be stored',
    needs,
    run: async ({ store }) => {
      const bad = { ...events(1)[0], data: undefined } as never;
      await writesNothing(store, () =>
        refused(
          store.appendMany([
            { streamName: aStream(), expected: any, events: events(1) },
            { streamName: aStream(), expected: any, events: [bad] },
          ]),
          'InvalidEvent',
        ),
      );
    },
  },
  {
    title: 'refuses a stream that is named twice, and writes nothing',
    needs,
    run: async ({ store }) => {
      const streamName = aStream();
      await writesNothing(store, () =>
        refused(
          store.appendMany([
            { streamName, expected: any, events: events(1) },
            { streamName, expected: any, events: events(1) },
          ]),
          'InvalidRequest',
        ),
      );
    },
  },
  {
    title: 'takes streams of one name in two tenants for two streams',
    needs,
    run: async ({ store }) => {
      const streamName = aStream();
      const requests = [aTenant(), aTenant()].map((tenant) => ({
        tenant,
        streamName,
        expected: noStream,
        events: events(1),
      }));
      const results = await right(store.appendMany(requests));
      same(
        results.map((result) => result.version),
        [1, 1],
      );
    },
  },
  {
    title: 'recognises the very same appends again, and answers as the first time',
    needs,
    run: async ({ store }) => {
      const requests = [aStream(), aStream()].map((streamName) => ({
        streamName,
        expected: noStream,
        events: events(2),
      }));
      const first = await right(store.appendMany(requests));
      const again = await writesNothing(store, () => right(store.appendMany(requests)));
      same(
        again,
        first.map((result) => ({ ...result, idempotent: true })),
      );
    },
  },
  {
    title: 'answers nothing to no requests',
    needs,
    run: async ({ store }) => same(await right(store.appendMany([])), []),
  },
  {
    title: 'counts the events of all its streams against the limit of a batch',
    needs,
    run: async ({ store }) => {
      const half = Math.floor(store.limits.batchEventsMax / 2) + 1;
      const requests = [aStream(), aStream()].map((streamName) => ({
        streamName,
        expected: any,
        events: events(half),
      }));
      const refusal = await writesNothing(store, () => refused(store.appendMany(requests), 'LimitExceeded'));
      same([refusal.limit, refusal.found], ['batchEventsMax', half * 2]);
    },
  },
];

const absent: ContractTest = {
  title: 'says in its capabilities what it lacks, and refuses appends to several streams where it lacks them',
  run: async ({ store }, { lacks = {} }) => {
    for (const [capability, has] of Object.entries(store.capabilities))
      assert.equal(has, !(capability in lacks), `the store says ${capability}: ${has}`);
    if (store.capabilities.atomicAppendMany) return;
    await refused(
      store.appendMany([{ streamName: aStream(), expected: any, events: events(1) }]),
      'NotSupported',
    );
  },
};

export const appendManyPart: ContractPart = { title: 'appendMany:', tests: [absent, ...tests] };
