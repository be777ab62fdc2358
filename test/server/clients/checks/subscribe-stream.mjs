// Catch-up subscriptions to one stream.
import { check, idsOf, revisionsOf, upTo } from '../helpers.mjs';

const follow = (client, h, stream, options) => h.listen(client.subscribeToStream(stream, options));

export const subscribeStreamChecks = [
  check('subscribe to stream: from the start, what was and what comes', async (client, h) => {
    const stream = h.name();
    const before = h.many(5);
    await h.append(client, stream, before);
    const listener = follow(client, h, stream, { fromRevision: h.api.START });
    await listener.received(5);
    const after = h.many(3);
    await h.append(client, stream, after);
    h.assert.deepEqual(
      idsOf(await listener.received(8)),
      [...before, ...after].map(({ id }) => id),
    );
    h.assert.deepEqual(revisionsOf(listener.events), upTo(8));
    await listener.confirmed();
    h.assert.ok(listener.subscription.id, 'a subscription has an id');
    await listener.stop();
  }),
  check('subscribe to stream: from the end, only what comes', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(5));
    const listener = follow(client, h, stream, { fromRevision: h.api.END });
    await listener.confirmed();
    await h.append(client, stream, h.many(2));
    h.assert.deepEqual(revisionsOf(await listener.received(2)), [5n, 6n]);
    await listener.noMoreThan(2);
    await listener.stop();
  }),
  check('subscribe to stream: from a revision, what is after it', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(5));
    const listener = follow(client, h, stream, { fromRevision: 1n });
    await listener.received(3);
    await h.append(client, stream, h.many(1));
    h.assert.deepEqual(revisionsOf(await listener.received(4)), [2n, 3n, 4n, 5n]);
    await listener.stop();
  }),
  check('subscribe to stream: from a revision that is yet to come', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(2));
    const listener = follow(client, h, stream, { fromRevision: 3n });
    await listener.confirmed();
    await h.append(client, stream, h.many(4));
    h.assert.deepEqual(revisionsOf(await listener.received(2)), [4n, 5n]);
    await listener.noMoreThan(2);
    await listener.stop();
  }),
  check('subscribe to stream: one that is not there yet', async (client, h) => {
    const stream = h.name();
    for (const fromRevision of [h.api.START, h.api.END]) {
      const name = `${stream}-${fromRevision}`;
      const listener = follow(client, h, name, { fromRevision });
      await listener.confirmed();
      await h.append(client, name, h.many(3), h.api.NO_STREAM);
      h.assert.deepEqual(revisionsOf(await listener.received(3)), upTo(3));
      await listener.stop();
    }
  }),
  check('subscribe to stream: after unsubscribing nothing comes', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(2));
    const listener = follow(client, h, stream);
    await listener.received(2);
    await listener.stop();
    await h.append(client, stream, h.many(2));
    await listener.noMoreThan(2);
  }),
  check('subscribe to stream: only its own events come', async (client, h) => {
    const stream = h.name();
    const listener = follow(client, h, stream);
    await listener.confirmed();
    for (let i = 0; i < 5; i += 1) {
      await h.append(client, `${stream}-other`, h.many(2));
      await h.append(client, stream, h.many(1));
    }
    const received = await listener.received(5);
    h.assert.ok(received.every(({ event }) => event.streamId === stream));
    await listener.noMoreThan(5);
    await listener.stop();
  }),
  check('subscribe to stream: fifty subscribers each get everything once', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(20));
    const listeners = Array.from({ length: 50 }, () => follow(client, h, stream));
    for (let i = 0; i < 10; i += 1) await h.append(client, stream, h.many(3));
    for (const listener of listeners) h.assert.deepEqual(revisionsOf(await listener.received(50)), upTo(50));
    await listeners[0].noMoreThan(50);
    for (const listener of listeners) await listener.stop();
  }),
  check(
    'subscribe to stream: catches up over thousands of events while more are appended',
    async (client, h) => {
      const stream = h.name();
      const part = h.load(500);
      for (let i = 0; i < 4; i += 1) await h.append(client, stream, h.many(part));
      const listener = follow(client, h, stream);
      for (let i = 0; i < 20; i += 1) await h.append(client, stream, h.many(10));
      h.assert.deepEqual(revisionsOf(await listener.received(4 * part + 200)), upTo(4 * part + 200));
      await listener.noMoreThan(4 * part + 200);
      await listener.stop();
    },
  ),
  check('subscribe to stream: a reader that is slow loses nothing', async (client, h) => {
    const stream = h.name();
    const part = h.load(500);
    await h.append(client, stream, h.many(3 * part));
    const read = [];
    const subscription = client.subscribeToStream(stream);
    for await (const resolved of subscription) {
      read.push(resolved);
      if (read.length % 300 === 0) await h.sleep(20);
      if (read.length === 10) await h.append(client, stream, h.many(part));
      if (read.length === 4 * part) break;
    }
    h.assert.deepEqual(revisionsOf(read), upTo(4 * part));
  }),
  check('subscribe to stream: it is told when it has caught up', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(4));
    const listener = follow(client, h, stream);
    await listener.ready(() => listener.heard.caughtUp > 0, 'caughtUp');
    h.assert.equal(listener.events.length, 4, 'after all that was there');
    await listener.stop();
  }),
  check('subscribe to stream: a tombstone ends it with an error', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(2));
    const listener = follow(client, h, stream);
    await listener.received(2);
    await client.tombstoneStream(stream);
    const error = await listener.failure();
    h.assert.ok(error instanceof h.api.StreamDeletedError, error.stack);
    h.assert.equal(error.streamName, stream);
  }),
  check('subscribe to stream: one that is tombstoned fails at once', async (client, h) => {
    const stream = h.name();
    await h.append(client, stream, h.many(2));
    await client.tombstoneStream(stream);
    const error = await follow(client, h, stream).failure();
    h.assert.ok(error instanceof h.api.StreamDeletedError, error.stack);
  }),
  check(
    'subscribe to stream: a soft delete is silent, and what is appended after it comes',
    async (client, h) => {
      const stream = h.name();
      await h.append(client, stream, h.many(2));
      const listener = follow(client, h, stream);
      await listener.received(2);
      await client.deleteStream(stream);
      await h.append(client, stream, h.many(2));
      h.assert.deepEqual(revisionsOf(await listener.received(4)), upTo(4));
      await listener.noMoreThan(4);
      await listener.stop();
    },
  ),
];
