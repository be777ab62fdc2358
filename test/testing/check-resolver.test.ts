/** `checkResolver`: resolvers that keep the laws pass, and each wrong one is shown the law that it breaks, on a small conflict. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import { counter, jsonThreeWay, record, unlessBothChanged } from 'watersmeet';
import { additive } from '../../src/core/concurrency/additive.js';
import { resolverRefused, type Resolver } from '../../src/core/concurrency/resolver.js';
import {
  commuting,
  firstOf,
  firstWriteWins,
  lastWriteWins,
  resolver,
} from '../../src/core/concurrency/resolvers.js';
import { threeWayResolver } from '../../src/core/concurrency/three-way-resolver.js';
import {
  assertResolver,
  checkResolver,
  type CheckResolverOptions,
  type ResolverLawName,
  type ResolverReport,
} from '../../src/testing/laws/check-resolver.js';
import { priceSet, type Product, type ProductEvent, product, renamed } from '../support/catalogue.js';

type ProductResolver = Resolver<Product, ProductEvent>;
const options: CheckResolverOptions<typeof product> = { aggregate: product, seed: 11, runs: 100 };
const brokenBy = ({ laws }: ResolverReport): ReadonlyArray<ResolverLawName> =>
  laws.filter(({ status }) => status === 'broken').map(({ name }) => name);
const exampleOf = (report: ResolverReport, law: ResolverLawName) => {
  const example = report.laws.find(({ name }) => name === law)?.counterexample;
  if (example === undefined) throw new Error(`no counterexample of ${law} in:\n${report.text}`);
  return example;
};

const table = commuting<ProductEvent>({
  Renamed: { PriceSet: true, StockAdded: true, TagAdded: true, TagRemoved: true, ThumbnailMade: true },
  PriceSet: { StockAdded: true, TagAdded: true, TagRemoved: true, ThumbnailMade: true },
  StockAdded: { StockAdded: true, TagAdded: true, TagRemoved: true, ThumbnailMade: true },
  ThumbnailMade: { TagAdded: true, TagRemoved: true },
  TagAdded: { TagRemoved: (added, removed) => added.tag !== removed.tag },
  TagRemoved: { TagRemoved: true },
});
const careful = threeWayResolver<Product, ProductEvent>(
  record({
    name: unlessBothChanged(),
    price: unlessBothChanged(),
    stock: counter,
    tags: unlessBothChanged<string[]>(),
    thumbnail: unlessBothChanged(),
  }),
  { claims: ['commutative'] },
);

const lawful: Readonly<Record<string, ProductResolver>> = {
  lastWriteWins: lastWriteWins(),
  firstWriteWins: firstWriteWins(),
  'additive, of counters': additive({ counters: ['stock'] }),
  'additive, of counters and collections': additive({ counters: ['stock'], collections: ['tags'] }),
  'commuting, of a table that is right': table,
  'threeWayResolver, of parts': careful,
  'threeWayResolver, of JSON': threeWayResolver(jsonThreeWay() as never, { claims: ['idempotent'] }),
  'threeWayResolver, with toEvents': threeWayResolver<Product, ProductEvent>(
    (original, current, attempted) => ({
      ...current,
      price: current.price === original.price ? attempted.price : current.price,
    }),
    {
      description: 'the first price',
      toEvents: (current, merged) => (current.price === merged.price ? [] : [priceSet(merged.price)]),
    },
  ),
  'firstOf, of a table and three-way': firstOf(table, careful),
};

describe('checkResolver, on resolvers that keep the laws', () => {
  // The merge of prices alone drops every other change of ours, which is what `unmovedStream` would find.
  const only = (name: string): Partial<CheckResolverOptions<typeof product>> =>
    name.endsWith('toEvents') ? { arbitraries: {}, laws: ['deterministic', 'answers', 'unchangedSave'] } : {};

  it.each(Object.entries(lawful))('%s passes', (name, by) => {
    expect(assertResolver(by, { ...options, ...only(name) }).ok).toBe(true);
  });

  it('tries what is claimed, and nothing else of it', () => {
    const names = (by: ProductResolver) =>
      checkResolver(by, { ...options, runs: 20 }).laws.map(({ name }) => name);
    expect(names(table)).toContain('commutative');
    expect(names(lastWriteWins())).not.toContain('commutative');
    expect(names(firstWriteWins())).toContain('idempotent');
  });

  it('says how many conflicts were tried, and what share was refused', () => {
    const { text } = checkResolver(table, options);
    expect(text).toContain('The resolver "commuting events" on product keeps all');
    expect(text).toMatch(/answers .*\(\d+ conflicts, \d+ % refused\)/);
  });
});

let asked = 0;
const polluting = { key: '__proto__' };

const naive: ReadonlyArray<readonly [string, ResolverLawName, ProductResolver]> = [
  [
    'that lets the last one win in a table of events that do not commute',
    'commutative',
    commuting<ProductEvent>({ ...lawfulTable(), Renamed: { Renamed: true } }),
  ],
  [
    'that claims to do once what was done twice',
    'idempotent',
    { ...lastWriteWins<Product, ProductEvent>(), claims: ['idempotent'] },
  ],
  [
    'that remembers',
    'deterministic',
    resolver('remembers', ({ ours }) => {
      asked += 1;
      return E.right({ events: asked % 2 === 0 ? ours : [] });
    }),
  ],
  [
    'that reads the clock',
    'deterministic',
    resolver('clock', ({ ours }) =>
      E.right({ events: ours, rule: `at ${Math.floor(Date.now() / 3_600_000)}` }),
    ),
  ],
  [
    'that sorts what it is given',
    'inputUntouched',
    resolver('sorts', ({ ours }) => E.right({ events: (ours as ProductEvent[]).reverse() })),
  ],
  [
    'that reaches a prototype',
    'prototypes',
    resolver('pollutes', ({ ours }) => {
      const seen: Record<string, Record<string, boolean>> = {};
      (seen[polluting.key] as Record<string, boolean>)['polluted'] = true;
      return E.right({ events: ours });
    }),
  ],
  [
    'that throws where both renamed',
    'answers',
    resolver('throws', ({ ours, theirs }) => {
      if (ours.some(({ type }) => type === 'Renamed') && theirs.some(({ type }) => type === 'Renamed'))
        throw new Error('both renamed');
      return E.right({ events: ours });
    }),
  ],
  [
    'that answers an event of its own make',
    'answers',
    resolver('invents', ({ ours }) => E.right({ events: [...ours, { type: 'Merged', data: {} } as never] })),
  ],
  [
    'that answers data which its codec refuses',
    'answers',
    resolver('averages', ({ ours }) => E.right({ events: ours.length === 0 ? [] : [priceSet(Number.NaN)] })),
  ],
  [
    'that refuses without naming a field',
    'namesFields',
    {
      description: 'mute',
      resolve: ({ ours, theirs }) =>
        ours.length > 0 && theirs.length > 0
          ? E.left(resolverRefused('mute', 'no'))
          : E.right({ events: ours }),
    },
  ],
  ['that always drops ours', 'unmovedStream', resolver('drops', () => E.right({ events: [] }))],
  [
    'that renames whatever happened',
    'unchangedSave',
    resolver('renames', ({ ours }) => E.right({ events: [...ours, renamed('merged')] })),
  ],
];

function lawfulTable() {
  return { Renamed: { PriceSet: true }, PriceSet: { StockAdded: true } } as const;
}

describe('checkResolver, on a resolver', () => {
  it.each(naive)('%s finds the law %s broken, on a small conflict', (_what, law, by) => {
    const report = checkResolver(by, { ...options, runs: 300 });
    expect(report.ok).toBe(false);
    expect(brokenBy(report)).toContain(law);
    const { ours, theirs, before, text } = exampleOf(report, law);
    expect(ours.length + theirs.length + before.length).toBeLessThanOrEqual(3);
    expect(text).toContain(`laws: ['${law}']`);
  });

  it('whose table is wrong shows both orders, and leads back to them', () => {
    const wrong = commuting<ProductEvent>({ PriceSet: { PriceSet: true } });
    const report = checkResolver(wrong, { ...options, runs: 300 });
    const { problem, merged, path } = exampleOf(report, 'commutative');
    expect(problem).toBe('Which side was first decides about the state.');
    expect(merged.map(({ label }) => label)).toEqual(['theirs first', 'ours first']);
    const again = checkResolver(wrong, { ...options, runs: 300, laws: ['commutative'], path });
    expect(exampleOf(again, 'commutative').merged).toEqual(merged);
    expect(() => assertResolver(wrong, { ...options, runs: 300 })).toThrow('BROKEN    commutative');
  });

  it('whose answer breaks an invariant that holds on both sides is found out', () => {
    const report = checkResolver(lastWriteWins<Product, ProductEvent>(), {
      ...options,
      runs: 300,
      laws: ['invariant never below -3'],
      arbitraries: { AddStock: fc.record({ by: fc.integer({ min: -3, max: -2 }) }) },
      invariants: { 'never below -3': ({ stock }) => stock >= -3 },
    });
    expect(brokenBy(report)).toEqual(['invariant never below -3']);
  });

  it('that claims what was never tried is not passed', () => {
    const mute = resolver<Product, ProductEvent>(
      'refuses where both wrote',
      ({ ours, theirs }, refuse) =>
        ours.length * theirs.length > 0 ? refuse('both wrote', ['$']) : E.right({ events: ours }),
      { claims: ['commutative'] },
    );
    const report = checkResolver(mute, options);
    expect(report.ok).toBe(false);
    expect(report.laws.find(({ name }) => name === 'commutative')?.status).toBe('untested');
  });

  it('is skipped for all other laws where it is not pure', () => {
    const report = checkResolver(naive[2]?.[2] as ProductResolver, options);
    expect(report.laws.filter(({ status }) => status === 'skipped').map(({ name }) => name)).toContain(
      'answers',
    );
  });

  it('is given events instead of commands where that is asked', () => {
    expect(checkResolver(table, { ...options, steps: 'events' }).ok).toBe(true);
    expect(() => checkResolver(table, { ...options, arbitraries: { Sold: fc.constant({}) } })).toThrow(
      'product has no commands Sold',
    );
  });
});
