// Appends that are refused: with the right error, the right words in it, and nothing written.
import { check, roads } from '../helpers.mjs';

const onBothRoads = (title, run) =>
  Object.entries(roads).map(([road, options]) =>
    check(`${road}: ${title}`, (client, h) => run(client, h, options)),
  );

const refused = async (client, h, stream, expected, options, actual) => {
  const appending = h.append(client, stream, h.many(1), expected, options);
  const error = await h.rejects('WrongExpectedVersionError', appending, `expecting ${expected}`);
  h.assert.deepEqual(h.wrongOf(error), { streamName: stream, expected, actual });
};

const wrong = [
  ...onBothRoads(
    'a refused expectation says what was expected and where the stream stands',
    async (client, h, options) => {
      const stream = h.name();
      await h.append(client, stream, h.many(3), undefined, options);
      for (const expected of [h.api.NO_STREAM, 0n, 1n, 3n, 77n])
        await refused(client, h, stream, expected, options, 2n);
      h.assert.equal((await h.read(client, stream)).length, 3);
    },
  ),
  ...onBothRoads('a stream that is not there is told as no stream', async (client, h, options) => {
    const stream = h.name();
    for (const expected of [h.api.STREAM_EXISTS, 0n, 5n])
      await refused(client, h, stream, expected, options, h.api.NO_STREAM);
    await h.rejects('StreamNotFoundError', h.read(client, stream));
  }),
  ...onBothRoads('a client that does not throw is answered without success', async (_client, h, options) => {
    const client = h.connect({ throwOnAppendFailure: false });
    const stream = h.name();
    await h.append(client, stream, h.many(3), undefined, options);
    const answers = [
      await h.append(client, stream, h.many(1), h.api.NO_STREAM, options),
      await h.append(client, stream, h.many(1), 7n, options),
      await h.append(client, h.name(), h.many(1), h.api.STREAM_EXISTS, options),
    ];
    h.assert.deepEqual(
      answers.map(({ success }) => success),
      [false, false, false],
    );
    // By batch append the clients put 1 in place of the revision, whatever the server said.
    if (options.credentials !== undefined)
      h.assert.deepEqual(
        answers.map(({ nextExpectedRevision }) => nextExpectedRevision),
        [2n, 2n, -1n],
      );
    h.assert.equal(answers[2].nextExpectedRevision, -1n);
  }),
];

const deleted = onBothRoads(
  'a tombstoned stream refuses every append as deleted',
  async (client, h, options) => {
    const stream = h.name();
    await h.append(client, stream, h.many(2), undefined, options);
    await client.tombstoneStream(stream);
    for (const expected of [h.api.ANY, 1n, h.api.NO_STREAM, h.api.STREAM_EXISTS]) {
      const appending = h.append(client, stream, h.many(1), expected, options);
      const error = await h.rejects('StreamDeletedError', appending, `expecting ${expected}`);
      h.assert.equal(error.streamName, stream);
    }
  },
);

const oversize = onBothRoads(
  'what is too large is refused whole, and the client goes on',
  async (client, h, options) => {
    const stream = h.name();
    // Larger than any server allows by default (1 MiB), smaller than what one message may be (4 MB at the clients).
    const half = Buffer.alloc(600_000, 'x');
    const single = h.append(
      client,
      stream,
      [h.binary('Large', Buffer.alloc(1_500_000, 'x'))],
      undefined,
      options,
    );
    const error = await h.rejects('MaxAppendSizeExceededError', single, 'one large event');
    h.assert.ok(error.maxAppendSize > 0 && error.maxAppendSize < 1_500_000, `limit ${error.maxAppendSize}`);
    const together = [h.binary('Half', half), h.binary('Half', half), h.json('Small')];
    const sum = h.append(client, stream, together, undefined, options);
    await h.rejects('MaxAppendSizeExceededError', sum, 'two events that are too large together');
    await h.rejects('StreamNotFoundError', h.read(client, stream));
    h.assert.equal((await h.append(client, stream, h.many(1), h.api.NO_STREAM, options)).success, true);
  },
);

const deadlines = onBothRoads('an append whose deadline is past says so', async (client, h, options) => {
  const appending = h.append(client, h.name(), h.many(1), undefined, { ...options, deadline: -60_000 });
  await h.rejects('DeadlineExceededError', appending);
  const after = await h.append(client, h.name(), h.many(1), h.api.NO_STREAM, options);
  h.assert.equal(after.success, true);
});

export const appendErrorChecks = [
  ...wrong,
  ...deleted,
  ...oversize,
  ...deadlines,
  check('append: a name that no stream can have is refused with a reason', async (client, h) => {
    const appending = h.append(client, '', h.many(1), undefined, roads['plain append']);
    await h.assert.rejects(appending, (error) => error.message.length > 20);
    h.assert.equal((await h.append(client, h.name(), h.many(1))).success, true);
  }),
];
