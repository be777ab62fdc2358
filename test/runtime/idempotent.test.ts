/** The two models of idempotency: requests are answered as the first time, jobs are done once; what dies is done by another. */
import { expect } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import * as t from 'io-ts';
import { businessKey } from '../../src/core/business-key.js';
import { type Tagged, toPromise } from '../../src/core/fault.js';
import { any, type StreamName, type Tenant } from '../../src/core/stream.js';
import { idempotentApi, type IdempotentRequest } from '../../src/runtime/idempotency/idempotent-api.js';
import { idempotentJob } from '../../src/runtime/idempotency/idempotent-job.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { IdempotencyStore } from '../../src/store/idempotency.js';
import { newId } from '../../src/store/ids.js';
import { operationsOf } from '../../src/testing/contract/idempotency-store.js';
import { freshId, onBothStores } from '../cases/support.js';
import { eventually, pause } from './worker-support.js';

const Receipt = t.type({ receipt: t.string });
type Receipt = t.TypeOf<typeof Receipt>;

const redeem = (more: Partial<IdempotentRequest<Receipt>> = {}): IdempotentRequest<Receipt> => ({
  ...{ scope: `redeem-${freshId()}`, key: freshId() },
  ...{ request: { customerId: 'cust_123', points: 500 }, response: Receipt, ...more },
});

interface Refused extends Tagged {
  readonly _tag: 'Refused';
}
const refusedWork = { _tag: 'Refused' } as const;

/** Work that counts how often it was done. */
const counting = (answer: () => E.Either<Refused, Receipt> | Promise<E.Either<Refused, Receipt>>) => {
  const seen = { times: 0 };
  const work = (): TaskEither<Refused, Receipt> => async () => {
    seen.times += 1;
    return answer();
  };
  return { seen, work };
};

const given = (receipt = freshId()) => counting(() => E.right({ receipt }));

const never = (): Promise<never> => new Promise(() => undefined);

/** The store of a process that dies when it is told to: from then on no call of it is answered. */
const mortal = (store: EventStore) => {
  const life = { isOver: false };
  const operations = operationsOf(store);
  const alive =
    <A extends readonly unknown[], R>(call: (...args: A) => () => Promise<R>) =>
    (...args: A) =>
    () =>
      life.isOver ? never() : call(...args)();
  const idempotency: IdempotencyStore = {
    ...operations,
    renew: alive(operations.renew),
    complete: alive(operations.complete),
    fail: alive(operations.fail),
  };
  return { life, store: { ...store, idempotency } };
};

const effectOf = (store: EventStore, streamName: StreamName, completes?: object) =>
  store.append({
    ...{ streamName, expected: any, ...completes },
    events: [{ eventId: newId(), type: 'Redeemed', schemaVersion: 1, data: {}, metadata: {} }],
  });

const effects = async (store: EventStore, streamName: StreamName) =>
  (await toPromise(store.readStream({ streamName }))).events.length;

onBothStores('a request with a key', {
  'is done once, and a repeat is answered as the first time': async ({ store, second }) => {
    const request = redeem();
    const { seen, work } = given('r1');
    const first = await idempotentApi({ store })(request, work)();
    const again = await idempotentApi({ store: second })(request, work)();
    expect(first).toEqual(E.right({ response: { receipt: 'r1' }, replayed: false }));
    expect(again).toEqual(E.right({ response: { receipt: 'r1' }, replayed: true }));
    expect(seen.times).toBe(1);
  },

  'that comes twice at once is done once, and both get the same response': async ({ store, second }) => {
    const request = redeem({ waitMaxMs: 30_000 });
    const { seen, work } = counting(async () => {
      await pause(50);
      return E.right({ receipt: freshId() });
    });
    const [one, two] = await Promise.all([
      toPromise(idempotentApi({ store })(request, work)),
      toPromise(idempotentApi({ store: second })(request, work)),
    ]);
    expect(one.response).toEqual(two.response);
    expect([one.replayed, two.replayed].sort()).toEqual([false, true]);
    expect(seen.times).toBe(1);
  },

  'is done to its end where the store’s renewal throws, and then it rejects with that bug': async ({
    store,
  }) => {
    const operations = operationsOf(store);
    const renew = () => async () => {
      throw new TypeError('a bug of the store');
    };
    let isDone = false;
    const work = () => async () => {
      await pause(60);
      isDone = true;
      return E.right({ receipt: 'r1' });
    };
    const broken = { ...store, idempotency: { ...operations, renew } };
    const answer = idempotentApi({ store: broken })(redeem({ pendingMs: 30 }), work)();
    await expect(answer).rejects.toThrow('a bug of the store');
    expect(isDone).toBe(true);
  },

  'is refused where its wait is no time': async ({ store }) => {
    for (const waitMaxMs of [Number.NaN, -1, Infinity]) {
      const answer = await idempotentApi({ store })(redeem({ waitMaxMs }), given().work)();
      expect(answer).toMatchObject({ left: { _tag: 'InvalidRequest', field: 'waitMaxMs' } });
    }
  },

  'that runs still is in progress for who does not wait, or not long enough': async ({ store, second }) => {
    const request = redeem();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const { seen, work } = counting(async () => {
      await ended;
      return E.right({ receipt: 'r1' });
    });
    const first = idempotentApi({ store, holder: 'the first' })(request, work)();
    await eventually('it has begun', () => seen.times === 1);
    for (const waitMaxMs of [0, 20]) {
      const answer = await idempotentApi({ store: second })({ ...request, waitMaxMs }, work)();
      expect(answer).toMatchObject({ left: { _tag: 'InProgress', holder: 'the first' } });
    }
    end();
    expect(await first).toMatchObject({ right: { replayed: false } });
  },

  'is refused where its key stands for another request': async ({ store }) => {
    const request = redeem();
    const { seen, work } = given();
    await toPromise(idempotentApi({ store })(request, work));
    const other = { ...request, request: { customerId: 'cust_123', points: 5_000 } };
    expect(await idempotentApi({ store })(other, work)()).toMatchObject({ left: { _tag: 'KeyReused' } });
    // The order of its fields makes no other request.
    const same = { ...request, request: { points: 500, customerId: 'cust_123' } };
    expect(await idempotentApi({ store })(same, work)()).toMatchObject({ right: { replayed: true } });
    expect(seen.times).toBe(1);
  },

  'needs no key: an equal request is a repeat, another one is not': async ({ store }) => {
    const { key: _key, ...request } = redeem();
    const { seen, work } = given();
    await toPromise(idempotentApi({ store })(request, work));
    expect(await idempotentApi({ store })(request, work)()).toMatchObject({ right: { replayed: true } });
    await toPromise(idempotentApi({ store })({ ...request, request: { points: 1 } }, work));
    expect(seen.times).toBe(2);
  },

  'that failed or threw is done again': async ({ store }) => {
    const request = redeem({ attemptsMax: 3 });
    const ends = [
      () => E.left(refusedWork),
      () => {
        throw new Error('a bug');
      },
      () => E.right({ receipt: 'r3' }),
    ];
    const { seen, work } = counting(() => (ends[seen.times - 1] as () => E.Either<Refused, Receipt>)());
    expect(await idempotentApi({ store })(request, work)()).toEqual(E.left(refusedWork));
    await expect(idempotentApi({ store })(request, work)()).rejects.toThrow('a bug');
    const held = { scope: `api:${request.scope}`, key: request.key as string };
    expect(await toPromise(operationsOf(store).show(held))).toMatchObject({
      state: 'failed',
      error: 'a bug',
    });
    expect(await idempotentApi({ store })(request, work)()).toMatchObject({ right: { replayed: false } });
    expect(seen.times).toBe(3);
  },

  'that fails as often as it may is not begun any more': async ({ store }) => {
    const request = redeem({ attemptsMax: 1 });
    const { seen, work } = counting(() => E.left(refusedWork));
    await idempotentApi({ store })(request, work)();
    const answer = await idempotentApi({ store })(request, work)();
    expect(answer).toMatchObject({ left: { _tag: 'FailedEarlier', attempt: 1, error: 'Refused' } });
    expect(seen.times).toBe(1);
  },

  'whose response cannot be kept says so, by name': async ({ store }) => {
    const wrong = counting(() => E.right({ receipt: 7 } as unknown as Receipt));
    const answer = await idempotentApi({ store })(redeem(), wrong.work)();
    expect(answer).toMatchObject({ left: { _tag: 'EncodeFailed' } });
    const large = counting(() => E.right({ receipt: 'x'.repeat(store.limits.resultBytesMax) }));
    const tooLarge = await idempotentApi({ store })(redeem(), large.work)();
    expect(tooLarge).toMatchObject({ left: { _tag: 'LimitExceeded', limit: 'resultBytesMax' } });
    const noJson = redeem({ request: { at: new Date() as never } });
    expect(await idempotentApi({ store })(noJson, wrong.work)()).toMatchObject({
      left: { _tag: 'InvalidRequest', field: 'request.at' },
    });
  },

  'whose process dies is done by another, and what the dead one still says is refused': async ({
    store,
    second,
  }) => {
    const request = redeem({ pendingMs: 300 });
    const streamName = `points-${freshId()}` as StreamName;
    const dying = mortal(store);
    let late: (() => Promise<unknown>) | undefined;
    void idempotentApi({ store: dying.store })(request, ({ completes }) => async () => {
      late = effectOf(store, streamName, { completes: completes({ receipt: 'of the dead' }) });
      dying.life.isOver = true;
      return never();
    })();
    await eventually('it has begun', () => late !== undefined);
    const waiting = { ...request, waitMaxMs: 30_000 };
    const answer = await idempotentApi({ store: second })(waiting, ({ attempt, completes }) => async () => {
      const response = { receipt: `attempt ${attempt}` };
      const written = await effectOf(second, streamName, { completes: completes(response) })();
      return E.isLeft(written) ? written : E.right(response);
    })();
    expect(answer).toEqual(E.right({ response: { receipt: 'attempt 2' }, replayed: false }));
    expect(await late?.()).toMatchObject({ left: { _tag: 'IdempotencyLost' } });
    expect(await effects(store, streamName)).toBe(1);
  },

  'that takes long is kept up, and not given to another': async ({ store, second }) => {
    const request = redeem({ pendingMs: 300 });
    const { seen, work } = counting(async () => {
      await pause(1_000);
      return E.right({ receipt: 'slow' });
    });
    const first = idempotentApi({ store })(request, work)();
    await eventually('it has begun', () => seen.times === 1);
    const waiting = { ...request, waitMaxMs: 30_000 };
    const repeat = await idempotentApi({ store: second })(waiting, work)();
    expect(repeat).toMatchObject({ right: { replayed: true } });
    expect(await first).toMatchObject({ right: { replayed: false } });
    expect(seen.times).toBe(1);
  },

  'that is lost while it runs aborts its signal': async ({ store }) => {
    const request = redeem({ pendingMs: 60 });
    const held = { scope: `api:${request.scope}`, key: request.key as string };
    const answer = await idempotentApi({ store })(request, ({ signal }) => async () => {
      await toPromise(operationsOf(store).forget(held));
      await eventually('the signal is aborted', () => signal.aborted);
      return E.right({ receipt: 'too late' });
    })();
    expect(answer).toMatchObject({ left: { _tag: 'IdempotencyLost' } });
    expect(await toPromise(operationsOf(store).show(held))).toBeUndefined();
  },

  'of one tenant is none of another’s': async ({ store }) => {
    const request = redeem();
    const { seen, work } = given();
    for (const tenant of ['one', 'two'])
      await toPromise(idempotentApi({ store, tenant: tenant as Tenant })(request, work));
    expect(seen.times).toBe(2);
  },
});

onBothStores('a job with a key', {
  'is done once; a second delivery learns that it is done': async ({ store, second }) => {
    const job = { scope: 'import', dedupeKey: businessKey('import', freshId(), 'batch_1') };
    const { seen, work } = given('r1');
    expect(await idempotentJob({ store })(job, work)()).toEqual(
      E.right({ _tag: 'Done', value: { receipt: 'r1' } }),
    );
    expect(await idempotentJob({ store: second })(job, work)()).toMatchObject({
      right: { _tag: 'AlreadyDone' },
    });
    expect(seen.times).toBe(1);
    const kept = await toPromise(operationsOf(store).show({ scope: 'job:import', key: job.dedupeKey }));
    expect(kept).toMatchObject({ state: 'completed', result: null });
  },

  'is in progress for a second worker, which does not wait': async ({ store, second }) => {
    const job = { scope: 'import', dedupeKey: freshId() };
    const answer = await idempotentJob({ store, holder: 'the first' })(job, () => async () => {
      const other = await idempotentJob({ store: second })(job, given().work)();
      return E.right(other);
    })();
    expect(answer).toMatchObject({
      right: { _tag: 'Done', value: { right: { _tag: 'InProgress', holder: 'the first' } } },
    });
  },

  'whose effect and mark are one append is never done twice, however it dies': async ({ store, second }) => {
    const job = { scope: 'import', dedupeKey: freshId(), pendingMs: 100 };
    const streamName = `points-${freshId()}` as StreamName;
    const dying = mortal(store);
    // The effect is there, and the process dies before it can answer.
    let isWritten = false;
    void idempotentJob({ store: dying.store })(job, ({ completes }) => async () => {
      await effectOf(store, streamName, { completes: completes() })();
      dying.life.isOver = true;
      isWritten = true;
      return never();
    })();
    await eventually('the effect is written', () => isWritten);
    await pause(120);
    const { seen, work } = given();
    expect(await idempotentJob({ store: second })(job, work)()).toMatchObject({
      right: { _tag: 'AlreadyDone' },
    });
    expect([seen.times, await effects(store, streamName)]).toEqual([0, 1]);
  },

  'never meets a request of the same name, with a key or without': async ({ store }) => {
    const { scope, key, ...request } = redeem();
    const { seen, work } = given();
    const hashKey = { ...request, scope };
    const first = await toPromise(idempotentApi({ store })(hashKey, work));
    expect(first.replayed).toBe(false);
    const entries = await toPromise(operationsOf(store).list({ scope: `api-hash:${scope}` }));
    // The client's key, the job's key and the hash of the request are one text.
    const text = entries[0]?.key as string;
    await toPromise(idempotentApi({ store })({ ...request, scope, key: text }, work));
    await toPromise(idempotentJob({ store })({ scope, dedupeKey: text }, work));
    expect(seen.times).toBe(3);
    expect(key).not.toBe(text);
  },
});

onBothStores('a store without a memory of operations', {
  'is a mistake of the program': async ({ store }) => {
    const none: EventStore = { ...store, idempotency: undefined };
    await expect(idempotentApi({ store: none })(redeem(), given().work)()).rejects.toThrow(TypeError);
  },
});
