// Persistent subscriptions: made, changed, told of, removed.
import { check } from '../helpers.mjs';
import { consume, numbers, numbersOf, sorts } from './persistent-support.mjs';

const everySetting = (h) => ({
  resolveLinkTos: true,
  extraStatistics: true,
  messageTimeout: 12_000,
  maxRetryCount: 7,
  checkPointAfter: 3000,
  checkPointLowerBound: 5,
  checkPointUpperBound: 50,
  maxSubscriberCount: 3,
  liveBufferSize: 200,
  readBatchSize: 30,
  historyBufferSize: 300,
  consumerStrategyName: h.api.PINNED,
});

const of = (title, run) =>
  Object.entries(sorts).map(([sort, sortOf]) =>
    check(`persistent subscription ${sort}: ${title}`, (client, h) => run(client, h, sortOf(client, h))),
  );

const admin = [
  ...of('is created with every setting, and tells them', async (_client, h, sort) => {
    const settings = everySetting(h);
    await sort.create(settings);
    const info = await sort.info();
    h.assert.deepEqual([info.eventSource, info.groupName], [sort.eventSource, sort.group]);
    h.assert.deepEqual({ ...info.settings, startFrom: undefined }, { ...settings, startFrom: undefined });
    h.assert.equal(typeof info.status, 'string');
    h.assert.deepEqual(info.connections, []);
  }),
  ...of('is created with the defaults, and tells them', async (_client, h, sort) => {
    for (const startFrom of [h.api.START, h.api.END]) {
      const name = `${sort.group}-${startFrom}`;
      await sort.create({ startFrom }, name);
      h.assert.deepEqual((await sort.info(name)).settings, sort.settingsOf({ startFrom }));
    }
  }),
  ...of('is not created twice', async (_client, h, sort) => {
    await sort.create();
    const error = await h.rejects('PersistentSubscriptionExistsError', sort.create());
    h.assert.equal(error.groupName, sort.group);
    h.assert.equal(error.streamName, sort.eventSource);
  }),
  ...of('knows every strategy', async (_client, h, sort) => {
    const strategies = [h.api.ROUND_ROBIN, h.api.DISPATCH_TO_SINGLE, h.api.PINNED];
    if (h.pinnedByCorrelation) strategies.push(h.api.PINNED_BY_CORRELATION);
    for (const consumerStrategyName of strategies) {
      const name = `${sort.group}-${consumerStrategyName}`;
      await sort.create({ consumerStrategyName }, name);
      h.assert.equal((await sort.info(name)).settings.consumerStrategyName, consumerStrategyName);
    }
  }),
  ...of('is updated', async (_client, h, sort) => {
    await sort.create();
    const { maxRetryCount, messageTimeout, ...rest } = everySetting(h);
    await sort.update({ ...rest, maxRetryCount: 3, messageTimeout: 9000 });
    const { settings } = await sort.info();
    h.assert.deepEqual([settings.maxRetryCount, settings.messageTimeout], [3, 9000]);
    h.assert.deepEqual([settings.resolveLinkTos, settings.liveBufferSize], [true, 200]);
    h.assert.deepEqual([maxRetryCount, messageTimeout], [7, 12_000]);
  }),
  ...of('is removed, and can be created again', async (_client, h, sort) => {
    await sort.create({ maxRetryCount: 5 });
    await sort.remove();
    await h.rejects('PersistentSubscriptionDoesNotExistError', sort.info());
    await sort.create({ maxRetryCount: 6 });
    h.assert.equal((await sort.info()).settings.maxRetryCount, 6);
  }),
  ...of(
    'that is not there cannot be told of, updated, removed, replayed or joined',
    async (_client, h, sort) => {
      const missing = sort.missing;
      const wants = [
        sort.info(missing),
        sort.update({}, missing),
        sort.remove(missing),
        sort.replay({}, missing),
      ];
      for (const [i, want] of wants.entries()) {
        const error = await h.rejects('PersistentSubscriptionDoesNotExistError', want, `call ${i}`);
        h.assert.deepEqual([error.streamName, error.groupName], [sort.eventSource, missing]);
      }
      const error = await h.listen(sort.connect({}, missing)).failure();
      h.assert.ok(error instanceof h.api.PersistentSubscriptionDoesNotExistError, error.stack);
    },
  ),
  ...of('is listed', async (client, h, sort) => {
    const groups = ['a', 'b', 'c'].map((letter) => `${sort.group}-${letter}`);
    for (const name of groups) await sort.create({}, name);
    for (const list of [await sort.list(), await client.listAllPersistentSubscriptions()]) {
      const own = list.filter(({ groupName }) => groupName.startsWith(sort.group));
      h.assert.deepEqual(own.map(({ groupName }) => groupName).sort(), groups);
      h.assert.ok(own.every(({ eventSource }) => eventSource === sort.eventSource));
    }
  }),
  ...of('tells of its consumers and of what they have done', async (client, h, sort) => {
    await sort.create({ extraStatistics: true });
    const consumer = consume(h, sort.connect());
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(12));
    await consumer.received(12);
    await h.until(async () => (await sort.info()).stats.totalInFlightMessages === 0, 'all are acknowledged');
    const { connections, stats } = await sort.info();
    h.assert.equal(connections.length, 1);
    h.assert.equal(connections[0].totalItems, 12n);
    h.assert.equal(connections[0].inFlightMessages, 0);
    h.assert.ok(connections[0].availableSlots > 0);
    h.assert.deepEqual(
      [stats.totalItems, stats.parkedMessageCount, stats.outstandingMessagesCount],
      [12n, 0n, 0],
    );
    await consumer.stop();
    await h.until(async () => (await sort.info()).connections.length === 0, 'the consumer is gone');
  }),
  ...of('that is removed drops its consumers', async (_client, h, sort) => {
    await sort.create();
    const consumer = consume(h, sort.connect());
    await consumer.confirmed();
    await sort.remove();
    const error = await consumer.failure();
    h.assert.ok(error instanceof h.api.PersistentSubscriptionDroppedError, error.stack);
    h.assert.deepEqual([error.streamName, error.groupName], [sort.eventSource, sort.group]);
  }),
  ...of('that is updated goes on for consumers who come again', async (client, h, sort) => {
    await sort.create();
    const consumer = consume(h, sort.connect());
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(3));
    await consumer.received(3);
    await sort.update({ maxRetryCount: 4 });
    const again = consume(h, sort.connect());
    await again.confirmed();
    await h.append(client, sort.source, h.many(3, 'Happened', 3));
    await h.until(
      () => [...consumer.events, ...again.events].some(({ event }) => event.data.n === 5),
      'what came after the update',
    );
    const seen = new Set(numbersOf([...consumer.events, ...again.events]));
    h.assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      numbers(6),
    );
    await again.stop();
  }),
];

const ofStream = [
  check('persistent subscription to stream: a stream without any lists none', async (client, h) => {
    const stream = h.name('ps');
    const listing = client.listPersistentSubscriptionsToStream(stream);
    const error = await h.rejects('PersistentSubscriptionDoesNotExistError', listing);
    h.assert.equal(error.streamName, stream);
  }),
  check('persistent subscription to stream: groups on two streams may have one name', async (client, h) => {
    const [one, two] = [sorts['to stream'](client, h), sorts['to stream'](client, h)];
    await one.create({ maxRetryCount: 1 }, 'same');
    await two.create({ maxRetryCount: 2 }, 'same');
    h.assert.equal((await one.info('same')).settings.maxRetryCount, 1);
    h.assert.equal((await two.info('same')).settings.maxRetryCount, 2);
    await one.remove('same');
    h.assert.equal((await two.list()).length, 1);
  }),
  check('persistent subscription to stream: names may hold any sign', async (client, h) => {
    const stream = `żółw/🐢 %20::x-${h.id()}`;
    const group = 'gru::pa/🐢 %';
    const { settingsOf } = sorts['to stream'](client, h);
    await client.createPersistentSubscriptionToStream(stream, group, settingsOf({ startFrom: h.api.START }));
    await h.append(client, stream, h.many(2));
    const consumer = consume(h, client.subscribeToPersistentSubscriptionToStream(stream, group));
    await consumer.received(2);
    await consumer.stop();
    const info = await client.getPersistentSubscriptionToStreamInfo(stream, group);
    h.assert.deepEqual([info.eventSource, info.groupName], [stream, group]);
  }),
];

export const persistentAdminChecks = [...admin, ...ofStream];
