/** Names, expectations and positions. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import {
  any,
  categoryOf,
  checkExpectedVersion,
  checkName,
  comparePositions,
  escapeForDisplay,
  exactly,
  type ExpectedVersion,
  expectedAfter,
  meets,
  noStream,
  type Position,
  positionOf,
  positionParts,
  startPosition,
  streamExists,
  streamName,
  type StreamName,
  type StreamVersion,
  tenant,
  versionMax,
} from '../../src/core/stream.js';

const printable =
  /^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]*$/u;
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
);

describe('checkName', () => {
  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyText, fc.anything(), fc.constant(Object.create(null)), fc.constant(Symbol('s'))),
        (name) => {
          const checked = checkName('streamName', name, 512);
          if (E.isRight(checked)) expect(checked.right).toBe(name);
          else expect(checked.left).toMatchObject({ _tag: 'InvalidName', field: 'streamName' });
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('accepts only what is stored unchanged and cannot be mistaken', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 40 }), (name, bytesMax) => {
        const good =
          name.length > 0 &&
          name.trim() === name &&
          name.isWellFormed() &&
          printable.test(name) &&
          name.normalize('NFC') === name &&
          Buffer.byteLength(name) <= bytesMax;
        expect(E.isRight(checkName('tenant', name, bytesMax))).toBe(good);
      }),
      { numRuns: 2_000 },
    );
  });

  it('shows a refused name so that it can be printed on one line', () => {
    fc.assert(
      fc.property(anyText, (name) => {
        const checked = checkName('streamName', `\u0000${name}`, 512);
        const value = E.isLeft(checked) ? checked.left.value : 'accepted';
        expect(value).toMatch(printable);
        expect(value.isWellFormed()).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['', /empty/],
    [' a', /white space/],
    ['a\ud800', /lone surrogate/],
    ['a\u0000', /control/],
    ['a\u202eb', /bidirectional/],
    ['e\u0301', /normal form C/],
    ['é'.repeat(257), /514 bytes.*512/],
  ])('says why it refuses %j', (name, reason) => {
    expect(E.isLeft(checkName('streamName', name, 512))).toBe(true);
    expect((checkName('streamName', name, 512) as E.Left<{ reason: string }>).left.reason).toMatch(reason);
  });
});

describe('escapeForDisplay', () => {
  it('leaves ordinary text as it is, escapes the rest, and cuts what is long', () => {
    expect(escapeForDisplay('order-1 é 🙂 <b>')).toBe('order-1 é 🙂 <b>');
    expect(escapeForDisplay('\u001b[31m\r\n\u202e\ud800')).toBe('\\u{1b}[31m\\u{d}\\u{a}\\u{202e}\\u{d800}');
    expect(escapeForDisplay('x'.repeat(100), 10)).toBe(`${'x'.repeat(10)}…`);
  });
});

describe('streamName and tenant', () => {
  it.each(['order-1', 'order', '__proto__', "a'); drop table s;--", 'a/b', '%', '-', 'x'.repeat(512)])(
    'accept %s',
    (name) => {
      expect(streamName(name)).toEqual(E.right(name));
    },
  );
  it.each(['', ' ', '.', '..', '$all', 'a\nb', 'x'.repeat(513)])('refuse %j', (name) => {
    expect(streamName(name)).toMatchObject({ left: { _tag: 'InvalidName', field: 'streamName' } });
  });
  it('allow a tenant of 128 bytes and none longer', () => {
    expect(E.isRight(tenant('é'.repeat(64)))).toBe(true);
    expect(tenant('é'.repeat(64) + 'x')).toMatchObject({ left: { field: 'tenant' } });
  });
  it('take what stands before the first dash for the category', () => {
    const categories = ['order-42', 'order', 'a-b-c', '-x', '__proto__-1', ''].map((name) =>
      categoryOf(name as StreamName),
    );
    expect(categories).toEqual(['order', 'order', 'a', '', '__proto__', '']);
  });
});

describe('expected versions', () => {
  const good = [any, noStream, streamExists, exactly(0), exactly(1), exactly(versionMax)];
  it.each(good)('%j is one', (expected) => {
    expect(checkExpectedVersion(expected)).toEqual(E.right(expected));
  });

  it.each<readonly [unknown, string]>([
    [-1, '-1'],
    [0.5, '0.5'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [-0, '-0'],
    ['1', "'1'"],
    [2 ** 31, '2147483648'],
    [2 ** 53, '9007199254740992'],
    [1n, '1'],
    [null, 'null'],
    [undefined, 'undefined'],
  ])('exactly %p is none', (version, value) => {
    expect(checkExpectedVersion(exactly(version as number))).toEqual(
      E.left({ _tag: 'InvalidExpectedVersion', value }),
    );
  });

  it('are refused without a throw, whatever stands in their place', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.anything(), fc.record({ _tag: fc.anything(), version: fc.anything() })),
        (expected) => {
          const checked = checkExpectedVersion(expected as ExpectedVersion);
          expect(
            E.isLeft(checked) || good.some(({ _tag }) => _tag === (expected as ExpectedVersion)._tag),
          ).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('are met as the truth table says', () => {
    const table = good
      .slice(0, 5)
      .map((expected) => [0, 1, 2].map((version) => meets(expected, version as StreamVersion)));
    expect(table).toEqual([
      [true, true, true],
      [true, false, false],
      [false, true, true],
      [true, false, false],
      [false, true, false],
    ]);
  });

  it('say after which version a refused writer has to read', () => {
    expect(good.map(expectedAfter)).toEqual([0, 0, 0, 0, 1, versionMax]);
  });
});

describe('comparePositions', () => {
  const number = fc.oneof(fc.bigInt({ min: 0n, max: 12n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
  const position = fc.tuple(number, number).map(([commit, sequence]) => positionOf(commit, sequence));
  const sign = (a: Position, b: Position): number => Math.sign(comparePositions(a, b));

  it('is a total order', () => {
    fc.assert(
      fc.property(position, position, position, (a, b, c) => {
        expect(sign(a, a)).toBe(0);
        expect(sign(a, b) + sign(b, a)).toBe(0);
        expect(sign(a, b) === 0).toBe(a === b);
        if (sign(a, b) <= 0 && sign(b, c) <= 0) expect(sign(a, c)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it('orders by commit first and by sequence then, as numbers of 64 bits', () => {
    const ordered = [
      '0/0',
      '0/1',
      '1/0',
      '9/9',
      '10/1',
      '10/3',
      '10/20',
      '9007199254740992/1',
      '9007199254740993/0',
    ] as Position[];
    expect([...ordered].reverse().sort(comparePositions)).toEqual(ordered);
  });

  it('begins before every position', () => {
    fc.assert(
      fc.property(position, (some) =>
        expect(sign(startPosition, some)).toBe(some === startPosition ? 0 : -1),
      ),
    );
  });

  it('reads back the parts that a position was made of', () => {
    fc.assert(fc.property(number, number, (a, b) => expect(positionParts(positionOf(a, b))).toEqual([a, b])));
  });
});
