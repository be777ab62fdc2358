/**
 * What a server over PostgreSQL acknowledged is in `$all` for whoever asks afterwards, also while a transaction of somebody else on that
 * PostgreSQL, in whatever database, holds the order back.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  type AppendResult,
  BACKWARDS,
  END,
  EventStoreDBClient,
  jsonEvent,
  type Position,
  persistentSubscriptionToAllSettingsFromDefaults as groupSettings,
  streamNameFilter,
} from '@eventstore/db-client';
import pg from 'pg';
import { realTimers, type Timers } from '../../src/store/timers.js';
import { serve, type Serving } from '../../src/server/index.js';
import { serverUrl, whyNoServer } from '../support/postgres.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';
import { put } from './races-support.js';

interface Node {
  readonly serving: Serving;
  readonly client: EventStoreDBClient;
}

let opened: PostgresTestStore;
let node: Node;
let client: EventStoreDBClient;
/** Streams of the test, `a` and `b`: in `$all` are those of the others as well. */
let [a, b] = ['', ''];
let count = 0;
let closers: Array<() => Promise<unknown>> = [];
const faults: unknown[] = [];

const open = async (timers: Timers = realTimers): Promise<Node> => {
  const onError = (fault: unknown): void => void faults.push(fault);
  const serving = await serve(opened.store, { port: 0, timers, closeMs: 2_000, onError });
  const connected = EventStoreDBClient.connectionString(
    `esdb://${serving.address}?tls=false&throwOnAppendFailure=true&defaultDeadline=60000`,
  );
  return { serving, client: connected };
};

const close = async (one: Node): Promise<void> => {
  await one.client.dispose();
  await one.serving.close();
};

/** Another server, for this test. */
const openAnother = async (timers?: Timers): Promise<Node> => {
  const another = await open(timers);
  closers.push(() => close(another));
  return another;
};

/** A write transaction in another database; the answer ends it, as does the end of the test. */
const holdBack = async (): Promise<() => Promise<void>> => {
  const holder = new pg.Client({ connectionString: serverUrl() });
  await holder.connect();
  closers.push(() => holder.end());
  await holder.query('begin; select pg_current_xact_id()');
  return async () => void (await holder.query('commit'));
};

const group = whyNoServer() === undefined ? describe : describe.skip;

beforeAll(async () => {
  if (whyNoServer() !== undefined) return;
  opened = await openTestPostgres();
  node = await open();
  client = node.client;
}, 60_000);

afterAll(async () => {
  if (whyNoServer() !== undefined) return;
  await close(node);
  await opened.dispose();
});

beforeEach(() => {
  count += 1;
  [a, b] = [`test${count}-a`, `test${count}-b`];
});

afterEach(async () => {
  for (const end of closers.reverse()) await end();
  closers = [];
  expect(faults.splice(0)).toEqual([]);
});

/** Long enough for whatever does not wait; nothing that is expected depends on it. */
const moment = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 200));

const positionOf = ({ position }: AppendResult): Position => position as Position;

const write = async (stream: string, type: string, by: Pick<Node, 'client'> = node): Promise<Position> =>
  positionOf(await by.client.appendToStream(stream, [jsonEvent({ type, data: {} })]));

type Given = Pick<AllStreamResolvedEvent, 'event'>;
const isOwn = ({ event }: Given): boolean => event?.streamId === a || event?.streamId === b;
const typesOf = (given: ReadonlyArray<Given>): ReadonlyArray<string | undefined> =>
  given.filter(isOwn).map(({ event }) => event?.type);

const typesIn = async (read: AsyncIterable<Given>): Promise<ReadonlyArray<string | undefined>> => {
  const found: Given[] = [];
  for await (const given of read) found.push(given);
  return typesOf(found);
};

/** Listens to a subscription from its first moment on. */
const listen = (subscription: AllStreamSubscription) => {
  const events: Given[] = [];
  let isConfirmed = false;
  const confirmed = new Promise<void>((resolve, reject) => {
    subscription.once('confirmation', () => {
      isConfirmed = true;
      resolve();
    });
    subscription.once('error', reject);
  });
  confirmed.catch(() => undefined);
  subscription.on('data', (given) => void events.push(given));
  const received = async (most: number) => {
    while (events.filter(isOwn).length < most) await new Promise((resolve) => void setTimeout(resolve, 5));
    return typesOf(events);
  };
  return { confirmed, isConfirmed: () => isConfirmed, received };
};

group('a subscription to all from the end', () => {
  const filter = streamNameFilter({ prefixes: ['test'] });

  it.each([
    ['whole,', {}],
    ['filtered,', { filter }],
  ])('%s begins after what was acknowledged before it, and gives only what comes', async (_, options) => {
    const release = await holdBack();
    await write(a, 'Before');
    await write(b, 'AlsoBefore');
    const subscription = client.subscribeToAll({ fromPosition: END, ...options });
    const listener = listen(subscription);
    await moment();
    expect(listener.isConfirmed()).toBe(false);
    await release();
    await listener.confirmed;
    await write(a, 'After');
    await write(b, 'AlsoAfter');
    expect(await listener.received(2)).toEqual(['After', 'AlsoAfter']);
    await subscription.unsubscribe();
  });

  it('is confirmed at once where nothing that was acknowledged waits', async () => {
    await write(a, 'Before');
    await typesIn(client.readAll());
    await holdBack();
    const subscription = client.subscribeToAll({ fromPosition: END });
    await listen(subscription).confirmed;
    await subscription.unsubscribe();
  });

  it('does not wait for what was closed with its stream meanwhile', async () => {
    const release = await holdBack();
    await write(a, 'Before');
    await holdBack();
    // Of another program, and behind the other transaction: so that the order stays held back.
    await put(opened.store, b);
    await client.tombstoneStream(a);
    const subscription = client.subscribeToAll({ fromPosition: END });
    const listener = listen(subscription);
    await release();
    await listener.confirmed;
    await subscription.unsubscribe();
  });

  it('waits no longer than the server serves', async () => {
    const another = await openAnother();
    await holdBack();
    await write(a, 'Before', another);
    const listener = listen(another.client.subscribeToAll({ fromPosition: END }));
    await moment();
    await another.serving.close();
    await expect(listener.confirmed).rejects.toMatchObject({ type: 'unavailable' });
  });
});

group('a read of all', () => {
  const reads = {
    'forwards from the start': () => client.readAll(),
    'forwards from a position': (first: Position) => client.readAll({ fromPosition: first }),
    'forwards, as many as there are': (first: Position) =>
      client.readAll({ fromPosition: first, maxCount: 3 }),
  } as const;

  it.each(Object.keys(reads) as Array<keyof typeof reads>)(
    '%s has all that was acknowledged before it, once what holds it back has ended',
    async (way) => {
      const first = await write(a, 'A');
      const release = await holdBack();
      await write(b, 'B');
      await write(a, 'C');
      const found = typesIn(reads[way](first));
      await moment();
      await release();
      expect(await found).toEqual(['A', 'B', 'C']);
    },
  );

  it('backwards has it as well, from the end and from a position', async () => {
    await write(a, 'A');
    const release = await holdBack();
    await write(b, 'B');
    const last = await write(a, 'C');
    const fromPosition = END;
    const fromEnd = typesIn(client.readAll({ direction: BACKWARDS, fromPosition, maxCount: 2 }));
    const fromLast = typesIn(client.readAll({ direction: BACKWARDS, fromPosition: last, maxCount: 2 }));
    await moment();
    await release();
    expect(await fromEnd).toEqual(['C', 'B']);
    expect(await fromLast).toEqual(['B', 'A']);
  });

  it('answers what can be seen where it is held back for long, either way', async () => {
    // The clock of this server goes ten times as fast.
    const hasty: Timers = {
      now: () => realTimers.now() * 10,
      after: (ms, run) => realTimers.after(ms / 10, run),
      soon: realTimers.soon,
    };
    const first = await write(a, 'A');
    await typesIn(client.readAll());
    await holdBack();
    const another = await openAnother(hasty);
    const last = await write(a, 'B', another);
    const forwards = typesIn(another.client.readAll({ fromPosition: first }));
    const backwards = typesIn(another.client.readAll({ direction: BACKWARDS, fromPosition: END }));
    const fromLast = typesIn(another.client.readAll({ direction: BACKWARDS, fromPosition: last }));
    expect(await Promise.all([forwards, backwards, fromLast])).toEqual([['A'], ['A'], ['A']]);
  });
});

group('other answers', () => {
  it('the position of a tombstone is not before what the stream held, and comes without waiting', async () => {
    await holdBack();
    const before = await write(a, 'A');
    const ofAnother = await put(opened.store, b);
    const closed = [
      positionOf((await client.tombstoneStream(a)) as AppendResult),
      positionOf((await client.tombstoneStream(b)) as AppendResult),
    ];
    for (const { commit } of closed) expect(commit).toBeGreaterThanOrEqual(before.commit);
    expect(closed[1]?.prepare).toBeGreaterThanOrEqual(BigInt(ofAnother.position.split('/')[1] ?? ''));
  });

  it('a group on all from the end is handed only what comes after it was made', async () => {
    const release = await holdBack();
    await write(a, 'Before');
    let isMade = false;
    const making = client
      .createPersistentSubscriptionToAll('g', groupSettings({ startFrom: END }))
      .then(() => (isMade = true));
    await moment();
    expect(isMade).toBe(false);
    await release();
    await making;
    await write(a, 'After');
    const subscription = client.subscribeToPersistentSubscriptionToAll('g');
    for await (const given of subscription.iterator({ destroyOnReturn: false })) {
      await subscription.ack(given);
      if (!isOwn(given)) continue;
      expect(given.event?.type).toBe('After');
      break;
    }
    await subscription.unsubscribe();
  });

  it('a group on all from the end is not made where its client waits no longer', async () => {
    const release = await holdBack();
    await write(a, 'Before');
    const settings = groupSettings({ startFrom: END });
    const making = client.createPersistentSubscriptionToAll('another', settings, { deadline: 300 });
    await expect(making).rejects.toMatchObject({ type: 'deadline-exceeded' });
    const isNone = { type: 'persistent-subscription-does-not-exist' };
    // Asked twice: by the first the server knows that the client has gone.
    await expect(client.getPersistentSubscriptionToAllInfo('another')).rejects.toMatchObject(isNone);
    await release();
    await moment();
    await expect(client.getPersistentSubscriptionToAllInfo('another')).rejects.toMatchObject(isNone);
  });
});
