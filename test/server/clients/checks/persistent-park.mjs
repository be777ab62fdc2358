// Persistent subscriptions: events that are parked and replayed, and what outlives the server.
import { check, idsOf } from '../helpers.mjs';
import { consume, leave, nack, numbers, numbersOf, parked, sorted, sorts } from './persistent-support.mjs';

const of = (title, run, options) =>
  Object.entries(sorts).map(([sort, sortOf]) =>
    check(
      `persistent subscription ${sort}: ${title}`,
      (client, h) => run(client, h, sortOf(client, h)),
      options,
    ),
  );

/** A group with `count` events parked, and the consumer, who acknowledges from now on. */
const withParked = async (client, h, sort, count) => {
  await sort.create();
  let parking = true;
  const consumer = consume(h, sort.connect(), (event, consumer) =>
    parking ? nack(h.api.PARK, 'cannot be used')(event, consumer) : consumer.ack(event),
  );
  await consumer.confirmed();
  await h.append(client, sort.source, h.many(count));
  await consumer.received(count);
  await parked(h, sort, count);
  parking = false;
  return consumer;
};

const parking = [
  ...of('park takes an event aside', async (client, h, sort) => {
    const consumer = await withParked(client, h, sort, 3);
    await h.append(client, sort.source, h.many(1, 'Happened', 3));
    await consumer.received(4);
    await consumer.noMoreThan(4);
    await consumer.stop();
  }),
  ...of('what is parked comes again when it is replayed', async (client, h, sort) => {
    const consumer = await withParked(client, h, sort, 6);
    await sort.replay();
    await consumer.received(12);
    h.assert.deepEqual(sorted(numbersOf(consumer.events.slice(6))), numbers(6));
    await parked(h, sort, 0);
    await consumer.noMoreThan(12);
    await sort.replay();
    await consumer.noMoreThan(12);
    await consumer.stop();
  }),
  ...of('as many are replayed as is asked, the oldest first, and the rest later', async (client, h, sort) => {
    const consumer = await withParked(client, h, sort, 6);
    await sort.replay({ stopAt: 2 });
    await consumer.received(8);
    await consumer.noMoreThan(8);
    h.assert.deepEqual(sorted(numbersOf(consumer.events.slice(6))), numbers(2));
    await parked(h, sort, 4);
    await sort.replay();
    await consumer.received(12);
    h.assert.deepEqual(sorted(numbersOf(consumer.events.slice(8))), numbers(4, 2));
    await consumer.stop();
  }),
  ...of('what is replayed and refused again is parked again', async (client, h, sort) => {
    await sort.create();
    const consumer = consume(h, sort.connect(), nack(h.api.PARK));
    await consumer.confirmed();
    await h.append(client, sort.source, h.many(2));
    await consumer.received(2);
    await parked(h, sort, 2);
    await sort.replay();
    await consumer.received(4);
    await parked(h, sort, 2);
    await consumer.noMoreThan(4);
    await consumer.stop();
  }),
  check(
    'persistent subscription to stream: what is parked can be read, as links with the reason',
    async (client, h) => {
      const sort = sorts['to stream'](client, h);
      const consumer = await withParked(client, h, sort, 2);
      const stream = `$persistentsubscription-${sort.source}::${sort.group}-parked`;
      const read = await h.read(client, stream, { resolveLinkTos: true });
      h.assert.deepEqual(idsOf(read), idsOf(consumer.events.slice(0, 2)));
      h.assert.deepEqual(
        read.map(({ event }) => event.streamId),
        [sort.source, sort.source],
      );
      for (const { link } of read) {
        h.assert.equal(link.type, '$>');
        h.assert.match(JSON.stringify(link.metadata), /cannot be used/);
      }
      await consumer.stop();
    },
  ),
  check(
    'persistent subscription to stream: nothing is replayed where nothing is parked',
    async (client, h) => {
      const sort = sorts['to stream'](client, h);
      await sort.create();
      const consumer = consume(h, sort.connect());
      await consumer.confirmed();
      await sort.replay();
      await h.append(client, sort.source, h.many(1));
      await consumer.received(1);
      await consumer.noMoreThan(1);
      await consumer.stop();
    },
  ),
];

/** Ten events of which six are acknowledged, four never answered, and the consumer has gone. */
const halfWay = async (client, h, sort) => {
  await sort.create({ checkPointAfter: 100, checkPointLowerBound: 1, checkPointUpperBound: 5 });
  const consumer = consume(h, sort.connect(), (event, consumer) =>
    event.event.data.n < 6 ? consumer.ack(event) : leave(),
  );
  await consumer.confirmed();
  await h.append(client, sort.source, h.many(10));
  await consumer.received(10);
  await h.until(async () => (await sort.info()).stats.totalInFlightMessages === 4, 'six are acknowledged');
  await consumer.stop();
};

/** Whoever comes after gets all that was never acknowledged, and what was appended since. */
const goesOn = async (client, h, sort) => {
  const consumer = consume(h, sort.connect());
  await consumer.confirmed();
  await h.append(client, sort.source, h.many(1, 'Happened', 10));
  await h.until(() => new Set(numbersOf(consumer.events)).has(10), 'what came after');
  const seen = new Set(numbersOf(consumer.events));
  for (const n of numbers(5, 6)) h.assert.ok(seen.has(n), `${n} is delivered: ${[...seen]}`);
  await consumer.stop();
};

// They end what others are in the midst of, so they are alone.
const restarts = [
  ...of(
    'goes on after the subsystem is restarted',
    async (client, h, sort) => {
      await halfWay(client, h, sort);
      await client.restartPersistentSubscriptionSubsystem();
      await h.until(() => sort.info().then(Boolean, () => false), 'the subsystem is there again');
      await goesOn(client, h, sort);
    },
    { alone: true },
  ),
  ...of(
    'outlives its server, with settings, place and what is parked',
    async (client, h, sort) => {
      await halfWay(client, h, sort);
      const other = h.name('parked');
      await sort.create({ maxRetryCount: 9, startFrom: h.api.END }, other);
      const parker = consume(h, sort.connect({}, other), nack(h.api.PARK));
      await parker.confirmed();
      await h.append(client, sort.source, h.many(1));
      await parker.received(1);
      await parked(h, sort, 1, other);
      await parker.stop();
      await h.restart();
      const fresh = h.connect();
      const again = sorts[sort.eventSource === '$all' ? 'to all' : 'to stream'](fresh, h, sort);
      await goesOn(fresh, h, again);
      const info = await again.info(other);
      h.assert.equal(info.settings.maxRetryCount, 9);
      h.assert.equal(info.stats.parkedMessageCount, 1n);
    },
    { alone: true, needs: 'restart' },
  ),
];

export const persistentParkChecks = [...parking, ...restarts];
