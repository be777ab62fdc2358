/** A queue that is observed: what goes in and out, how the trace goes on, and how much waits. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SpanKind } from '@opentelemetry/api';
import { memoryStore, newId, noStream, type StreamName } from 'watersmeet';
import { observed, observeDepths } from 'watersmeet/opentelemetry';
import type { MessageQueue, QueuedMessage } from '../../src/store/message-queue.js';
import { right } from '../support/handling.js';
import { keepContext, recording } from './recording.js';

let forgetContext: () => void;
beforeAll(() => {
  forgetContext = keepContext();
});
afterAll(() => forgetContext());

const mail = (id: string, key = id): QueuedMessage => ({
  queue: 'mails',
  id,
  key,
  type: 'Send',
  data: { secret: 'of the user' },
});
const all = { queue: 'mails', index: 0, of: 1 };
const queueOf = (told: ReturnType<typeof recording>, more = {}): MessageQueue =>
  observed(memoryStore(), { ...told.options, ...more }).queue as MessageQueue;

describe('a queue that is observed', () => {
  it('tells of sending, receiving and settling, and counts each message once', async () => {
    const told = recording();
    const queue = queueOf(told);
    await right(queue.enqueue([mail('1'), mail('2')]));
    await right(queue.enqueue([mail('2'), mail('3')]));
    const taken = await right(queue.take({ partition: all, maxCount: 10 }));
    await right(queue.done([taken[0]!]));
    await right(queue.failed({ message: taken[1]!, error: 'it broke on Ada', then: { retryInMs: 5 } }));
    await right(queue.failed({ message: taken[2]!, error: 'it broke on Ada', then: 'park' }));
    expect(
      told
        .spans()
        .map(({ name, kind, attributes }) => [
          name,
          kind,
          attributes['messaging.operation.type'],
          attributes['messaging.batch.message_count'],
        ]),
    ).toEqual([
      ['enqueue mails', SpanKind.PRODUCER, 'send', 2],
      ['enqueue mails', SpanKind.PRODUCER, 'send', 2],
      ['take mails', SpanKind.CONSUMER, 'receive', 3],
      ['done mails', SpanKind.CLIENT, 'settle', 1],
      ['failed mails', SpanKind.CLIENT, 'settle', 1],
      ['failed mails', SpanKind.CLIENT, 'settle', 1],
    ]);
    const destination = { 'messaging.destination.name': 'mails' };
    expect(await told.points('messaging.client.sent.messages')).toMatchObject([
      { attributes: destination, value: 3 },
    ]);
    expect(await told.points('messaging.client.consumed.messages')).toMatchObject([
      { attributes: destination, value: 3 },
    ]);
    expect(await told.points('watersmeet.queue.retries')).toEqual([{ attributes: destination, value: 1 }]);
    expect(await told.points('watersmeet.queue.parkings')).toEqual([{ attributes: destination, value: 1 }]);
    const texts = JSON.stringify(told.spans().map(({ attributes, events }) => [attributes, events]));
    expect(texts).not.toMatch(/secret|Ada/);
  });

  it('does not tell of a take that brought nothing', async () => {
    const told = recording();
    await right(queueOf(told).take({ partition: all, maxCount: 10 }));
    expect(told.spans()).toEqual([]);
    expect(await told.points('messaging.client.operation.duration')).toEqual([]);
  });

  it('names a full queue, and counts nothing as sent', async () => {
    const told = recording();
    await queueOf(told).enqueue([mail('1'), mail('2')], { depthMax: 1 })();
    expect(told.spans()[0]?.attributes['error.type']).toBe('QueueFull');
    expect(await told.points('messaging.client.sent.messages')).toEqual([]);
  });

  it('keeps the trace with the message, and links whoever takes it', async () => {
    const told = recording();
    const queue = queueOf(told, { propagate: true });
    await right(queue.enqueue([mail('1')]));
    const [message] = await right(queue.take({ partition: all, maxCount: 1 }));
    const [sent, received] = told.spans();
    const { traceId, spanId } = sent!.spanContext();
    expect(message?.metadata.headers).toEqual({ traceparent: `00-${traceId}-${spanId}-01` });
    expect(received?.links.map(({ context }) => context.spanId)).toEqual([spanId]);
  });

  it('counts messages that are enqueued with an append', async () => {
    const told = recording();
    const store = observed(memoryStore(), told.options);
    const event = { eventId: newId(), type: 'Placed', schemaVersion: 1, data: {}, metadata: {} };
    const request = { streamName: 'order-1' as StreamName, expected: noStream, events: [event] };
    await right(store.append({ ...request, enqueue: [mail('1'), mail('2')] }));
    await right(store.append({ ...request, enqueue: [mail('1'), mail('2')] }));
    expect(await told.points('messaging.client.sent.messages')).toMatchObject([{ value: 2 }]);
  });

  it('tells how much waits when it is asked, until that is ended', async () => {
    const told = recording();
    const queue = memoryStore().queue as MessageQueue;
    const stop = observeDepths(queue, {
      queue: 'mails',
      partitions: 1,
      meterProvider: told.options.meterProvider,
    });
    const attributes = { 'messaging.destination.name': 'mails', 'watersmeet.queue.partition': 0 };
    expect(await told.points('watersmeet.queue.depth')).toEqual([{ attributes, value: 0 }]);
    await right(queue.enqueue([mail('1'), mail('2', '1'), mail('3')]));
    const [taken] = await right(queue.take({ partition: all, maxCount: 1 }));
    await right(queue.failed({ message: taken!, error: 'it broke', then: 'park' }));
    expect(await told.points('watersmeet.queue.depth')).toEqual([{ attributes, value: 2 }]);
    expect(await told.points('watersmeet.queue.parked')).toEqual([{ attributes, value: 1 }]);
    expect((await told.metrics()).get('watersmeet.queue.oldest_age')).toBe('s');
    stop();
    await right(queue.enqueue([mail('4')]));
    // The SDK goes on telling the last value; the store is not asked any more.
    expect(await told.points('watersmeet.queue.depth')).toEqual([{ attributes, value: 2 }]);
  });
});
