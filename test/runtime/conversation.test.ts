/** Correlation and causation: carried from a message to every record and every message that it leads to. */
import { describe, expect, it } from '@jest/globals';
import {
  type AggregateHooks,
  type EventStore,
  memoryStore,
  type RecordedEvent,
  recordTypes,
  type SagaHooks,
  type SagaMessage,
  sagaRuntime,
  toPromise,
} from 'watersmeet';
import { mergeHooks } from '../../src/runtime/saga/merge-hooks.js';
import { followUntilDone } from '../cases/support.js';
import { basketSaga, message } from '../support/basket.js';
import { deposit, handle, left, open, opened, right, withRival } from '../support/handling.js';

const inConversation = (correlationId: string, one: SagaMessage<never>): SagaMessage<never> => ({
  ...one,
  metadata: { correlationId, headers: { traceparent: `of ${correlationId}`, other: 'stays' } },
});

const recordsOf = async (store: EventStore): Promise<ReadonlyArray<RecordedEvent>> =>
  (await right(store.readAll({}))).events;

const tell = (text: string, once = false): SagaMessage<never> =>
  message('Tell', { text, once }, `tell ${text}`);

describe('a conversation', () => {
  it('begins with a message that names none, under the message’s id', async () => {
    const store = memoryStore();
    await toPromise(sagaRuntime(basketSaga(), { store }).handle(tell('a')));
    const [event] = await recordsOf(store);
    expect(event?.metadata).toMatchObject({ correlationId: 'tell a', causationId: 'tell a' });
    const [sent] = await followUntilDone(store);
    expect(sent?.metadata).toEqual({ correlationId: 'tell a', causationId: 'tell a' });
  });

  it('goes on with what is sent, with the place of the trace and nothing else of the writer’s', async () => {
    const store = memoryStore();
    await toPromise(sagaRuntime(basketSaga(), { store }).handle(inConversation('c1', tell('a'))));
    expect((await followUntilDone(store)).map(({ metadata }) => metadata)).toEqual([
      { correlationId: 'c1', causationId: 'tell a', headers: { traceparent: 'of c1' } },
    ]);
  });

  it('is named by every record of a merge, and each branch keeps its own', async () => {
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    await Promise.all(
      ['c1', 'c2', 'c3'].map((id) => toPromise(runtime.handle(inConversation(id, tell(id))))),
    );
    await toPromise(runtime.handle(inConversation('c4', message('Finish', {}, 'finish'))));
    const records = await recordsOf(store);
    expect(records.filter(({ metadata }) => metadata.correlationId === undefined)).toEqual([]);
    expect(records.filter(({ metadata }) => metadata.causationId === undefined)).toEqual([]);
    for (const { type, metadata } of records)
      if (type === 'Told') expect(metadata.causationId).toBe(`tell ${metadata.correlationId}`);
    for (const { type, data, metadata } of records)
      if (type === recordTypes.sagaMerged) {
        const [first] = (data as { resolves: ReadonlyArray<string> }).resolves;
        const branch = records.find(({ eventId }) => eventId === first);
        expect(metadata).toMatchObject({ causationId: first, correlationId: branch?.metadata.correlationId });
      }
    const sent = await followUntilDone(store);
    expect(sent.map(({ metadata }) => [metadata?.correlationId, metadata?.causationId]).sort()).toEqual([
      ['c1', 'tell c1'],
      ['c2', 'tell c2'],
      ['c3', 'tell c3'],
      ['c4', 'finish'],
    ]);
  });

  it('reaches compensations, what they send, and their hooks', async () => {
    const store = memoryStore();
    const plain = basketSaga({ compensateTold: true });
    const seen: unknown[] = [];
    const saga = {
      ...plain,
      hooks: {
        undo: (data: { text: string }, info: { readonly correlationId?: string }) => {
          seen.push(info.correlationId);
          return { send: [{ type: 'Undo' as const, data }] };
        },
      },
    };
    const runtime = sagaRuntime(saga, { store });
    const first = inConversation('c1', tell('a', true));
    const second = inConversation('c2', message('Add', { by: 1 }, 'add'));
    await Promise.all([first, second].map((one) => toPromise(runtime.handle(one))));
    const sent = await followUntilDone(store, saga as never);
    // The merge is one of the second conversation: its branch is what had to be taken in.
    expect(seen).toEqual(['c2']);
    const undo = sent.find(({ type }) => type === 'Undo');
    expect(undo?.metadata).toMatchObject({ correlationId: 'c2', headers: { traceparent: 'of c2' } });
    expect(undo?.metadata?.causationId).toMatch(/^comp:/);
    const applied = (await recordsOf(store)).find(({ type }) => type === recordTypes.compensationApplied);
    expect(applied?.metadata.correlationId).toBe('c2');
  });

  it('is found in streams that were written before conversations were', async () => {
    const store = memoryStore();
    await toPromise(sagaRuntime(basketSaga(), { store }).handle(tell('a')));
    const [record] = await recordsOf(store);
    const { streamName, eventId, type, schemaVersion, data, metadata } = record!;
    const { correlationId: _, ...old } = metadata;
    const other = memoryStore();
    const events = [{ eventId, type, schemaVersion, data, metadata: old }];
    await right(other.append({ streamName, expected: { _tag: 'noStream' }, events }));
    const [sent] = await followUntilDone(other);
    expect(sent?.metadata).toEqual({ correlationId: 'tell a', causationId: 'tell a' });
  });
});

describe('hooks', () => {
  it('tell of an aggregate’s conflicts and of what is done about them', async () => {
    const store = await opened();
    const notices: unknown[] = [];
    const hooks: AggregateHooks = {
      onConflict: ({ attempt, base, actual, theirs, answer }) =>
        void notices.push([attempt, base, actual, theirs.map(({ type }) => type), answer]),
      onRetry: ({ attempt }) => void notices.push(`retry after ${attempt}`),
    };
    const rival = withRival(store, 9, () => right(handle({ store }, deposit(1))));
    const environment = { random: () => 0, sleep: async () => undefined };
    const rules = { attemptsMax: 2 };
    const { handleCommand } = await import('../../src/runtime/aggregate/handle-command.js');
    const { account } = await import('../support/account.js');
    const context = { store: rival, hooks, environment };
    const request = { id: '42', command: deposit(5) };
    const refused = await left(handleCommand(context)({ ...account, retry: rules }, request));
    expect(refused).toMatchObject({ _tag: 'ConcurrencyConflict' });
    expect(notices).toEqual([
      [1, 1, 2, ['Deposited'], 'retry'],
      'retry after 1',
      [2, 2, 3, ['Deposited'], 'reject'],
    ]);
    notices.length = 0;
    await left(handle(context, open));
    expect(notices).toEqual([]);
  });

  it('tell of a saga’s retries', async () => {
    const notices: unknown[] = [];
    const hooks: SagaHooks = { onRetry: ({ messageId, attempt }) => void notices.push([messageId, attempt]) };
    const saga = { ...basketSaga(), onConflict: 'retry' as const, merger: undefined };
    const runtime = sagaRuntime(saga, { store: memoryStore(), hooks, retry: { delayMs: 1 } });
    await Promise.all(['one', 'two'].map((id) => toPromise(runtime.handle(message('Add', { by: 1 }, id)))));
    expect(notices).toEqual([['two', 1]]);
  });

  it('are merged into one that tells all of them, in order', () => {
    const told: string[] = [];
    const first: SagaHooks = {
      onParked: () => void told.push('first'),
      onReacted: () => void told.push('reacted'),
    };
    const second: SagaHooks = { onParked: () => void told.push('second') };
    const merged = mergeHooks<SagaHooks>(first, undefined, second);
    expect(Object.keys(merged)).toEqual(['onParked', 'onReacted']);
    merged.onParked?.({ streamName: 's', branchIds: [], reason: '' });
    void merged.onReacted?.({ streamName: 's', messageId: 'm', attempt: 1 });
    expect(told).toEqual(['first', 'second', 'reacted']);
    const broken: SagaHooks = {
      onParked: () => {
        throw new Error('a bug');
      },
    };
    const notice = { streamName: 's', branchIds: [], reason: '' };
    expect(() => mergeHooks<SagaHooks>(broken, first).onParked?.(notice)).toThrow('a bug');
  });

  it('that promise something are begun one after another and awaited together; one that rejects is told', async () => {
    const told: string[] = [];
    const slow = (name: string): SagaHooks => ({
      onReacted: async () => {
        told.push(`${name} begins`);
        await new Promise(setImmediate);
        told.push(`${name} ends`);
      },
    });
    const notice = { streamName: 's', messageId: 'm', attempt: 1 };
    await mergeHooks<SagaHooks>(slow('first'), { onReacted: () => undefined }, slow('second')).onReacted?.(
      notice,
    );
    expect(told).toEqual(['first begins', 'second begins', 'first ends', 'second ends']);
    const broken: SagaHooks = { onReacted: () => Promise.reject(new Error('a bug')) };
    await expect(mergeHooks<SagaHooks>(slow('third'), broken).onReacted?.(notice)).rejects.toThrow('a bug');
  });

  it('that answer something else than a promise are waited for by nobody, and hold up no other', () => {
    const told: string[] = [];
    const counting = ((name: string) => ({ onReacted: () => told.push(name) })) as unknown as (
      name: string,
    ) => SagaHooks;
    const merged = mergeHooks<SagaHooks>(counting('first'), counting('second'));
    expect(merged.onReacted?.({ streamName: 's', messageId: 'm', attempt: 1 })).toBeUndefined();
    expect(told).toEqual(['first', 'second']);
  });
});
