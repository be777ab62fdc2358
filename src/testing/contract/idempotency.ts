/** Contract: an append that repeats an earlier one is recognised by its event ids, and answered as the first time. */
import { strict as assert } from 'node:assert';
import type { EventData } from '../../core/event.js';
import { any, exactly, type ExpectedVersion, noStream, streamExists } from '../../core/stream.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  append,
  aStream,
  events,
  idsOf,
  refused,
  same,
  wholeStream,
  writesNothing,
} from './support.js';

/** Numbers of events that were written before, batch by batch: `[[1, 2], [3]]` is two appends. */
type Batches = ReadonlyArray<ReadonlyArray<number>>;

interface Row {
  readonly title: string;
  readonly given: Batches;
  readonly when: ReadonlyArray<number>;
  readonly expected: ExpectedVersion;
  readonly then: 'added' | 'recognised' | 'refused';
  /** In a refusal: which of the batch the stream holds already. */
  readonly already?: ReadonlyArray<number>;
}

const six: Batches = [[1], [2], [3], [4], [5], [6]];

const rows: ReadonlyArray<Row> = [
  {
    title: 'the first event again at noStream, after five others',
    given: six,
    when: [1],
    expected: noStream,
    then: 'recognised',
  },
  {
    title: 'the first event again at any, after five others',
    given: six,
    when: [1],
    expected: any,
    then: 'recognised',
  },
  {
    title: 'the first event again at streamExists, after five others',
    given: six,
    when: [1],
    expected: streamExists,
    then: 'recognised',
  },
  {
    title: 'an old id at the current version, which makes it a new event',
    given: six,
    when: [1],
    expected: exactly(6),
    then: 'added',
  },
  { title: 'an old id beyond the end', given: six, when: [1], expected: exactly(7), then: 'refused' },
  {
    title: 'an old id at a version where another event stands',
    given: six,
    when: [1],
    expected: exactly(5),
    then: 'refused',
  },
  {
    title: 'the only event again at the current version, which makes it a new event',
    given: [[1]],
    when: [1],
    expected: exactly(1),
    then: 'added',
  },
  { title: 'the only event again at any', given: [[1]], when: [1], expected: any, then: 'recognised' },
  {
    title: 'the only event again at noStream',
    given: [[1]],
    when: [1],
    expected: noStream,
    then: 'recognised',
  },
  {
    title: 'the only event again at exactly 0',
    given: [[1]],
    when: [1],
    expected: exactly(0),
    then: 'recognised',
  },
  {
    title: 'a middle event again at any',
    given: [[1], [2], [3]],
    when: [2],
    expected: any,
    then: 'recognised',
  },
  {
    title: 'a middle event again at its own version',
    given: [[1], [2], [3]],
    when: [2],
    expected: exactly(1),
    then: 'recognised',
  },
  { title: 'a whole batch again at any', given: [[1, 2]], when: [1, 2], expected: any, then: 'recognised' },
  {
    title: 'a whole batch again at noStream',
    given: [[1, 2], [3]],
    when: [1, 2],
    expected: noStream,
    then: 'recognised',
  },
  {
    title: 'the first half of a batch at noStream',
    given: [[1, 2]],
    when: [1],
    expected: noStream,
    then: 'recognised',
  },
  {
    title: 'the first half of a batch at any',
    given: [[1, 2]],
    when: [1],
    expected: any,
    then: 'recognised',
  },
  {
    title: 'the second half of a batch at its own version',
    given: [[1, 2]],
    when: [2],
    expected: exactly(1),
    then: 'recognised',
  },
  {
    title: 'the second half of a batch at any',
    given: [[1, 2]],
    when: [2],
    expected: any,
    then: 'recognised',
  },
  {
    title: 'two batches joined to one at noStream',
    given: [[1, 2], [3]],
    when: [1, 2, 3],
    expected: noStream,
    then: 'recognised',
  },
  {
    title: 'a batch that begins with old events and ends with a new one at noStream',
    given: [[1, 2]],
    when: [1, 2, 3],
    expected: noStream,
    then: 'refused',
    already: [1, 2],
  },
  {
    title: 'a batch that begins with old events and ends with a new one at any',
    given: [[1, 2]],
    when: [1, 2, 3],
    expected: any,
    then: 'refused',
    already: [1, 2],
  },
  {
    title: 'a batch that begins with a new event and ends with an old one at any',
    given: [[1, 2]],
    when: [3, 2],
    expected: any,
    then: 'refused',
    already: [2],
  },
  {
    title: 'an old batch in another order at any',
    given: [[1, 2]],
    when: [2, 1],
    expected: any,
    then: 'refused',
    already: [1, 2],
  },
  { title: 'no events at a wrong version', given: [[1]], when: [], expected: noStream, then: 'refused' },
  { title: 'no events at the right version', given: [[1]], when: [], expected: exactly(1), then: 'added' },
  {
    title: 'an event that must find a stream where there is none',
    given: [],
    when: [1],
    expected: streamExists,
    then: 'refused',
  },
];

const verbs = {
  added: 'is added',
  recognised: 'is recognised and adds nothing',
  refused: 'is refused and adds nothing',
};

/** Only a store that looks through the whole stream finds old events there, where the writer does not say at which version. */
const isLookedFor = (then: Row['then'], expected: ExpectedVersion, already: Row['already']): boolean =>
  (expected._tag === 'any' || expected._tag === 'streamExists') &&
  (then === 'recognised' || already !== undefined);

const rowTest = ({ title, given, when, expected, then, already }: Row): ContractTest => ({
  title: `${title} ${verbs[then]}`,
  ...(isLookedFor(then, expected, already) ? { needs: ['idempotentAny'] as const } : {}),
  run: async ({ store }) => {
    const streamName = aStream();
    const known = new Map<number, EventData>();
    const eventOf = (number: number): EventData => {
      const event = known.get(number) ?? anEvent('Happened', { number });
      known.set(number, event);
      return event;
    };
    for (const batch of given) await append(store, streamName, batch.map(eventOf));
    const before = await wholeStream(store, { streamName });
    const again = { streamName, expected, events: when.map(eventOf) };

    if (then === 'refused') {
      const conflict = await refused(store.append(again), 'VersionConflict');
      assert.equal(conflict.actual, before.length);
      if (already !== undefined)
        same([...conflict.alreadyRecorded].sort(), [...idsOf(already.map(eventOf))].sort());
    }
    if (then === 'added') {
      const result = await append(store, streamName, again.events, expected);
      same([result.version, result.idempotent], [before.length + when.length, false]);
    }
    if (then === 'recognised') {
      const first = before.find((event) => event.eventId === again.events.at(-1)?.eventId);
      // Twice, because the first repeat must not disturb what recognises the second.
      for (const _ of [1, 2]) {
        const result = await append(store, streamName, again.events, expected);
        same(
          { ...result },
          { streamName, version: first?.version, position: first?.position, idempotent: true },
        );
      }
    }
    const added = then === 'added' ? idsOf(again.events) : [];
    same(idsOf(await wholeStream(store, { streamName })), [...idsOf(before), ...added]);
  },
});

const others: ReadonlyArray<ContractTest> = [
  {
    title: 'an id that another stream holds is a new event',
    run: async ({ store }) => {
      const [one, two, batch] = [aStream(), aStream(), events(1)];
      await append(store, one, batch, noStream);
      for (const expected of [noStream, any]) {
        const result = await append(store, expected === any ? aStream() : two, batch, expected);
        same([result.version, result.idempotent], [1, false]);
      }
    },
  },
  {
    title: 'an id that stands twice in one batch is refused, and nothing is written',
    run: async ({ store }) => {
      const streamName = aStream();
      const event = anEvent();
      const refusal = await writesNothing(store, () =>
        refused(store.append({ streamName, expected: noStream, events: [event, event] }), 'InvalidEvent'),
      );
      same([refusal.index, refusal.path], [1, 'eventId']);
    },
  },
];

export const idempotencyPart: ContractPart = {
  title: 'a repeated append:',
  tests: [...rows.map(rowTest), ...others],
};
