// Streams of the system's own, links, and what a server says of itself.
import { check, idsOf, revisionsOf, upTo } from '../helpers.mjs';

/** A stream whose events are links to others. */
const linked = async (client, h, targets) => {
  const stream = h.name('links');
  const links = targets.map((target) => h.binary('$>', Buffer.from(target)));
  await h.append(client, stream, links);
  return stream;
};

const systemStreams = [
  check(
    'system streams: a stream whose name begins with $ can be written, read and followed',
    async (client, h) => {
      const stream = h.name('$watersmeet');
      const listener = h.listen(client.subscribeToStream(stream));
      await h.append(client, stream, h.many(3), h.api.NO_STREAM);
      h.assert.deepEqual(revisionsOf(await h.read(client, stream)), upTo(3));
      h.assert.deepEqual(revisionsOf(await listener.received(3)), upTo(3));
      h.assert.equal(listener.events[0].event.streamId, stream);
      await listener.stop();
      await client.deleteStream(stream);
      await h.rejects('StreamNotFoundError', h.read(client, stream));
    },
  ),
  check('system streams: one that is not there is not found', async (client, h) => {
    const stream = `$$${h.name('$nothing')}`;
    h.assert.equal((await h.rejects('StreamNotFoundError', h.read(client, stream))).streamName, stream);
  }),
];

const links = [
  check('links: are resolved where that is asked, and the link comes with the event', async (client, h) => {
    const target = h.name('target');
    const events = h.many(3);
    await h.append(client, target, events);
    const stream = await linked(client, h, [`2@${target}`, `0@${target}`]);
    const plain = await h.read(client, stream);
    h.assert.deepEqual(
      plain.map(({ event, link }) => [event.type, link]),
      [
        ['$>', undefined],
        ['$>', undefined],
      ],
    );
    h.assert.equal(Buffer.from(plain[0].event.data).toString(), `2@${target}`);
    for (const direction of [h.api.FORWARDS, h.api.BACKWARDS]) {
      const forwards = direction === h.api.FORWARDS;
      const fromRevision = forwards ? h.api.START : h.api.END;
      const read = await h.read(client, stream, { resolveLinkTos: true, direction, fromRevision });
      const ordered = forwards ? read : read.toReversed();
      h.assert.deepEqual(idsOf(ordered), [events[2].id, events[0].id]);
      h.assert.deepEqual(revisionsOf(ordered), upTo(2), 'the link has the revision in this stream');
      h.assert.deepEqual(
        ordered.map(({ event }) => event.streamId),
        [target, target],
      );
      h.assert.deepEqual(
        ordered.map(({ link }) => [link.streamId, link.type]),
        [
          [stream, '$>'],
          [stream, '$>'],
        ],
      );
    }
  }),
  check('links: one that leads nowhere comes without an event', async (client, h) => {
    const target = h.name('target');
    await h.append(client, target, h.many(1));
    const stream = await linked(client, h, [`5@${target}`, `0@${h.name('nothing')}`, `0@${target}`]);
    const read = await h.read(client, stream, { resolveLinkTos: true });
    h.assert.deepEqual(
      read.map(({ event }) => event?.streamId),
      [undefined, undefined, target],
    );
    h.assert.deepEqual(
      read.map(({ link }) => link.revision),
      upTo(3),
    );
  }),
  check('links: are resolved by subscriptions, what was and what comes', async (client, h) => {
    const target = h.name('target');
    const events = h.many(2);
    await h.append(client, target, events);
    const stream = await linked(client, h, [`0@${target}`]);
    const listener = h.listen(client.subscribeToStream(stream, { resolveLinkTos: true }));
    await listener.received(1);
    await h.append(client, stream, h.binary('$>', Buffer.from(`1@${target}`)));
    h.assert.deepEqual(
      idsOf(await listener.received(2)),
      events.map(({ id }) => id),
    );
    h.assert.deepEqual(
      listener.events.map(({ link }) => link.streamId),
      [stream, stream],
    );
    await listener.stop();
  }),
  check('links: are resolved in $all where that is asked', async (client, h) => {
    const target = h.name('target');
    const { position } = await h.append(client, target, h.many(1));
    const stream = await linked(client, h, [`0@${target}`]);
    const own = (read) => read.filter(({ event, link }) => (link ?? event)?.streamId === stream);
    const resolved = own(await h.collect(client.readAll({ fromPosition: position, resolveLinkTos: true })));
    h.assert.deepEqual(
      resolved.map(({ event, link }) => [event.streamId, link.type]),
      [[target, '$>']],
    );
    const plain = own(await h.collect(client.readAll({ fromPosition: position })));
    h.assert.deepEqual(
      plain.map(({ event, link }) => [event.type, link]),
      [['$>', undefined]],
    );
  }),
];

export const systemChecks = [...systemStreams, ...links];
