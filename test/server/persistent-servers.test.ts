/** Persistent subscriptions of two servers over one PostgreSQL, as two processes have them. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  EventStoreDBClient,
  jsonEvent,
  type PersistentSubscriptionToStream,
  persistentSubscriptionToStreamSettingsFromDefaults as settings,
  START,
} from '@eventstore/db-client';
import { serve, type Serving } from '../../src/server/index.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

interface Node {
  readonly serving: Serving;
  readonly client: EventStoreDBClient;
}

let opened: PostgresTestStore;
const nodes: Node[] = [];

beforeEach(async () => {
  opened = await openTestPostgres();
  for (const store of [opened.store, await opened.secondHandle()]) {
    const serving = await serve(store, { port: 0, closeMs: 300 });
    const client = EventStoreDBClient.connectionString(`esdb://${serving.address}?tls=false`);
    nodes.push({ serving, client });
  }
}, 60_000);

afterEach(async () => {
  for (const { client, serving } of nodes.splice(0)) {
    await client.dispose();
    await serving.close();
  }
  await opened.dispose();
});

const write = ({ client }: Node, ...types: ReadonlyArray<string>) =>
  client.appendToStream(
    'order-1',
    types.map((type) => jsonEvent({ type, data: {} })),
  );

const subscribe = ({ client }: Node): PersistentSubscriptionToStream =>
  client.subscribeToPersistentSubscriptionToStream('order-1', 'g');

/** The next deliveries, each acknowledged. */
const take = async (subscription: PersistentSubscriptionToStream, count: number) => {
  const taken: string[] = [];
  for await (const given of subscription.iterator({ destroyOnReturn: false })) {
    taken.push(`${given.event?.type}${'!'.repeat(given.retryCount)}`);
    await subscription.ack(given);
    if (taken.length === count) break;
  }
  return taken;
};

const nodesNow = (): readonly [Node, Node] => nodes as unknown as readonly [Node, Node];

it('a group is run by one of two servers; the other says which, and runs it once the first is closed, with nothing done again', async () => {
  const [first, second] = nodesNow();
  await first.client.createPersistentSubscriptionToStream('order-1', 'g', settings({ startFrom: START }));
  await write(second, 'A', 'B', 'C');
  const subscription = subscribe(first);
  subscription.on('error', () => undefined);
  expect(await take(subscription, 3)).toEqual(['A', 'B', 'C']);

  const refusal = await new Promise<Error & { readonly type?: string }>((resolve) => {
    subscribe(second).on('error', resolve);
  });
  expect(refusal.type).toBe('persistent-subscription-failed');
  expect(refusal.message).toContain(`another server on the same store, ${first.serving.address}`);
  const [info] = await second.client.listAllPersistentSubscriptions();
  expect(info).toMatchObject({ groupName: 'g', eventSource: 'order-1', status: 'NotReady' });

  // What was acknowledged has arrived there when this is answered for it.
  for (let inFlight = -1; inFlight !== 0; )
    inFlight = (await first.client.getPersistentSubscriptionToStreamInfo('order-1', 'g')).stats
      .totalInFlightMessages;
  await first.serving.close();
  await write(second, 'D');
  const next = subscribe(second);
  expect(await take(next, 1)).toEqual(['D']);
  await next.unsubscribe();
});

it('a group that one server changes is run by the other with what it has become, and one that it deletes not at all', async () => {
  const [first, second] = nodesNow();
  await first.client.createPersistentSubscriptionToStream('order-1', 'g', settings({ startFrom: START }));
  await write(first, 'A');
  const before = subscribe(first);
  expect(await take(before, 1)).toEqual(['A']);
  await before.unsubscribe();
  const changed = settings({ startFrom: START, maxRetryCount: 7 });
  await second.client.updatePersistentSubscriptionToStream('order-1', 'g', changed);
  const after = subscribe(first);
  await write(first, 'B');
  await new Promise((resolve) => after.once('data', resolve));
  const { settings: found } = await first.client.getPersistentSubscriptionToStreamInfo('order-1', 'g');
  expect(found.maxRetryCount).toBe(7);
  await after.unsubscribe();
  await second.client.deletePersistentSubscriptionToStream('order-1', 'g');
  const gone = await new Promise<Error & { readonly type?: string }>((resolve) => {
    subscribe(first).on('error', resolve);
  });
  expect(gone.type).toBe('persistent-subscription-does-not-exist');
});
