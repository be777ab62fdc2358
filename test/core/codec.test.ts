/** The codecs' promises: strict on the way out, readable on the way in, older data lifted, newer data refused. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  type CodecProblem,
  decodeTagged,
  decodeWith,
  encodeTagged,
  encodeWith,
  schemaVersionOf,
  versioned,
} from '../../src/core/codec.js';
import type { Json } from '../../src/core/json.js';

const problemsOf = (result: E.Either<{ readonly problems: ReadonlyArray<CodecProblem> }, unknown>) =>
  E.isLeft(result) ? result.left.problems : [];

const cycle = (): object => {
  const self: { again?: object } = {};
  self.again = self;
  return self;
};
const nested = (depth: number): unknown => {
  let value: unknown = 0;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
};

describe('encoding is strict', () => {
  const Anything = t.type({ items: t.array(t.type({ value: t.unknown })) });
  const encode = (value: unknown) => encodeWith('Priced', Anything, { items: [{ value: 1 }, { value }] });

  it.each<[string, unknown]>([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['-0', -0],
    ['undefined', undefined],
    ['bigint', 1n],
    ['symbol', Symbol('s')],
    ['function', () => 1],
    ['Date', new Date(0)],
    ['Map', new Map()],
    ['Set', new Set()],
    ['a NUL character', 'a\u0000b'],
    ['a lone surrogate', '\ud800'],
  ])('refuses %s by name and path', (name, value) => {
    expect(encode(value)).toMatchObject({ left: { _tag: 'EncodeFailed', type: 'Priced' } });
    expect(problemsOf(encode(value))).toMatchObject([{ path: '$.items[1].value', found: name }]);
  });

  it('refuses a cycle where it closes', () => {
    expect(problemsOf(encode(cycle()))).toMatchObject([{ path: '$.items[1].value.again', found: 'a cycle' }]);
  });

  it('refuses a hole in an array and a key that would reach a prototype', () => {
    const holed: unknown[] = [1];
    holed[2] = 3;
    expect(problemsOf(encode(holed))).toMatchObject([{ path: '$.items[1].value[1]', found: 'undefined' }]);
    const polluting: unknown = JSON.parse('{"__proto__": 1}');
    expect(problemsOf(encode(polluting))).toMatchObject([{ found: 'the key __proto__' }]);
  });

  it('refuses nesting deeper than 256, and keeps what is just as deep', () => {
    expect(E.isRight(encodeWith('Deep', t.unknown, nested(256)))).toBe(true);
    expect(problemsOf(encodeWith('Deep', t.unknown, nested(257)))).toMatchObject([
      { found: 'nesting deeper than 256' },
    ]);
  });

  it('refuses data that its codec does not accept, by path, expected and found', () => {
    const result = encodeWith('Paid', t.type({ amount: t.number }), { amount: 'five' });
    expect(problemsOf(result)).toEqual([{ path: '$.amount', expected: 'number', found: '"five"' }]);
    expect(result).toMatchObject({ left: { message: 'Paid: $.amount: expected number, found "five"' } });
  });

  it('encodes by tag with the current schema version, and refuses an unknown tag', () => {
    const definitions = {
      Paid: versioned({ codec: t.type({ amount: t.number }), upcasts: { 1: (old) => old } }),
    };
    const data = { amount: 5 };
    expect(encodeTagged(definitions, { type: 'Paid', data })).toEqual(
      E.right({ type: 'Paid', schemaVersion: 2, data }),
    );
    expect(encodeTagged(definitions, { type: 'toString', data })).toMatchObject({
      left: { _tag: 'EncodeFailed', type: 'toString', problems: [{ path: 'type', expected: 'one of Paid' }] },
    });
  });
});

describe('decoding errors are readable', () => {
  it('names path, expected and found of each problem', () => {
    const Order = t.type({ id: t.string, items: t.array(t.type({ price: t.number })) });
    const result = decodeWith('Ordered', Order, { id: 7, items: [{ price: 1 }, { price: null }] });
    expect(problemsOf(result)).toEqual([
      { path: '$.id', expected: 'string', found: '7' },
      { path: '$.items[1].price', expected: 'number', found: 'null' },
    ]);
    expect(result).toMatchObject({
      left: {
        _tag: 'DecodeFailed',
        message: 'Ordered: $.id: expected string, found 7; $.items[1].price: expected number, found null',
      },
    });
  });

  it('tells a place once where several members of a union would have done', () => {
    const result = decodeWith('Set', t.type({ value: t.union([t.string, t.number]) }), { value: true });
    expect(problemsOf(result)).toEqual([{ path: '$.value', expected: 'string or number', found: 'true' }]);
  });

  it('keeps entries of intersections out of the path', () => {
    const Both = t.intersection([t.type({ a: t.string }), t.type({ b: t.string })]);
    const result = decodeWith('Both', t.type({ part: Both }), { part: { a: 'a', b: 1 } });
    expect(problemsOf(result).map(({ path }) => path)).toEqual(['$.part.b']);
  });

  it('shows at most 60 characters of what was found', () => {
    const [problem] = problemsOf(decodeWith('Long', t.number, 'x'.repeat(1_000)));
    expect(problem?.found).toHaveLength(61);
  });

  it('refuses an unknown type with those that are known', () => {
    const encoded = { type: 'Gone', schemaVersion: 1, data: {} };
    const result = decodeTagged({ Paid: t.unknown, Sent: t.unknown }, encoded);
    expect(problemsOf(result)).toEqual([{ path: 'type', expected: 'one of Paid, Sent', found: '"Gone"' }]);
  });

  it.each(['constructor', '__proto__', 'hasOwnProperty'])('takes %s for an unknown type', (type) => {
    expect(decodeTagged({ Paid: t.unknown }, { type, schemaVersion: 1, data: {} })).toMatchObject({
      left: { _tag: 'DecodeFailed', type },
    });
  });
});

describe('versioned codecs', () => {
  const Named = versioned({
    codec: t.type({ first: t.string, last: t.string }),
    upcasts: {
      1: (old) => ({ name: old }) as Json,
      2: (old) => {
        const [first = '', last = ''] = String((old as { name: Json }).name).split(' ');
        return { first, last };
      },
    },
  });
  const decode = (schemaVersion: number, data: Json) =>
    decodeTagged({ Named }, { type: 'Named', schemaVersion, data });
  const ada = E.right({ type: 'Named', data: { first: 'Ada', last: 'Lovelace' } });

  it('have one version more than upcasts; plain codecs have one', () => {
    expect(schemaVersionOf(Named)).toBe(3);
    expect(schemaVersionOf(t.string)).toBe(1);
  });

  it('lift data of each older version, step by step', () => {
    expect(decode(1, 'Ada Lovelace')).toEqual(ada);
    expect(decode(2, { name: 'Ada Lovelace' })).toEqual(ada);
    expect(decode(3, { first: 'Ada', last: 'Lovelace' })).toEqual(ada);
  });

  it('name the version of data that does not fit after lifting', () => {
    const result = decode(3, { first: 'Ada' });
    expect(problemsOf(result)).toEqual([{ path: '$.last', expected: 'string', found: 'undefined' }]);
    expect(result).toMatchObject({
      left: { schemaVersion: 3, message: expect.stringContaining('(schema version 3)') },
    });
  });

  it('refuse data that a newer program wrote', () => {
    expect(problemsOf(decode(4, {}))).toEqual([
      { path: 'schemaVersion', expected: 'at most 3; this program is older than the data', found: '4' },
    ]);
  });

  it('cannot be defined with a gap', () => {
    const codec = t.string;
    expect(() => versioned({ codec, upcasts: { 1: (old) => old, 3: (old) => old } })).toThrow(
      'no upcast from schema version 2',
    );
  });
});
