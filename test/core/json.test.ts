/** The border to JSON: what is accepted survives unchanged, what would be changed is refused by path and name. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { isDeepStrictEqual } from 'node:util';
import { runInNewContext } from 'node:vm';
import {
  canonicalJson,
  deepFreeze,
  deepFreezeWith,
  findJsonProblem,
  hashOf,
  type Json,
  jsonDepthMax,
  strictJson,
} from '../../src/core/json.js';

/** Text that only PostgreSQL refuses: JSON itself would keep it. */
const isStorableText = (text: string): boolean => text.isWellFormed() && !text.includes('\u0000');

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', 'a', 'constructor', 'toString', '\\', '"', 'é', 'e\u0301'),
);
const goodText = text.filter(isStorableText);
const goodNumber = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((number) => !Object.is(number, -0));

const goodJson: fc.Arbitrary<Json> = fc.letrec<{ tree: Json; list: Json[]; record: Record<string, Json> }>(
  (tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      goodNumber,
      goodText,
      tie('list'),
      tie('record'),
    ),
    list: fc.array(tie('tree'), { maxLength: 5 }),
    record: fc.dictionary(
      goodText.filter((key) => key !== '__proto__'),
      tie('tree'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  }),
).tree;

/** Anything at all: values JSON keeps, values it changes, values it drops. */
const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  withUnicodeString: true,
});

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return Array.from(value, plain);
  if (typeof value !== 'object' || value === null) return value;
  if (Object.getPrototypeOf(value) !== null && Object.prototype.toString.call(value) !== '[object Object]')
    return value;
  return Object.assign(
    Object.create(null) as object,
    Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)])),
  );
};

/** Whether JSON gives back what it was given. A prototype of null is no part of the data. */
const survives = (value: unknown): boolean => {
  try {
    return isDeepStrictEqual(plain(JSON.parse(JSON.stringify(value))), plain(value));
  } catch {
    return false;
  }
};

/** Text and keys that are refused although JSON would keep them. */
const holdsRefusedText = (value: unknown): boolean => {
  if (typeof value === 'string') return !isStorableText(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([key, part]) => key === '__proto__' || !isStorableText(key) || holdsRefusedText(part),
  );
};

const nested = (depth: number): Json => {
  let value: Json = [];
  for (let level = 1; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

describe('strictJson', () => {
  it('accepts plain data, and it survives JSON unchanged', () => {
    fc.assert(
      fc.property(goodJson, (value) => {
        expect(findJsonProblem(value)).toBeUndefined();
        expect(survives(value)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('accepts exactly what survives JSON unchanged, but for text that a database cannot hold', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const accepted = E.isRight(strictJson(value));
        expect(accepted).toBe(survives(value) && !holdsRefusedText(value));
      }),
      { numRuns: 5_000 },
    );
  });

  it('finds a bad value wherever it is hidden, and says its path', () => {
    fc.assert(
      fc.property(
        goodJson,
        fc.constantFrom<unknown>(NaN, undefined, -0, 1n, new Date(0), new Map()),
        (value, bad) => {
          expect(findJsonProblem([value, { deep: [value, bad] }])?.path).toBe('$[1].deep[1]');
        },
      ),
    );
  });

  it('answers the very value that it was given', () => {
    const value = { a: [1] };
    expect(strictJson(value)).toEqual(E.right(value));
    expect((strictJson(value) as E.Right<unknown>).right).toBe(value);
  });

  it.each<readonly [string, () => unknown, string, string]>([
    ['NaN', () => ({ items: [{ price: 1 }, { price: NaN }] }), '$.items[1].price', 'NaN'],
    ['Infinity', () => [Infinity], '$[0]', 'Infinity'],
    ['-Infinity', () => -Infinity, '$', '-Infinity'],
    ['-0', () => ({ a: -0 }), '$.a', '-0'],
    ['undefined', () => ({ a: undefined }), '$.a', 'undefined'],
    ['a hole', () => [1, , 2], '$[1]', 'undefined'],
    ['a Date', () => ({ 'due on': new Date(0) }), '$["due on"]', 'Date'],
    ['a Map', () => ({ a: new Map() }), '$.a', 'Map'],
    ['a Set', () => ({ a: new Set() }), '$.a', 'Set'],
    ['a class of ours', () => ({ a: new (class Money {})() }), '$.a', 'Money'],
    ['a function', () => ({ a: () => 1 }), '$.a', 'function'],
    ['a symbol', () => Symbol('s'), '$', 'symbol'],
    ['a key that is a symbol', () => ({ a: { [Symbol('s')]: 1 } }), '$.a', 'symbol'],
    ['a BigInt', () => [[1n]], '$[0][0]', 'bigint'],
    ['NUL', () => ({ a: 'x\u0000' }), '$.a', 'a NUL character'],
    ['a lone surrogate', () => ({ a: '\ud800' }), '$.a', 'a lone surrogate'],
    [
      'the key __proto__',
      () => JSON.parse('{"a":{"__proto__":1}}') as unknown,
      '$.a.__proto__',
      'the key __proto__',
    ],
    ['nesting', () => nested(jsonDepthMax + 1), `$${'[0].a'.repeat(128)}`, 'nesting deeper than 256'],
  ])('refuses %s by path and name', (_, make, path, found) => {
    const problem = findJsonProblem(make());
    expect(problem).toMatchObject({ path, found });
    expect(problem?.advice).not.toBe('');
  });

  it('refuses a cycle, and accepts an object that stands twice', () => {
    const cycle: { inner: { back?: unknown } } = { inner: {} };
    cycle.inner.back = cycle;
    expect(findJsonProblem(cycle)).toMatchObject({ path: '$.inner.back', found: 'a cycle' });
    const shared = { a: 1 };
    expect(findJsonProblem([shared, shared, { shared }])).toBeUndefined();
  });

  it('accepts nesting up to its limit, and refuses any deeper one without running out of stack', () => {
    for (const depth of [1, 255, jsonDepthMax]) expect(findJsonProblem(nested(depth))).toBeUndefined();
    for (const depth of [jsonDepthMax + 1, 7_000, 200_000])
      expect(findJsonProblem(nested(depth))).toBeDefined();
  });

  it('accepts plain objects of another realm, and no other objects of it', () => {
    expect(findJsonProblem(runInNewContext('({ a: [1, { b: null }] })'))).toBeUndefined();
    expect(findJsonProblem(runInNewContext('({ a: new Date(0) })'))).toMatchObject({ found: 'Date' });
    expect(findJsonProblem(runInNewContext('new Map()'))).toMatchObject({ found: 'Map' });
  });

  it('refuses what an array hides from JSON', () => {
    expect(findJsonProblem({ a: Object.assign([1], { extra: 2 }) })).toMatchObject({ path: '$.a' });
    expect(findJsonProblem({ a: Object.assign([1], { toJSON: () => 2 }) })).toMatchObject({ path: '$.a' });
  });

  it('refuses an object that tells JSON to write something else', () => {
    expect(
      findJsonProblem(Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 2, enumerable: false })),
    ).toBeDefined();
    expect(findJsonProblem({ toJSON: () => 2 })).toBeDefined();
  });
});

/** The same data with the keys of all objects in reverse order. */
const reversed = (value: Json): Json => {
  if (Array.isArray(value)) return (value as ReadonlyArray<Json>).map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, part]) => [key, reversed(part)]),
  );
};

describe('canonicalJson and hashOf', () => {
  it('do not depend on the order of keys', () => {
    fc.assert(
      fc.property(goodJson, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(hashOf(reversed(value))).toBe(hashOf(value));
      }),
      { numRuns: 500 },
    );
  });

  it('give the value back when parsed', () => {
    fc.assert(
      fc.property(goodJson, (value) =>
        expect(isDeepStrictEqual(plain(JSON.parse(canonicalJson(value))), plain(value))).toBe(true),
      ),
    );
  });

  it('differ where the values differ', () => {
    fc.assert(
      fc.property(goodJson, goodJson, (a, b) => {
        expect(canonicalJson(a) === canonicalJson(b)).toBe(isDeepStrictEqual(plain(a), plain(b)));
      }),
    );
  });

  it('sort keys by code unit, and write no white space', () => {
    expect(canonicalJson({ b: [1, { d: 1, c: null }], a: 'x', 10: 1, 9: 2, É: 1, é: 2 })).toBe(
      '{"10":1,"9":2,"a":"x","b":[1,{"c":null,"d":1}],"É":1,"é":2}',
    );
  });

  it('are what they have always been, because hashes are stored', () => {
    expect(hashOf({ b: 1, a: [true, null, 'é'] })).toBe(
      '17c8c6f7f948ee1c9b93b1bc35f6edc29cbaf3022bff7d076d1c4831dd8a44a2',
    );
  });
});

describe('deepFreeze', () => {
  it('freezes every part and answers the same value', () => {
    const value = { a: [{ b: 1 }], c: 'x' };
    expect(deepFreeze(value)).toBe(value);
    for (const part of [value, value.a, value.a[0]]) expect(Object.isFrozen(part)).toBe(true);
  });
});

describe('deepFreezeWith', () => {
  it('makes the list when it is first looked at, once, and freezes all of it', () => {
    let made = 0;
    const value = deepFreezeWith({ a: { b: 1 } }, 'list', () => {
      made += 1;
      return [deepFreeze({ c: made })];
    });
    expect(deepFreeze({ value }).value).toBe(value);
    expect(made).toBe(0);
    expect([value.list, value.list, { ...value }.list]).toEqual([[{ c: 1 }], [{ c: 1 }], [{ c: 1 }]]);
    expect(made).toBe(1);
    for (const part of [value, value.a, value.list]) expect(Object.isFrozen(part)).toBe(true);
  });
});
