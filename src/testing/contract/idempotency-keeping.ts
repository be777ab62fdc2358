/** Contract: what is remembered of operations, whose it is, for how long, and what cannot be. */
import { strict as assert } from 'node:assert';
import type { Tenant } from '../../core/stream.js';
import type { BeginRequest } from '../../store/idempotency.js';
import { acquired, asked, lost, operationsOf, standing } from './idempotency-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import { aTenant, numbersFrom, pause, refused, right, same, unique } from './support.js';

const needs = ['idempotency'] as const;

const oddKeys: ReadonlyArray<string> = [
  `it's "quoted" \\ $1 %s`,
  '\u{1f9ea}\u{1f468}',
  '__proto__',
  'constructor',
  'a b',
  'a:b',
  'x'.repeat(512),
  '\u{1f9ea}'.repeat(128),
];

const keeping: ReadonlyArray<ContractTest> = [
  {
    title: 'any text is a key, and stands for itself alone',
    needs,
    run: async ({ store }) => {
      const scope = `scope-${unique()}`;
      for (const key of oddKeys) {
        const held = await acquired(store, asked({ scope, key }));
        await right(operationsOf(store).complete({ ...held, result: { key } }));
      }
      for (const key of oddKeys) {
        const repeat = await standing(store, asked({ scope, key }));
        same(repeat._tag === 'Completed' && repeat.result, { key });
      }
      const entries = await right(operationsOf(store).list({ scope }));
      same(entries.length, oddKeys.length);
    },
  },
  {
    title: 'tenants and scopes have keys of their own',
    needs,
    run: async ({ store }) => {
      const [one, two]: ReadonlyArray<Tenant> = [aTenant(), aTenant()];
      const request = asked();
      await acquired(store, request);
      const first = await acquired(store, { ...request, tenant: one as Tenant });
      await acquired(store, { ...request, tenant: two as Tenant, requestHash: 'another' });
      await acquired(store, { ...request, scope: `scope-${unique()}` });
      await right(operationsOf(store).complete({ ...first, result: 1 }));
      same((await standing(store, request))._tag, 'InProgress');
      const { scope, key } = request;
      assert.ok(await right(operationsOf(store).forget({ tenant: one as Tenant, scope, key })));
      same((await standing(store, request))._tag, 'InProgress');
    },
  },
  {
    title: 'what is past its time is unknown, and is deleted in batches',
    needs,
    run: async ({ store }) => {
      const { cleanUp, complete, list, show } = operationsOf(store);
      // What other tests left.
      while ((await right(cleanUp())) > 0);
      const scope = `scope-${unique()}`;
      const short = numbersFrom(1, 5).map(() => asked({ scope, keepMs: 20 }));
      for (const request of short) await right(complete({ ...(await acquired(store, request)), result: 1 }));
      await acquired(store, asked({ scope }));
      await pause(60);
      same((await right(list({ scope }))).length, 1);
      const [again] = short as [BeginRequest];
      same(await right(show(again)), undefined);
      same((await acquired(store, { ...again, requestHash: 'another' })).attempt, 1);
      same([await right(cleanUp({ maxCount: 3 })), await right(cleanUp({ maxCount: 3 }))], [3, 1]);
      same((await right(list({ scope }))).length, 2);
    },
  },
  {
    title: 'a key that is forgotten may be used again, and its old holder is refused for ever',
    needs,
    run: async ({ store }) => {
      const { complete, forget } = operationsOf(store);
      const request = asked();
      const old = await acquired(store, request);
      same([await right(forget(request)), await right(forget(request))], [true, false]);
      same(await refused(complete({ ...old, result: 1 }), 'IdempotencyLost'), lost(old));
      const next = await acquired(store, request);
      same(next.attempt, 1);
      assert.ok(next.token > old.token, 'a token came again');
      same(await refused(complete({ ...old, result: 1 }), 'IdempotencyLost'), lost(old));
      await right(complete({ ...next, result: 2 }));
    },
  },
  {
    title: 'operators see what is remembered, page by page, and one with what it came to',
    needs,
    run: async ({ store }) => {
      const { complete, fail, list, show } = operationsOf(store);
      const tenant = aTenant();
      for (const key of ['b', 'æ', 'a']) {
        const held = await acquired(store, asked({ tenant, scope: 's', key }));
        if (key === 'a') await right(complete({ ...held, result: { of: 'a' } }));
        if (key === 'b') await right(fail({ ...held, error: 'why' }));
      }
      await acquired(store, asked({ tenant, scope: 'S', key: 'z' }));
      const all = await right(list({ tenant }));
      same(
        all.map(({ scope, key, state, error }) => [scope, key, state, error]),
        [
          ['S', 'z', 'pending', undefined],
          ['s', 'a', 'completed', undefined],
          ['s', 'b', 'failed', 'why'],
          ['s', 'æ', 'pending', undefined],
        ],
      );
      const page = await right(list({ tenant, maxCount: 2 }));
      same(
        (await right(list({ tenant, after: page[1] as { scope: string; key: string } }))).map(
          ({ key }) => key,
        ),
        ['b', 'æ'],
      );
      same((await right(list({ tenant, state: 'failed' }))).length, 1);
      const shown = await right(show({ tenant, scope: 's', key: 'a' }));
      if (shown === undefined) return assert.fail('it is not there');
      same([shown.result, shown.attempt, shown.staleInMs], [{ of: 'a' }, 1, undefined]);
      same([shown.holder, shown.requestHash, shown.tenant], ['holder', 'one', tenant]);
      assert.ok(shown.expiresInMs > 0 && shown.expiresInMs <= 60_000);
      assert.ok(shown.settledAt !== undefined && shown.settledAt >= shown.begunAt);
    },
  },
  {
    title: 'what cannot be kept is refused by name',
    needs,
    run: async ({ store }) => {
      const { begin, complete, fail, cleanUp, list, renew } = operationsOf(store);
      for (const key of ['', '\u0000', '\ud800', 'x'.repeat(513)])
        await refused(begin(asked({ key })), 'InvalidName');
      await refused(begin(asked({ scope: '' })), 'InvalidName');
      await refused(begin(asked({ requestHash: 'x'.repeat(129) })), 'InvalidName');
      await refused(begin(asked({ holder: '' })), 'InvalidName');
      await refused(begin(asked({ tenant: '' as Tenant })), 'InvalidName');
      for (const number of [0, -1, 0.5, Number.NaN]) {
        await refused(begin(asked({ pendingMs: number })), 'InvalidRequest');
        await refused(begin(asked({ keepMs: number })), 'InvalidRequest');
        await refused(begin(asked({ attemptsMax: number })), 'InvalidRequest');
        await refused(cleanUp({ maxCount: number }), 'InvalidRequest');
        await refused(list({ maxCount: number }), 'InvalidRequest');
      }
      const held = await acquired(store, asked());
      await refused(renew({ ...held, token: 0.5 }, 1), 'InvalidRequest');
      await refused(renew(held, 0), 'InvalidRequest');
      await refused(complete({ ...held, result: { at: Number.NaN } }), 'InvalidRequest');
      const max = store.limits.resultBytesMax;
      same(await refused(complete({ ...held, result: 'x'.repeat(max) }), 'LimitExceeded'), {
        ...{ _tag: 'LimitExceeded', limit: 'resultBytesMax', max, found: max + 2 },
      });
      // What was refused changed nothing, and an error's words are kept whatever they are.
      await right(fail({ ...held, error: 'a\u0000b\ud800' }));
    },
  },
];

export const idempotencyKeepingPart: ContractPart = {
  title: 'operations that are remembered:',
  tests: keeping,
};
