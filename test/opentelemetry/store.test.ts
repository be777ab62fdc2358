/** A store that is observed promises what it promised, and tells what is done with it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import { type EventData, exactly, memoryStore, newId, noStream, type StreamName } from 'watersmeet';
import { observed, observeLag } from 'watersmeet/opentelemetry';
import { eventStoreContract } from '../../src/testing/contract.js';
import { right } from '../support/handling.js';
import { memorySubject } from '../support/subjects.js';
import { keepContext, outer, recording } from './recording.js';

const event = (type = 'Placed'): EventData => ({
  eventId: newId(),
  type,
  schemaVersion: 1,
  data: { secret: 'of the user' },
  metadata: {},
});
const order = 'order-42' as StreamName;

let forgetContext: () => void;
beforeAll(() => {
  forgetContext = keepContext();
});
afterAll(() => forgetContext());

describe('observed', () => {
  it('tells of an append by the names of the semantic conventions, under the span that is active', async () => {
    const told = recording();
    const store = observed(memoryStore(), told.options);
    await outer(told).startActiveSpan('request', async (request) => {
      await right(store.append({ streamName: order, expected: noStream, events: [event(), event()] }));
      request.end();
    });
    const [append, request] = told.spans();
    expect(append).toMatchObject({
      name: 'append order',
      kind: SpanKind.CLIENT,
      status: { code: SpanStatusCode.UNSET },
      attributes: {
        'db.system.name': 'memory',
        'db.operation.name': 'append',
        'watersmeet.stream.category': 'order',
        'watersmeet.events.count': 2,
        'watersmeet.version.expected': 'noStream',
        'watersmeet.version': 2,
      },
    });
    expect(append?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(await told.points('watersmeet.events.appended')).toEqual([
      { attributes: { 'watersmeet.stream.category': 'order' }, value: 2 },
    ]);
    const attributes = {
      'db.system.name': 'memory',
      'db.operation.name': 'append',
      'watersmeet.stream.category': 'order',
    };
    expect(await told.points('db.client.operation.duration')).toEqual([{ attributes, value: 1 }]);
    expect((await told.metrics()).get('db.client.operation.duration')).toBe('s');
  });

  it('names a conflict by its tag, with where the stream stands, and does not call it a failure', async () => {
    const told = recording();
    const store = observed(memoryStore(), told.options);
    await right(store.append({ streamName: order, expected: noStream, events: [event()] }));
    const lost = await store.append({ streamName: order, expected: exactly(7), events: [event()] })();
    expect(E.isLeft(lost) && lost.left._tag).toBe('VersionConflict');
    expect(told.spans()[1]).toMatchObject({
      status: { code: SpanStatusCode.UNSET },
      attributes: {
        'error.type': 'VersionConflict',
        'watersmeet.version.expected': '7',
        'watersmeet.version.actual': 1,
      },
    });
    const category = { 'watersmeet.stream.category': 'order' };
    expect(await told.points('watersmeet.append.conflicts')).toEqual([{ attributes: category, value: 1 }]);
    const durations = await told.points('db.client.operation.duration');
    expect(durations.map(({ attributes }) => attributes['error.type'])).toEqual([
      undefined,
      'VersionConflict',
    ]);
  });

  it('calls what failed a failure', async () => {
    const told = recording();
    const inner = memoryStore();
    const store = observed(inner, told.options);
    await inner.close();
    await store.readStream({ streamName: order })();
    expect(told.named('readStream order')).toMatchObject([
      {
        status: { code: SpanStatusCode.ERROR, message: 'StoreClosed' },
        attributes: { 'error.type': 'StoreClosed' },
      },
    ]);
  });

  it('counts a repeated append once', async () => {
    const told = recording();
    const store = observed(memoryStore(), told.options);
    const request = { streamName: order, expected: noStream, events: [event()] };
    await right(store.append(request));
    await right(store.append(request));
    expect(await told.points('watersmeet.events.appended')).toMatchObject([{ value: 1 }]);
    expect(told.spans()[1]?.attributes['watersmeet.idempotent']).toBe(true);
  });

  it('tells of several streams in one append', async () => {
    const told = recording();
    const store = observed(memoryStore(), told.options);
    const requests = ['order-1', 'bill-1'].map((name) => ({
      streamName: name as StreamName,
      expected: noStream,
      events: [event()],
    }));
    await right(store.appendMany(requests));
    expect(told.named('appendMany')).toMatchObject([
      { attributes: { 'db.operation.batch.size': 2, 'watersmeet.events.count': 2 } },
    ]);
    expect(await told.points('watersmeet.events.appended')).toMatchObject([
      { attributes: { 'watersmeet.stream.category': 'order' }, value: 1 },
      { attributes: { 'watersmeet.stream.category': 'bill' }, value: 1 },
    ]);
  });

  it('tells no payload, and names of streams only where it may', async () => {
    const told = recording();
    const open = observed(memoryStore(), { ...told.options, streamNames: true });
    const closed = observed(memoryStore(), told.options);
    for (const store of [closed, open]) {
      await right(store.append({ streamName: order, expected: noStream, events: [event()] }));
      await right(store.readStream({ streamName: order }));
    }
    const texts = told.spans().map(({ attributes }) => JSON.stringify(attributes));
    expect(texts.map((text) => text.includes('order-42'))).toEqual([false, false, true, true]);
    expect(texts.filter((text) => text.includes('secret'))).toEqual([]);
    const points = [
      ...(await told.points('db.client.operation.duration')),
      ...(await told.points('watersmeet.events.appended')),
    ];
    expect(JSON.stringify(points)).not.toContain('order-42');
  });

  it('tells of deliveries in batches, linked to where each event comes from, and how late they are', async () => {
    const told = recording();
    const store = observed(memoryStore(), { ...told.options, propagate: true });
    for (const name of ['order-1', 'order-2'])
      await right(store.append({ streamName: name as StreamName, expected: noStream, events: [event()] }));
    const senders = told.spans().map((span) => span.spanContext().spanId);
    await outer(told).startActiveSpan('elsewhere', async (span) => {
      await right(store.append({ streamName: order, expected: noStream, events: [event()] }));
      senders.push(span.spanContext().spanId);
      span.end();
    });
    const stop = new AbortController();
    const categories = ['order'];
    for await (const item of store.subscribe({ signal: stop.signal, filter: { categories } }))
      if (item._tag === 'CaughtUp') stop.abort();
    const [delivery, ...more] = told.named('deliver order');
    expect(more).toEqual([]);
    expect(delivery).toMatchObject({ kind: SpanKind.CONSUMER, attributes: { 'watersmeet.events.count': 3 } });
    // The first two were appended outside of any span: there is nothing to link to.
    expect(delivery?.links.map(({ context }) => context.spanId)).toEqual(senders.slice(2));
    const point = { attributes: { 'watersmeet.stream.category': 'order' }, value: 3 };
    expect(await told.points('watersmeet.events.delivered')).toEqual([point]);
    expect(await told.points('watersmeet.delivery.lag')).toEqual([point]);
  });

  it('adds nothing to what is stored, unless it may', async () => {
    const told = recording();
    const inner = memoryStore();
    const events = [event()];
    await outer(told).startActiveSpan('request', async (span) => {
      await right(observed(inner, told.options).append({ streamName: order, expected: noStream, events }));
      const other = 'other-1' as StreamName;
      const placing = observed(inner, { ...told.options, propagate: true });
      await right(placing.append({ streamName: other, expected: noStream, events: [event()] }));
      const kept = { ...event(), metadata: { headers: { traceparent: 'a trace of its own' } } };
      await right(placing.append({ streamName: other, expected: exactly(1), events: [kept] }));
      span.end();
      const { traceId, spanId } = span.spanContext();
      const read = await right(inner.readAll({}));
      expect(read.events.map(({ metadata }) => metadata)).toEqual([
        {},
        { headers: { traceparent: `00-${traceId}-${spanId}-01` } },
        kept.metadata,
      ]);
    });
  });

  it('does not wrap twice', () => {
    const store = observed(memoryStore());
    expect(observed(store)).toBe(store);
  });

  it('tells of leases, without their names', async () => {
    const told = recording();
    const { leases } = observed(memoryStore(), told.options);
    const request = { name: 'order-42', ttlMs: 1_000 };
    const lease = await right(leases!.acquire({ ...request, holder: 'a' }));
    await leases!.acquire({ ...request, holder: 'b' })();
    await right(leases!.renew(lease, 1_000));
    await right(leases!.release(lease));
    expect(told.spans().map(({ name, attributes }) => [name, attributes['error.type']])).toEqual([
      ['acquireLease', undefined],
      ['acquireLease', 'LeaseHeld'],
      ['renewLease', undefined],
      ['releaseLease', undefined],
    ]);
    expect(JSON.stringify(told.spans().map(({ attributes }) => attributes))).not.toContain('order-42');
  });
});

describe('observeLag', () => {
  it('tells how old the first event is that a subscriber has not done', async () => {
    const told = recording();
    const store = memoryStore();
    const stop = observeLag(store, { subscriber: 'mails', meterProvider: told.options.meterProvider });
    const lag = async () => (await told.points('watersmeet.subscriber.lag'))[0];
    const attributes = { 'watersmeet.subscriber': 'mails' };
    expect(await lag()).toEqual({ attributes, value: 0 });
    await right(store.append({ streamName: order, expected: noStream, events: [event()] }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await lag())?.value).toBeGreaterThan(0.01);
    const [first] = (await right(store.readAll({}))).events;
    const epoch = await right(store.epoch());
    await right(store.checkpoints.save('mails', { position: first!.position, epoch }));
    expect(await lag()).toEqual({ attributes, value: 0 });
    stop();
  });
});

const told = recording();
eventStoreContract(
  {
    ...memorySubject,
    name: 'memory, observed',
    open: async () => {
      const store = observed(memoryStore(), { ...told.options, streamNames: true });
      return { store, secondHandle: async () => store, dispose: () => store.close() };
    },
  },
  { describe, it, beforeAll, afterAll },
);
