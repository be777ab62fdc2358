// What the checks share: names that nobody else uses, events, reads into arrays, errors that must come, subscriptions listened to.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { protocolHelpers } from './protocol.mjs';

/** How long a check waits for what must come in the end, and a call for its answer; only a failing check ever waits so long. */
const patienceMs = 40_000;
/** How long a check watches that nothing more comes. It can miss a fault, never invent one. */
const quietMs = 250;

/** A check is a title and what must hold. `alone`: it runs when no other does; `needs`: what client and server must have for it. */
export const check = (name, run, options = {}) => ({ name, run, ...options });

export const until = async (holds, what) => {
  const end = Date.now() + patienceMs;
  for (;;) {
    const answer = await holds();
    if (answer) return answer;
    if (Date.now() > end) assert.fail(`In vain: ${what}`);
    await sleep(15);
  }
};

/** Listens to a subscription of any sort, from its first moment on. */
const listen = (subscription) => {
  const heard = { events: [], errors: [], confirmed: 0, caughtUp: 0, ended: false };
  subscription
    .on('data', (event) => heard.events.push(event))
    .on('error', (error) => {
      heard.errors.push(error);
      heard.ended = true;
    })
    .on('confirmation', () => (heard.confirmed += 1))
    .on('caughtUp', () => (heard.caughtUp += 1))
    .on('end', () => (heard.ended = true))
    .on('close', () => (heard.ended = true));
  const ready = (holds, what) =>
    until(() => {
      const [error] = heard.errors;
      if (error !== undefined) throw error;
      return holds();
    }, what);
  return {
    subscription,
    heard,
    events: heard.events,
    confirmed: () => ready(() => heard.confirmed === 1, 'the subscription is confirmed once'),
    /** Until `count` events are there. */
    received: async (count) => {
      await ready(() => heard.events.length >= count, `${count} events, ${heard.events.length} came`);
      return heard.events;
    },
    ready,
    /** Watches a while that no more than `count` events come. */
    noMoreThan: async (count) => {
      await sleep(quietMs);
      assert.deepEqual(heard.errors, []);
      assert.equal(heard.events.length, count, `just ${count} events`);
    },
    failure: () =>
      until(() => heard.errors[0], `the subscription fails; ${heard.events.length} events came instead`),
    stop: async () => {
      await subscription.unsubscribe();
      await until(() => heard.ended, 'the subscription ends');
    },
  };
};

export const idsOf = (resolved) => resolved.map(({ event, link }) => (event ?? link).id);
export const revisionsOf = (resolved) => resolved.map(({ event, link }) => (link ?? event).revision);
export const upTo = (count, from = 0) => Array.from({ length: count }, (_, i) => BigInt(from + i));

const collect = async (reading, most = Number.POSITIVE_INFINITY) => {
  const read = [];
  for await (const resolved of reading) {
    read.push(resolved);
    if (read.length >= most) break;
  }
  return read;
};

const eventsOf = ({ api }) => ({
  json: (type = 'Happened', data = { n: 1 }, more = {}) => api.jsonEvent({ type, data, ...more }),
  binary: (type = 'Happened', data = Buffer.from([1, 2, 3]), more = {}) =>
    api.binaryEvent({ type, data, ...more }),
  many: (count, type = 'Happened', from = 0) =>
    Array.from({ length: count }, (_, i) => api.jsonEvent({ type, data: { n: from + i } })),
});

const rejects =
  ({ api }) =>
  async (errorClass, promise, what = 'it') => {
    const outcome = await Promise.resolve(promise).then(
      (value) => ({ value }),
      (error) => ({ error }),
    );
    if (!('error' in outcome)) assert.fail(`${what} should have failed with ${errorClass}`);
    assert.ok(
      outcome.error instanceof api[errorClass],
      `${what}: ${errorClass} expected, but it was ${outcome.error?.stack ?? String(outcome.error)}`,
    );
    return outcome.error;
  };

// The clients send a single Append, not a batch, whenever credentials are given with the call.
const someone = { credentials: { username: 'admin', password: 'changeit' } };
export const roads = { 'batch append': {}, 'plain append': someone };

/**
 * Everything a check may use. `clients` is told of every connection that is made; `restart` restarts the server, where something can;
 * `load` is the share of large numbers that checks are to reach, 1 by default.
 */
export const helpersOf = (adaptor, connectionString, { clients, restart, load }) => {
  const connectTo = (text) => {
    const client = adaptor.connect(text);
    clients.add(client);
    return client;
  };
  const connect = (parameters = {}) => {
    const url = new URL(connectionString);
    for (const [key, value] of Object.entries({ defaultDeadline: patienceMs, ...parameters }))
      url.searchParams.set(key, String(value));
    return connectTo(url.toString());
  };
  return {
    ...adaptor,
    ...eventsOf(adaptor),
    ...protocolHelpers(adaptor),
    connectionString,
    connect,
    connectTo,
    restart,
    /** How often a check about large numbers does something: less where the store is slow. A multiple of 20. */
    load: (count) => Math.max(20, 20 * Math.round((count * load) / 20)),
    assert,
    until,
    sleep,
    listen,
    collect,
    rejects: rejects(adaptor),
    id: randomUUID,
    /** A name that nobody else uses, on any server. */
    name: (prefix = 'watersmeet') => `${prefix}-${randomUUID()}`,
    append: (client, stream, events, expected, options = {}) =>
      client.appendToStream(stream, events, { ...adaptor.expecting(expected), ...options }),
    read: (client, stream, options = {}) => collect(client.readStream(stream, options)),
  };
};
