/** Timeouts that sagas ask for: durable, delivered once for each id, cancelled by the saga, and ignored after its completion. */
import { describe, expect, it } from '@jest/globals';
import {
  type EventStore,
  type FollowOptions,
  memoryStore,
  type Saga,
  type SagaContext,
  sagaRuntime,
  type StreamName,
  toPromise,
} from 'watersmeet';
import { deadlineSaga, toDeadline } from '../support/deadline.js';
import { type Bench, concurrently, freshId, inMemory, onEveryStore, right, withAppend } from './support.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const eventually = async (isSo: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isSo()); tries += 1) {
    if (tries > 1_000) throw new Error('it never became so');
    await pause(5);
  }
};

const runtimeOf = (store: EventStore, saga: Saga = deadlineSaga(), context: Partial<SagaContext> = {}) =>
  sagaRuntime(saga, { retry: { delayMs: 1, attemptsMax: 3 }, ...context, store });

const options: FollowOptions = { pollMs: 5, mergeAfterMs: 1, timeouts: { pollMs: 5, leaseMs: 1_000 } };
const following = (store: EventStore, saga?: Saga, context?: Partial<SagaContext>) =>
  runtimeOf(store, saga, context).follow({ ...options, subscriber: freshId() });

/** Follows until what is due has been given out. */
const followOnce = async (store: EventStore, saga?: Saga, context?: Partial<SagaContext>): Promise<void> => {
  const follower = following(store, saga, context);
  await follower.caughtUp();
  await follower.stop();
};

const typesOf = async (store: EventStore, sagaId: string): Promise<ReadonlyArray<string>> => {
  const streamName = `deadline-${sagaId}` as StreamName;
  return (await toPromise(store.readStream({ streamName, maxCount: 4_096 }))).events.map(({ type }) => type);
};
const countOf = async (store: EventStore, sagaId: string, type: string): Promise<number> =>
  (await typesOf(store, sagaId)).filter((one) => one === type).length;

const dueOf = async (store: EventStore, sagaId: string): Promise<Readonly<Record<string, number>>> =>
  (await toPromise(sagaRuntime(deadlineSaga(), { store }).load(sagaId))).state.due;

const waitingOf = async (store: EventStore, sagaId: string) =>
  (await toPromise(runtimeOf(store).owed(sagaId))).timeouts;

/** Handles messages one after another. */
const tell = async (
  store: EventStore,
  sagaId: string,
  ...messages: ReadonlyArray<readonly [string, object]>
) => {
  const runtime = runtimeOf(store);
  for (const [type, data] of messages) await toPromise(runtime.handle(toDeadline(sagaId)(type, data)));
};

/** Two messages at once: the first is on the trunk, the second in a branch that is merged. */
const atOnce = async (
  bench: Bench,
  sagaId: string,
  trunk: readonly [string, object],
  branch: readonly [string, object],
  saga: Saga = deadlineSaga(),
): Promise<void> => {
  const answers = await concurrently(
    bench,
    [trunk, branch].map((one) => toDeadline(sagaId)(...one)),
    saga,
  );
  expect(answers.map((answer) => right(answer)._tag)).toEqual(['Appended', 'Merged']);
};

const ask = (text: string, more: object = {}) => ['Ask', { text, afterMs: 0, ...more }] as const;

onEveryStore('a timeout', {
  'is given to its saga once, however many follow': async ({ store, second }) => {
    const sagaId = freshId();
    await tell(store, sagaId, ask('soon', { afterMs: 30 }));
    expect(await waitingOf(store, sagaId)).toMatchObject([
      { type: 'Due', afterMs: 30, data: { text: 'soon' } },
    ]);
    const followers = [following(store), following(second)];
    await eventually(async () => (await dueOf(store, sagaId))['soon'] !== undefined);
    await Promise.all(followers.map((one) => one.caughtUp()));
    await Promise.all(followers.map((one) => one.stop()));
    await followOnce(store);
    expect(await dueOf(store, sagaId)).toEqual({ soon: 1 });
    expect(await countOf(store, sagaId, 'WasDue')).toBe(1);
    expect(await waitingOf(store, sagaId)).toEqual([]);
  },

  'that its handler has nothing to say to leaves a record all the same, so that it does not come again':
    async ({ store }) => {
      const sagaId = freshId();
      await tell(store, sagaId, ask('quiet', { quiet: true }));
      await followOnce(store);
      await followOnce(store);
      expect(await typesOf(store, sagaId)).toEqual(['Added', 'SagaMessageHandled']);
      expect(await waitingOf(store, sagaId)).toEqual([]);
    },

  'that is cancelled never comes': async ({ store }) => {
    const sagaId = freshId();
    const follower = following(store);
    await tell(store, sagaId, ask('never', { key: 'k', afterMs: 700 }));
    await follower.caughtUp();
    await tell(store, sagaId, ['Cancel', { key: 'k' }]);
    expect(await waitingOf(store, sagaId)).toEqual([]);
    await pause(800);
    await follower.caughtUp();
    await follower.stop();
    expect(await typesOf(store, sagaId)).toEqual(['Added', 'Added']);
  },

  'that is on its way when it is cancelled is ignored, and its handler does not run': async ({
    store,
    second,
  }) => {
    const sagaId = freshId();
    await tell(store, sagaId, ask('late', { key: 'k' }));
    const [timeout] = await waitingOf(store, sagaId);
    const reacted: string[] = [];
    const hooks = { onReacted: ({ messageId }: { messageId: string }) => void reacted.push(messageId) };
    const runtime = runtimeOf(second, deadlineSaga(), { hooks });
    // It knows the saga as it was before the cancel, and nothing tells it of that.
    await toPromise(runtime.load(sagaId));
    await tell(store, sagaId, ['Cancel', { key: 'k' }]);
    const message = toDeadline(sagaId)('Due', { text: 'late' }, timeout?.id);
    expect(await toPromise(runtime.handle(message, { readsFirst: true }))).toEqual({
      _tag: 'TimeoutIgnored',
      why: 'cancelled',
    });
    expect(reacted).toEqual([]);
    expect(await typesOf(store, sagaId)).toEqual(['Added', 'Added']);
  },

  'that is asked for again under its key takes the place of the one before': async ({ store }) => {
    const sagaId = freshId();
    const follower = following(store);
    await tell(store, sagaId, ask('first', { key: 'k', afterMs: 700 }));
    await follower.caughtUp();
    await tell(store, sagaId, ask('second', { key: 'k', afterMs: 100 }));
    expect(await waitingOf(store, sagaId)).toMatchObject([{ data: { text: 'second' } }]);
    await eventually(async () => (await dueOf(store, sagaId))['second'] !== undefined);
    await pause(800);
    await follower.caughtUp();
    await follower.stop();
    expect(await dueOf(store, sagaId)).toEqual({ second: 1 });
  },

  'of a branch waits for the merge, and then for its time': async (bench) => {
    const sagaId = freshId();
    await atOnce(bench, sagaId, ['Add', { by: 1 }], ask('branch'));
    expect(await waitingOf(bench.store, sagaId)).toMatchObject([
      { data: { text: 'branch' }, version: 3 + 1 },
    ]);
    await followOnce(bench.store);
    expect(await dueOf(bench.store, sagaId)).toEqual({ branch: 1 });
  },

  'of a branch whose key the trunk has asked for meanwhile is not released': async (bench) => {
    const sagaId = freshId();
    await atOnce(bench, sagaId, ask('trunk', { key: 'k' }), ask('branch', { key: 'k' }));
    expect(await waitingOf(bench.store, sagaId)).toMatchObject([{ data: { text: 'trunk' } }]);
    await followOnce(bench.store);
    expect(await dueOf(bench.store, sagaId)).toEqual({ trunk: 1 });
  },

  'of a branch takes the place of one that waited before both': async (bench) => {
    const sagaId = freshId();
    await tell(bench.store, sagaId, ask('before', { key: 'k', afterMs: 60_000 }));
    await atOnce(bench, sagaId, ['Add', { by: 1 }], ask('branch', { key: 'k', afterMs: 60_000 }));
    expect(await waitingOf(bench.store, sagaId)).toMatchObject([{ data: { text: 'branch' } }]);
  },

  'and a cancel of its key at the same moment: the cancel stands, whoever came first': async (bench) => {
    for (const isCancelFirst of [true, false]) {
      const sagaId = freshId();
      await tell(bench.store, sagaId, ask('before', { key: 'k', afterMs: 60_000 }));
      const both = [['Cancel', { key: 'k' }] as const, ask('new', { key: 'k', afterMs: 60_000 })] as const;
      const [trunk, branch] = isCancelFirst ? both : [both[1], both[0]];
      await atOnce(bench, sagaId, trunk, branch);
      expect(await waitingOf(bench.store, sagaId)).toEqual([]);
    }
  },

  'is asked for and cancelled by onMerged as well, which has the last word': async (bench) => {
    const asking = freshId();
    await atOnce(bench, asking, ['Add', { by: 1 }], ['Add', { by: 2 }], deadlineSaga({ askAfterMerge: 'm' }));
    expect(await waitingOf(bench.store, asking)).toMatchObject([
      { data: { text: 'after the merge' }, key: 'm' },
    ]);
    const cancelling = freshId();
    const saga = deadlineSaga({ cancelAfterMerge: 'k' });
    await atOnce(bench, cancelling, ['Add', { by: 1 }], ask('branch', { key: 'k' }), saga);
    expect(await waitingOf(bench.store, cancelling)).toEqual([]);
  },

  'that comes after the saga has completed is ignored, and recorded so once': async ({ store, second }) => {
    const sagaId = freshId();
    await tell(store, sagaId, ask('late'), ['Finish', {}]);
    const [timeout] = await waitingOf(store, sagaId);
    const message = toDeadline(sagaId)('Due', { text: 'late' }, timeout?.id);
    const both = await Promise.all([store, second].map((one) => toPromise(runtimeOf(one).handle(message))));
    for (const { _tag } of both) expect(['TimeoutIgnored', 'Duplicate']).toContain(_tag);
    await followOnce(store);
    expect(await typesOf(store, sagaId)).toEqual([
      'Added',
      'SagaMessageHandled',
      'SagaCompleted',
      'SagaTimeoutIgnored',
    ]);
    expect(await waitingOf(store, sagaId)).toEqual([]);
    expect(await toPromise(runtimeOf(store).handle(message))).toEqual({ _tag: 'Duplicate' });
  },

  'whose follower died before it was enqueued is enqueued by the next': async ({ store }) => {
    const sagaId = freshId();
    await tell(store, sagaId, ask('safe'));
    const queue = store.queue;
    if (queue === undefined) throw new Error('the store has no queue');
    const dying: EventStore = {
      ...store,
      queue: { ...queue, enqueue: () => () => Promise.reject(new Error('died')) },
    };
    const follower = runtimeOf(dying).follow({ ...options, subscriber: sagaId });
    await expect(follower.done).rejects.toThrow('died');
    expect(await dueOf(store, sagaId)).toEqual({});
    const next = runtimeOf(store).follow({ ...options, subscriber: sagaId });
    await next.caughtUp();
    await next.stop();
    expect(await dueOf(store, sagaId)).toEqual({ safe: 1 });
  },

  'whose process died with it in hand is given out by another when the lease has ended': async ({
    store,
    second,
  }) => {
    const sagaId = freshId();
    let isTaken = false;
    const hanging = withAppend(store, (request, append) => {
      if (!request.events.some(({ type }) => type === 'WasDue')) return append(request)();
      isTaken = true;
      return new Promise(() => undefined);
    });
    await tell(store, sagaId, ask('handed on'));
    const dead = runtimeOf(hanging).follow({
      ...options,
      subscriber: freshId(),
      timeouts: { pollMs: 5, leaseMs: 300 },
    });
    await eventually(async () => isTaken);
    void dead.stop();
    const other = following(second);
    await eventually(async () => (await dueOf(second, sagaId))['handed on'] !== undefined);
    await other.stop();
    expect(await dueOf(second, sagaId)).toEqual({ 'handed on': 1 });
  },

  'that keeps failing is parked, and told of; those of other sagas come': async ({ store }) => {
    const [poisoned, sound] = [freshId(), freshId()];
    await tell(store, poisoned, ask('poison'));
    await tell(store, sound, ask('sound'));
    const parked: unknown[] = [];
    const hooks = { onDeliveryParked: (notice: unknown) => void parked.push(notice) };
    const saga = deadlineSaga({ breaks: (text) => text === 'poison' });
    const follower = following(store, saga, { hooks });
    await eventually(async () => parked.length > 0);
    await follower.caughtUp();
    await follower.stop();
    expect(await dueOf(store, sound)).toEqual({ sound: 1 });
    expect(parked).toMatchObject([{ streamName: `deadline-${poisoned}`, kind: 'timeout', attempts: 3 }]);
    const letters = await toPromise(store.queue?.deadLetters.list({}) as never);
    expect(letters).toMatchObject([{ queue: 'deadline-timeouts', key: poisoned, type: 'Due' }]);
    // Mended, and let go by hand.
    const [letter] = letters as [never];
    await toPromise(store.queue?.deadLetters.retry(letter) as never);
    await followOnce(store);
    expect(await dueOf(store, poisoned)).toEqual({ poison: 1 });
  },
});

inMemory('the time of a timeout', {
  'runs on the clock of the store': async () => {
    let now = 0;
    const store = memoryStore({ clockMs: () => now });
    const follower = following(store);
    await tell(store, 'a', ask('in an hour', { afterMs: 3_600_000 }));
    await follower.caughtUp();
    now = 3_599_000;
    await pause(30);
    await follower.caughtUp();
    expect(await dueOf(store, 'a')).toEqual({});
    now = 3_600_000;
    await follower.caughtUp();
    await follower.stop();
    expect(await dueOf(store, 'a')).toEqual({ 'in an hour': 1 });
  },
});

describe('a timeout on a store without a queue', () => {
  const withoutQueue = (): EventStore => ({ ...memoryStore(), queue: undefined });

  it('is given out once by the followers of this process', async () => {
    const store = withoutQueue();
    const followers = [following(store), following(store)];
    await tell(store, 'a', ask('soon', { afterMs: 20 }));
    await eventually(async () => (await dueOf(store, 'a'))['soon'] !== undefined);
    await Promise.all(followers.map((one) => one.caughtUp()));
    await Promise.all(followers.map((one) => one.stop()));
    expect(await dueOf(store, 'a')).toEqual({ soon: 1 });
  });

  it('is found again by a follower that starts when the checkpoint has passed its record', async () => {
    const store = withoutQueue();
    const follow = async () => {
      const follower = runtimeOf(store).follow({ ...options, subscriber: 'the same' });
      await follower.caughtUp();
      return follower;
    };
    await tell(store, 'a', ask('later', { afterMs: 60 }), ask('never', { afterMs: 60, key: 'k' }));
    await (await follow()).stop();
    await tell(store, 'a', ['Cancel', { key: 'k' }]);
    expect(await dueOf(store, 'a')).toEqual({});
    const again = await follow();
    await eventually(async () => (await dueOf(store, 'a'))['later'] !== undefined);
    await again.stop();
    expect(await dueOf(store, 'a')).toEqual({ later: 1 });
  });
});
