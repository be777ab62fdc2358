// Persistent subscriptions: which consumer gets what, and where a group begins.
import { check, idsOf, revisionsOf, upTo } from '../helpers.mjs';
import { consume, numbers, numbersOf, sorted, sorts } from './persistent-support.mjs';

const of = (title, run) =>
  Object.entries(sorts).map(([sort, sortOf]) =>
    check(`persistent subscription ${sort}: ${title}`, (client, h) => run(client, h, sortOf(client, h))),
  );

export const persistentStrategyChecks = [
  ...of('round robin: consumers take turns', async (client, h, sort) => {
    await sort.create({ consumerStrategyName: h.api.ROUND_ROBIN });
    const two = [consume(h, sort.connect()), consume(h, sort.connect())];
    for (const consumer of two) await consumer.confirmed();
    await h.append(client, sort.source, h.many(20));
    const together = () => two.flatMap(({ events }) => events);
    await h.until(() => together().length >= 20, 'twenty events');
    h.assert.deepEqual(sorted(numbersOf(together())), numbers(20));
    for (const consumer of two) h.assert.equal(consumer.events.length, 10);
    for (const consumer of two) await consumer.stop();
  }),
  ...of('dispatch to single: the first gets all while it keeps up', async (client, h, sort) => {
    await sort.create({ consumerStrategyName: h.api.DISPATCH_TO_SINGLE });
    const first = consume(h, sort.connect({ bufferSize: 50 }));
    await first.confirmed();
    const second = consume(h, sort.connect({ bufferSize: 50 }));
    await second.confirmed();
    await h.append(client, sort.source, h.many(20));
    await h.until(() => first.events.length + second.events.length >= 20, 'twenty events');
    h.assert.deepEqual(
      [first.events.length, second.events.length].sort((a, b) => a - b),
      [0, 20],
    );
    await first.stop();
    await second.stop();
  }),
  check('persistent subscription to all: pinned, a stream stays with one consumer', async (client, h) => {
    const sort = sorts['to all'](client, h);
    await sort.create({ consumerStrategyName: h.api.PINNED });
    const consumers = [consume(h, sort.connect()), consume(h, sort.connect()), consume(h, sort.connect())];
    for (const consumer of consumers) await consumer.confirmed();
    const streams = Array.from({ length: 24 }, (_, i) => `${sort.source}-${i}`);
    for (let round = 0; round < 4; round += 1)
      await Promise.all(streams.map((stream) => h.append(client, stream, h.many(1, 'Happened', round))));
    await h.until(() => consumers.flatMap(({ events }) => events).length >= 96, '96 events');
    const ownersOf = (stream) =>
      consumers.flatMap(({ events }, i) =>
        events.some(({ event }) => event.streamId === stream) ? [i] : [],
      );
    for (const stream of streams) h.assert.equal(ownersOf(stream).length, 1, `${stream} has one consumer`);
    h.assert.ok(
      new Set(streams.map((stream) => ownersOf(stream)[0])).size > 1,
      'more than one consumer works',
    );
    for (const { events } of consumers)
      for (const stream of streams) {
        const seen = numbersOf(events.filter(({ event }) => event.streamId === stream));
        h.assert.deepEqual(seen, sorted(seen), 'in the order of the stream');
      }
    for (const consumer of consumers) await consumer.stop();
  }),
  check(
    'persistent subscription to all: pinned by correlation, what belongs together stays with one consumer',
    async (client, h) => {
      const sort = sorts['to all'](client, h);
      await sort.create({ consumerStrategyName: h.api.PINNED_BY_CORRELATION });
      const consumers = [consume(h, sort.connect()), consume(h, sort.connect())];
      for (const consumer of consumers) await consumer.confirmed();
      const correlations = Array.from({ length: 16 }, () => h.id());
      for (let round = 0; round < 3; round += 1)
        for (const $correlationId of correlations)
          await h.append(
            client,
            h.name(sort.source),
            h.json('Happened', { n: round }, { metadata: { $correlationId } }),
          );
      await h.until(() => consumers.flatMap(({ events }) => events).length >= 48, '48 events');
      const ownersOf = (id) =>
        consumers.flatMap(({ events }, i) =>
          events.some(({ event }) => event.metadata.$correlationId === id) ? [i] : [],
        );
      for (const id of correlations) h.assert.equal(ownersOf(id).length, 1, `${id} has one consumer`);
      h.assert.equal(new Set(correlations.flatMap(ownersOf)).size, 2, 'both work');
      for (const consumer of consumers) await consumer.stop();
    },
    { needs: 'pinnedByCorrelation' },
  ),
  check('persistent subscription to all: only what fits its filter', async (client, h) => {
    const type = `Ps${h.id().replaceAll('-', '')}`;
    const group = h.name('group');
    const { settingsOf } = sorts['to all'](client, h);
    const filter = h.api.eventTypeFilter({ regex: `^${type}-[ab]$` });
    const settings = settingsOf({ startFrom: h.api.END });
    await client.createPersistentSubscriptionToAll(group, settings, { filter });
    const consumer = consume(h, client.subscribeToPersistentSubscriptionToAll(group));
    await consumer.confirmed();
    for (const letter of ['a', 'c', 'b', 'd'])
      await h.append(client, h.name('any'), h.json(`${type}-${letter}`));
    await consumer.received(2);
    h.assert.deepEqual(
      consumer.events.map(({ event }) => event.type),
      [`${type}-a`, `${type}-b`],
    );
    await consumer.noMoreThan(2);
    await consumer.stop();
  }),
  check('persistent subscription to all: from a position', async (client, h) => {
    const stream = h.name('psall');
    await h.append(client, stream, h.many(2));
    const { position } = await h.append(client, stream, h.many(1, 'Happened', 2));
    await h.append(client, stream, h.many(2, 'Happened', 3));
    const group = h.name('group');
    const { settingsOf } = sorts['to all'](client, h);
    const filter = h.api.streamNameFilter({ prefixes: [stream] });
    await client.createPersistentSubscriptionToAll(group, settingsOf({ startFrom: position }), { filter });
    const info = await client.getPersistentSubscriptionToAllInfo(group);
    h.assert.deepEqual(info.settings.startFrom, position);
    const consumer = consume(h, client.subscribeToPersistentSubscriptionToAll(group));
    await h.until(() => numbersOf(consumer.events).includes(4), 'the last event');
    const seen = numbersOf(consumer.events);
    h.assert.ok(!seen.includes(0) && !seen.includes(1) && seen.includes(3), `${seen}`);
    await consumer.stop();
  }),
  check('persistent subscription to stream: from a revision, and from the end', async (client, h) => {
    const sort = sorts['to stream'](client, h);
    await h.append(client, sort.source, h.many(5));
    await sort.create({ startFrom: 2n }, 'from-2');
    await sort.create({ startFrom: h.api.END }, 'from-end');
    h.assert.equal((await sort.info('from-2')).settings.startFrom, 2n);
    const fromTwo = consume(h, sort.connect({}, 'from-2'));
    const fromEnd = consume(h, sort.connect({}, 'from-end'));
    await fromEnd.confirmed();
    await h.append(client, sort.source, h.many(2, 'Happened', 5));
    h.assert.deepEqual(revisionsOf(await fromTwo.received(5)), upTo(5, 2));
    h.assert.deepEqual(revisionsOf(await fromEnd.received(2)), upTo(2, 5));
    await fromTwo.stop();
    await fromEnd.stop();
  }),
  check('persistent subscription to stream: links are resolved where that is asked', async (client, h) => {
    const target = h.name('target');
    const events = h.many(2);
    await h.append(client, target, events);
    const sort = sorts['to stream'](client, h);
    await sort.create({ resolveLinkTos: true });
    const links = [1, 0].map((revision) => h.binary('$>', Buffer.from(`${revision}@${target}`)));
    await h.append(client, sort.source, links);
    const consumer = consume(h, sort.connect());
    await consumer.received(2);
    h.assert.deepEqual(idsOf(consumer.events), [events[1].id, events[0].id]);
    h.assert.deepEqual(
      consumer.events.map(({ link }) => link.streamId),
      [sort.source, sort.source],
    );
    await consumer.noMoreThan(2);
    await h.until(async () => (await sort.info()).stats.totalInFlightMessages === 0, 'both are acknowledged');
    await consumer.stop();
  }),
];
