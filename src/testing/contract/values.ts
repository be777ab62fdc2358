/** Values that JSON keeps although they look as if it did not, and values that it drops or changes. */
import type { Json } from '../../core/json.js';

export const nested = (depth: number): Json => {
  let value: Json = [];
  for (let level = 1; level < depth; level += 1) value = level % 2 === 0 ? { a: value } : [value];
  return value;
};

export const cycle = (): unknown => {
  const value: { self?: unknown } = {};
  value.self = value;
  return value;
};

class Money {
  readonly amount = 1;
}

/** Values that no JSON text gives back; all are refused, wherever they stand. */
export const unstorable: Readonly<Record<string, () => unknown>> = {
  NaN: () => NaN,
  Infinity: () => 1e400,
  '-Infinity': () => -Infinity,
  '-0': () => -0,
  undefined: () => undefined,
  'a Date': () => new Date(0),
  'an invalid Date': () => new Date(NaN),
  'a Map': () => new Map([['a', 1]]),
  'a Set': () => new Set([1]),
  'a RegExp': () => /a/,
  'an Error': () => new Error('no'),
  'a Promise': () => Promise.resolve(1),
  'an instance of a class': () => new Money(),
  'a boxed number': () => Object(1) as unknown,
  'a typed array': () => new Uint8Array(2),
  'a Buffer': () => Buffer.from('a'),
  'a function': () => () => 1,
  'a BigInt': () => 2n ** 64n,
  'a symbol': () => Symbol('s'),
  'an object with a symbol for a key': () => ({ [Symbol('s')]: 1 }),
  'an object with toJSON': () => ({ toJSON: () => 'changed' }),
  'an array with a hole': () => [1, , 3],
  'a cycle': cycle,
  'a lone high surrogate': () => 'a\ud800b',
  'a lone low surrogate': () => '\udc00',
  'a lone surrogate in a key': () => ({ 'a\ud800': 1 }),
  'a NUL character': () => 'a\u0000b',
  'a NUL character in a key': () => ({ '\u0000': 1 }),
  'nesting of 257': () => nested(257),
  'nesting of 7,000': () => nested(7_000),
  'nesting of 20,000': () => nested(20_000),
};

/** Values that look as if they could be changed on the way, and must not be. */
export const storable: Readonly<Record<string, () => Json>> = {
  '2^53 - 1': () => Number.MAX_SAFE_INTEGER,
  '-(2^53 - 1)': () => Number.MIN_SAFE_INTEGER,
  '2^53 + 2': () => 2 ** 53 + 2,
  '2^53 + 1, which a double rounds': () => Number('9007199254740993'),
  '1e308': () => 1e308,
  '1.7976931348623157e308': () => Number.MAX_VALUE,
  '5e-324': () => Number.MIN_VALUE,
  '0.1 + 0.2': () => 0.1 + 0.2,
  '1e21 and 1e-7, where the notation changes': () => [1e21, 1e-7, 123456789012345680000],
  'nesting of 255': () => nested(255),
  'nesting of 256': () => nested(256),
  'keys that look like numbers, unsorted': () => ({ b: 1, '10': 2, a: 3, '9': 4, '': 5 }),
  'keys in several scripts': () => ({ ключ: 1, 鍵: 2, '🔑': 3, 'e\u0301': 4, é: 5 }),
  'constructor, prototype and toString as keys': () => ({
    constructor: { prototype: { polluted: true } },
    prototype: 1,
    toString: 2,
    hasOwnProperty: 3,
  }),
  'an object without a prototype': () => Object.assign(Object.create(null) as Record<string, Json>, { a: 1 }),
  'the same object twice, which is not a cycle': () => {
    const shared = { a: [1] };
    return [shared, shared, { shared }];
  },
  'text that looks like an escape': () => [
    '\\u0000',
    '\\ud800',
    '\\',
    '"',
    "'",
    '\\"',
    '\u007f',
    '\u0001',
    '\u001f',
    '\t\r\n\f\b',
    '\u2028\u2029',
  ],
  'text that looks like JSON': () => ['null', '{"a":1}', '[', 'NaN', '-0', '1e400'],
  'an astral character': () => '\u{10ffff}\u{1f600}',
  'text in two normal forms': () => ['\u00e9', 'e\u0301'],
};
