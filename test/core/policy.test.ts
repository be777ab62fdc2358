/** Which settings come of rules, how that is explained, and what is refused. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import {
  type ConcurrencySettings,
  defaultSettings,
} from '../../src/core/concurrency/concurrency-settings.js';
import { concurrencyStrategies } from '../../src/core/concurrency/concurrency-strategy.js';
import {
  explainPolicy,
  noPolicies,
  type PolicyRule,
  policies,
  type SaveContext,
  when,
} from '../../src/core/concurrency/policy.js';
import {
  actorIs,
  aggregateIs,
  always,
  and,
  commandIs,
  hasFlag,
  hasTag,
  inEnvironment,
  not,
  or,
  tenantIs,
} from '../../src/core/concurrency/policy-predicates.js';
import { defaultTenant } from '../../src/core/stream.js';

const context = (about: Partial<SaveContext> = {}): SaveContext => ({
  aggregateType: 'order',
  commandTypes: ['AddItem'],
  tags: new Set(),
  flags: new Set(),
  tenant: defaultTenant,
  ...about,
});

const resolved = (rules: ReturnType<typeof policies>, about: SaveContext = context()) => {
  const result = rules.resolve(about);
  if (E.isLeft(result)) throw new Error(result.left.message);
  return result.right;
};

describe('policies', () => {
  it('give the defaults where no rule says anything', () => {
    expect(resolved(noPolicies)).toEqual({ settings: defaultSettings, chosenBy: 'default' });
    expect(defaultSettings).toMatchObject({
      strategy: 'expectedVersion',
      lockWaitMaxMs: 5_000,
      attemptsMax: 8,
    });
  });

  it('let later rules override earlier ones, field by field', () => {
    const rules = policies(
      when(always, 'all').then({ strategy: 'retry' }).and({ attemptsMax: 3, delayMs: 100 }),
      when(aggregateIs('order'), 'orders').then({ attemptsMax: 5 }),
      when(aggregateIs('cart'), 'carts').then({ strategy: 'lastWriteWins' }),
    );
    expect(resolved(rules)).toEqual({
      settings: { ...defaultSettings, strategy: 'retry', attemptsMax: 5, delayMs: 100 },
      chosenBy: 'all',
    });
    const cart = resolved(rules, context({ aggregateType: 'cart' }));
    expect(cart).toMatchObject({
      chosenBy: 'carts',
      settings: { strategy: 'lastWriteWins', attemptsMax: 3 },
    });
  });

  it('let a call override every rule, or stand instead of all of them', () => {
    const rules = policies(when(always, 'all').then({ strategy: 'retry', attemptsMax: 3 }));
    const over = { settings: { strategy: 'pessimistic' } } as const;
    expect(rules.resolve(context(), over)).toEqual(
      E.right({
        settings: { ...defaultSettings, strategy: 'pessimistic', attemptsMax: 3 },
        chosenBy: 'the call',
      }),
    );
    expect(rules.resolve(context(), { ...over, bypassPolicies: true })).toEqual(
      E.right({ settings: { ...defaultSettings, strategy: 'pessimistic' }, chosenBy: 'the call' }),
    );
    expect(rules.resolve(context(), { bypassPolicies: true })).toEqual(
      E.right({ settings: defaultSettings, chosenBy: 'default' }),
    );
  });

  it('take a field that is undefined as not set', () => {
    const settings = { strategy: undefined, attemptsMax: 2 } as unknown as Partial<ConcurrencySettings>;
    expect(resolved(policies(when(always).then(settings))).settings).toEqual({
      ...defaultSettings,
      attemptsMax: 2,
    });
  });

  it('answer a predicate that throws with its rule, and ask no later one', () => {
    let asked = 0;
    const rules = policies(
      when(always).then({ strategy: 'retry' }),
      when(() => {
        throw new Error('no such shop');
      }, 'shops').then({ attemptsMax: 1 }),
      when(() => (asked += 1) > 0).then({ attemptsMax: 2 }),
    );
    expect(rules.resolve(context())).toEqual(
      E.left({ _tag: 'PolicyFailed', rule: 'shops', message: 'its predicate threw: no such shop' }),
    );
    expect(asked).toBe(0);
    expect(E.isRight(rules.resolve(context(), { bypassPolicies: true }))).toBe(true);
  });

  it('answer a predicate that gives a promise with its rule, for it would count as a yes', () => {
    const slow = (() => Promise.resolve(false)) as unknown as () => boolean;
    expect(policies(when(slow).then({})).resolve(context())).toEqual(
      E.left({
        _tag: 'PolicyFailed',
        rule: 'rule 1',
        message: 'its predicate must answer true or false, and answered object',
      }),
    );
  });

  it.each([
    [
      { attemptsMax: 0 },
      'policy busy: attemptsMax must be a whole number from 1 to 9007199254740991, found 0',
    ],
    [{ attemptsMax: 1.5 }, /attemptsMax must be a whole number/],
    [{ delayMs: -1 }, 'policy busy: delayMs must be a number from 0 to 2147483647, found -1'],
    [{ delayMaxMs: Number.NaN }, /delayMaxMs must be a number/],
    [{ multiplier: 0.5 }, /multiplier must be a number from 1/],
    [{ jitter: 1.1 }, 'policy busy: jitter must be a number from 0 to 1, found 1.1'],
    [{ lockWaitMaxMs: -1 }, /lockWaitMaxMs must be a whole number from 0/],
    [{ strategy: 'optimistic' }, /strategy must be one of expectedVersion, .*, adaptive, found "optimistic"/],
    [{ resolver: {} }, 'policy busy: resolver must have the function resolve, found an object'],
    [{ condition: true }, 'policy busy: condition must be a function, found true'],
    [{ adaptive: { decide: () => undefined } }, /adaptive must have the function decide and observe/],
    [{ retries: 3 }, 'policy busy: there is no setting retries'],
    [null, 'policy busy: settings must be an object, found null'],
  ])('refuse at once what cannot work: %j', (settings, message) => {
    const bad = settings as unknown as Partial<ConcurrencySettings>;
    expect(() => when(always, 'busy').then(bad)).toThrow(TypeError);
    expect(() => when(always, 'busy').then({}).and(bad)).toThrow(message);
    const call = { settings: bad } as { settings: Partial<ConcurrencySettings> };
    expect(() => noPolicies.resolve(context(), call)).toThrow(TypeError);
  });

  it('refuse two rules of one name, and names that stand for something else', () => {
    const one = when(always, 'one').then({});
    expect(() => policies(one, one)).toThrow("policies: the name 'one'");
    expect(() => policies(when(always, 'default').then({}))).toThrow(TypeError);
    expect(() => policies(when(always, 'the call').then({}))).toThrow(TypeError);
    expect(() => policies(when(always, 'rule 2').then({}), when(always).then({}))).toThrow(TypeError);
    expect(() => when('yes' as never)).toThrow(TypeError);
  });
});

describe('predicates', () => {
  it.each([
    ['aggregateIs by name', aggregateIs('order'), {}, { aggregateType: 'cart' }],
    ['aggregateIs by its rules', aggregateIs({ category: 'order' }), {}, { aggregateType: 'cart' }],
    ['commandIs', commandIs('Pay', 'AddItem'), {}, { commandTypes: ['Ship'] }],
    ['hasTag', hasTag('high-volume'), { tags: new Set(['high-volume']) }, {}],
    ['hasFlag', hasFlag('load-test'), { flags: new Set(['load-test']) }, { tags: new Set(['load-test']) }],
    ['inEnvironment', inEnvironment('production'), { environment: 'production' }, {}],
    ['tenantIs', tenantIs('default'), {}, { tenant: 'acme' as typeof defaultTenant }],
    ['actorIs', actorIs('ada'), { actor: 'ada' }, { actor: 'bob' }],
    ['and', and(aggregateIs('order'), hasTag('a')), { tags: new Set(['a']) }, {}],
    ['or', or(hasTag('a'), hasTag('b')), { tags: new Set(['b']) }, {}],
    ['not', not(hasTag('a')), {}, { tags: new Set(['a']) }],
    ['and of none', and(), {}, undefined],
    ['or of none', not(or()), {}, undefined],
  ] as const)('%s', (_name, predicate, yes, no) => {
    expect(predicate(context(yes))).toBe(true);
    if (no !== undefined) expect(predicate(context(no))).toBe(false);
  });

  it('asks no further once it is decided', () => {
    const never = (): boolean => {
      throw new Error('asked');
    };
    expect(and(not(always), never)(context())).toBe(false);
    expect(or(always, never)(context())).toBe(true);
  });
});

const settings: fc.Arbitrary<Partial<ConcurrencySettings>> = fc.record(
  {
    strategy: fc.constantFrom(...concurrencyStrategies),
    attemptsMax: fc.integer({ min: 1, max: 20 }),
    delayMs: fc.nat(1_000),
    delayMaxMs: fc.nat(1_000),
    multiplier: fc.integer({ min: 1, max: 4 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    lockWaitMaxMs: fc.nat(10_000),
  },
  { requiredKeys: [] },
);
const words = ['a', 'b', 'c'] as const;
const ruleData = fc.record({ tag: fc.constantFrom(...words), settings });
const someTags = fc.uniqueArray(fc.constantFrom(...words)).map((tags) => context({ tags: new Set(tags) }));
const rulesOf = (all: ReadonlyArray<{ readonly tag: string; readonly settings: object }>) =>
  policies(...all.map(({ tag, settings: sets }): PolicyRule => when(hasTag(tag)).then(sets)));

describe('any rules', () => {
  it('come to the left fold of those that fire over the defaults', () => {
    fc.assert(
      fc.property(fc.array(ruleData), someTags, (all, about) => {
        const fired = all.filter(({ tag }) => about.tags.has(tag));
        const fold = fired.reduce((before, rule) => ({ ...before, ...rule.settings }), defaultSettings);
        const { settings: got, chosenBy } = resolved(rulesOf(all), about);
        expect(got).toEqual(fold);
        const last = all.findLastIndex(
          ({ tag, settings: sets }) => about.tags.has(tag) && sets.strategy !== undefined,
        );
        expect(chosenBy).toBe(last === -1 ? 'default' : `rule ${last + 1}`);
      }),
    );
  });

  it('are explained as they are resolved: what is set and not overridden is what comes of it', () => {
    const override = fc.option(fc.record({ settings }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(ruleData), someTags, override, (all, about, own) => {
        const rules = rulesOf(all);
        const result = rules.resolve(about, own);
        const explained = explainPolicy(rules, about, own);
        expect(E.right({ settings: explained.settings, chosenBy: explained.chosenBy })).toEqual(result);
        const standing = explained.rules
          .filter(({ fired }) => fired)
          .flatMap(({ sets, overriddenBy }) =>
            Object.entries(sets).filter(([field]) => !Object.hasOwn(overriddenBy, field)),
          );
        // Each field stands once at most.
        expect(new Set(standing.map(([field]) => field)).size).toBe(standing.length);
        expect({ ...defaultSettings, ...Object.fromEntries(standing) }).toEqual(explained.settings);
      }),
    );
  });
});

describe('an explanation', () => {
  const rules = policies(
    when(always, 'base').then({ strategy: 'retry', attemptsMax: 3 }),
    when(aggregateIs('order'), 'orders').then({ attemptsMax: 5 }),
    when(hasFlag('load-test'), 'tests').then({ strategy: 'lastWriteWins' }),
  );

  it('says which rules fired, what each sets, and what overrode it', () => {
    const { rules: told, chosenBy } = explainPolicy(rules, context());
    expect(chosenBy).toBe('base');
    expect(told).toEqual([
      {
        name: 'base',
        fired: true,
        sets: { strategy: 'retry', attemptsMax: 3 },
        overriddenBy: { attemptsMax: 'orders' },
      },
      { name: 'orders', fired: true, sets: { attemptsMax: 5 }, overriddenBy: {} },
      { name: 'tests', fired: false, sets: { strategy: 'lastWriteWins' }, overriddenBy: {} },
    ]);
  });

  it('is a table for people', () => {
    const about = context({ actor: 'ada', environment: 'production', tags: new Set(['high-volume']) });
    expect(explainPolicy(rules, about, { settings: { jitter: 0 } }).text).toBe(
      [
        'save of order; commands AddItem; tags high-volume; environment production; tenant default; actor ada',
        'rule      fires  sets',
        'base      yes    strategy retry, attemptsMax 3 [then orders]',
        'orders    yes    attemptsMax 5',
        'tests     no     strategy lastWriteWins',
        'the call  yes    jitter 0',
        '=> strategy retry, attemptsMax 5, delayMs 5, delayMaxMs 1000, multiplier 2, jitter 0, lockWaitMaxMs 5000',
        'strategy chosen by: base',
      ].join('\n'),
    );
  });

  it('names resolvers by their description, and escapes what came from outside', () => {
    const resolver = { description: 'newest wins', resolve: () => E.right({ events: [] }) };
    const one = policies(when(always).then({ strategy: 'merge', resolver, condition: () => true }));
    const { text } = explainPolicy(one, context({ actor: 'ada\n\u001b[31m' }));
    expect(text).toContain('strategy merge, resolver (newest wins), condition (yours)');
    expect(text.split('\n')).toHaveLength(5);
    expect(text).not.toContain('\u001b');
  });

  it('tells of a predicate that throws instead of throwing', () => {
    const broken = policies(
      when(() => {
        throw new Error('boom');
      }, 'broken').then({ strategy: 'retry' }),
    );
    const explained = explainPolicy(broken, context());
    expect(explained.failed).toEqual({
      _tag: 'PolicyFailed',
      rule: 'broken',
      message: 'its predicate threw: boom',
    });
    expect(explained.text).toContain('broken  failed  strategy retry');
    expect(explained.text).toContain('The save fails: broken: its predicate threw: boom');
    expect(explained.settings).toEqual(defaultSettings);
  });

  it('says that rules were not asked where the call bypasses them', () => {
    const { text, settings: got } = explainPolicy(rules, context(), { bypassPolicies: true });
    expect(text).toContain('base    not asked  strategy retry');
    expect(got).toEqual(defaultSettings);
  });
});
