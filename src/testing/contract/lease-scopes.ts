/** Contract: leases on scopes. A wider one excludes those within it and the reverse, and takes what has run out from its holder. */
import { strict as assert } from 'node:assert';
import { any } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import { type LeaseScope, leaseScopeOf, scopeLeaseName } from '../../store/lease-scopes.js';
import { type AcquiredLease, fenceOf, type Lease } from '../../store/leases.js';
import { leasesOf, untilTaken } from './leases.js';
import type { ContractPart, ContractTest } from './subject.js';
import { aStream, events, pause, refused, right, same, unique, writesNothing } from './support.js';

export const aRoot = (): string => `product-${unique()}`;

/** Asks for a scope once. */
export const ask = (store: EventStore, scope: LeaseScope, ttlMs = 60_000, holder = 'holder') =>
  leasesOf(store).acquire({ scope, holder, ttlMs });
export const take = (
  store: EventStore,
  scope: LeaseScope,
  ttlMs?: number,
  holder?: string,
): Promise<AcquiredLease> => right(ask(store, scope, ttlMs, holder));
export const giveBack = (store: EventStore, lease: Lease): Promise<void> =>
  right(leasesOf(store).release(lease));

/** Asserts that a scope cannot be had, and because of which other one. */
const isKeptBy = async (store: EventStore, scope: LeaseScope, other: LeaseScope): Promise<void> => {
  const held = await refused(ask(store, scope, 60_000, 'late'), 'LeaseHeld');
  same(leaseScopeOf(held.lease), other);
};

/** Takes a scope as soon as what is in its way has run out. */
export const takeOver = (store: EventStore, scope: LeaseScope): Promise<AcquiredLease> =>
  untilTaken(ask(store, scope, 60_000, 'next'));

const appendUnder = (store: EventStore, lease: Lease) =>
  store.append({ streamName: aStream(), expected: any, events: events(1), fence: fenceOf(lease) });

const needs = ['leases'] as const;

const exclusion: ReadonlyArray<ContractTest> = [
  {
    title:
      'a scope excludes the same, those above it and those within it, and says which of them is in the way',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      const [product, assets, thumbnail] = [[root], [root, 'assets'], [root, 'assets', 'thumbnail:en']];
      for (const mine of [product, assets, thumbnail]) {
        const lease = await take(store, mine, 60_000, 'first');
        same([leaseScopeOf(lease.name), lease.token, lease.recovered], [mine, 1, undefined]);
        for (const other of [product, assets, thumbnail]) await isKeptBy(store, other, mine);
        const held = await refused(ask(store, assets), 'LeaseHeld');
        same(held.holder, 'first');
        assert.ok(held.expiresInMs > 0 && held.expiresInMs <= 60_000, `expires in ${held.expiresInMs} ms`);
        await giveBack(store, lease);
      }
    },
  },
  {
    title: 'siblings stand side by side, and so do scopes whose names only begin alike',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      const scopes = [
        [root, 'assets', 'thumbnail:en'],
        [root, 'assets', 'thumbnail:de'],
        [root, 'assets', 'thumbnail'],
        [root, 'asset'],
        [root, 'search'],
        [`${root}0`],
        [`${root}!`],
      ];
      for (const scope of scopes) await take(store, scope);
      await isKeptBy(store, [root, 'search', 'index', 'words'], [root, 'search']);
    },
  },
  {
    title:
      'of several in the way the one is named that lasts longest; the scope is free when all are given back',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      const short = await take(store, [root, 'a'], 30_000);
      const long = await take(store, [root, 'z', 'deep'], 60_000);
      await isKeptBy(store, [root], [root, 'z', 'deep']);
      await giveBack(store, long);
      await isKeptBy(store, [root], [root, 'a']);
      await giveBack(store, short);
      const whole = await take(store, [root]);
      same([whole.token, whole.recovered], [1, undefined]);
    },
  },
  {
    title: 'eight segments deep, the widest and the narrowest exclude each other',
    needs,
    run: async ({ store }) => {
      const deep = [aRoot(), '2', '3', '4', '5', '6', '7', '8'];
      const lease = await take(store, deep);
      await isKeptBy(store, deep.slice(0, 1), deep);
      await giveBack(store, lease);
      await take(store, deep.slice(0, 1));
      await isKeptBy(store, deep, deep.slice(0, 1));
    },
  },
  {
    title:
      'segments may hold what separates and escapes them, quotes, wildcards and other scripts; no two scopes are one',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      const odd = [
        'a/b',
        'a~1b',
        'a~b',
        'a~0b',
        'a',
        '%',
        '_',
        "'; drop table leases;--",
        '$1',
        '\\',
        '{"x"}',
        '..',
      ].concat([
        '/',
        '//',
        '~',
        '0',
        '__proto__',
        'constructor',
        'æ',
        '漢字',
        '\u{10ffff}',
        'a b',
        'scope:',
        'a,b',
      ]);
      for (const segment of odd) await take(store, [root, segment, 'x']);
      for (const segment of odd) await isKeptBy(store, [root, segment], [root, segment, 'x']);
      const other = aRoot();
      await take(store, [`${other}/assets`]);
      await take(store, [other, 'assets']);
      await take(store, [`${other}~1assets`]);
    },
  },
  {
    title:
      'a plain name and a scope have nothing to do with each other; a plain name that looks like a scope’s is refused',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      const { acquire, renew, list } = leasesOf(store);
      await take(store, [root]);
      for (const name of [root, `/${root}`, `${root}/assets`])
        same((await right(acquire({ name, holder: 'plain', ttlMs: 60_000 }))).token, 1);
      const name = scopeLeaseName([root, 'assets']);
      await refused(acquire({ name, holder: 'plain', ttlMs: 60_000 }), 'InvalidName');
      await refused(renew({ name, token: 1 }, 1_000), 'LeaseLost');
      const held = await right(list({ prefix: scopeLeaseName([root]) }));
      same(
        held.map((lease) => [leaseScopeOf(lease.name), lease.token]),
        [[[root], 1]],
      );
    },
  },
  {
    title: 'a bad scope is refused by name, and so is one beside a name',
    needs,
    run: async ({ store }) => {
      const asked = (scope: unknown, more: object = {}) =>
        leasesOf(store).acquire({ scope, holder: 'h', ttlMs: 1_000, ...more } as never);
      const nine = Array.from({ length: 9 }, () => 's');
      for (const scope of [[], nine, 'product', null, { 0: 'a', length: 1 }])
        same((await refused(asked(scope), 'InvalidRequest')).field, 'scope');
      for (const segment of ['', ' a', 'a\u0000', '\ud800', 'e\u0301', 7, undefined])
        same((await refused(asked(['a', segment]), 'InvalidName')).field, 'scope[1]');
      await refused(asked(new Array(2)), 'InvalidName');
      same((await refused(asked(['a'.repeat(300), 'b'.repeat(300)]), 'InvalidName')).field, 'scope');
      same((await refused(asked(['a'], { name: 'a' }), 'InvalidRequest')).field, 'scope');
      await refused(asked(['a'], { ttlMs: 0 }), 'InvalidRequest');
    },
  },
];

const fencing: ReadonlyArray<ContractTest> = [
  {
    title:
      'what has run out above or below is taken from its holder, who is told, and can neither write nor renew any more',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      for (const [theirs, mine] of [
        [[root, 'assets', 'thumbnail:en'], [root]],
        [[root], [root, 'assets']],
        [
          [root, 'assets'],
          [root, 'assets'],
        ],
      ] as const) {
        const old = await take(store, theirs, 1, 'crashed');
        await pause(5);
        // Past its end it is still its holder's, until another takes it.
        await right(appendUnder(store, old));
        const lease = await takeOver(store, mine);
        same(lease.recovered, [{ name: old.name, token: old.token, holder: 'crashed' }]);
        same(await writesNothing(store, () => refused(appendUnder(store, old), 'LeaseLost')), {
          _tag: 'LeaseLost',
          lease: old.name,
          token: old.token,
        });
        await refused(leasesOf(store).renew(old, 60_000), 'LeaseLost');
        await giveBack(store, old);
        await right(appendUnder(store, lease));
        await giveBack(store, lease);
        // Also when the other one is over.
        await refused(appendUnder(store, old), 'LeaseLost');
        await refused(leasesOf(store).renew(old, 60_000), 'LeaseLost');
        const next = await take(store, theirs);
        assert.ok(next.token > old.token, `token ${next.token} after ${old.token}`);
        await giveBack(store, next);
      }
    },
  },
  {
    title:
      'a scope that was refused takes nothing from anybody, also not what has run out beside what has not',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      const ended = await take(store, [root, 'a'], 1);
      await take(store, [root, 'b'], 60_000);
      await pause(5);
      await isKeptBy(store, [root], [root, 'b']);
      await right(appendUnder(store, ended));
      await right(leasesOf(store).renew(ended, 60_000));
      await isKeptBy(store, [root, 'a'], [root, 'a']);
    },
  },
  {
    title: 'all that have run out are told of by name',
    needs,
    run: async ({ store }) => {
      const root = aRoot();
      for (const part of ['b', 'a', 'c']) await take(store, [root, part], 1, `holder of ${part}`);
      const lease = await takeOver(store, [root]);
      same(
        lease.recovered?.map(({ name, holder }) => [leaseScopeOf(name)?.[1], holder]),
        ['a', 'b', 'c'].map((part) => [part, `holder of ${part}`]),
      );
    },
  },
];

export const leaseScopesPart: ContractPart = {
  title: 'leases on scopes:',
  tests: [...exclusion, ...fencing],
};
