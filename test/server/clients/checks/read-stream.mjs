// Reading one stream: both ways, from anywhere, with every byte as it was written.
import { check, idsOf, revisionsOf, roads, upTo } from '../helpers.mjs';

const withEvents = async (client, h, count) => {
  const stream = h.name('read');
  const events = h.many(count);
  await h.append(client, stream, events);
  return { stream, ids: events.map(({ id }) => id) };
};

const directions = [
  check('read stream: forwards from the start', async (client, h) => {
    const { stream, ids } = await withEvents(client, h, 10);
    const read = await h.read(client, stream);
    h.assert.deepEqual(idsOf(read), ids);
    h.assert.deepEqual(revisionsOf(read), upTo(10));
    h.assert.deepEqual(
      read.map(({ event }) => event.data),
      Array.from({ length: 10 }, (_, n) => ({ n })),
    );
  }),
  check('read stream: backwards from the end', async (client, h) => {
    const { stream, ids } = await withEvents(client, h, 10);
    const options = { direction: h.api.BACKWARDS, fromRevision: h.api.END };
    h.assert.deepEqual(idsOf(await h.read(client, stream, options)), ids.toReversed());
    h.assert.deepEqual(revisionsOf(await h.read(client, stream, { ...options, maxCount: 1 })), [9n]);
  }),
  check('read stream: from a revision, which is the first that is answered', async (client, h) => {
    const { stream, ids } = await withEvents(client, h, 10);
    const forwards = await h.read(client, stream, { fromRevision: 7n });
    h.assert.deepEqual(idsOf(forwards), ids.slice(7));
    const backwards = await h.read(client, stream, { fromRevision: 3n, direction: h.api.BACKWARDS });
    h.assert.deepEqual(revisionsOf(backwards), [3n, 2n, 1n, 0n]);
  }),
  check('read stream: from where nothing more is, nothing comes', async (client, h) => {
    const { stream } = await withEvents(client, h, 3);
    h.assert.deepEqual(await h.read(client, stream, { fromRevision: 3n }), []);
    h.assert.deepEqual(await h.read(client, stream, { fromRevision: 1000n }), []);
    const beyond = { fromRevision: 1000n, direction: h.api.BACKWARDS };
    h.assert.deepEqual(revisionsOf(await h.read(client, stream, beyond)), [2n, 1n, 0n]);
  }),
  check(
    'read stream: forwards from the end, and backwards from the start',
    async (client, h) => {
      const { stream } = await withEvents(client, h, 3);
      h.assert.deepEqual(await h.read(client, stream, { fromRevision: h.api.END }), []);
      const start = { fromRevision: h.api.START, direction: h.api.BACKWARDS };
      h.assert.deepEqual(revisionsOf(await h.read(client, stream, start)), [0n]);
    },
    { needs: 'anyDirection' },
  ),
  check('read stream: no more than maxCount events', async (client, h) => {
    const { stream, ids } = await withEvents(client, h, 10);
    h.assert.deepEqual(idsOf(await h.read(client, stream, { maxCount: 4 })), ids.slice(0, 4));
    h.assert.deepEqual(
      idsOf(await h.read(client, stream, { maxCount: 2, fromRevision: 5n })),
      ids.slice(5, 7),
    );
    h.assert.deepEqual(idsOf(await h.read(client, stream, { maxCount: 100 })), ids);
  }),
  check('read stream: thousands of events, whole and in order, both ways', async (client, h) => {
    const stream = h.name('long');
    const part = h.load(1000);
    for (let i = 0; i < 3; i += 1) await h.append(client, stream, h.many(part, 'Happened', i * part));
    h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(3 * part));
    const back = await h.read(client, stream, { fromRevision: h.api.END, direction: h.api.BACKWARDS });
    h.assert.deepEqual(revisionsOf(back), upTo(3 * part).toReversed());
  }),
  check('read stream: a reader may stop early and read on elsewhere', async (client, h) => {
    const { stream } = await withEvents(client, h, 1000);
    h.assert.equal((await h.collect(client.readStream(stream), 3)).length, 3);
    const many = await Promise.all(
      Array.from({ length: 10 }, () => h.read(client, stream, { maxCount: 500 })),
    );
    for (const read of many) h.assert.equal(read.length, 500);
  }),
];

const missing = [
  check('read stream: one that is not there is not found', async (client, h) => {
    const stream = h.name('nothing ✓');
    for (const direction of [h.api.FORWARDS, h.api.BACKWARDS]) {
      const fromRevision = direction === h.api.FORWARDS ? h.api.START : h.api.END;
      const error = await h.rejects(
        'StreamNotFoundError',
        h.read(client, stream, { direction, fromRevision }),
      );
      h.assert.equal(error.streamName, stream);
    }
  }),
  check('read stream: a tombstoned one is deleted', async (client, h) => {
    const { stream } = await withEvents(client, h, 3);
    await client.tombstoneStream(stream);
    for (const direction of [h.api.FORWARDS, h.api.BACKWARDS]) {
      const fromRevision = direction === h.api.FORWARDS ? h.api.START : h.api.END;
      const error = await h.rejects(
        'StreamDeletedError',
        h.read(client, stream, { direction, fromRevision }),
      );
      h.assert.equal(error.streamName, stream);
    }
  }),
];

const oddJson = [
  '{"b":1,  "a":2}',
  '{"z":1,"a":1,"z":2}',
  '{"n":9007199254740993}',
  '{"n":1.0,"m":1e2,"k":-0}',
  '\t{"text":"\\u0041\\u00e9 \\ud83d\\ude00"}\n',
  '{"text":"é 😀 \u2028"}',
  '{"nul":"\\u0000","lone":"\\ud800"}',
  '{"__proto__":{"a":1},"constructor":2}',
  '[1,2,[3]]',
  '"text"',
  '12345678901234567890',
  'null',
  'true',
  '{}',
  '',
  '{"broken":',
  '****',
];

const bytes = [
  check('read stream: odd JSON comes back byte for byte', async (client, h) => {
    const stream = h.name('bytes');
    for (const data of oddJson)
      await h.appendBytes(client, stream, { id: h.id(), type: 'Odd', contentType: 'application/json', data });
    const read = await h.readBytes(client, stream);
    h.assert.deepEqual(
      read.map(({ data }) => Buffer.from(data, 'latin1').toString('utf8')),
      oddJson,
    );
    h.assert.ok(read.every(({ contentType }) => contentType === 'application/json'));
  }),
  check(
    'read stream: odd metadata comes back byte for byte, on JSON and on binary events',
    async (client, h) => {
      const stream = h.name('bytes');
      for (const metadata of oddJson)
        for (const contentType of ['application/json', 'application/octet-stream'])
          await h.appendBytes(client, stream, {
            id: h.id(),
            type: 'Odd',
            contentType,
            data: '{"a": 1}',
            metadata,
          });
      const read = await h.readBytes(client, stream);
      h.assert.deepEqual(
        read.map(({ metadata }) => Buffer.from(metadata, 'latin1').toString('utf8')),
        oddJson.flatMap((metadata) => [metadata, metadata]),
      );
      h.assert.ok(read.every(({ data }) => data === '{"a": 1}'));
    },
  ),
  check('read stream: every byte there is comes back in a binary event', async (client, h) => {
    const stream = h.name('bytes');
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await h.append(client, stream, [
      h.binary('Every', every, { metadata: every }),
      h.binary('None', Buffer.alloc(0)),
      h.binary('LooksLikeJson', Buffer.from('{"a" :1}')),
    ]);
    const [first, second, third] = (await h.read(client, stream)).map(({ event }) => event);
    h.assert.deepEqual(Buffer.from(first.data), every);
    h.assert.deepEqual(Buffer.from(first.metadata), every);
    h.assert.equal(second.data.length, 0);
    h.assert.deepEqual([third.isJson, Buffer.from(third.data).toString()], [false, '{"a" :1}']);
  }),
  check(
    'read stream: an event tells when it was created, the same time to every reader',
    async (client, h) => {
      const stream = h.name('created');
      await h.append(client, stream, h.many(2));
      const [first, second] = (await h.read(client, stream)).map(({ event }) => event.created);
      h.assert.ok(first instanceof Date && first.getUTCFullYear() >= 2024, String(first));
      h.assert.ok(first <= second);
      const plain = await h.read(client, stream, roads['plain append']);
      h.assert.deepEqual(plain[0].event.created, first);
    },
  ),
];

export const readStreamChecks = [...directions, ...missing, ...bytes];
