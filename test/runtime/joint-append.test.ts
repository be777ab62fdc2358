/** Messages of one saga that one runtime handles at the same time: one append, one merge, and each is answered for itself. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  type AppendRequest,
  type EventStore,
  memoryStore,
  recordTypes,
  type SagaMessage,
  sagaRuntime,
  toPromise,
} from 'watersmeet';
import { realEnvironment } from '../../src/runtime/environment.js';
import { realTimers } from '../../src/store/timers.js';
import {
  concurrently,
  countOf,
  followUntilDone,
  freshId,
  onBothStores,
  to,
  typesOf,
  viewOf,
  withAppend,
} from '../cases/support.js';
import { type Basket, basketMerger, basketSaga } from '../support/basket.js';

type Runtime = ReturnType<typeof runtimeOn>;
type Append = EventStore['append'];
type AppendAnswer = ReturnType<ReturnType<Append>>;

const runtimeOn = (store: EventStore, more: object = {}) => sagaRuntime(basketSaga(), { ...more, store });

/** A store that notes what is appended and what came of it. */
const noted = (
  store: EventStore,
  instead: (request: AppendRequest, append: Append) => AppendAnswer = (request, append) => append(request)(),
) => {
  const appends: string[] = [];
  const noting = withAppend(store, async (request, append) => {
    const answer = await instead(request, append);
    const types = request.events.map(({ type }) => type);
    appends.push(`${E.isRight(answer) ? 'ok' : answer.left._tag}: ${types.join(' ')}`);
    return answer;
  });
  return { store: noting, appends };
};

const handleAll = (runtime: Runtime, messages: ReadonlyArray<SagaMessage<never>>) =>
  Promise.all(messages.map((one) => runtime.handle(one)()));

const tagsOf = (answers: ReadonlyArray<E.Either<{ readonly _tag: string }, { readonly _tag: string }>>) =>
  answers.map((answer) => (E.isRight(answer) ? answer.right._tag : `left ${answer.left._tag}`));

const adds = (send: ReturnType<typeof to>, count: number) =>
  Array.from({ length: count }, (_, index) => send('Add', { by: 2 ** index }));

const isJoint = ({ events }: AppendRequest): boolean =>
  events.some(({ type }) => type === recordTypes.mergeSagaState) &&
  events.every(({ type }) => type !== recordTypes.sagaMerged) &&
  events.length > 1;

/** A store that notes from which version each of its streams is read. */
const notedReads = (store: EventStore) => {
  const reads: number[] = [];
  const readStream: EventStore['readStream'] = (request) => {
    reads.push(request.from ?? 1);
    return store.readStream(request);
  };
  return { store: { ...store, readStream }, reads };
};

/** A saga on which additions stand one after another. */
const commutingSaga = () => {
  const commutes = (ours: string, theirs: string): boolean => ours === 'Added' && theirs === 'Added';
  return { ...basketSaga(), commutes };
};

/** Timers that count how often somebody waits for the others. */
const countedSoon = () => {
  const counted = { waits: 0 };
  const soon = (run: () => void): void => {
    counted.waits += 1;
    realTimers.soon(run);
  };
  return { counted, environment: { ...realEnvironment, timers: { ...realTimers, soon } } };
};

onBothStores('messages of one saga at once in one runtime', {
  'make one append and one merge, none of which is refused': async ({ store }) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const { store: noting, appends } = noted(store);
    const told: string[] = [];
    const hooks = { onConflict: ({ answer }: { answer: string }) => void told.push(answer) };
    const runtime = runtimeOn(noting, { hooks });
    // From now on the saga is known: nobody has to read it first.
    await toPromise(runtime.handle(send('Put', { item: 'pear' })));
    appends.length = 0;
    const answers = await handleAll(runtime, adds(send, 8));
    expect(tagsOf(answers)).toEqual(['Appended', ...Array.from({ length: 7 }, () => 'Merged')]);
    const branches = Array.from({ length: 7 }, () => recordTypes.mergeSagaState);
    const events = Array.from({ length: 7 }, () => 'Added');
    expect(appends).toEqual([
      `ok: ${['Added', ...branches].join(' ')}`,
      `ok: ${[...events, recordTypes.sagaMerged].join(' ')}`,
    ]);
    expect(told).toEqual(branches.map(() => 'branch'));
    expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 255 }, pending: [] });
  },

  'lose to another process once, all together: nothing is lost, and no handler runs again': async ({
    store,
    second,
  }) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const other = runtimeOn(second);
    let between = 0;
    const { store: noting, appends } = noted(store, async (request, append) => {
      if (isJoint(request) && (between += 1) === 1) await toPromise(other.handle(send('Add', { by: 1_000 })));
      return append(request)();
    });
    const reacted: string[] = [];
    const hooks = {
      onReacted: ({ messageId }: { messageId: string }) => void reacted.push(messageId),
    };
    const runtime = runtimeOn(noting, { hooks });
    await toPromise(runtime.handle(send('Add', { by: 500 })));
    const messages = [...adds(send, 6), send('Tell', { text: 'hello', once: true })];
    const answers = await handleAll(runtime, messages);
    // Refused once, and joined again on what the other wrote.
    expect(between).toBe(2);
    expect(answers.every(E.isRight)).toBe(true);
    const refused = appends.filter((one) => one.startsWith('VersionConflict'));
    expect(refused.filter((one) => one.includes(recordTypes.mergeSagaState))).toHaveLength(1);
    expect(reacted.slice(1).sort()).toEqual(messages.map(({ id }) => id).sort());
    await toPromise(runtime.resolve(sagaId));
    expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 1_563 }, pending: [] });
    expect(await countOf(store, sagaId, 'Added')).toBe(8);
    expect((await toPromise(runtime.owed(sagaId))).messages.map(({ type }) => type)).toEqual(['Notice']);
  },

  'that commute with what another process wrote lose once at most, and stand in a handful of appends':
    async ({ store, second }) => {
      const sagaId = freshId();
      const send = to(sagaId);
      const other = sagaRuntime(commutingSaga(), { store: second });
      let joints = 0;
      const { store: noting, appends } = noted(store, async (request, append) => {
        if (request.events.length > 1 && (joints += 1) === 1)
          await toPromise(other.handle(send('Add', { by: 1_000 })));
        return append(request)();
      });
      const runtime = sagaRuntime(commutingSaga(), { store: noting });
      await toPromise(runtime.handle(send('Add', { by: 1 })));
      appends.length = 0;
      const answers = await Promise.all(
        Array.from({ length: 64 }, () => runtime.handle(send('Add', { by: 1 }))()),
      );
      expect(new Set(tagsOf(answers))).toEqual(new Set(['Appended']));
      expect(appends.length).toBeLessThanOrEqual(6);
      expect(appends.some((one) => one.startsWith('VersionConflict'))).toBe(true);
      expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 1_065 }, pending: [] });
    },

  'read the stream far less than once each, although another process has been seen writing to it': async ({
    store,
    second,
  }) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const { store: noting, reads } = notedReads(store);
    const runtime = runtimeOn(noting);
    for (const by of [runtime, runtimeOn(second), runtime])
      await toPromise(by.handle(send('Add', { by: 1 })));
    for (let wave = 1; wave <= 3; wave += 1) {
      reads.length = 0;
      const answers = await handleAll(
        runtime,
        Array.from({ length: 48 }, () => send('Add', { by: 1 })),
      );
      expect(answers.every(E.isRight)).toBe(true);
      expect(reads.length).toBeLessThan(48 / 2);
    }
    expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 147 }, pending: [] });
  },

  'that another process handles as well have one effect each': async ({ store, second }) => {
    const sagaId = freshId();
    const messages = adds(to(sagaId), 6);
    const answers = await Promise.all([
      handleAll(runtimeOn(store), messages),
      handleAll(runtimeOn(second), [...messages].reverse()),
    ]);
    expect(answers.flat().every(E.isRight)).toBe(true);
    await toPromise(runtimeOn(store).resolve(sagaId));
    expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 63 }, pending: [] });
    expect(await countOf(store, sagaId, 'Added')).toBe(6);
  },

  'one that the store refuses fails alone': async ({ store }) => {
    const sagaId = freshId();
    const send = to(sagaId);
    const runtime = runtimeOn(store);
    await toPromise(runtime.handle(send('Add', { by: 2 })));
    const spoilt = { ...send('Tell', { text: 'hello', once: false }), metadata: { correlationId: '' } };
    const [first, third] = [send('Add', { by: 1 }), send('Put', { item: 'pear' })];
    expect(tagsOf(await handleAll(runtime, [first, spoilt, third]))).toEqual([
      'Appended',
      'left InvalidEvent',
      'Merged',
    ]);
    expect(await viewOf(store, sagaId)).toMatchObject({
      state: { count: 3, items: { pear: [third.id] } },
      pending: [],
    });
    expect(await countOf(store, sagaId, 'Told')).toBe(0);
  },

  'are all told of an outcome that is unknown, and have one effect when they come again': async ({
    store,
  }) => {
    for (const written of ['before', 'never', 'later'] as const) {
      const sagaId = freshId();
      const send = to(sagaId);
      let late: (() => AppendAnswer) | undefined;
      const unknown = noted(store, async (request, append) => {
        if (!isJoint(request) || late !== undefined) return append(request)();
        late = append(request);
        if (written === 'before') await late();
        const { streamName, events } = request;
        const eventIds = events.map(({ eventId }) => eventId);
        return E.left({ _tag: 'OutcomeUnknown', streamName, eventIds, message: 'the connection was lost' });
      });
      const runtime = runtimeOn(unknown.store);
      await toPromise(runtime.handle(send('Add', { by: 16 })));
      const messages = [...adds(send, 4), send('Tell', { text: 'hello', once: false })];
      expect(tagsOf(await handleAll(runtime, messages))).toEqual(messages.map(() => 'left OutcomeUnknown'));
      const again = await handleAll(runtime, messages);
      expect(again.every(E.isRight)).toBe(true);
      if (written === 'before') expect(new Set(tagsOf(again))).toEqual(new Set(['Duplicate']));
      if (written === 'later') await late?.();
      await toPromise(runtime.resolve(sagaId));
      expect(await viewOf(store, sagaId)).toMatchObject({ state: { count: 31 }, pending: [] });
      expect(await countOf(store, sagaId, 'Added')).toBe(5);
      expect(await countOf(store, sagaId, 'Told')).toBe(1);
      expect((await toPromise(runtime.owed(sagaId))).messages).toHaveLength(1);
    }
  },
});

/** One runtime on a store in memory, with a look at its appends. */
const start = (more: object = {}, instead?: Parameters<typeof noted>[1]) => {
  const { store, appends } = noted(memoryStore(), instead);
  return { store, appends, runtime: runtimeOn(store, more), send: to('b') };
};

describe('a lone writer', () => {
  it('makes one append for each message, and waits for nobody', async () => {
    const { counted, environment } = countedSoon();
    const { runtime, appends, send } = start({ environment });
    for (const one of adds(send, 3))
      expect(await toPromise(runtime.handle(one))).toMatchObject({ _tag: 'Appended', fastForwards: 0 });
    expect(appends).toEqual(['ok: Added', 'ok: Added', 'ok: Added']);
    expect(counted.waits).toBe(0);
  });

  it('waits for nobody either once others are done, however they ended', async () => {
    const { counted, environment } = countedSoon();
    const hooks = {
      onReacted: ({ messageId }: { messageId: string }) =>
        messageId === 'unwatched' ? Promise.reject(new Error('the watch broke')) : undefined,
    };
    const { runtime, appends, send } = start({ environment, hooks });
    await Promise.allSettled(
      [...adds(send, 3), send('Break'), send('Nothing'), send('Add', { by: 0 }, 'unwatched')].map((one) =>
        runtime.handle(one)(),
      ),
    );
    expect(counted.waits).toBeGreaterThan(0);
    counted.waits = 0;
    appends.length = 0;
    await toPromise(runtime.handle(send('Add', { by: 8 })));
    expect({ waits: counted.waits, appends }).toEqual({ waits: 0, appends: ['ok: Added'] });
  });

  it('that completes stands on the trunk, with no merge', async () => {
    const { runtime, appends, send } = start();
    await toPromise(runtime.handle(send('Finish')));
    expect(appends).toEqual([`ok: ${recordTypes.sagaMessageHandled} ${recordTypes.sagaCompleted}`]);
  });
});

describe('what is joined', () => {
  it('are at most 64 decisions an append; those that are over go in the next one, and none is refused', async () => {
    const { runtime, appends, store, send } = start();
    await Promise.all(Array.from({ length: 150 }, () => toPromise(runtime.handle(send('Add', { by: 1 })))));
    const sizes = appends
      .filter((one) => !one.endsWith(recordTypes.sagaMerged))
      .map((one) => one.split(' ').length - 1);
    expect(Math.max(...sizes)).toBe(64);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(150);
    expect(appends.filter((one) => !one.startsWith('ok'))).toEqual([]);
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 150 }, pending: [] });
  });

  it('is decided on what the fold remembers as long as it takes: however many come, no stream is folded anew', async () => {
    const { store, reads } = notedReads(memoryStore());
    const runtime = runtimeOn(store);
    const send = to('b');
    await toPromise(runtime.handle(send('Add', { by: 1 })));
    expect(reads).toEqual([1]);
    reads.length = 0;
    for (let wave = 1; wave <= 3; wave += 1)
      await Promise.all(Array.from({ length: 600 }, () => toPromise(runtime.handle(send('Add', { by: 1 })))));
    expect(reads.filter((from) => from === 1)).toEqual([]);
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 1_801 }, pending: [] });
  });

  it('is a message once: its second delivery at the same moment is a duplicate', async () => {
    const { runtime, store, send } = start();
    const twice = send('Add', { by: 1 });
    expect(tagsOf(await handleAll(runtime, [twice, twice]))).toEqual(['Appended', 'Duplicate']);
    expect(await typesOf(store, 'b')).toEqual(['Added']);
  });

  it('is not what a handler threw, decided nothing of or could not read: the others go on', async () => {
    const { runtime, appends, send } = start();
    const answers = await handleAll(runtime, [
      send('Break'),
      send('Add', { by: 1 }),
      send('Nothing'),
      send('Add', { by: 'much' }),
      send('Add', { by: 2 }),
    ]);
    expect(tagsOf(answers)).toEqual([
      'left ReactionFailed',
      'Appended',
      'Nothing',
      'left MessageInvalid',
      'Merged',
    ]);
    expect(appends).toHaveLength(2);
  });

  it('are sizes, too: one append that is too large for the store is taken apart, and what is too large by itself fails alone', async () => {
    const text = 'x'.repeat(600);
    const store = memoryStore({ limits: { eventBytesMax: 6_000, batchBytesMax: 8_000 } });
    const { store: noting, appends } = noted(store);
    const runtime = runtimeOn(noting);
    const send = to('b');
    // Five of them are more than an append may be; each of them is not.
    const small = Array.from({ length: 5 }, () => send('Tell', { text, once: false }));
    const huge = send('Tell', { text: text.repeat(10), once: false });
    for (const messages of [small, [...adds(send, 1), huge, send('Put', { item: 'pear' })]]) {
      appends.length = 0;
      const answers = await handleAll(runtime, messages);
      expect(appends[0]).toMatch(/^LimitExceeded: (Told|Added) MergeSagaState MergeSagaState/);
      expect(messages.filter((_, index) => E.isLeft(answers[index]!))).toEqual(
        messages === small ? [] : [huge],
      );
    }
    await toPromise(runtime.resolve('b'));
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 1 }, pending: [] });
    expect(await countOf(store, 'b', 'Told')).toBe(5);
    expect((await toPromise(runtime.owed('b'))).messages).toHaveLength(5);
  });

  it('is not what a codec of the state throws: what stands on the trunk is appended, and only branches fail', async () => {
    const base = basketSaga();
    let isBroken = false;
    const encode = (state: Basket): unknown => {
      if (isBroken) throw new Error('the codec broke');
      return base.state.encode(state);
    };
    const state = new t.Type<Basket, unknown>('state', base.state.is, base.state.validate, encode);
    const store = memoryStore();
    const runtime = sagaRuntime({ ...base, state }, { store });
    const send = to('b');
    await toPromise(runtime.handle(send('Add', { by: 16 })));
    isBroken = true;
    const settled = await Promise.allSettled(adds(send, 3).map((one) => runtime.handle(one)()));
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await typesOf(store, 'b')).toEqual(['Added', 'Added']);
    isBroken = false;
    expect(tagsOf(await handleAll(runtime, adds(send, 2)))).toEqual(['Appended', 'Merged']);
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 20 }, pending: [] });
  });

  it('leaves a key once, whoever of them sends it', async () => {
    const { runtime, store, send } = start();
    await handleAll(
      runtime,
      ['one', 'two', 'three'].map((text) => send('Tell', { text, once: true })),
    );
    expect(await followUntilDone(store)).toHaveLength(1);
  });
});

describe('what is not joined', () => {
  it('is work under a lease: each append must be refused by itself once the lease is lost', async () => {
    const store = memoryStore();
    const { store: noting, appends } = noted(store);
    const { name, token } = await toPromise(store.leases.acquire({ name: 'l', holder: 'h', ttlMs: 60_000 }));
    const runtime = runtimeOn(noting);
    const fence = { lease: name, token };
    const answers = await Promise.all(adds(to('b'), 2).map((one) => runtime.handle(one, { fence })()));
    expect(tagsOf(answers)).toEqual(['Appended', 'Merged']);
    expect(appends.slice(0, 3)).toEqual(['ok: Added', 'VersionConflict: Added', 'ok: MergeSagaState']);
  });

  it('is a saga that retries: who is second loses, and decides again', async () => {
    const { store, appends } = noted(memoryStore());
    const retrying = { ...basketSaga(), onConflict: 'retry' as const, merger: undefined };
    const runtime = sagaRuntime(retrying, { store, retry: { delayMs: 1 } });
    const answers = await Promise.all(adds(to('b'), 2).map((one) => runtime.handle(one)()));
    expect(tagsOf(answers)).toEqual(['Appended', 'Appended']);
    expect(appends).toEqual(['ok: Added', 'VersionConflict: Added', 'ok: Added']);
  });
});

describe('a hook', () => {
  it('that rejects, or throws, is the failure of its own message alone', async () => {
    const hooks = {
      onReacted: ({ messageId }: { messageId: string }) => {
        if (messageId === 'thrown') throw new Error('thrown by the watch');
        return messageId === 'rejected' ? Promise.reject(new Error('rejected by the watch')) : undefined;
      },
    };
    const { runtime, store, send } = start({ hooks });
    const messages = ['a', 'thrown', 'b', 'rejected', 'c'].map((id) => send('Add', { by: 1 }, id));
    const settled = await Promise.allSettled(messages.map((one) => runtime.handle(one)()));
    expect(settled.map((one) => (one.status === 'fulfilled' ? 'ok' : String(one.reason)))).toEqual([
      'ok',
      'Error: thrown by the watch',
      'ok',
      'Error: rejected by the watch',
      'ok',
    ]);
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 3 }, pending: [] });
  });

  it('that throws when it is told of one message fails that message alone: the others have their answers', async () => {
    const hooks = {
      onConflict: ({ messageId }: { messageId: string }) => {
        if (messageId === 'thrown') throw new Error('thrown by the watch');
      },
    };
    const { store } = start();
    const runtime = sagaRuntime(commutingSaga(), { store, hooks });
    const send = to('b');
    const messages = [
      send('Add', { by: 1 }, 'first'),
      send('Add', { by: 2 }, 'thrown'),
      send('Put', { item: 'pear' }, 'third'),
    ];
    const settled = await Promise.allSettled(messages.map((one) => runtime.handle(one)()));
    expect(
      settled.map((one) => (one.status === 'fulfilled' ? tagsOf([one.value])[0] : String(one.reason))),
    ).toEqual(['Appended', 'Error: thrown by the watch', 'Merged']);
    const { state, pending } = await viewOf(store, 'b');
    expect({ state, pending }).toMatchObject({
      state: { count: 3, items: { pear: ['third'] } },
      pending: [],
    });
    expect(tagsOf(await handleAll(runtime, messages))).toEqual(messages.map(() => 'Duplicate'));
  });

  it('is told of a move what it moved past: from what was read to what stands before it', async () => {
    const told: string[] = [];
    const hooks = {
      onConflict: ({ base, actual, answer }: { base: number; actual: number; answer: string }) =>
        void told.push(`${answer}: read ${base}, found ${actual}`),
    };
    const runtime = sagaRuntime(commutingSaga(), { store: memoryStore(), hooks });
    const send = to('b');
    for (const wave of [adds(send, 3), adds(send, 3)]) await handleAll(runtime, wave);
    expect(told).toEqual([
      'fastForward: read 0, found 1',
      'fastForward: read 0, found 2',
      'fastForward: read 3, found 4',
      'fastForward: read 3, found 5',
    ]);
  });

  it('is told of a branch what it lost to: the decisions before it, and no branch', async () => {
    const told: string[] = [];
    const hooks = {
      onConflict: ({ base, actual, answer }: { base: number; actual: number; answer: string }) =>
        void told.push(`${answer}: read ${base}, found ${actual}`),
    };
    const { runtime, send } = start({ hooks });
    await handleAll(runtime, adds(send, 3));
    expect(told).toEqual(['branch: read 0, found 1', 'branch: read 0, found 1']);
  });

  it('is waited for before its own decision is appended, and holds up nobody else', async () => {
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const hooks = {
      onReacted: ({ messageId }: { messageId: string }) => (messageId === 'slow' ? held : undefined),
    };
    const { runtime, store, send } = start({ hooks });
    const slow = toPromise(runtime.handle(send('Add', { by: 1 }, 'slow')));
    for (const by of [2, 4]) await toPromise(runtime.handle(send('Add', { by })));
    expect(await typesOf(store, 'b')).toEqual(['Added', 'Added']);
    letGo();
    // It was decided on what was there before the others.
    expect(await slow).toMatchObject({ _tag: 'Merged' });
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 7 }, pending: [] });
  });
});

describe('a store', () => {
  it('that does not answer for one saga holds up no other', async () => {
    const { runtime, send } = start({}, (request, append) =>
      request.streamName === 'basket-stuck' ? new Promise(() => undefined) : append(request)(),
    );
    const stuck = to('stuck');
    void handleAll(runtime, adds(stuck, 3));
    expect(tagsOf(await handleAll(runtime, adds(send, 3)))).toEqual(['Appended', 'Merged', 'Merged']);
  });

  it('that throws at an append of many rejects each of them, and the next message is handled', async () => {
    let isBroken = true;
    const { runtime, store, send } = start({}, (request, append) => {
      if (isBroken && isJoint(request)) throw new Error('the driver broke');
      return append(request)();
    });
    const settled = await Promise.allSettled(adds(send, 3).map((one) => runtime.handle(one)()));
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    isBroken = false;
    expect(tagsOf(await handleAll(runtime, adds(send, 2)))).toEqual(['Appended', 'Merged']);
    expect(await viewOf(store, 'b')).toMatchObject({ state: { count: 3 } });
  });
});

describe('a completion beside others', () => {
  it('is decided with them: nobody comes late, and what it tells of is told once', async () => {
    const { runtime, store, send } = start();
    const answers = await handleAll(runtime, [send('Finish'), ...adds(send, 2), send('Finish')]);
    expect(tagsOf(answers)).toEqual(['Merged', 'Appended', 'Merged', 'Merged']);
    expect(await viewOf(store, 'b')).toMatchObject({ completed: true, epoch: 1, state: { count: 3 } });
    expect(await countOf(store, 'b', recordTypes.sagaCompleted)).toBe(1);
    expect(await followUntilDone(store)).toHaveLength(1);
  });

  it('that came twice at once is still alone: it asks for no merge', async () => {
    const { store, appends } = noted(memoryStore());
    const never = {
      ...basketMerger,
      merge: () => E.left({ _tag: 'MergeRefused', reason: 'never', paths: [] }),
    };
    const runtime = sagaRuntime(basketSaga({ merge: never as unknown as typeof basketMerger }), { store });
    const finish = to('b')('Finish');
    expect(tagsOf(await handleAll(runtime, [finish, finish]))).toEqual(['Appended', 'Duplicate']);
    expect(appends).toHaveLength(1);
    expect(await viewOf(store, 'b')).toMatchObject({ completed: true, parked: undefined });
  });
});

describe('two runtimes on one store', () => {
  it('are two processes: they meet at the store alone, and the one that comes second is refused there', async () => {
    const { store, appends } = noted(memoryStore());
    const send = to('b');
    const answers = await concurrently({ store, second: store }, adds(send, 2));
    expect(tagsOf(answers)).toEqual(['Appended', 'Merged']);
    expect(appends.filter((one) => one.startsWith('VersionConflict'))).toHaveLength(1);
    const { state }: { state: Basket } = await viewOf(store, 'b');
    expect(state.count).toBe(3);
  });
});
