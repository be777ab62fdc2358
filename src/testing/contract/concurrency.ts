/** Contract: what holds when many write and read at once, on one handle and on two. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import type { EventData } from '../../core/event.js';
import {
  any,
  exactly,
  type ExpectedVersion,
  noStream,
  type Position,
  type StreamName,
} from '../../core/stream.js';
import type { AppendResult, EventStore, VersionConflict } from '../../store/event-store.js';
import { eventsOf, follow, untilEvents } from './follow.js';
import { handleOf, race, type Scenario, warmHandles } from './race.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  append,
  aStream,
  aTenant,
  events,
  idsOf,
  numbersFrom,
  right,
  same,
  shown,
  streamAt,
  unique,
  versionsOf,
  wholeStream,
} from './support.js';

type Outcome = AppendResult | VersionConflict;

const attempt = async (
  store: EventStore,
  streamName: StreamName,
  batch: ReadonlyArray<EventData>,
  expected: ExpectedVersion,
): Promise<Outcome> => {
  const result = await store.append({ streamName, expected, events: batch, tailMax: 10 })();
  if (E.isRight(result)) return result.right;
  if (result.left._tag !== 'VersionConflict') return assert.fail(shown(result.left));
  return result.left;
};

const isConflict = (outcome: Outcome): outcome is VersionConflict => '_tag' in outcome;

/** Of writers that expect the same version, one wins; the others learn where the stream stands and what stands there. */
const oneWins =
  (version: number): Scenario =>
  async (handles) => {
    const { streamName } = version === 0 ? { streamName: aStream() } : await streamAt(handles[0], version);
    const batches = numbersFrom(0, 11).map(() => events(2));
    const expected = version === 0 ? noStream : exactly(version);
    const outcomes = await race(12, (writer) =>
      attempt(handleOf(handles, writer), streamName, batches[writer] ?? [], expected),
    );
    const winner = outcomes.findIndex((outcome) => !isConflict(outcome));
    assert.equal(outcomes.filter((outcome) => !isConflict(outcome)).length, 1, 'not exactly one writer won');
    const recorded = await wholeStream(handles[0], { streamName });
    same(idsOf(recorded.slice(version)), idsOf(batches[winner] ?? []));
    for (const outcome of outcomes)
      if (isConflict(outcome)) {
        same([outcome.actual, outcome.expected, outcome.alreadyRecorded], [version + 2, expected, []]);
        same(outcome.tail, recorded.slice(version));
      }
  };

/** Writers that retry at the version they learnt from the refusal all get through, and nothing is lost. */
const retriesLand: Scenario = async (handles) => {
  const streamName = aStream();
  const landed = await race(8, async (writer) => {
    const event = anEvent('Happened', writer);
    let expected: ExpectedVersion = noStream;
    // Each refusal means that another of the 8 landed, so 8 attempts are enough.
    for (let tries = 1; tries <= 8; tries += 1) {
      const outcome = await attempt(handleOf(handles, writer), streamName, [event], expected);
      if (!isConflict(outcome)) return event.eventId;
      expected = exactly(outcome.actual);
    }
    return assert.fail('a writer was refused more often than others landed');
  });
  const recorded = await wholeStream(handles[0], { streamName });
  same(versionsOf(recorded), numbersFrom(1, 8));
  same([...idsOf(recorded)].sort(), [...landed].sort());
};

const anyLands =
  (each: number): Scenario =>
  async (handles) => {
    const streamName = aStream();
    const results = await race(32, async (writer) => {
      const mine = [];
      for (let number = 0; number < each; number += 1) {
        const event = anEvent('Happened', { writer, number });
        const { version, position } = await append(handleOf(handles, writer), streamName, [event]);
        mine.push({ eventId: event.eventId, version, position });
      }
      return mine;
    });
    const recorded = await wholeStream(handles[0], { streamName });
    same(versionsOf(recorded), numbersFrom(1, 32 * each));
    const answered = results.flat().sort((a, b) => a.version - b.version);
    same(
      recorded.map(({ eventId, version, position }) => ({ eventId, version, position })),
      answered,
    );
  };

const repeatsAreOne =
  (expected: ExpectedVersion): Scenario =>
  async (handles) => {
    const streamName = aStream();
    const batch = events(3);
    const results = await race(12, (writer) =>
      append(handleOf(handles, writer), streamName, batch, expected),
    );
    same(idsOf(await wholeStream(handles[0], { streamName })), idsOf(batch));
    for (const { version, position } of results) same([version, position], [3, results[0]?.position]);
    const firsts = results.filter((result) => !result.idempotent).length;
    assert.ok(firsts > 0, 'no append was the first');
    if (handles[0].capabilities.exactRepeats) assert.equal(firsts, 1, 'not exactly one append was the first');
  };

/** Opposite orders are what makes row locks wait for each other in a circle. */
const manyInOppositeOrders: Scenario = async (handles) => {
  const streams = numbersFrom(0, 3).map(() => aStream());
  await race(12, async (writer) => {
    const order = writer % 2 === 0 ? streams : [...streams].reverse();
    for (let round = 0; round < 3; round += 1) {
      const mark = `${writer} ${round}`;
      await right(
        handleOf(handles, writer).appendMany(
          order.map((streamName) => ({ streamName, expected: any, events: [anEvent('Happened', mark)] })),
        ),
      );
    }
  });
  const marks = await Promise.all(
    streams.map(async (streamName) =>
      (await wholeStream(handles[0], { streamName })).map((event) => String(event.data)),
    ),
  );
  for (const some of marks)
    same([...some].sort(), [...(marks[0] ?? [])].sort(), 'one stream holds what another does not');
  assert.equal(new Set(marks[0]).size, 36);
};

const manyAtVersions: Scenario = async (handles) => {
  const [a, b, c] = [aStream(), aStream(), aStream()];
  const pairs = [
    [a, b],
    [b, c],
    [c, a],
  ] as const;
  const outcomes = await race(9, async (writer) => {
    const pair = pairs[writer % 3] ?? pairs[0];
    const requests = pair.map((streamName) => ({ streamName, expected: noStream, events: events(1) }));
    const result = await handleOf(handles, writer).appendMany(requests)();
    if (E.isLeft(result)) assert.equal(result.left._tag, 'VersionConflict', shown(result.left));
    return E.isRight(result) ? idsOf(requests.flatMap((request) => request.events)) : [];
  });
  const recorded = (
    await Promise.all([a, b, c].map((streamName) => wholeStream(handles[0], { streamName })))
  ).flat();
  // Any two of the pairs share a stream, so one append wins and its two events are all there is.
  assert.equal(outcomes.filter((ids) => ids.length > 0).length, 1, 'not exactly one append won');
  same([...idsOf(recorded)].sort(), [...outcomes.flat()].sort());
};

const subscriberSeesAll =
  (each: number): Scenario =>
  async (handles) => {
    const tenant = aTenant();
    const streams = numbersFrom(0, 3).map(() => aStream());
    const followers = handles.map((store) => follow(store, { pollMs: 5, maxCount: 7, filter: { tenant } }));
    const reading = followers.map(async (items) => eventsOf(await items.until(untilEvents(12 * each))));
    try {
      await race(12, async (writer) => {
        for (let number = 0; number < each; number += 1)
          await append(
            handleOf(handles, writer),
            streams[(writer + number) % 4] as StreamName,
            [anEvent('Happened', `${writer} ${number}`)],
            any,
            { tenant },
          );
      });
      for (const seen of await Promise.all(reading)) {
        assert.equal(new Set(idsOf(seen)).size, 12 * each, 'an event was seen twice');
        for (const streamName of streams) {
          const own = seen.filter((event) => event.streamName === streamName);
          same(own, await wholeStream(handles[0], { tenant, streamName }));
        }
      }
      // Nothing comes behind the last one.
      const fence = await streamAt(handles[0], 1, { tenant });
      for (const items of followers)
        same(idsOf(eventsOf(await items.until(untilEvents(1)))), idsOf(fence.written));
    } finally {
      await Promise.all(followers.map((items) => items.end()));
    }
  };

const checkpointsKeepTheLatest: Scenario = async (handles) => {
  const subscriber = unique();
  const epoch = await right(handles[0].epoch());
  const positions: Position[] = [];
  for (let number = 0; number < 8; number += 1) positions.push((await streamAt(handles[0], 1)).position);
  await race(8, async (writer) => {
    const position = positions[(writer * 5) % 8];
    if (position !== undefined)
      await right(handleOf(handles, writer).checkpoints.save(subscriber, { position, epoch }));
  });
  same(await right(handles[0].checkpoints.load(subscriber)), { position: positions.at(-1), epoch });
};

type Row = readonly [title: string, scenario: Scenario, needs?: ContractTest['needs']];

/** `each` is how many times a writer of the longer scenarios appends. */
const scenarios = (each: number): ReadonlyArray<Row> => [
  ['of 12 writers that expect no stream, one wins and the others learn what it wrote', oneWins(0)],
  ['of 12 writers that expect version 3, one wins and the others learn what it wrote', oneWins(3)],
  ['8 writers that retry where the refusal says the stream stands all land, each once', retriesLand],
  [
    `32 writers at any with ${each} appends each all land, once, at versions without a gap, as they were answered`,
    anyLands(each),
  ],
  ['12 repeats of one batch at noStream are recorded once, and all answered alike', repeatsAreOne(noStream)],
  [
    '12 repeats of one batch at any are recorded once, and all answered alike',
    repeatsAreOne(any),
    ['idempotentAny'],
  ],
  [
    '12 writers to the same 4 streams in opposite orders do not lock each other out, and write to all or none',
    manyInOppositeOrders,
    ['atomicAppendMany'],
  ],
  [
    'of 9 writers to overlapping pairs of new streams, one wins with both its events',
    manyAtVersions,
    ['atomicAppendMany'],
  ],
  [
    'a subscriber sees each event of 12 concurrent writers once, each stream in its order',
    subscriberSeesAll(each),
  ],
  ['8 savers of one checkpoint leave the latest', checkpointsKeepTheLatest],
];

/** The concurrent tests, each of them `repeat` times in a row. */
export const concurrencyPart = (repeat: number): ContractPart => ({
  title: repeat === 1 ? 'at once:' : `at once, ${repeat} times in a row:`,
  // A race is decided at its start: in repeated ones the writers need not go on for long.
  tests: scenarios(repeat === 1 ? 10 : 3).map(([title, scenario, needs]) => ({
    title,
    ...(needs === undefined ? {} : { needs }),
    timeoutMs: 60_000 + repeat * 5_000,
    run: async (opened, subject) => {
      const handles = await warmHandles(opened, subject);
      for (let round = 1; round <= repeat; round += 1) await scenario(handles);
    },
  })),
});
