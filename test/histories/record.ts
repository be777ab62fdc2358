/** Records a history: clients that append and read at once, beside readers of all streams, and what is there in the end. */
import { any, type Position, type StreamName, type Tenant } from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import { follow } from '../../src/testing/contract/follow.js';
import { race, warm } from '../../src/testing/contract/race.js';
import {
  allThrough,
  anEvent,
  append,
  numbersFrom,
  pause,
  right,
} from '../../src/testing/contract/support.js';
import { Client, readStream, recorded, seenOf, share } from './client.js';
import type { OpenedClients } from './clients.js';
import type { Call, History, Reader, Recorded, Seen } from './history.js';

export interface Load {
  readonly seed: number;
  /** Default 10. */
  readonly clients?: number;
  /** Operations of each client. Default 50. */
  readonly each?: number;
  /** How long a reader may take to come to the end after the load, in milliseconds. Default 30,000. */
  readonly patienceMs?: number;
}

/** Reads page after page while others write, until it has seen the fence. */
const pollToFence = async (
  store: EventStore,
  tenant: Tenant,
  maxCount: number,
  fence: string,
  isLate: () => boolean,
): Promise<Reader> => {
  const seen: Seen[] = [];
  const ends: number[] = [];
  let after: Position | undefined;
  while (!isLate()) {
    const more = after === undefined ? {} : { after };
    const page = await right(store.readAll({ maxCount, filter: { tenant }, ...more }));
    seen.push(...page.events.map(seenOf));
    if (page.isEnd) ends.push(seen.length);
    after = page.last;
    if (page.events.some((event) => event.eventId === fence))
      return { name: `a reader of pages of ${maxCount}`, seen, ends, toTheEnd: true };
    if (page.isEnd) await pause(20);
  }
  // The check says what is missing.
  return {
    name: `a reader of pages of ${maxCount}, which never came to the end,`,
    seen,
    ends,
    toTheEnd: true,
  };
};

const subscribeToFence = async (store: EventStore, tenant: Tenant, fence: string): Promise<Reader> => {
  const items = follow(store, { pollMs: 20, maxCount: 16, filter: { tenant } });
  try {
    const all = await items.until((some) => {
      const last = some.at(-1);
      return last?._tag === 'Event' && last.event.eventId === fence;
    });
    const seen = all.flatMap((item) => (item._tag === 'Event' ? [seenOf(item.event)] : []));
    return { name: 'a subscriber', seen, ends: [], toTheEnd: true };
  } finally {
    await items.end();
  }
};

/** Runs the load on warmed handles, all clients from one starting line, and reads all that is there when it is over. */
export const record = async (
  name: string,
  { handles, settled }: OpenedClients,
  { seed, clients: count = 10, each = 50, patienceMs = 30_000 }: Load,
): Promise<History> => {
  const shared = share();
  const { tenant } = shared;
  const sure = handles[0].store;
  const fence = anEvent('Fence');
  await warm([
    sure,
    ...handles.slice(1).flatMap(({ store, disturb }) => (disturb === undefined ? [] : [store])),
  ]);
  const clients = numbersFrom(1, count).map((number) => {
    const handle = handles[number % handles.length] ?? handles[0];
    return new Client(`client ${number}`, handle, sure, shared, seed * 1_000 + number);
  });
  let deadlineMs = Infinity;
  const isLate = (): boolean => performance.now() > deadlineMs;
  const reading = Promise.all([
    ...[7, 512].map((maxCount) => pollToFence(sure, tenant, maxCount, fence.eventId, isLate)),
    subscribeToFence(sure, tenant, fence.eventId),
  ]);
  // Awaited below; until then a failure of a reader must not end the process.
  reading.catch(() => undefined);
  await race(count, async (number) => {
    for (let turn = 0; turn < each; turn += 1) await clients[number]?.act();
  });
  await settled();
  for (const stream of new Set(shared.operations.flatMap(streamsOf))) {
    const call: Call = { f: 'read', stream, direction: 'forwards', from: undefined, maxCount: 4_096 };
    await recorded(shared, 'the last reader', call, () => readStream(sure, tenant, call));
  }
  deadlineMs = performance.now() + patienceMs;
  const { position } = await append(sure, 'fence-1' as StreamName, [fence], any, { tenant });
  const order = (await allThrough(sure, { filter: { tenant } }, position)).map(seenOf);
  const readers = [...(await reading), ...clients.map((client) => client.reader())];
  return { name, operations: shared.operations, order, readers };
};

const streamsOf = ({ call }: Recorded): ReadonlyArray<string> => {
  if (call.f === 'append') return call.batches.map(({ stream }) => stream);
  return call.f === 'read' ? [call.stream] : [];
};
