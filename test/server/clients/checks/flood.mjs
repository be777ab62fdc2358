// Batch append under load: one connection, thousands of appends under way, batches in many pieces.
import { check, idsOf, revisionsOf, upTo } from '../helpers.mjs';

const streamCount = 20;

export const floodChecks = [
  check(
    'batch append: thousands of appends at once over one connection are each answered',
    async (client, h) => {
      const appends = h.load(2000);
      const streams = Array.from({ length: streamCount }, () => h.name('flood'));
      const answers = await Promise.all(
        Array.from({ length: appends }, (_, i) =>
          h.append(client, streams[i % streamCount], h.many(1), undefined, { deadline: 120_000 }),
        ),
      );
      h.assert.ok(answers.every(({ success }) => success));
      const each = appends / streamCount;
      for (const stream of streams) h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(each));
      const places = new Set(
        answers.map(({ nextExpectedRevision }, i) => `${i % streamCount}/${nextExpectedRevision}`),
      );
      h.assert.equal(places.size, appends, 'each answer names the place of its own event');
    },
  ),
  check('batch append: a batch that the client sends in many pieces is one append', async (client, h) => {
    const stream = h.name('pieces');
    const events = h.many(500);
    const answer = await h.append(client, stream, events, h.api.NO_STREAM, { batchAppendSize: 1000 });
    h.assert.equal(answer.nextExpectedRevision, 499n);
    h.assert.deepEqual(
      idsOf(await h.read(client, stream)),
      events.map(({ id }) => id),
    );
    const refused = h.append(client, stream, h.many(500), 3n, { batchAppendSize: 1000 });
    const error = await h.rejects('WrongExpectedVersionError', refused);
    h.assert.equal(h.wrongOf(error).actual, 499n);
    h.assert.equal((await h.read(client, stream)).length, 500);
  }),
  check('batch append: pieces of several batches do not mix', async (client, h) => {
    const batches = Array.from({ length: 12 }, () => ({ stream: h.name('mixed'), events: h.many(60) }));
    await Promise.all(
      batches.map(({ stream, events }) =>
        h.append(client, stream, events, h.api.NO_STREAM, { batchAppendSize: 700 }),
      ),
    );
    for (const { stream, events } of batches)
      h.assert.deepEqual(
        idsOf(await h.read(client, stream)),
        events.map(({ id }) => id),
      );
  }),
  check(
    'batch append: refusals in the midst of others reach just those who are refused',
    async (client, h) => {
      const stream = h.name('refused');
      const count = 3 * h.load(100);
      await h.append(client, stream, h.many(1));
      const answers = await Promise.allSettled(
        Array.from({ length: count }, (_, i) =>
          i % 3 === 0
            ? h.append(client, stream, h.many(1), h.api.NO_STREAM)
            : h.append(client, stream, h.many(1), h.api.STREAM_EXISTS),
        ),
      );
      for (const [i, { status, reason }] of answers.entries()) {
        h.assert.equal(status, i % 3 === 0 ? 'rejected' : 'fulfilled', reason?.stack);
        if (i % 3 === 0) h.assert.ok(reason instanceof h.api.WrongExpectedVersionError, reason.stack);
      }
      h.assert.equal((await h.read(client, stream)).length, 1 + (count / 3) * 2);
    },
  ),
];
