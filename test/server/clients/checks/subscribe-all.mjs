// Catch-up subscriptions to $all, whole and filtered. Others write to $all meanwhile; each check looks at what is its own.
import { check, idsOf } from '../helpers.mjs';

const scene = (h) => {
  const mark = `sub${h.id().replaceAll('-', '')}`;
  const own = (events) => events.filter(({ event }) => event?.streamId.startsWith(`${mark}-`));
  return { mark, own };
};

/** Until `count` of the check's own events are there. */
const ownReceived = (listener, own, count) =>
  listener.ready(() => own(listener.events).length >= count && own(listener.events), `${count} own events`);

const plain = [
  check('subscribe to all: from the end, only what comes', async (client, h) => {
    const { mark, own } = scene(h);
    await h.append(client, `${mark}-a`, h.many(2));
    const listener = h.listen(client.subscribeToAll({ fromPosition: h.api.END }));
    await listener.confirmed();
    const sent = [...h.many(2), ...h.many(2)];
    await h.append(client, `${mark}-a`, sent.slice(0, 2));
    await h.append(client, `${mark}-b`, sent.slice(2));
    const received = await ownReceived(listener, own, 4);
    h.assert.deepEqual(
      idsOf(received),
      sent.map(({ id }) => id),
    );
    await listener.stop();
  }),
  check('subscribe to all: from a position, what is after it, and what comes', async (client, h) => {
    const { mark, own } = scene(h);
    const { position } = await h.append(client, `${mark}-a`, h.many(1));
    await h.append(client, `${mark}-b`, h.many(3));
    const listener = h.listen(client.subscribeToAll({ fromPosition: position }));
    await ownReceived(listener, own, 3);
    await h.append(client, `${mark}-a`, h.many(1));
    const received = await ownReceived(listener, own, 4);
    h.assert.deepEqual(
      received.map(({ event }) => `${event.streamId.slice(-1)}${event.revision}`),
      ['b0', 'b1', 'b2', 'a1'],
    );
    await listener.stop();
  }),
  check('subscribe to all: from the start, as a read from there', async (client, h) => {
    await h.append(client, scene(h).mark, h.many(50));
    const listener = h.listen(client.subscribeToAll({ fromPosition: h.api.START }));
    await listener.received(50);
    const read = await h.collect(client.readAll({ maxCount: 50 }));
    h.assert.deepEqual(idsOf(listener.events.slice(0, 50)), idsOf(read));
    await listener.stop();
  }),
  check('subscribe to all: events carry positions to go on from', async (client, h) => {
    const { mark, own } = scene(h);
    const { position } = await h.append(client, `${mark}-a`, h.many(10));
    await h.append(client, `${mark}-a`, h.many(10));
    const first = h.listen(client.subscribeToAll({ fromPosition: position }));
    const seen = (await ownReceived(first, own, 4)).slice(0, 4);
    await first.stop();
    const second = h.listen(client.subscribeToAll({ fromPosition: seen.at(-1).event.position }));
    await ownReceived(second, own, 1);
    h.assert.equal(own(second.events)[0].event.revision, seen.at(-1).event.revision + 1n);
    await second.stop();
  }),
];

const filters = {
  'prefixes of streams': (api, mark) => api.streamNameFilter({ prefixes: [`${mark}-b`, 'no-such-'] }),
  'a pattern of streams': (api, mark) => api.streamNameFilter({ regex: `^${mark}-[b-c]$` }),
  'prefixes of types': (api, mark) => api.eventTypeFilter({ prefixes: [`${mark}Wanted`] }),
  'a pattern of types': (api, mark) => api.eventTypeFilter({ regex: `^${mark}W.*d$` }),
};

const filtered = Object.entries(filters).map(([title, filterOf]) =>
  check(`subscribe to all: filtered by ${title}, what was and what comes`, async (client, h) => {
    const { mark } = scene(h);
    const { position } = await h.append(client, `${mark}-a`, h.json(`${mark}First`));
    const write = async (count) => {
      await h.append(client, `${mark}-a`, h.many(count, `${mark}Other`));
      await h.append(client, `${mark}-b`, h.many(count, `${mark}Wanted`));
    };
    await write(4);
    const listener = h.listen(
      client.subscribeToAll({ fromPosition: position, filter: filterOf(h.api, mark) }),
    );
    await listener.received(4);
    await write(3);
    await listener.received(7);
    await listener.noMoreThan(7);
    for (const { event } of listener.events)
      h.assert.deepEqual([event.streamId, event.type], [`${mark}-b`, `${mark}Wanted`]);
    await listener.stop();
  }),
);

const checkpoints = [
  check('subscribe to all: checkpoints are reached while nothing fits the filter', async (client, h) => {
    const { mark } = scene(h);
    const { position } = await h.append(client, `${mark}-a`, h.many(1));
    for (let i = 0; i < 4; i += 1) await h.append(client, `${mark}-a`, h.many(100));
    const reached = [];
    const filter = h.api.streamNameFilter({
      prefixes: [`${mark}-nothing`],
      maxSearchWindow: 32,
      checkpointInterval: 2,
      checkpointReached: (_subscription, at) => void reached.push(at),
    });
    const listener = h.listen(client.subscribeToAll({ fromPosition: position, filter }));
    await listener.ready(() => reached.length >= 400 / (32 * 2) - 1, 'checkpoints');
    const goes = (before, at) =>
      at.commit > before.commit || (at.commit === before.commit && at.prepare >= before.prepare);
    for (const [i, at] of reached.entries())
      h.assert.ok(goes(reached[i - 1] ?? position, at), 'checkpoints never go back');
    await listener.stop();
  }),
  check('subscribe to all: checkpoints come live too, and one can go on from the last', async (client, h) => {
    const { mark } = scene(h);
    const reached = [];
    const filter = h.api.eventTypeFilter({
      prefixes: [`${mark}Wanted`],
      maxSearchWindow: 10,
      checkpointInterval: 1,
      checkpointReached: (_subscription, at) => void reached.push(at),
    });
    const listener = h.listen(client.subscribeToAll({ fromPosition: h.api.END, filter }));
    await listener.confirmed();
    for (let i = 0; i < 8; i += 1) await h.append(client, `${mark}-a`, h.many(10, `${mark}Other`));
    await listener.ready(() => reached.length >= 2, 'checkpoints');
    await listener.stop();
    await h.append(client, `${mark}-a`, h.json(`${mark}Wanted`));
    const next = h.listen(client.subscribeToAll({ fromPosition: reached.at(-1), filter }));
    h.assert.equal((await next.received(1))[0].event.type, `${mark}Wanted`);
    await next.stop();
  }),
  check('subscribe to all: system events are left out where that is asked', async (client, h) => {
    const { mark, own } = scene(h);
    const filter = h.api.excludeSystemEvents();
    const listener = h.listen(client.subscribeToAll({ fromPosition: h.api.END, filter }));
    const whole = h.listen(client.subscribeToAll({ fromPosition: h.api.END }));
    await listener.confirmed();
    await whole.confirmed();
    await client.setStreamMetadata(`${mark}-a`, { maxCount: 5 });
    await h.append(client, `${mark}-a`, h.many(1));
    await ownReceived(listener, own, 1);
    await ownReceived(whole, own, 1);
    h.assert.ok(listener.events.every(({ event }) => !event.type.startsWith('$')));
    h.assert.ok(whole.events.some(({ event }) => event.streamId === `$$${mark}-a`));
    await listener.stop();
    await whole.stop();
  }),
];

export const subscribeAllChecks = [...plain, ...filtered, ...checkpoints];
