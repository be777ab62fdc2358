/** Answers that come late, and messages that are taken back from a consumer before they were sent. */
import { describe, expect, it } from '@jest/globals';
import { type Effect, openGroup } from '../../src/server/persistent/group.js';
import { openOutbox } from '../../src/server/persistent/outbox.js';
import type { GroupSettings } from '../../src/server/persistent/settings.js';
import type { Delivery } from '../../src/server/persistent/subscribers.js';

const settings: GroupSettings = {
  resolveLinks: false,
  extraStatistics: false,
  messageTimeoutMs: 10,
  maxRetryCount: 10,
  checkpointAfterMs: 1,
  checkpointCountMin: 1,
  checkpointCountMax: 1,
  subscribersMax: 0,
  liveBufferSize: 10,
  readBatchSize: 5,
  historyBufferSize: 10,
  strategy: 'RoundRobin',
};

const told = (effect: Effect<string, number>): string => {
  switch (effect._tag) {
    case 'Deliver':
      return `${effect.event} to ${effect.consumer}${'!'.repeat(effect.retryCount)}`;
    case 'TakeBack':
      return `${effect.id} from ${effect.consumer}`;
    case 'Checkpoint':
      return `checkpoint ${effect.place}`;
    case 'Park':
    case 'Unpark':
    case 'Stop':
      return effect._tag;
  }
};

/** Two messages with one id, as two streams may hold them, and a consumer with room for one. */
const bench = () => {
  let now = 0;
  const group = openGroup<string, number>(settings, () => now);
  const drain = (ms = 0): ReadonlyArray<string> => {
    now += ms;
    return group.drain(ms > 0).map(told);
  };
  group.connect('a', 1);
  group.offer(1, { id: 'x', pin: 'one', event: 'first' });
  group.offer(2, { id: 'x', pin: 'two', event: 'second' });
  return { group, drain };
};

describe('an answer of a consumer', () => {
  it('to an earlier delivery of a message that is done settles no other message with the same id', () => {
    const { group, drain } = bench();
    expect(drain()).toEqual(['first to a']);
    expect(drain(11)).toEqual(['x from a', 'first to a!']);
    group.ack('a', ['x']);
    expect(drain()).toEqual(['second to a', 'checkpoint 1']);
    group.ack('a', ['x']);
    expect(drain()).toEqual([]);
    group.ack('a', ['x']);
    expect(drain()).toEqual(['checkpoint 2']);
  });

  it('is not waited for where the earlier delivery was never sent', () => {
    const { group, drain } = bench();
    drain();
    expect(drain(11)).toEqual(['x from a', 'first to a!']);
    group.unsent('a', 'x');
    group.ack('a', ['x']);
    expect(drain()).toEqual(['second to a', 'checkpoint 1']);
    group.ack('a', ['x']);
    expect(drain()).toEqual(['checkpoint 2']);
  });

  it('counts also while the message is being parked, and is not waited for once the consumer has gone', () => {
    const { group, drain } = bench();
    drain();
    drain(11);
    group.nack('a', ['x'], 'park', '');
    group.ack('a', ['x']);
    group.parked('x');
    expect(drain(1)).toEqual(['Park', 'second to a', 'checkpoint 1']);
    group.disconnect('a');
    group.connect('b', 1);
    expect(drain()).toEqual(['second to b!']);
    group.ack('b', ['x']);
    expect(drain()).toEqual(['checkpoint 2']);
  });

  it('takes the message back from another who holds it by now, and from nobody else', () => {
    const { group, drain } = bench();
    drain();
    group.connect('b', 1);
    expect(drain(11)).toEqual(['x from a', 'first to b!']);
    group.ack('a', ['x']);
    expect(drain()[0]).toBe('x from b');
  });
});

describe('what waits to be sent to a consumer', () => {
  const delivery = (id: string): Delivery => ({
    id,
    event: { event: undefined, link: undefined },
    retryCount: 0,
  });

  it('is not sent once it was taken back, and it is said that it had not been', async () => {
    const outbox = openOutbox(new AbortController().signal);
    for (const id of ['x', 'y', 'z']) outbox.deliver(delivery(id));
    expect((await outbox.next())?.id).toBe('x');
    expect(['x', 'y', 'y'].map(outbox.takeBack)).toEqual([false, true, false]);
    expect((await outbox.next())?.id).toBe('z');
  });

  it('ends with the call', async () => {
    const call = new AbortController();
    const outbox = openOutbox(call.signal);
    const next = outbox.next();
    call.abort();
    expect(await next).toBeUndefined();
  });
});
