// Persistent subscriptions: who gets what, and what becomes of it when it is acknowledged or refused.
import { check, idsOf } from '../helpers.mjs';
import { consume, leave, nack, numbers, numbersOf, parked, sorted, sorts } from './persistent-support.mjs';

const of = (title, run) =>
  Object.entries(sorts).map(([sort, sortOf]) =>
    check(`persistent subscription ${sort}: ${title}`, (client, h) => run(client, h, sortOf(client, h))),
  );

const delivering = [
  ...of('delivers each event once to a consumer that acknowledges', async (client, h, sort) => {
    await sort.create();
    const events = h.many(60);
    await h.append(client, sort.source, events.slice(0, 30));
    const consumer = consume(h, sort.connect());
    await consumer.confirmed();
    await h.append(client, sort.source, events.slice(30));
    await consumer.received(60);
    h.assert.deepEqual(
      idsOf(consumer.events),
      events.map(({ id }) => id),
    );
    h.assert.ok(consumer.events.every(({ retryCount }) => retryCount === 0));
    await consumer.noMoreThan(60);
    h.assert.deepEqual(consumer.failures, []);
    await consumer.stop();
  }),
  ...of('a thousand events and more, through a small buffer', async (client, h, sort) => {
    await sort.create({ liveBufferSize: 20, readBatchSize: 10, historyBufferSize: 20 });
    const part = h.load(200);
    const write = async (from) => {
      for (let i = from; i < from + 3; i += 1)
        await h.append(client, sort.source, h.many(part, 'Happened', i * part));
    };
    await write(0);
    const consumer = consume(h, sort.connect({ bufferSize: 10 }));
    await write(3);
    await consumer.received(6 * part);
    h.assert.deepEqual(sorted(numbersOf(consumer.events)), numbers(6 * part));
    await consumer.noMoreThan(6 * part);
    await consumer.stop();
  }),
  ...of(
    'no more than its buffer is under way to a consumer that does not answer',
    async (client, h, sort) => {
      await sort.create();
      await h.append(client, sort.source, h.many(30));
      const consumer = consume(h, sort.connect({ bufferSize: 5 }), leave);
      await consumer.received(5);
      await consumer.noMoreThan(5);
      await consumer.subscription.ack(...consumer.events.slice(0, 3));
      await consumer.received(8);
      await consumer.noMoreThan(8);
      await consumer.stop();
    },
  ),
  ...of('one that is left goes on where it was', async (client, h, sort) => {
    await sort.create();
    await h.append(client, sort.source, h.many(10));
    const first = consume(h, sort.connect(), (event, consumer) =>
      event.event.data.n < 6 ? consumer.ack(event) : undefined,
    );
    await first.received(10);
    await h.until(async () => (await sort.info()).stats.totalInFlightMessages === 4, 'six are acknowledged');
    await first.stop();
    const second = consume(h, sort.connect());
    await second.received(4);
    h.assert.deepEqual(sorted(numbersOf(second.events)), numbers(4, 6));
    await second.noMoreThan(4);
    await second.stop();
  }),
  ...of('what a consumer leaves behind goes to another', async (client, h, sort) => {
    await sort.create({ consumerStrategyName: h.api.DISPATCH_TO_SINGLE });
    const first = consume(h, sort.connect(), leave);
    await first.confirmed();
    await h.append(client, sort.source, h.many(5));
    await first.received(5);
    const second = consume(h, sort.connect());
    await second.confirmed();
    await first.stop();
    await second.received(5);
    h.assert.deepEqual(sorted(numbersOf(second.events)), numbers(5));
    await second.stop();
  }),
  ...of('no more consumers than it allows', async (_client, h, sort) => {
    await sort.create({ maxSubscriberCount: 1 });
    const first = consume(h, sort.connect());
    await first.confirmed();
    const error = await h.listen(sort.connect()).failure();
    h.assert.ok(error instanceof h.api.PersistentSubscriptionMaximumSubscribersReachedError, error.stack);
    h.assert.deepEqual([error.streamName, error.groupName], [sort.eventSource, sort.group]);
    await first.stop();
    await h.until(async () => (await sort.info()).connections.length === 0, 'the first is gone');
    const next = consume(h, sort.connect());
    await next.confirmed();
    await next.stop();
  }),
];

const refusing = [
  ...of('retry brings an event again, counted', async (client, h, sort) => {
    await sort.create({ maxRetryCount: 5 });
    const act = (event, consumer) =>
      event.retryCount < 2 ? nack(h.api.RETRY)(event, consumer) : consumer.ack(event);
    const consumer = consume(h, sort.connect(), act);
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(3));
    await consumer.received(9);
    for (const n of numbers(3)) {
      const counts = consumer.events
        .filter(({ event }) => event.data.n === n)
        .map(({ retryCount }) => retryCount);
      h.assert.deepEqual(counts, [0, 1, 2]);
    }
    await consumer.noMoreThan(9);
    await consumer.stop();
  }),
  ...of('skip leaves an event out for good', async (client, h, sort) => {
    await sort.create();
    const consumer = consume(h, sort.connect(), (event, consumer) =>
      event.event.data.n % 2 === 0 ? nack(h.api.SKIP)(event, consumer) : consumer.ack(event),
    );
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(10));
    await consumer.received(10);
    await consumer.noMoreThan(10);
    h.assert.equal((await sort.info()).stats.parkedMessageCount, 0n);
    await consumer.stop();
  }),
  ...of('after so many retries an event is parked', async (client, h, sort) => {
    await sort.create({ maxRetryCount: 2 });
    const consumer = consume(h, sort.connect(), nack(h.api.RETRY));
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(1));
    await parked(h, sort, 1);
    h.assert.deepEqual(
      consumer.events.map(({ retryCount }) => retryCount),
      [0, 1, 2],
    );
    await consumer.noMoreThan(3);
    await consumer.stop();
  }),
  ...of('what is not answered in time comes again', async (client, h, sort) => {
    await sort.create({ messageTimeout: 1000, maxRetryCount: 10 });
    const consumer = consume(h, sort.connect(), (event, consumer) =>
      event.retryCount === 0 ? leave() : consumer.ack(event),
    );
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(2));
    await consumer.ready(
      () => consumer.events.filter(({ retryCount }) => retryCount >= 1).length >= 2,
      'both come again',
    );
    h.assert.deepEqual(sorted(new Set(numbersOf(consumer.events))), numbers(2));
    await consumer.stop();
  }),
  ...of('stop loses nothing', async (client, h, sort) => {
    await sort.create({ messageTimeout: 1000 });
    const first = consume(h, sort.connect(), nack(h.api.STOP));
    first.subscription.on('error', () => undefined);
    await first.confirmed();
    await h.append(client, sort.source, h.many(1));
    await h.until(() => first.events.length > 0, 'the event');
    const second = consume(h, sort.connect());
    await second.confirmed();
    if (!first.heard.ended) await first.stop();
    await second.received(1);
    h.assert.deepEqual(numbersOf(second.events.slice(0, 1)), [0]);
    await second.stop();
  }),
];

export const persistentConsumeChecks = [...delivering, ...refusing];
