// Deleting, after which a stream can begin again, and tombstoning, after which it cannot.
import { check, idsOf, revisionsOf } from '../helpers.mjs';

const written = async (client, h, count = 3) => {
  const stream = h.name('deleted');
  await h.append(client, stream, h.many(count));
  return stream;
};
const notThere = (client, h, stream) => h.rejects('StreamNotFoundError', h.read(client, stream), 'the read');
const gone = (client, h, stream) => h.rejects('StreamDeletedError', h.read(client, stream), 'the read');

const ways = {
  'delete stream': { by: 'deleteStream', after: notThere },
  'tombstone stream': { by: 'tombstoneStream', after: gone },
};

const both = Object.entries(ways).flatMap(([title, { by, after }]) => [
  check(`${title}: expecting any`, async (client, h) => {
    const stream = await written(client, h);
    h.assert.ok(await client[by](stream));
    await after(client, h, stream);
  }),
  check(`${title}: expecting the revision that it has`, async (client, h) => {
    const stream = await written(client, h);
    h.assert.ok(await client[by](stream, { expectedRevision: 2n }));
    await after(client, h, stream);
  }),
  check(
    `${title}: expecting another revision, or none, is refused and nothing is deleted`,
    async (client, h) => {
      const stream = await written(client, h);
      for (const expectedRevision of [1n, 3n, h.api.NO_STREAM]) {
        const error = await h.rejects('WrongExpectedVersionError', client[by](stream, { expectedRevision }));
        const { streamName, actual, expected } = h.wrongOf(error);
        h.assert.deepEqual([streamName, actual], [stream, 2n]);
        if (expectedRevision !== h.api.NO_STREAM) h.assert.equal(expected, expectedRevision);
      }
      h.assert.equal((await h.read(client, stream)).length, 3);
    },
  ),
  check(`${title}: one that is not there, expecting a revision, is refused`, async (client, h) => {
    const stream = h.name('never');
    await h.rejects('WrongExpectedVersionError', client[by](stream, { expectedRevision: 4n }));
  }),
]);

const soft = [
  check('delete stream: it begins again where it ended, and only new events are read', async (client, h) => {
    for (const expected of [h.api.ANY, h.api.NO_STREAM, 2n]) {
      const stream = await written(client, h);
      await client.deleteStream(stream);
      const events = h.many(2);
      const answer = await h.append(client, stream, events, expected);
      h.assert.equal(answer.nextExpectedRevision, 4n, `expecting ${expected}`);
      const read = await h.read(client, stream);
      h.assert.deepEqual(
        idsOf(read),
        events.map(({ id }) => id),
      );
      h.assert.deepEqual(revisionsOf(read), [3n, 4n]);
      const back = { direction: h.api.BACKWARDS, fromRevision: h.api.END };
      h.assert.deepEqual(revisionsOf(await h.read(client, stream, back)), [4n, 3n]);
      h.assert.deepEqual(revisionsOf(await h.read(client, stream, { fromRevision: 0n, maxCount: 1 })), [3n]);
    }
  }),
  check('delete stream: begun again, its metadata tells from where it is read', async (client, h) => {
    const stream = await written(client, h);
    await client.setStreamMetadata(stream, { maxCount: 100, color: 'blue' });
    await client.deleteStream(stream);
    await h.append(client, stream, h.many(1));
    const { metadata } = await client.getStreamMetadata(stream);
    h.assert.deepEqual(
      [metadata.truncateBefore, metadata.maxCount, metadata.color],
      [3, 100, 'blue'],
      'what was there before is kept',
    );
  }),
  check('delete stream: a wrong revision is refused while it is deleted too', async (client, h) => {
    const stream = await written(client, h);
    await client.deleteStream(stream);
    const error = await h.rejects('WrongExpectedVersionError', h.append(client, stream, h.many(1), 0n));
    h.assert.equal(h.wrongOf(error).streamName, stream);
    await notThere(client, h, stream);
  }),
  check('delete stream: again and again', async (client, h) => {
    const stream = await written(client, h);
    for (let i = 0; i < 3; i += 1) {
      await client.deleteStream(stream);
      await notThere(client, h, stream);
      await h.append(client, stream, h.many(1), h.api.NO_STREAM);
      h.assert.deepEqual(revisionsOf(await h.read(client, stream)), [BigInt(3 + i)]);
    }
  }),
  check(
    'delete stream: of writers at once that begin it again expecting none, just one succeeds',
    async (client, h) => {
      const stream = await written(client, h);
      await client.deleteStream(stream);
      const answers = await Promise.allSettled(
        Array.from({ length: 10 }, () => h.append(client, stream, h.many(1), h.api.NO_STREAM)),
      );
      h.assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1);
      h.assert.deepEqual(revisionsOf(await h.read(client, stream)), [3n]);
    },
  ),
  check('delete stream: one that has metadata only', async (client, h) => {
    const stream = h.name('implied');
    await client.setStreamMetadata(stream, { cacheControl: 10 });
    h.assert.ok(await client.deleteStream(stream, { expectedRevision: h.api.NO_STREAM }));
    await notThere(client, h, stream);
  }),
  check('delete stream: other streams keep what they have', async (client, h) => {
    const stream = await written(client, h);
    await h.append(client, `${stream}-2`, h.many(2));
    await client.deleteStream(stream);
    h.assert.equal((await h.read(client, `${stream}-2`)).length, 2);
  }),
];

const hard = [
  check('tombstone stream: it can never begin again', async (client, h) => {
    const stream = await written(client, h);
    await client.tombstoneStream(stream);
    await h.rejects('StreamDeletedError', h.append(client, stream, h.many(1)));
    await h.rejects('StreamDeletedError', h.append(client, stream, h.many(1), h.api.NO_STREAM));
    await gone(client, h, stream);
  }),
  check('tombstone stream: a name that was never used can be closed', async (client, h) => {
    const stream = h.name('never');
    h.assert.ok(await client.tombstoneStream(stream, { expectedRevision: h.api.NO_STREAM }));
    await gone(client, h, stream);
    await h.rejects('StreamDeletedError', h.append(client, stream, h.many(1)));
  }),
  check('tombstone stream: what is tombstoned can neither be deleted nor tombstoned', async (client, h) => {
    const stream = await written(client, h);
    await client.tombstoneStream(stream);
    for (const by of ['deleteStream', 'tombstoneStream'])
      h.assert.equal((await h.rejects('StreamDeletedError', client[by](stream), by)).streamName, stream);
  }),
  check('tombstone stream: a deleted one can be tombstoned', async (client, h) => {
    const stream = await written(client, h);
    await client.deleteStream(stream);
    await client.tombstoneStream(stream);
    await gone(client, h, stream);
  }),
];

export const deleteChecks = [...both, ...soft, ...hard];
