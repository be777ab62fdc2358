/** Contract: large events and large batches are stored whole, up to the limits; beyond them they are refused by name. */
import { strict as assert } from 'node:assert';
import { hashOf, type Json } from '../../core/json.js';
import { any, noStream } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import { eventBytes } from '../../store/limits.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  append,
  aStream,
  asWritten,
  events,
  refused,
  right,
  same,
  wholeStream,
  writesNothing,
} from './support.js';

const mebibyte = 1024 * 1024;
const slowMs = 120_000;

/** `bytes` bytes of JSON: text of the letter x between its quotes. */
const text = (bytes: number): Json => 'x'.repeat(bytes - 2);

const payloadTest = (mebibytes: number): ContractTest => ({
  title: `an event of ${mebibytes} MiB is read back equal, or refused by name where the store's limits are smaller`,
  timeoutMs: slowMs,
  run: async ({ store }) => {
    const streamName = aStream();
    const items = Array.from({ length: mebibytes * 1024 }, (_, index) => `${index} é ${'x'.repeat(1_000)}`);
    const event = anEvent('Large', { items });
    if (eventBytes(event) > store.limits.eventBytesMax) {
      const call = store.append({ streamName, expected: any, events: [event] });
      same((await writesNothing(store, () => refused(call, 'LimitExceeded'))).limit, 'eventBytesMax');
      return;
    }
    await append(store, streamName, [event]);
    const [recorded] = await wholeStream(store, { streamName });
    // Hashes, because a diff of that much text helps nobody.
    assert.equal(recorded === undefined ? 'nothing' : hashOf(recorded.data), hashOf(event.data));
  },
});

const batchOf = async (store: EventStore, count: number): Promise<void> => {
  const streamName = aStream();
  const batch = events(count);
  const result = await append(store, streamName, batch, noStream);
  assert.equal(result.version, count);
  const recorded = await wholeStream(store, { streamName, maxCount: 4_096 });
  assert.equal(recorded.length, count);
  for (const [index, event] of recorded.entries())
    if (event.version !== index + 1 || event.eventId !== batch[index]?.eventId)
      assert.fail(`event ${index + 1} of the batch is another`);
  same(asWritten(recorded.slice(-3)), batch.slice(-3));
  const again = await append(store, streamName, batch, noStream);
  same({ ...again }, { ...result, idempotent: true });
};

const tests: ReadonlyArray<ContractTest> = [
  payloadTest(1),
  payloadTest(15),
  {
    title: 'an event over the limit of an event is refused, and nothing is written',
    timeoutMs: slowMs,
    run: async ({ store }) => {
      const max = store.limits.eventBytesMax;
      const call = store.append({
        streamName: aStream(),
        expected: any,
        events: [anEvent('Large', text(max))],
      });
      const refusal = await writesNothing(store, () => refused(call, 'LimitExceeded'));
      same([refusal.limit, refusal.max, refusal.found > max], ['eventBytesMax', max, true]);
    },
  },
  {
    title: 'a batch over the limit of a batch in bytes is refused, and nothing is written',
    timeoutMs: slowMs,
    run: async ({ store }) => {
      const { batchBytesMax, eventBytesMax } = store.limits;
      const bytes = Math.min(eventBytesMax - 1_000, 8 * mebibyte);
      const data = text(bytes);
      const batch = Array.from({ length: Math.ceil(batchBytesMax / bytes) + 1 }, () =>
        anEvent('Large', data),
      );
      const call = store.append({ streamName: aStream(), expected: any, events: batch });
      same((await writesNothing(store, () => refused(call, 'LimitExceeded'))).limit, 'batchBytesMax');
    },
  },
  ...[1, 1_000].map((count) => ({
    title: `a batch of ${count.toLocaleString('en')} events is stored whole, and recognised again`,
    run: async ({ store }: { readonly store: EventStore }) => batchOf(store, count),
  })),
  {
    title: 'a batch of as many events as the limit allows is stored whole, and recognised again',
    timeoutMs: slowMs,
    run: async ({ store }) => batchOf(store, Math.min(store.limits.batchEventsMax, 100_000)),
  },
  {
    title: 'a batch of one event more than the limit is refused, and nothing is written',
    timeoutMs: slowMs,
    run: async ({ store }) => {
      const max = store.limits.batchEventsMax;
      const streamName = aStream();
      const call = store.append({ streamName, expected: any, events: events(max + 1) });
      const refusal = await writesNothing(store, () => refused(call, 'LimitExceeded'));
      same([refusal.limit, refusal.max, refusal.found], ['batchEventsMax', max, max + 1]);
      same((await right(store.readStream({ streamName }))).version, 0);
    },
  },
];

export const sizesPart: ContractPart = { title: 'sizes:', tests };
