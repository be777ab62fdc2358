/** Contract: operations by their keys. Begun once at a time, known again, recovered, and completed together with an append. */
import { strict as assert } from 'node:assert';
import type { Json } from '../../core/json.js';
import type { Acquired, BeginRequest, Begun, HeldKey, IdempotencyStore } from '../../store/idempotency.js';
import type { EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import { numbersFrom, pause, refused, right, same, unique } from './support.js';

export const operationsOf = (store: EventStore): IdempotencyStore => {
  if (store.idempotency === undefined)
    return assert.fail('the store says that it remembers operations, and does not');
  return store.idempotency;
};

export const aKey = (): string => `key-${unique()}`;

/** A request with a scope of its own unless one is given. */
export const asked = (more: Partial<BeginRequest> = {}): BeginRequest => ({
  ...{ scope: `scope-${unique()}`, key: aKey(), requestHash: 'one', holder: 'holder' },
  ...{ pendingMs: 60_000, keepMs: 60_000, ...more },
});

/** Begins an operation that must be free. */
export const acquired = async (store: EventStore, request: BeginRequest): Promise<Acquired & HeldKey> => {
  const begun = await right(operationsOf(store).begin(request));
  if (begun._tag !== 'Acquired') return assert.fail(`expected Acquired, found ${begun._tag}`);
  const { tenant, scope, key } = request;
  return { ...begun, ...(tenant !== undefined && { tenant }), scope, key };
};

/** Begins an operation whose holder says nothing, as soon as it may be begun. */
export const recovered = async (store: EventStore, request: BeginRequest): Promise<Acquired & HeldKey> => {
  for (const _attempt of numbersFrom(1, 200)) {
    const begun = await right(operationsOf(store).begin(request));
    if (begun._tag === 'Acquired') return { ...begun, scope: request.scope, key: request.key };
    same(begun._tag, 'InProgress');
    await pause(10);
  }
  return assert.fail('the operation was not given to the next one');
};

const needs = ['idempotency'] as const;

/** Begins the key once more, and answers how it stands. */
export const standing = (store: EventStore, request: BeginRequest): Promise<Begun> =>
  right(operationsOf(store).begin({ ...request, holder: 'another' }));

export const lost = ({ scope, key, token }: HeldKey) => ({ _tag: 'IdempotencyLost', scope, key, token });

const beginning: ReadonlyArray<ContractTest> = [
  {
    title: 'an operation is begun once; who comes second learns who does it and for how long at most',
    needs,
    run: async ({ store }) => {
      const request = asked();
      same((await acquired(store, request)).attempt, 1);
      const { scope, key } = request;
      const second = await standing(store, request);
      if (second._tag !== 'InProgress') return assert.fail(second._tag);
      const { expiresInMs } = second;
      same(second, { _tag: 'InProgress', scope, key, holder: 'holder', expiresInMs });
      assert.ok(expiresInMs > 0 && expiresInMs <= 60_000, `expires in ${expiresInMs} ms`);
    },
  },
  {
    title: 'what an operation came to is answered to every repeat, unchanged',
    needs,
    run: async ({ store }) => {
      const results: ReadonlyArray<Json> = [
        null,
        0.1,
        '',
        'ä\u{1f9ea}\'"\\',
        [1, [2, { a: null }]],
        { b: 1, a: [true] },
      ];
      for (const result of results) {
        const request = asked();
        const held = await acquired(store, request);
        await right(operationsOf(store).complete({ ...held, result }));
        // Its holder may not know whether it was heard.
        await right(operationsOf(store).complete({ ...held, result }));
        for (const _repeat of [1, 2]) {
          const repeat = await standing(store, request);
          if (repeat._tag !== 'Completed') return assert.fail(repeat._tag);
          same(repeat.result, result);
          assert.match(repeat.completedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        }
        const other = { ...held, result: { other: result } };
        same(await refused(operationsOf(store).complete(other), 'IdempotencyLost'), lost(held));
        same(
          await refused(operationsOf(store).fail({ ...held, error: 'late' }), 'IdempotencyLost'),
          lost(held),
        );
      }
    },
  },
  {
    title: 'another request under the same key is refused, and says both hashes, whatever the key’s state',
    needs,
    run: async ({ store }) => {
      const { begin, complete, fail } = operationsOf(store);
      const ends = [
        async () => undefined,
        (held: HeldKey) => right(complete({ ...held, result: 1 })),
        (held: HeldKey) => right(fail({ ...held, error: 'no' })),
      ];
      for (const end of ends) {
        const request = asked();
        await end(await acquired(store, request));
        same(await refused(begin({ ...request, requestHash: 'two' }), 'KeyReused'), {
          ...{ _tag: 'KeyReused', scope: request.scope, key: request.key },
          ...{ requestHash: 'two', recordedHash: 'one' },
        });
      }
    },
  },
  {
    title: 'a failed operation is begun again under a higher token, as often as it may be',
    needs,
    run: async ({ store }) => {
      const { fail } = operationsOf(store);
      const request = asked({ attemptsMax: 2 });
      const first = await acquired(store, request);
      await right(fail({ ...first, error: 'the first reason' }));
      await right(fail({ ...first, error: 'said twice' }));
      const second = await acquired(store, request);
      same(second.attempt, 2);
      assert.ok(second.token > first.token, `token ${second.token} after ${first.token}`);
      same(await refused(fail({ ...first, error: 'late' }), 'IdempotencyLost'), lost(first));
      await right(fail({ ...second, error: 'the second reason' }));
      const { scope, key } = request;
      const failed = { _tag: 'FailedEarlier', scope, key, attempt: 2, error: 'the second reason' };
      same(await standing(store, request), failed);
      same((await acquired(store, { ...request, attemptsMax: 3 })).attempt, 3);
    },
  },
  {
    title: 'an operation whose holder says nothing goes to another, and the old holder is refused',
    needs,
    run: async ({ store }) => {
      const { complete, fail, renew } = operationsOf(store);
      const request = asked({ pendingMs: 20 });
      const old = await acquired(store, request);
      const next = await recovered(store, { ...request, pendingMs: 60_000 });
      same(next.attempt, 2);
      assert.ok(next.token > old.token, `token ${next.token} after ${old.token}`);
      same(await refused(complete({ ...old, result: 'old' }), 'IdempotencyLost'), lost(old));
      same(await refused(fail({ ...old, error: 'old' }), 'IdempotencyLost'), lost(old));
      same(await refused(renew(old, 60_000), 'IdempotencyLost'), lost(old));
      await right(complete({ ...next, result: 'next' }));
      const repeat = await standing(store, request);
      same(repeat._tag === 'Completed' && repeat.result, 'next');
    },
  },
  {
    title: 'one that is renewed stays its holder’s; past its time it still is, until another begins it',
    needs,
    run: async ({ store }) => {
      const { complete, renew } = operationsOf(store);
      const request = asked({ pendingMs: 20 });
      const held = await acquired(store, request);
      await right(renew(held, 60_000));
      await pause(40);
      same((await standing(store, request))._tag, 'InProgress');
      await right(renew(held, 1));
      await pause(20);
      await right(complete({ ...held, result: 1 }));
      same((await standing(store, request))._tag, 'Completed');
    },
  },
  {
    title: 'one whose holder never comes back is not begun for ever',
    needs,
    run: async ({ store }) => {
      const request = asked({ pendingMs: 1, attemptsMax: 2 });
      await acquired(store, request);
      same((await recovered(store, request)).attempt, 2);
      await pause(20);
      const failed = await standing(store, request);
      if (failed._tag !== 'FailedEarlier') return assert.fail(failed._tag);
      same([failed.attempt, failed.error], [2, 'holder did not come back']);
    },
  },
];

export const idempotencyStorePart: ContractPart = { title: 'operations by their keys:', tests: beginning };
