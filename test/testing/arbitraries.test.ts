/** Arbitraries from codecs: what they give is accepted by the codec and by every store, and what they cannot give is said. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as t from 'io-ts';
import { encodeWith, taggedOf, versioned } from 'watersmeet';
import { arbitraryOf } from '../../src/testing/laws/arbitraries.js';

interface Tree {
  readonly value: number;
  readonly children: ReadonlyArray<Tree>;
  readonly next?: Tree;
}
const tree: t.Type<Tree> = t.recursion('Tree', () =>
  t.intersection([t.type({ value: t.number, children: t.readonlyArray(tree) }), t.partial({ next: tree })]),
) as t.Type<Tree>;

interface Endless {
  readonly next: Endless;
}

type Nested = null | { readonly left: Nested; readonly right: Nested };
const nested: t.Type<Nested> = t.recursion('Nested', () =>
  t.union([t.type({ left: nested, right: nested }), t.null]),
) as t.Type<Nested>;

interface Even {
  readonly Even: symbol;
}
const codecs: Readonly<Record<string, t.Mixed>> = {
  string: t.string,
  number: t.number,
  boolean: t.boolean,
  null: t.null,
  Int: t.Int,
  literal: t.literal('paid'),
  keyof: t.keyof({ open: null, paid: null }),
  unknown: t.unknown,
  type: t.type({ a: t.string, b: t.type({ c: t.number }) }),
  partial: t.partial({ a: t.string, b: t.number }),
  strict: t.strict({ a: t.string }),
  exact: t.exact(t.intersection([t.type({ a: t.string }), t.partial({ b: t.number })])),
  intersection: t.intersection([t.type({ a: t.string }), t.partial({ b: t.number })]),
  union: t.union([t.literal('x'), t.number, t.null, t.undefined]),
  'tagged union': t.union([
    t.type({ kind: t.literal('circle'), radius: t.number }),
    t.type({ kind: t.literal('square'), side: t.number }),
  ]),
  array: t.array(t.string),
  readonlyArray: t.readonlyArray(t.number),
  UnknownArray: t.UnknownArray,
  UnknownRecord: t.UnknownRecord,
  readonly: t.readonly(t.type({ a: t.string })),
  record: t.record(t.string, t.record(t.string, t.number)),
  'record over keys': t.record(t.keyof({ left: null, right: null }), t.number),
  'record over literals': t.record(t.union([t.literal('x'), t.literal('y')]), t.boolean),
  tuple: t.tuple([t.string, t.number]),
  brand: t.brand(t.number, (n): n is t.Branded<number, Even> => n % 2 === 0, 'Even'),
  'recursive tree': tree,
  'recursive union': nested,
};

const errorOf = (run: () => unknown): unknown => {
  try {
    run();
    return undefined;
  } catch (error) {
    return taggedOf(error);
  }
};

describe('arbitraryOf', () => {
  it.each(Object.keys(codecs))('%s: every value is accepted, and stored as it is', (name) => {
    const codec = codecs[name] as t.Mixed;
    fc.assert(
      fc.property(arbitraryOf(codec), (value) => {
        expect(encodeWith(name, codec, value)).toEqual({ _tag: 'Right', right: value });
      }),
    );
  });

  it('gives all members of a union, optional fields with and without, and recursive values of more than one level', () => {
    const sample = <A>(codec: t.Type<A>): ReadonlyArray<A> =>
      fc.sample(arbitraryOf(codec), { numRuns: 200, seed: 1 }) as ReadonlyArray<A>;
    expect(new Set(sample(t.union([t.literal('x'), t.literal('y'), t.null])))).toEqual(
      new Set(['x', 'y', null]),
    );
    expect(new Set(sample(t.partial({ a: t.null })).map((value) => 'a' in value))).toEqual(
      new Set([true, false]),
    );
    expect(sample(tree).some(({ children }) => children.some((child) => child.children.length > 0))).toBe(
      true,
    );
    expect(sample(nested).some((value) => value !== null && (value.left ?? value.right) !== null)).toBe(true);
  });

  it('gives texts that mean something to every object, but no key that no store takes', () => {
    const texts = fc.sample(arbitraryOf(t.string), { numRuns: 500, seed: 1 });
    expect(texts).toEqual(expect.arrayContaining(['a', '__proto__', 'constructor']));
    const keys = fc
      .sample(arbitraryOf(t.record(t.string, t.null)), { numRuns: 500, seed: 1 })
      .flatMap((value) => Object.keys(value as object));
    expect(keys).toContain('constructor');
    expect(keys).not.toContain('__proto__');
  });

  it('gives today’s values of a type with a history', () => {
    const renamed = versioned({ codec: t.type({ first: t.string }), upcasts: { 1: (old) => old } });
    expect(fc.sample(arbitraryOf(renamed), 1)).toEqual([{ first: expect.any(String) }]);
  });

  it('names the codec and the place where nothing can be derived', () => {
    const moment = new t.Type<Date, string>(
      'Moment',
      (value): value is Date => value instanceof Date,
      (value, context) => t.failure(value, context),
      String,
    );
    expect(errorOf(() => arbitraryOf(t.type({ items: t.array(t.type({ at: moment })) })))).toEqual({
      _tag: 'ArbitraryMissing',
      codec: 'Moment',
      path: '$.items[].at',
      message:
        '$.items[].at: no arbitrary can be derived from the codec Moment: it is a codec of its own kind; pass an arbitrary of your own',
    });
    expect(errorOf(() => arbitraryOf(t.tuple([t.string, t.undefined])))).toMatchObject({ path: '$[1]' });
    const endless: t.Type<Endless> = t.recursion('Endless', () => t.type({ next: endless }));
    expect(errorOf(() => arbitraryOf(endless))).toMatchObject({ codec: 'Endless', path: '$' });
  });

  it('says so, instead of trying for ever, where a predicate accepts next to nothing', () => {
    const rare = t.brand(
      t.string,
      (text): text is t.Branded<string, Even> => text === 'quite improbable',
      'Even',
    );
    expect(errorOf(() => fc.sample(arbitraryOf(t.type({ rare })), 1))).toMatchObject({
      _tag: 'ArbitraryMissing',
      path: '$.rare',
    });
  });
});
