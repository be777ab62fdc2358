/** Persistent subscriptions through EventStoreDB's protocol: pinned, acknowledged, tried again, parked with the reason, replayed. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Consuming, EventStoreDBStore, PersistentGroup } from '../../src/adapters/eventstoredb/index.js';
import type { RecordedEvent } from '../../src/core/event.js';
import { taggedOf } from '../../src/core/fault.js';
import { any, type StreamName } from '../../src/core/stream.js';
import {
  append,
  aStream,
  aTenant,
  events,
  idsOf,
  numbersFrom,
  pause,
  refused,
  right,
  same,
  unique,
} from '../../src/testing/contract/support.js';
import { type EventStoreDBTestStore, openTestEventStoreDB } from '../support/eventstoredb.js';

let opened: EventStoreDBTestStore;
let store: EventStoreDBStore;
beforeAll(async () => {
  opened = await openTestEventStoreDB();
  ({ store } = opened);
}, 60_000);
afterAll(() => opened.dispose());

/** Looks again and again; a group answers when it has read, checkpointed or parked, and says so to nobody. */
const eventually = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isSo()); tries += 1) {
    if (tries > 1_500) throw new Error(`it never came about: ${what}`);
    await pause(10);
  }
};

const onStream = (
  streamName: StreamName = aStream(),
): PersistentGroup & { readonly streamName: StreamName } => ({
  group: `group ${unique()}`,
  source: { streamName },
  streamName,
});

const retry = { delayMs: 1, delayMaxMs: 5, attemptsMax: 3 };

/** A consumer that notes what it was given, and rejects what `breaks` says. */
const consuming = (
  group: PersistentGroup,
  breaks: (event: RecordedEvent) => string | undefined = () => undefined,
  on: EventStoreDBStore = store,
) => {
  const seen: RecordedEvent[] = [];
  const attempts: number[] = [];
  const handle = async (event: RecordedEvent, { attempt }: { readonly attempt: number }): Promise<void> => {
    attempts.push(attempt);
    const reason = breaks(event);
    if (reason !== undefined) throw new Error(reason);
    seen.push(event);
  };
  const consumer: Consuming = on.groups.consume(group, handle, { retry });
  return { seen, attempts, consumer };
};

describe('a group', () => {
  it('is created once, told of, changed, and removed', async () => {
    const group = onStream();
    await right(store.groups.create(group));
    await refused(store.groups.create(group), 'GroupExists');
    const info = await right(store.groups.info(group));
    expect(info).toMatchObject({ group: group.group, source: group.streamName, consumers: 0, parked: 0 });
    expect((await right(store.groups.list())).map((one) => one.group)).toContain(group.group);
    await right(store.groups.update(group, { strategy: 'roundRobin', consumersMax: 1 }));
    await right(store.groups.remove(group));
    for (const call of [store.groups.info(group), store.groups.remove(group), store.groups.update(group)])
      expect(await refused(call, 'GroupMissing')).toEqual({ _tag: 'GroupMissing', group: group.group });
  });

  it('hands over a stream from its beginning, in order, then what comes; what was done does not come again', async () => {
    const group = onStream();
    const written = events(5);
    await append(store, group.streamName, written.slice(0, 3));
    await right(store.groups.create(group, { checkpointAfterMs: 10 }));
    const first = consuming(group);
    await first.consumer.connected;
    await append(store, group.streamName, written.slice(3));
    await eventually('five events are handled', () => first.seen.length === 5);
    same(idsOf(first.seen), idsOf(written));
    same(first.seen[4], (await right(store.readStream({ streamName: group.streamName }))).events[4]);
    await eventually(
      'nothing is in flight',
      async () => (await right(store.groups.info(group))).inFlight === 0,
    );
    await first.consumer.stop();
    const more = events(1);
    await append(store, group.streamName, more);
    const next = consuming(group, undefined, await opened.secondHandle());
    await eventually('the new event is handled', () =>
      next.seen.some(({ eventId }) => eventId === more[0]?.eventId),
    );
    // The server keeps its place from time to time only: what was done just before may come again, at most.
    expect(idsOf([...written, ...more])).toEqual(expect.arrayContaining([...idsOf(next.seen)]));
    await next.consumer.stop();
  });

  it('tries again what its handler rejects, and goes on', async () => {
    const group = onStream();
    await right(store.groups.create(group));
    const written = events(3);
    let failures = 2;
    const { seen, attempts, consumer } = consuming(group, ({ version }) => {
      if (version !== 2 || failures === 0) return undefined;
      failures -= 1;
      return 'not now';
    });
    await append(store, group.streamName, written);
    await eventually('three events are handled', () => seen.length === 3);
    same(idsOf(seen), idsOf(written));
    same(attempts, [1, 1, 2, 3, 1]);
    await consumer.stop();
    expect((await right(store.groups.info(group))).parked).toBe(0);
  });

  it('parks with the reason what is rejected to the last, goes on, and hands it over again when it is asked to', async () => {
    const group = onStream();
    await right(store.groups.create(group));
    const written = events(3);
    let isBroken = true;
    const { seen, consumer } = consuming(group, ({ version }) =>
      isBroken && version === 2 ? 'it is bad' : undefined,
    );
    await append(store, group.streamName, written);
    await eventually('one is parked', async () => (await right(store.groups.info(group))).parked === 1);
    await eventually('the others are handled', () => seen.length === 2);
    isBroken = false;
    await right(store.groups.replayParked(group));
    await eventually('the parked one is handled', () => seen.length === 3);
    same(
      idsOf(seen),
      [0, 2, 1].map((index) => written[index]?.eventId),
    );
    await consumer.stop();
  });

  it('on all streams hands over what passes its filter', async () => {
    const tenant = aTenant();
    const group: PersistentGroup = {
      group: `group ${unique()}`,
      source: { all: true, filter: { tenant, types: ['Wanted'] } },
    };
    await right(store.groups.create(group));
    const { seen, consumer } = consuming(group);
    await consumer.connected;
    await append(store, aStream(), events(2, 'Wanted'));
    const wanted = events(2, 'Wanted');
    await append(store, aStream(), [...events(1, 'Other'), ...wanted], any, { tenant });
    await eventually('both are handled', () => seen.length === 2);
    same(idsOf(seen), idsOf(wanted));
    expect(seen[0]?.tenant).toBe(tenant);
    await consumer.stop();
    await right(store.groups.remove(group));
  });

  it('pins a stream to one of its consumers', async () => {
    const tenant = aTenant();
    const group: PersistentGroup = { group: `group ${unique()}`, source: { all: true, filter: { tenant } } };
    await right(store.groups.create(group));
    const [one, two] = [consuming(group), consuming(group, undefined, await opened.secondHandle())];
    await Promise.all([one.consumer.connected, two.consumer.connected]);
    const streams = numbersFrom(1, 8).map(() => aStream());
    for (const round of [1, 2, 3])
      for (const streamName of streams)
        await append(store, streamName, events(1, `T${round}`), any, { tenant });
    await eventually('all are handled', () => one.seen.length + two.seen.length === 24);
    for (const streamName of streams) {
      const [ofOne, ofTwo] = [one, two].map(({ seen }) =>
        seen.filter((event) => event.streamName === streamName),
      );
      expect([ofOne?.length, ofTwo?.length].sort()).toEqual([0, 3]);
      const own = [...(ofOne ?? []), ...(ofTwo ?? [])];
      expect(own.map(({ version }) => version)).toEqual([1, 2, 3]);
    }
    await Promise.all([one.consumer.stop(), two.consumer.stop()]);
    await right(store.groups.remove(group));
  });

  it('that is not there ends its consumer with GroupMissing, and so does one that is removed under it', async () => {
    const group = onStream();
    const missing = consuming(group);
    await expect(missing.consumer.done).rejects.toMatchObject({ tagged: { _tag: 'GroupMissing' } });
    await right(store.groups.create(group));
    const { consumer } = consuming(group);
    await consumer.connected;
    await right(store.groups.remove(group));
    const error = await consumer.done.catch((thrown: unknown) => thrown);
    expect(taggedOf(error)).toEqual({ _tag: 'GroupMissing', group: group.group });
  });

  it('that is full sends another consumer away', async () => {
    const group = onStream();
    await right(store.groups.create(group, { consumersMax: 1 }));
    const { consumer } = consuming(group);
    await consumer.connected;
    const other = consuming(group);
    await expect(other.consumer.done).rejects.toMatchObject({ tagged: { _tag: 'GroupFull' } });
    await consumer.stop();
  });
});
