/** The three laws of mergers, for every combinator, over random bases, trunks and branches; and the traps they avoid. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as fc from 'fast-check';
import {
  type ConflictBranch,
  orSet,
  orSetAdd,
  orSetElements,
  ownedBy,
  record,
  threeWay,
  type ThreeWay,
  unlessBothChanged,
} from 'watersmeet';
import { canonicalJson, deepFreeze, type Json } from '../../src/core/json.js';
import { type Step, type World, worlds } from './merger-worlds.js';

const merged = <A>(rule: ThreeWay<A>, base: A, ours: A, theirs: A): A => {
  const result = rule.merge(base, ours, theirs);
  if (E.isLeft(result)) throw new Error(JSON.stringify(result.left));
  return result.right;
};

const run = (from: unknown, changes: ReadonlyArray<Step<unknown>>, writer: string): unknown =>
  changes.reduce((state, change, index) => change(state, `${writer}${index}`), from);

/** The trunk at two moments and now, and a branch from each of the two: bases of their own. */
const scenes = ({ start, step }: World<unknown>) => {
  const steps = fc.array(step, { maxLength: 4 });
  return fc.tuple(steps, steps, steps, steps, steps).map(([first, second, third, left, right]) => {
    const base1 = run(start, first, 'p');
    const base2 = run(base1, second, 'q');
    const trunk = run(base2, third, 'r');
    return deepFreeze({
      base1,
      base2,
      trunk,
      branch1: run(base1, left, 'x'),
      branch2: run(base2, right, 'y'),
    });
  });
};

describe.each(worlds)('merger law: %s', (_name, world) => {
  const { rule } = world;
  const canonical = (state: unknown): string => canonicalJson(state as Json);

  it('a branch that changed nothing changes nothing, and a trunk that did not move takes the branch', () => {
    fc.assert(
      fc.property(scenes(world), ({ base1, base2, trunk, branch1 }) => {
        for (const base of [base1, base2]) expect(merged(rule, base, trunk, base)).toEqual(trunk);
        expect(merged(rule, base1, base1, branch1)).toEqual(branch1);
      }),
    );
  });

  it('two branches with bases of their own give one state in either order', () => {
    let answered = 0;
    const runs = 400;
    fc.assert(
      fc.property(scenes(world), ({ base1, base2, trunk, branch1, branch2 }) => {
        const first = rule.merge(base1, trunk, branch1);
        const second = rule.merge(base2, trunk, branch2);
        const oneThenTwo = E.isLeft(first) ? first : rule.merge(base2, first.right, branch2);
        const twoThenOne = E.isLeft(second) ? second : rule.merge(base1, second.right, branch1);
        if (world.refuses === true && (E.isLeft(oneThenTwo) || E.isLeft(twoThenOne))) return;
        expect(oneThenTwo).toEqual(twoThenOne);
        expect(E.isRight(oneThenTwo)).toBe(true);
        answered += 1;
      }),
      { numRuns: runs },
    );
    // A rule that refused nearly everything would pass without having been asked.
    expect(answered).toBeGreaterThan(runs / 5);
  });

  it('both branches at once are one after another, and the same again the second time', () => {
    const branch = (id: string, base: unknown, state: unknown): ConflictBranch<unknown> => ({
      id,
      baseVersion: 0 as ConflictBranch<unknown>['baseVersion'],
      base,
      state,
      events: [],
      messages: [],
      cause: { messageId: id, type: 'Step', data: {} },
      completes: false,
      trunkEvents: [],
    });
    fc.assert(
      fc.property(scenes(world), ({ base1, base2, trunk, branch1, branch2 }) => {
        const branches = [branch('1', base1, branch1), branch('2', base2, branch2)] as const;
        const conflict = { current: trunk, branches, completed: false, released: [] };
        const together = threeWay(rule).merge(conflict);
        expect(threeWay(rule).merge(conflict)).toEqual(together);
        const first = rule.merge(base1, trunk, branch1);
        const apart = E.isLeft(first) ? first : rule.merge(base2, first.right, branch2);
        expect(E.isLeft(together)).toBe(E.isLeft(apart));
        if (E.isRight(together) && E.isRight(apart))
          expect(canonical(together.right.state)).toBe(canonical(apart.right));
      }),
    );
  });

  it('its input stays as it was, what comes out is JSON, and no key reaches a prototype', () => {
    fc.assert(
      fc.property(scenes(world), (scene) => {
        // The scene is frozen through and through: a rule that wrote to it would throw.
        const before = canonical(scene);
        const result = rule.merge(scene.base1, scene.trunk, scene.branch1);
        expect(canonical(scene)).toBe(before);
        if (E.isRight(result)) expect(JSON.parse(JSON.stringify(result.right))).toEqual(result.right);
        expect(Object.keys(Object.prototype)).toEqual([]);
        expect(({} as { readonly pear?: unknown }).pear).toBeUndefined();
      }),
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

  it('a path names a key that is no plain word in quotes', () => {
    const rule = record<{ '@types/node': string }>({ '@types/node': unlessBothChanged() });
    const refused = rule.merge({ '@types/node': '1' }, { '@types/node': '2' }, { '@types/node': '3' });
    expect(refused).toMatchObject(E.left([{ path: '$["@types/node"]' }]));
  });

  it('a field that no side has stays out of a record', () => {
    const rule = record<{ a: string; b?: string }>({ a: unlessBothChanged(), b: unlessBothChanged() });
    const result = rule.merge({ a: '1' }, { a: '2' }, { a: '1' });
    expect(result).toStrictEqual(E.right({ a: '2' }));
  });

  it('a field that comes back to an earlier value is why the diamond of unlessBothChanged has a condition', () => {
    const rule = unlessBothChanged<string>();
    // The trunk went from A to B and back to A; one branch left at A for B, the other at B for A.
    expect(merged(rule, 'B', merged(rule, 'A', 'A', 'B'), 'A')).toBe('A');
    expect(merged(rule, 'A', merged(rule, 'B', 'A', 'A'), 'B')).toBe('B');
  });

  it('an owned field is its owner’s, whatever the other side made of it', () => {
    expect(ownedBy<string>('trunk').merge('base', 'base', 'branch')).toEqual(E.right('base'));
    expect(ownedBy<string>('trunk').merge('base', 'trunk', 'branch')).toEqual(E.right('trunk'));
    expect(ownedBy<string>('branch').merge('base', 'trunk', 'branch')).toEqual(E.right('branch'));
    expect(ownedBy<string>('branch').merge('base', 'trunk', 'base')).toEqual(E.right('trunk'));
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
