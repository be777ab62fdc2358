/** Contract: one append to one stream, its four expectations, its answer and its refusal. */
import { strict as assert } from 'node:assert';
import {
  any,
  comparePositions,
  exactly,
  type ExpectedVersion,
  noStream,
  startPosition,
  streamExists,
  type StreamName,
} from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  append,
  aStream,
  asWritten,
  events,
  idsOf,
  numbersFrom,
  refused,
  same,
  streamAt,
  versionsOf,
  wholeStream,
} from './support.js';

const words = (expected: ExpectedVersion): string =>
  expected._tag === 'exactly' ? `version ${expected.version}` : expected._tag;

/** Whether a stream that holds `version` events takes an append of two. */
interface Row {
  readonly version: number;
  readonly expected: ExpectedVersion;
  readonly taken: boolean;
}

const rows: ReadonlyArray<Row> = [
  { version: 0, expected: any, taken: true },
  { version: 0, expected: noStream, taken: true },
  { version: 0, expected: exactly(0), taken: true },
  { version: 0, expected: streamExists, taken: false },
  { version: 0, expected: exactly(1), taken: false },
  { version: 1, expected: any, taken: true },
  { version: 1, expected: streamExists, taken: true },
  { version: 1, expected: exactly(1), taken: true },
  { version: 1, expected: noStream, taken: false },
  { version: 1, expected: exactly(0), taken: false },
  { version: 1, expected: exactly(2), taken: false },
  { version: 3, expected: exactly(3), taken: true },
  { version: 3, expected: exactly(2), taken: false },
  { version: 3, expected: exactly(4), taken: false },
  { version: 3, expected: exactly(2 ** 31 - 1), taken: false },
];

const takes = async (
  store: EventStore,
  streamName: StreamName,
  { version, expected }: Row,
): Promise<void> => {
  const batch = events(2);
  const result = await append(store, streamName, batch, expected);
  same(
    { name: result.streamName, version: result.version, idempotent: result.idempotent },
    {
      name: streamName,
      version: version + 2,
      idempotent: false,
    },
  );
  const recorded = await wholeStream(store, { streamName });
  same(versionsOf(recorded), numbersFrom(1, version + 2));
  same(asWritten(recorded.slice(version)), batch);
  assert.equal(result.position, recorded.at(-1)?.position);
};

const refuses = async (
  store: EventStore,
  streamName: StreamName,
  { version, expected }: Row,
): Promise<void> => {
  const conflict = await refused(
    store.append({ streamName, expected, events: events(2) }),
    'VersionConflict',
  );
  same(
    { ...conflict },
    {
      _tag: 'VersionConflict',
      tenant: 'default',
      streamName,
      expected,
      actual: version,
      tail: undefined,
      alreadyRecorded: [],
    },
  );
  assert.equal((await wholeStream(store, { streamName })).length, version);
};

const expectationTest = (row: Row): ContractTest => ({
  title: `a stream at version ${row.version} ${
    row.taken
      ? `takes an append that expects ${words(row.expected)}`
      : `refuses an append that expects ${words(row.expected)}, and says where it stands`
  }`,
  run: async ({ store }) => {
    const streamName = aStream();
    if (row.version > 0) await append(store, streamName, events(row.version), noStream);
    await (row.taken ? takes : refuses)(store, streamName, row);
  },
});

const tailTest = (
  title: string,
  expected: ExpectedVersion,
  tailMax: number,
  tail: readonly [number, number],
): ContractTest => ({
  title: `a stream at version 5 ${title}`,
  run: async ({ store }) => {
    const { streamName, written } = await streamAt(store, 5);
    const conflict = await refused(
      store.append({ streamName, expected, tailMax, events: events(1) }),
      'VersionConflict',
    );
    same(conflict.actual, 5);
    same(conflict.tail === undefined ? undefined : asWritten(conflict.tail), written.slice(...tail));
    const recorded = await wholeStream(store, { streamName });
    same(conflict.tail, recorded.slice(...tail), 'the tail is not what a reader sees');
  },
});

const answers: ReadonlyArray<ContractTest> = [
  {
    title: 'an append of no events to a stream that is as expected answers its version and writes nothing',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 2);
      const result = await append(store, streamName, [], exactly(2));
      same([result.version, result.position], [2, startPosition]);
      const none = aStream();
      same((await append(store, none, [], noStream)).version, 0);
      same((await wholeStream(store, { streamName: none })).length, 0);
      same((await append(store, none, events(1), noStream)).version, 1);
    },
  },
  {
    title: 'an append of no events to a stream that is not as expected is refused',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 2);
      const conflict = await refused(
        store.append({ streamName, expected: exactly(1), events: [] }),
        'VersionConflict',
      );
      same([conflict.actual, conflict.alreadyRecorded], [2, []]);
      await refused(
        store.append({ streamName: aStream(), expected: streamExists, events: [] }),
        'VersionConflict',
      );
    },
  },
  {
    title: 'positions grow from append to append, over all streams',
    run: async ({ store }) => {
      const [one, two] = [aStream(), aStream()];
      const positions = [];
      for (const name of [one, two, two, one, two])
        positions.push((await append(store, name, events(3))).position);
      for (const [index, position] of positions.entries())
        if (index > 0)
          assert.ok(
            comparePositions(positions[index - 1] ?? startPosition, position) < 0,
            `${positions.join(' ')}`,
          );
      const recorded = await wholeStream(store, { streamName: two });
      for (const [index, { position }] of recorded.entries())
        assert.ok(comparePositions(recorded[index - 1]?.position ?? startPosition, position) < 0);
    },
  },
  {
    title: 'a batch with one event that cannot be stored is refused whole',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      const batch = [anEvent('Good'), anEvent('Bad', NaN), anEvent('Good')];
      const refusal = await refused(
        store.append({ streamName, expected: any, events: batch }),
        'InvalidEvent',
      );
      same([refusal.index, refusal.type, refusal.path], [1, 'Bad', 'data']);
      assert.equal((await wholeStream(store, { streamName })).length, 1);
    },
  },
  {
    title:
      'data that is null comes back as null, from an event alone, in a batch, and among appends of others',
    run: async ({ store }) => {
      const some = [aStream(), aStream(), aStream(), aStream()];
      const batches = some.map((_, index) => [anEvent('Nothing', null), ...events(index)]);
      await append(store, some[0] as StreamName, batches[0] ?? []);
      await Promise.all(some.slice(1).map((name, index) => append(store, name, batches[index + 1] ?? [])));
      for (const [index, streamName] of some.entries())
        same(asWritten(await wholeStream(store, { streamName })), batches[index]);
    },
  },
  {
    title: 'many that are refused at once are each told what they missed, as much as they asked for',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 9);
      const asked = [
        ...[0, 1, 4, 8].flatMap((after) =>
          [1, 3, 20].map((tailMax) => ({ expected: exactly(after), tailMax })),
        ),
        { expected: noStream, tailMax: 5 },
        { expected: exactly(7), tailMax: 0 },
      ];
      const refusals = await Promise.all(
        asked.map((one) =>
          refused(store.append({ streamName, events: events(1), ...one }), 'VersionConflict'),
        ),
      );
      for (const [index, { tail, actual, alreadyRecorded }] of refusals.entries()) {
        const { expected, tailMax } = asked[index] as (typeof asked)[number];
        const after = expected._tag === 'exactly' ? expected.version : 0;
        same([actual, alreadyRecorded], [9, []]);
        const last = Math.min(9, after + tailMax);
        same(tail && versionsOf(tail), tailMax === 0 ? undefined : numbersFrom(after + 1, last));
      }
    },
  },
  {
    title: 'what a writer does to its objects after an append changes nothing that is recorded',
    run: async ({ store }) => {
      const streamName = aStream();
      const data = { items: [1, 2], inner: { word: 'before' } };
      const event = anEvent('Happened', data);
      await append(store, streamName, [event]);
      data.items.push(3);
      data.inner.word = 'after';
      const [recorded] = await wholeStream(store, { streamName });
      same(recorded?.data, { items: [1, 2], inner: { word: 'before' } });
      same(idsOf(recorded === undefined ? [] : [recorded]), [event.eventId]);
    },
  },
];

export const appendPart: ContractPart = {
  title: 'append:',
  tests: [
    ...rows.map(expectationTest),
    tailTest(
      'hands over the events after the expected version to a refused writer that asks for them',
      exactly(2),
      10,
      [2, 5],
    ),
    tailTest('hands over no more of them than were asked for, the oldest first', exactly(1), 2, [1, 3]),
    tailTest('hands over all of them to a writer that expected no stream', noStream, 10, [0, 5]),
    tailTest('hands over an empty tail to a writer that expected a later version', exactly(9), 10, [5, 5]),
    ...answers,
  ],
};
