/** A saga at work is told of: handling, conflict, branch, merge, compensation, dispatch; and how they hang together. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import { type Dispatched, memoryStore, merger, mergeRefused, type SagaMessage, toPromise } from 'watersmeet';
import { observedCommands, observedHandler, observedSaga } from 'watersmeet/opentelemetry';
import { account } from '../support/account.js';
import { basketSaga, message } from '../support/basket.js';
import { deposit, left, open, right, withRival } from '../support/handling.js';
import { keepContext, outer, recording } from './recording.js';

let forgetContext: () => void;
beforeAll(() => {
  forgetContext = keepContext();
});
afterAll(() => forgetContext());

const category = { 'watersmeet.stream.category': 'basket' };
const texts = async (told: ReturnType<typeof recording>, name: string, key: string) =>
  (await told.points(name)).map(({ attributes, value }) => `${String(attributes[key])} ${value}`).sort();

/** Messages handled at once on one store, so that all but the first lose their append. */
const atOnce = async (runtime: ReturnType<typeof observedSaga>, all: ReadonlyArray<SagaMessage<never>>) =>
  Promise.all(all.map((one) => toPromise(runtime.handle(one))));

describe('observedSaga', () => {
  it('tells of handling by outcome, with the appends beneath it', async () => {
    const told = recording();
    const runtime = observedSaga(basketSaga(), { store: memoryStore() }, told.options);
    await toPromise(runtime.handle(message('Add', { by: 1 }, 'm-1')));
    await toPromise(runtime.handle(message('Add', { by: 1 }, 'm-1')));
    const [first, second] = told.named('process basket');
    expect(first).toMatchObject({
      kind: SpanKind.CONSUMER,
      attributes: {
        'messaging.system': 'watersmeet',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'basket',
        'messaging.message.id': 'm-1',
        'watersmeet.message.type': 'Add',
        'watersmeet.outcome': 'Appended',
        'watersmeet.attempts': 1,
      },
    });
    expect(second?.attributes['watersmeet.outcome']).toBe('Duplicate');
    const [append] = told.named('append basket');
    expect(append?.parentSpanContext?.spanId).toBe(first?.spanContext().spanId);
    expect(await texts(told, 'messaging.process.duration', 'watersmeet.outcome')).toEqual([
      'Appended 1',
      'Duplicate 1',
    ]);
    expect(await told.points('watersmeet.reactions')).toEqual([{ attributes: category, value: 1 }]);
  });

  it('counts what a conflict comes to: branches, merges, and the spans of the merger', async () => {
    const told = recording();
    const runtime = observedSaga(basketSaga(), { store: memoryStore() }, told.options);
    const all = [1, 2, 3].map((by) => message('Add', { by }));
    const outcomes = (await atOnce(runtime as never, all)).map(({ _tag }) => _tag);
    expect(outcomes.sort()).toEqual(['Appended', 'Merged', 'Merged']);
    expect((await toPromise(runtime.load('b'))).state.count).toBe(6);
    expect(await texts(told, 'watersmeet.conflicts', 'watersmeet.conflict.answer')).toEqual(['branch 2']);
    const merges = await told.points('watersmeet.merges');
    const merged = await told.points('watersmeet.merged_branches');
    expect(merged).toEqual([{ attributes: category, value: 2 }]);
    expect(merges.map(({ attributes }) => attributes)).toEqual([category]);
    const spans = told.named('merge basket');
    expect(spans.length).toBeGreaterThanOrEqual(merges[0]!.value);
    const handling = new Set(told.named('process basket').map((span) => span.spanContext().spanId));
    for (const { parentSpanContext } of spans) expect(handling).toContain(parentSpanContext?.spanId);
    const events = told.named('process basket').flatMap((span) => span.events.map(({ name }) => name));
    expect(events.filter((name) => name === 'watersmeet.conflicts')).toHaveLength(2);
    expect(events.filter((name) => name === 'watersmeet.merges')).toHaveLength(merges[0]!.value);
  });

  it('tells of a merge that is refused, by its tag and not by its reason', async () => {
    const told = recording();
    const saga = basketSaga({ merge: merger(() => E.left(mergeRefused('the reason names Ada'))) });
    const parked: string[] = [];
    const hooks = { onParked: ({ reason }: { reason: string }) => void parked.push(reason) };
    const runtime = observedSaga(saga, { store: memoryStore(), hooks }, told.options);
    await atOnce(runtime as never, [message('Add', { by: 1 }), message('Add', { by: 2 })]);
    expect(parked).toEqual(['the reason names Ada']);
    expect(told.named('merge basket')).toMatchObject([{ attributes: { 'error.type': 'MergeRefused' } }]);
    expect(await told.points('watersmeet.parked')).toEqual([
      { attributes: { ...category, 'watersmeet.parked.kind': 'merge' }, value: 1 },
    ]);
    await left(runtime.handle(message('Add', { by: 3 })));
    expect(told.named('process basket').at(-1)).toMatchObject({
      status: { code: SpanStatusCode.ERROR, message: 'SagaParked' },
      attributes: { 'error.type': 'SagaParked' },
    });
    const all = told.spans().map(({ attributes, events, status }) => ({ attributes, events, status }));
    expect(JSON.stringify(all)).not.toContain('Ada');
  });

  it('tells of compensations: the run that failed, and the one that was applied', async () => {
    const told = recording();
    const saga = basketSaga({
      compensateTold: true,
      onHook: (_data, attempt) => {
        if (attempt === 1) throw new Error('not yet, Ada');
      },
    });
    const context = { store: memoryStore(), retry: { delayMs: 1, attemptsMax: 3 } };
    const runtime = observedSaga(saga, context, told.options);
    await atOnce(runtime as never, [message('Tell', { text: 'one', once: true }), message('Add', { by: 2 })]);
    await toPromise(runtime.doOwed('b'));
    expect(told.named('compensate basket').map(({ status, attributes }) => [status, attributes])).toEqual([
      [{ code: SpanStatusCode.ERROR, message: 'Error' }, expect.objectContaining({ 'error.type': 'Error' })],
      [
        { code: SpanStatusCode.UNSET },
        {
          'watersmeet.saga.name': 'basket',
          'watersmeet.compensation.hook': 'undo',
          'watersmeet.attempt': 2,
        },
      ],
    ]);
    expect(await texts(told, 'watersmeet.compensations', 'watersmeet.outcome')).toEqual([
      'applied 1',
      'failed 1',
    ]);
    expect(JSON.stringify(told.spans().map(({ status, events }) => [status, events]))).not.toContain('Ada');
  });

  it('links handling and dispatch to where the message comes from, and sends the trace on', async () => {
    const told = recording();
    const options = { ...told.options, propagate: true };
    const store = memoryStore();
    const runtime = observedSaga(basketSaga(), { store }, options);
    const dispatched: Dispatched[] = [];
    const following = runtime.follow({ dispatch: (one) => void dispatched.push(one), pollMs: 1 });
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const sent = message('Tell', { text: 'hello', once: false });
    const metadata = { correlationId: 'order-7', headers: { traceparent } };
    await toPromise(runtime.handle({ ...sent, metadata } as never));
    await following.caughtUp();
    await following.stop();
    const [handled] = told.named('process basket');
    const [dispatch] = told.named('dispatch basket');
    expect(handled?.links.map(({ context }) => context.spanId)).toEqual(['b'.repeat(16)]);
    expect(handled?.attributes['messaging.message.conversation_id']).toBe('order-7');
    expect(dispatch?.kind).toBe(SpanKind.PRODUCER);
    expect(dispatch?.links.map(({ context }) => context.spanId)).toEqual([handled?.spanContext().spanId]);
    expect(dispatch?.attributes['messaging.message.conversation_id']).toBe('order-7');
    const { traceId, spanId } = dispatch!.spanContext();
    expect(dispatched.map((one) => one.metadata)).toEqual([
      {
        correlationId: 'order-7',
        causationId: sent.id,
        headers: { traceparent: `00-${traceId}-${spanId}-01` },
      },
    ]);
    expect(await texts(told, 'messaging.client.sent.messages', 'watersmeet.message.type')).toEqual([
      'Notice 1',
    ]);
    const [event] = (await right(store.readAll({}))).events;
    const place = handled!.spanContext();
    expect(event?.metadata.headers?.['traceparent']).toBe(`00-${place.traceId}-${place.spanId}-01`);
  });

  it('counts types of messages that the saga does not know as one', async () => {
    const told = recording();
    const runtime = observedSaga(basketSaga(), { store: memoryStore() }, told.options);
    for (const type of ['Made up', 'toString', '__proto__']) await left(runtime.handle(message(type)));
    expect(await texts(told, 'messaging.process.duration', 'watersmeet.message.type')).toEqual(['_OTHER 3']);
  });

  it('tells of retries, where the saga answers conflict so', async () => {
    const told = recording();
    const saga = { ...basketSaga(), onConflict: 'retry' as const, merger: undefined };
    const runtime = observedSaga(saga, { store: memoryStore(), retry: { delayMs: 1 } }, told.options);
    await atOnce(runtime as never, [message('Add', { by: 1 }), message('Add', { by: 2 })]);
    expect(await told.points('watersmeet.retries')).toEqual([{ attributes: category, value: 1 }]);
    expect(await texts(told, 'watersmeet.conflicts', 'watersmeet.conflict.answer')).toEqual(['retry 1']);
  });
});

describe('observedCommands', () => {
  it('tells of a command, its conflicts and its retries', async () => {
    const told = recording();
    const inner = memoryStore();
    await right(observedCommands({ store: inner })(account, { id: '42', command: open }));
    const rival = () => right(observedCommands({ store: inner })(account, { id: '42', command: deposit(1) }));
    const handle = observedCommands({ store: withRival(inner, 2, rival) }, told.options);
    await right(handle(account, { id: '42', command: deposit(1), commandId: 'c-1' }));
    expect(told.named('handle account')).toMatchObject([
      {
        kind: SpanKind.INTERNAL,
        attributes: {
          'watersmeet.message.type': 'Deposit',
          'watersmeet.attempts': 3,
          'messaging.message.conversation_id': 'c-1',
        },
      },
    ]);
    const [whole] = told.named('handle account');
    const appends = told.named('append account');
    expect(appends.map(({ attributes }) => attributes['error.type'])).toEqual([
      'VersionConflict',
      'VersionConflict',
      undefined,
    ]);
    for (const { parentSpanContext } of appends)
      expect(parentSpanContext?.spanId).toBe(whole?.spanContext().spanId);
    expect(await texts(told, 'watersmeet.conflicts', 'watersmeet.conflict.answer')).toEqual(['retry 2']);
    expect(await told.points('watersmeet.retries')).toMatchObject([{ value: 2 }]);
  });

  it('does not call a rejection a failure', async () => {
    const told = recording();
    const handle = observedCommands({ store: memoryStore() }, told.options);
    await left(handle(account, { id: '42', command: deposit(1) }));
    expect(told.named('handle account')).toMatchObject([
      { status: { code: SpanStatusCode.UNSET }, attributes: { 'error.type': 'Rejected' } },
    ]);
  });
});

describe('observedHandler', () => {
  it('is a span around whatever handles a message, under which it can begin spans of its own', async () => {
    const told = recording();
    const handle = observedHandler(
      'mails',
      async ({ type }: { id: string; type: string }) =>
        outer(told).startActiveSpan('inside', async (span) => {
          span.end();
          if (type === 'Bad') throw new TypeError('Ada');
        }),
      told.options,
    );
    await handle({ id: '1', type: 'Good' });
    await expect(handle({ id: '2', type: 'Bad' })).rejects.toThrow('Ada');
    const [good, bad] = told.named('process mails');
    expect(told.named('inside').map((span) => span.parentSpanContext?.spanId)).toEqual(
      [good, bad].map((span) => span?.spanContext().spanId),
    );
    expect(good?.status).toEqual({ code: SpanStatusCode.UNSET });
    expect(bad?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'TypeError' });
  });
});
