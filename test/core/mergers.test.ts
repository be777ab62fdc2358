/** The three laws of mergers, for every combinator, over random bases, trunks and branches; and the traps they avoid. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import {
  counter,
  flag,
  lww,
  lwwWrite,
  map,
  max,
  min,
  orSet,
  orSetAdd,
  orSetElements,
  orSetRemove,
  type OrSetState,
  ranked,
  record,
  type ThreeWay,
  union,
  unlessBothChanged,
} from 'watersmeet';

/** A state that is reached by steps; each step of a writer is unique to it, as a message id is. */
interface World<A> {
  readonly rule: ThreeWay<A>;
  readonly start: A;
  readonly step: fc.Arbitrary<(state: A, writer: string) => A>;
}

const small = fc.integer({ min: -5, max: 5 });
const name = fc.constantFrom('pear', 'plum', 'fig', '__proto__', 'constructor');
const orSetStep: fc.Arbitrary<(state: OrSetState, writer: string) => OrSetState> = fc
  .tuple(fc.boolean(), name)
  .map(
    ([adds, element]) =>
      (state: OrSetState, writer: string) =>
        adds ? orSetAdd(state, element, writer) : orSetRemove(state, element),
  );

const worlds: ReadonlyArray<readonly [string, World<never>]> = [
  ['counter', { rule: counter, start: 7, step: small.map((by) => (state: number) => state + by) }],
  ['max', { rule: max, start: 0, step: small.map((to) => (state: number) => Math.max(state, to)) }],
  ['min', { rule: min, start: 0, step: small.map((to) => (state: number) => Math.min(state, to)) }],
  ['flag', { rule: flag, start: false, step: fc.boolean().map((up) => (state: boolean) => state || up) }],
  [
    'union',
    {
      rule: union<string>(),
      start: ['fig'],
      step: name.map(
        (element) => (state: ReadonlyArray<string>) =>
          [...new Set([...state, element])].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
      ),
    },
  ],
  ['orSet', { rule: orSet, start: {}, step: orSetStep }],
  [
    'lww',
    {
      rule: lww<string>(),
      start: { value: '', tag: [0, ''] as const },
      step: name.map((value) => (state: never, writer: string) => lwwWrite(state, value, writer)),
    },
  ],
  [
    'ranked',
    {
      rule: ranked(['open', 'paid', 'sent']),
      start: 'open',
      step: fc
        .constantFrom('open', 'paid', 'sent')
        .map(
          (to) => (state: string) =>
            ['open', 'paid', 'sent'].indexOf(to) > ['open', 'paid', 'sent'].indexOf(state) ? to : state,
        ),
    },
  ],
  [
    'map of counters',
    {
      rule: map(counter, 0),
      start: {},
      step: fc.tuple(fc.constantFrom('a', 'b', 'constructor'), small).map(
        ([key, by]) =>
          (state: Record<string, number>) =>
            Object.fromEntries(
              Object.entries({
                ...state,
                [key]: (Object.hasOwn(state, key) ? (state[key] ?? 0) : 0) + by,
              }).filter(([, value]) => value !== 0),
            ),
      ),
    },
  ],
  [
    'record',
    {
      rule: record<{ n: number; items: OrSetState }>({ n: counter, items: orSet }),
      start: { n: 1, items: {} },
      step: fc
        .tuple(small, orSetStep)
        .map(([by, change]) => (state: { n: number; items: OrSetState }, writer: string) => ({
          n: state.n + by,
          items: change(state.items, writer),
        })),
    },
  ],
] as unknown as ReadonlyArray<readonly [string, World<never>]>;

const merged = <A>(rule: ThreeWay<A>, base: A, ours: A, theirs: A): A => {
  const result = rule.merge(base, ours, theirs);
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left));
  return result.right;
};

describe.each(worlds)('merger law: %s', (_name, world) => {
  const { rule, start, step } = world as unknown as World<unknown>;
  const steps = fc.array(step, { maxLength: 4 });
  const run = (
    from: unknown,
    changes: ReadonlyArray<(state: unknown, writer: string) => unknown>,
    writer: string,
  ): unknown => changes.reduce((state, change, index) => change(state, `${writer}${index}`), from);

  it('a branch that changed nothing changes nothing, and a trunk that did not move takes the branch', () => {
    fc.assert(
      fc.property(steps, steps, (before, after) => {
        const base = run(start, before, 'b');
        const moved = run(base, after, 'm');
        expect(merged(rule, base, moved, base)).toEqual(moved);
        expect(merged(rule, base, base, moved)).toEqual(moved);
      }),
    );
  });

  it('two branches with bases of their own give one state in either order', () => {
    fc.assert(
      fc.property(steps, steps, steps, steps, steps, (first, second, third, left, right) => {
        // The trunk moves on between the two bases, and after them.
        const base1 = run(start, first, 'p');
        const base2 = run(base1, second, 'q');
        const trunk = run(base2, third, 'r');
        const branch1 = run(base1, left, 'x');
        const branch2 = run(base2, right, 'y');
        const oneThenTwo = merged(rule, base2, merged(rule, base1, trunk, branch1), branch2);
        const twoThenOne = merged(rule, base1, merged(rule, base2, trunk, branch2), branch1);
        expect(oneThenTwo).toEqual(twoThenOne);
      }),
      { numRuns: 300 },
    );
  });
});

describe('mergers', () => {
  it('the textbook three-way set breaks the diamond with different bases; the observed-remove set does not', () => {
    const textbook = (
      base: ReadonlyArray<string>,
      ours: ReadonlyArray<string>,
      theirs: ReadonlyArray<string>,
    ) =>
      [
        ...new Set([
          ...ours.filter((x) => theirs.includes(x) || !base.includes(x)),
          ...theirs.filter((x) => !base.includes(x)),
        ]),
      ].sort();
    // One branch adds from absent, the other removes from present.
    const [empty, present] = [[], ['pear']];
    const addThenRemove = textbook(present, textbook(empty, present, ['pear']), []);
    const removeThenAdd = textbook(empty, textbook(present, present, []), ['pear']);
    expect(addThenRemove).not.toEqual(removeThenAdd);
    const trunk = orSetAdd({}, 'pear', 'trunk');
    const adds = orSetAdd({}, 'pear', 'branch');
    expect(merged(orSet, trunk, merged(orSet, {}, trunk, adds), {})).toEqual(
      merged(orSet, {}, merged(orSet, trunk, trunk, {}), adds),
    );
    expect(orSetElements(merged(orSet, {}, merged(orSet, trunk, trunk, {}), adds))).toEqual(['pear']);
  });

  it('a field that both sides changed refuses with its path, and names both values', () => {
    const rule = record<{ a: { b: string } }>({ a: record<{ b: string }>({ b: unlessBothChanged() }) });
    expect(rule.merge({ a: { b: '1' } }, { a: { b: '2' } }, { a: { b: '3' } })).toEqual(
      E.left([{ path: '$.a.b', reason: 'changed on both sides, to "2" and to "3"' }]),
    );
    expect(rule.merge({ a: { b: '1' } }, { a: { b: '2' } }, { a: { b: '1' } })).toEqual(
      E.right({ a: { b: '2' } }),
    );
  });

  it('a side that changed a field and changed it back does not win over the other', () => {
    const rule = unlessBothChanged<string>();
    expect(rule.merge('a', 'a', 'b')).toEqual(E.right('b'));
  });

  it('no name reaches a prototype', () => {
    const added = orSetAdd(orSetAdd({}, 'constructor', 't1'), '__proto__x', 't2');
    expect(orSetElements(merged(orSet, {}, added, orSetAdd({}, 'prototype', 't3')))).toEqual([
      '__proto__x',
      'constructor',
      'prototype',
    ]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
