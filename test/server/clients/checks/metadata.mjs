// Metadata of streams: kept as it was given, and obeyed by every read.
import { check, revisionsOf, upTo } from '../helpers.mjs';

const everything = {
  maxCount: 1000,
  maxAge: 3600,
  truncateBefore: 1,
  cacheControl: 30,
  acl: {
    readRoles: ['$all'],
    writeRoles: ['$admins', '$all'],
    deleteRoles: '$all',
    metaReadRoles: ['$all'],
    metaWriteRoles: ['$all'],
  },
  color: 'blue',
  nested: { list: [1, 'two', null] },
};

const written = async (client, h, count) => {
  const stream = h.name('meta');
  await h.append(client, stream, h.many(count));
  return stream;
};

const kept = [
  check('metadata: comes back as it was set', async (client, h) => {
    const stream = await written(client, h, 1);
    h.assert.equal((await client.setStreamMetadata(stream, everything)).success, true);
    const answer = await client.getStreamMetadata(stream);
    h.assert.equal(answer.streamName, stream);
    h.assert.deepEqual(answer.metadata, everything);
  }),
  check('metadata: of a stream that has none there is none', async (client, h) => {
    for (const stream of [await written(client, h, 1), h.name('nothing')]) {
      const answer = await client.getStreamMetadata(stream);
      h.assert.equal(answer.streamName, stream);
      h.assert.equal(answer.metadata, undefined);
    }
  }),
  check('metadata: the last that was set holds, whole', async (client, h) => {
    const stream = h.name('meta');
    await client.setStreamMetadata(stream, { maxCount: 2, color: 'blue' });
    await client.setStreamMetadata(stream, { color: 'red' });
    h.assert.deepEqual((await client.getStreamMetadata(stream)).metadata, { color: 'red' });
  }),
  check('metadata: is set only where the expectation is met', async (client, h) => {
    const stream = await written(client, h, 1);
    const set = (metadata, expected) => client.setStreamMetadata(stream, metadata, h.expecting(expected));
    await h.rejects('WrongExpectedVersionError', set({ color: 'never' }, 0n));
    await set({ color: 'blue' }, h.api.NO_STREAM);
    await h.rejects('WrongExpectedVersionError', set({ color: 'never' }, h.api.NO_STREAM));
    await set({ color: 'red' }, 0n);
    const error = await h.rejects('WrongExpectedVersionError', set({ color: 'never' }, 0n));
    h.assert.deepEqual([h.wrongOf(error).streamName, h.wrongOf(error).actual], [`$$${stream}`, 1n]);
    h.assert.deepEqual((await client.getStreamMetadata(stream)).metadata, { color: 'red' });
  }),
  check('metadata: is a stream of its own, which can be read and followed', async (client, h) => {
    const stream = h.name('meta');
    const listener = h.listen(client.subscribeToStream(`$$${stream}`));
    await client.setStreamMetadata(stream, { maxCount: 5 });
    await listener.received(1);
    await client.setStreamMetadata(stream, { maxCount: 6 });
    const events = (await listener.received(2)).map(({ event }) => event);
    h.assert.deepEqual(
      events.map(({ type }) => type),
      ['$metadata', '$metadata'],
    );
    h.assert.deepEqual(
      events.map(({ data }) => data),
      [{ $maxCount: 5 }, { $maxCount: 6 }],
    );
    h.assert.deepEqual(revisionsOf(await h.read(client, `$$${stream}`)), [1n], 'the last of them holds');
    await listener.stop();
  }),
];

const backwards = (h, more = {}) => ({ direction: h.api.BACKWARDS, fromRevision: h.api.END, ...more });

const obeyed = [
  check('metadata: maxCount leaves the newest', async (client, h) => {
    const stream = await written(client, h, 10);
    await client.setStreamMetadata(stream, { maxCount: 3 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), [7n, 8n, 9n]);
    h.assert.deepEqual(revisionsOf(await h.read(client, stream, backwards(h))), [9n, 8n, 7n]);
    h.assert.deepEqual(revisionsOf(await h.read(client, stream, { maxCount: 2 })), [7n, 8n]);
    await h.append(client, stream, h.many(2), 9n);
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), [9n, 10n, 11n]);
    await client.setStreamMetadata(stream, { maxCount: 8 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(8, 4), 'until they are scavenged');
  }),
  check('metadata: truncateBefore hides what is before it', async (client, h) => {
    const stream = await written(client, h, 6);
    await client.setStreamMetadata(stream, { truncateBefore: 4 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), [4n, 5n]);
    h.assert.deepEqual(revisionsOf(await h.read(client, stream, { fromRevision: 2n })), [4n, 5n]);
    h.assert.deepEqual(revisionsOf(await h.read(client, stream, backwards(h))), [5n, 4n]);
    const listener = h.listen(client.subscribeToStream(stream));
    h.assert.deepEqual(revisionsOf(await listener.received(2)), [4n, 5n]);
    await listener.noMoreThan(2);
    await listener.stop();
  }),
  check('metadata: maxCount and truncateBefore together', async (client, h) => {
    const stream = await written(client, h, 10);
    await client.setStreamMetadata(stream, { truncateBefore: 8, maxCount: 5 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), [8n, 9n]);
    await client.setStreamMetadata(stream, { truncateBefore: 2, maxCount: 5 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(5, 5));
  }),
  check('metadata: maxAge hides what is older', async (client, h) => {
    const stream = await written(client, h, 3);
    await client.setStreamMetadata(stream, { maxAge: 3600 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(3));
    await client.setStreamMetadata(stream, { maxAge: 1 });
    await h.until(async () => (await h.read(client, stream).catch(() => [])).length === 0, 'they grow old');
    await client.setStreamMetadata(stream, { maxAge: 3600 });
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(3), 'until they are scavenged');
  }),
  check('metadata: nothing of it touches the numbers of the stream, nor $all', async (client, h) => {
    const stream = await written(client, h, 1);
    const { position } = await h.append(client, stream, h.many(1));
    await h.append(client, stream, h.many(2));
    await client.setStreamMetadata(stream, { maxCount: 1 });
    h.assert.equal((await h.append(client, stream, h.many(1), 3n)).nextExpectedRevision, 4n);
    const all = await h.collect(client.readAll({ fromPosition: position }));
    const own = all.filter(({ event }) => event?.streamId === stream);
    h.assert.deepEqual(revisionsOf(own), [1n, 2n, 3n, 4n]);
  }),
];

export const metadataChecks = [...kept, ...obeyed];
