// Appending: every kind of event, every expectation, by both ways that the clients append.
import { check, idsOf, revisionsOf, roads, upTo } from '../helpers.mjs';

const onBothRoads = (title, run) =>
  Object.entries(roads).map(([road, options]) =>
    check(`${road}: ${title}`, (client, h) => run(client, h, options)),
  );

const kinds = onBothRoads(
  'JSON and binary events come back as they were sent',
  async (client, h, options) => {
    const stream = h.name();
    const [jsonId, binaryId] = [h.id(), h.id()];
    const data = { text: 'żółw 🐢', list: [1, null, { deep: true }], big: 2 ** 53 - 1 };
    const bytes = Buffer.from([0, 255, 128, 10, 13, 34]);
    const answer = await h.append(
      client,
      stream,
      [h.json('JsonHappened', data, { id: jsonId }), h.binary('BytesHappened', bytes, { id: binaryId })],
      undefined,
      options,
    );
    h.assert.equal(answer.success, true);
    h.assert.equal(answer.nextExpectedRevision, 1n);
    const [json, binary] = (await h.read(client, stream)).map(({ event }) => event);
    h.assert.deepEqual([json.id, json.type, json.isJson], [jsonId, 'JsonHappened', true]);
    h.assert.deepEqual(json.data, data);
    h.assert.deepEqual([binary.id, binary.type, binary.isJson], [binaryId, 'BytesHappened', false]);
    h.assert.deepEqual(Buffer.from(binary.data), bytes);
    h.assert.deepEqual([json.streamId, json.revision, binary.revision], [stream, 0n, 1n]);
  },
);

const metadata = onBothRoads('metadata may be JSON, bytes or nothing', async (client, h, options) => {
  const stream = h.name();
  const sent = [{ $correlationId: 'c-1', note: ['a', 1] }, Buffer.from([9, 0, 200]), undefined];
  const events = sent.flatMap((metadata) => [
    h.json('Happened', { n: 1 }, { metadata }),
    h.binary('Happened', Buffer.from('x'), { metadata }),
  ]);
  await h.append(client, stream, events, undefined, options);
  const read = (await h.read(client, stream)).map(({ event }) => event.metadata);
  h.assert.deepEqual(read.slice(0, 2), [sent[0], sent[0]]);
  h.assert.deepEqual(
    read.slice(2, 4).map((bytes) => Buffer.from(bytes)),
    [sent[1], sent[1]],
  );
  h.assert.deepEqual(read.slice(4), [undefined, undefined]);
});

const expectations = onBothRoads('every expectation that is met is accepted', async (client, h, options) => {
  const stream = h.name();
  const append = (expected, count = 1) => h.append(client, stream, h.many(count), expected, options);
  h.assert.equal((await append(h.api.NO_STREAM, 2)).nextExpectedRevision, 1n);
  h.assert.equal((await append(1n)).nextExpectedRevision, 2n);
  h.assert.equal((await append(h.api.STREAM_EXISTS)).nextExpectedRevision, 3n);
  h.assert.equal((await append(h.api.ANY, 2)).nextExpectedRevision, 5n);
  h.assert.equal((await append(5n)).nextExpectedRevision, 6n);
  h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(7));
});

const repeats = onBothRoads('the same events again are one append', async (client, h, options) => {
  const again = async (before, expected) => {
    const stream = h.name();
    if (before > 0) await h.append(client, stream, h.many(before), undefined, options);
    const events = h.many(3);
    const first = await h.append(client, stream, events, expected, options);
    const second = await h.append(client, stream, events, expected, options);
    h.assert.equal(second.success, true);
    h.assert.equal(second.nextExpectedRevision, first.nextExpectedRevision, `expecting ${expected}`);
    h.assert.equal((await h.read(client, stream)).length, before + 3, `expecting ${expected}`);
  };
  await again(0, h.api.NO_STREAM);
  await again(2, 1n);
  await again(0, h.api.ANY);
  await again(2, h.api.ANY);
  await again(2, h.api.STREAM_EXISTS);
});

const more = [
  ...onBothRoads(
    'an exact append is repeated even when others have appended since',
    async (client, h, options) => {
      const stream = h.name();
      const events = h.many(2);
      await h.append(client, stream, events, h.api.NO_STREAM, options);
      await h.append(client, stream, h.many(3), 1n, options);
      const again = await h.append(client, stream, events, h.api.NO_STREAM, options);
      h.assert.equal(again.success, true);
      h.assert.equal((await h.read(client, stream)).length, 5);
    },
  ),
  ...onBothRoads('a repeat that brings a new event besides is refused', async (client, h, options) => {
    const stream = h.name();
    const events = h.many(2);
    await h.append(client, stream, events, h.api.NO_STREAM, options);
    const repeat = h.append(client, stream, [...events, ...h.many(1)], h.api.NO_STREAM, options);
    await h.rejects('WrongExpectedVersionError', repeat);
    h.assert.deepEqual(
      idsOf(await h.read(client, stream)),
      events.map(({ id }) => id),
    );
  }),
  ...onBothRoads('an empty append changes nothing', async (client, h, options) => {
    const stream = h.name();
    h.assert.equal((await h.append(client, stream, [], undefined, options)).success, true);
    await h.rejects('StreamNotFoundError', h.read(client, stream));
    await h.append(client, stream, h.many(2), undefined, options);
    h.assert.equal((await h.append(client, stream, [], undefined, options)).success, true);
    h.assert.equal((await h.read(client, stream)).length, 2);
  }),
  ...onBothRoads('a thousand events in one append keep their order', async (client, h, options) => {
    const stream = h.name();
    const events = h.many(1000);
    const answer = await h.append(client, stream, events, h.api.NO_STREAM, options);
    h.assert.equal(answer.nextExpectedRevision, 999n);
    const read = await h.read(client, stream);
    h.assert.deepEqual(
      idsOf(read),
      events.map(({ id }) => id),
    );
    h.assert.deepEqual(revisionsOf(read), upTo(1000));
  }),
  ...onBothRoads('an event of 500,000 bytes comes back whole', async (client, h, options) => {
    const stream = h.name();
    const bytes = Buffer.alloc(500_000, 'watersmeet ');
    await h.append(client, stream, [h.binary('Large', bytes)], undefined, options);
    const [{ event }] = await h.read(client, stream);
    h.assert.ok(bytes.equals(Buffer.from(event.data)));
  }),
  ...onBothRoads('the answer tells the position of the event in $all', async (client, h, options) => {
    const stream = h.name();
    const first = await h.append(client, stream, h.many(1), undefined, options);
    const second = await h.append(client, stream, h.many(1), undefined, options);
    h.assert.ok(first.position.commit < second.position.commit, 'positions grow');
    const [found] = await h.collect(client.readAll({ fromPosition: first.position, maxCount: 1 }));
    h.assert.deepEqual([found.event.streamId, found.event.revision], [stream, 0n]);
    h.assert.deepEqual(found.event.position, first.position);
  }),
  check('append: streams do not touch each other', async (client, h) => {
    const streams = Array.from({ length: 5 }, () => h.name());
    await Promise.all(streams.map((stream, i) => h.append(client, stream, h.many(i + 1), h.api.NO_STREAM)));
    for (const [i, stream] of streams.entries())
      h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(i + 1));
  }),
  check('append: of many writers at once that expect any, each is recorded once', async (client, h) => {
    const stream = h.name();
    const batches = Array.from({ length: 40 }, () => h.many(2));
    const answers = await Promise.all(batches.map((events) => h.append(client, stream, events)));
    const revisions = answers.map(({ nextExpectedRevision }) => nextExpectedRevision);
    h.assert.equal(new Set(revisions).size, 40, 'every append has a place of its own');
    const read = await h.read(client, stream);
    h.assert.deepEqual(revisionsOf(read), upTo(80));
    for (const [i, events] of batches.entries()) {
      const at = Number(revisions[i]);
      h.assert.deepEqual(
        idsOf(read.slice(at - 1, at + 1)),
        events.map(({ id }) => id),
      );
    }
  }),
  check('append: of many writers at once that expect no stream, just one succeeds', async (client, h) => {
    const stream = h.name();
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, () => h.append(client, stream, h.many(1), h.api.NO_STREAM)),
    );
    const refused = answers.filter(({ status }) => status === 'rejected');
    h.assert.equal(refused.length, 19);
    for (const { reason } of refused)
      h.assert.ok(reason instanceof h.api.WrongExpectedVersionError, reason.stack);
    h.assert.equal((await h.read(client, stream)).length, 1);
  }),
  check('append: names of streams and types may hold any sign', async (client, h) => {
    const odd = [
      'a b/c?d=%20&e',
      'żółw-🐢',
      'quote\'"\\',
      '@at/slash',
      'ends-with.',
      '..',
      'a::b',
      '-',
      'Ünïcode-ß',
    ];
    for (const text of odd) {
      const stream = `${text}-${h.id()}`;
      await h.append(client, stream, [h.json(`${text} happened`)], h.api.NO_STREAM);
      const [{ event }] = await h.read(client, stream);
      h.assert.deepEqual([event.streamId, event.type], [stream, `${text} happened`]);
    }
  }),
];

export const appendChecks = [...kinds, ...metadata, ...expectations, ...repeats, ...more];
