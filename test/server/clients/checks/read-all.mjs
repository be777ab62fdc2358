// Reading $all. A server has other streams than ours: each check looks from the position of its own first event on.
import { check, idsOf } from '../helpers.mjs';

/** Some events in two streams, whose names begin alike; from `position` on they are in $all. */
const scene = async (client, h, each = 5) => {
  const mark = `all${h.id().replaceAll('-', '')}`;
  const { position } = await h.append(client, `${mark}-a`, h.json(`${mark}First`));
  const written = [];
  for (let i = 0; i < each; i += 1) {
    for (const [stream, type] of [
      [`${mark}-a`, `${mark}Even`],
      [`${mark}-b`, `${mark}Odd`],
    ]) {
      const event = h.json(type, { i });
      await h.append(client, stream, event);
      written.push(event.id);
    }
  }
  const own = (read) => read.filter(({ event }) => event?.streamId.startsWith(`${mark}-`));
  return { mark, position, written, own };
};

const plain = [
  check('read all: forwards from a position, in the order of appending', async (client, h) => {
    const { position, written, own } = await scene(client, h);
    const read = await h.collect(client.readAll({ fromPosition: position }));
    h.assert.deepEqual(read[0].event.position, position, 'the event at the position itself is the first');
    h.assert.deepEqual(idsOf(own(read)).slice(1), written);
    for (const [i, { event }] of read.entries()) {
      const before = read[i - 1]?.event.position;
      h.assert.ok(before === undefined || before.commit <= event.position.commit, 'positions grow');
      h.assert.ok(event.position.commit >= event.position.prepare, 'commit is no less than prepare');
    }
  }),
  check('read all: backwards from the end, newest first', async (client, h) => {
    const { written, position, own } = await scene(client, h);
    const read = [];
    const options = { direction: h.api.BACKWARDS, fromPosition: h.api.END };
    for await (const resolved of client.readAll(options)) {
      if (resolved.event.position.commit <= position.commit) break;
      read.push(resolved);
    }
    h.assert.deepEqual(idsOf(own(read)), written.toReversed());
  }),
  check('read all: backwards from a position comes what was before it', async (client, h) => {
    const { own, position } = await scene(client, h);
    const events = own(await h.collect(client.readAll({ fromPosition: position })));
    const third = events[3].event;
    const read = [];
    for await (const resolved of client.readAll({
      direction: h.api.BACKWARDS,
      fromPosition: third.position,
    })) {
      if (resolved.event.position.commit < position.commit) break;
      read.push(resolved);
    }
    h.assert.deepEqual(idsOf(own(read)), idsOf(events.slice(0, 3)).toReversed());
  }),
  check('read all: no more than maxCount events, and what follows from the last', async (client, h) => {
    const { position, own, written } = await scene(client, h);
    const seen = [];
    let fromPosition = position;
    for (let page = 0; page < 200 && seen.length < written.length + 1; page += 1) {
      const read = await h.collect(client.readAll({ fromPosition, maxCount: 4 }));
      h.assert.ok(read.length <= 4);
      const fresh = page === 0 ? read : read.slice(1);
      seen.push(...own(fresh));
      if (fresh.length > 0) fromPosition = fresh.at(-1).event.position;
    }
    h.assert.deepEqual(idsOf(seen).slice(1), written);
  }),
  check('read all: from the start there are events', async (client, h) => {
    await scene(client, h, 1);
    const read = await h.collect(client.readAll({ maxCount: 3 }));
    h.assert.equal(read.length, 3);
    h.assert.deepEqual(idsOf(await h.collect(client.readAll({ maxCount: 2 }))), idsOf(read.slice(0, 2)));
  }),
  check(
    'read all: forwards from the end, and backwards from the start, there is nothing',
    async (client, h) => {
      await scene(client, h, 1);
      h.assert.deepEqual(await h.collect(client.readAll({ fromPosition: h.api.END, maxCount: 3 })), []);
      const start = { fromPosition: h.api.START, direction: h.api.BACKWARDS, maxCount: 3 };
      h.assert.deepEqual(await h.collect(client.readAll(start)), []);
    },
    { needs: 'anyDirection' },
  ),
  check('read all: a tombstone takes nothing from other streams', async (client, h) => {
    const { mark, position, own } = await scene(client, h, 3);
    await client.tombstoneStream(`${mark}-b`);
    const read = own(await h.collect(client.readAll({ fromPosition: position })));
    const count = (stream) =>
      read.filter(({ event }) => event.streamId === stream && event.type[0] !== '$').length;
    h.assert.equal(count(`${mark}-a`), 4);
    // A server may show what the tombstoned stream held until it is scavenged; it shows all of it or nothing.
    h.assert.ok([0, 3].includes(count(`${mark}-b`)), `${count(`${mark}-b`)} of 3`);
  }),
];

const filters = {
  'prefixes of streams': (mark) => ({ on: 'stream', prefixes: ['no-such', `${mark}-b`] }),
  'a pattern of streams': (mark) => ({ on: 'stream', regex: `^${mark}-[b-z]$` }),
  'prefixes of types': (mark) => ({ on: 'type', prefixes: [`${mark}Od`, `${mark}Never`] }),
  'a pattern of types': (mark) => ({ on: 'type', regex: `${mark}O..$` }),
};

const filtered = Object.entries(filters).map(([title, filterOf]) =>
  check(`read all: filtered by ${title}`, async (client, h) => {
    const { mark, position } = await scene(client, h);
    const read = await h.readAllFiltered(client, { from: position, ...filterOf(mark) });
    h.assert.deepEqual(
      read.map(({ revision }) => revision),
      [0n, 1n, 2n, 3n, 4n],
    );
    h.assert.ok(read.every(({ streamId, type }) => streamId === `${mark}-b` && type === `${mark}Odd`));
    const back = await h.readAllFiltered(client, {
      from: 'end',
      backwards: true,
      count: 2,
      ...filterOf(mark),
    });
    h.assert.deepEqual(
      back.map(({ revision }) => revision),
      [4n, 3n],
    );
  }),
);

export const readAllChecks = [
  ...plain,
  ...filtered,
  check(
    'read all: the filters of the client itself',
    async (client, h) => {
      const { mark, position } = await scene(client, h);
      for (const filter of [
        h.api.streamNameFilter({ prefixes: [`${mark}-b`] }),
        h.api.streamNameFilter({ regex: `^${mark}-b$` }),
        h.api.eventTypeFilter({ prefixes: [`${mark}Odd`] }),
        h.api.eventTypeFilter({ regex: `^${mark}Odd$` }),
      ]) {
        const read = await h.collect(client.readAll({ fromPosition: position, filter }));
        h.assert.equal(read.length, 5);
        h.assert.ok(read.every(({ event }) => event.streamId === `${mark}-b`));
      }
    },
    { needs: 'filtersReads' },
  ),
  check('read all: system events can be left out', async (client, h) => {
    const { mark, position } = await scene(client, h, 1);
    await client.setStreamMetadata(`${mark}-a`, { maxCount: 100 });
    await h.append(client, `${mark}-b`, h.json(`${mark}Last`));
    const all = await h.collect(client.readAll({ fromPosition: position }));
    h.assert.ok(all.some(({ event }) => event.streamId === `$$${mark}-a` && event.type === '$metadata'));
    const users = await h.readAllFiltered(client, { from: position, on: 'type', regex: '^[^$].*' });
    h.assert.ok(users.some(({ type }) => type === `${mark}Last`));
    h.assert.ok(users.every(({ type }) => !type.startsWith('$')));
  }),
  check('read all: a pattern that is none is refused with a reason', async (client, h) => {
    const { position } = await scene(client, h, 1);
    await h.assert.rejects(
      h.readAllFiltered(client, { from: position, on: 'type', regex: '([' }),
      (error) => error.message.length > 15,
    );
  }),
];
