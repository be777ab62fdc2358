/** The three-way merge of JSON documents: what it makes of small ones, and of those that people have merged. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { isJsonEqual, type Json } from '../../src/core/json.js';
import { json3, jsonThreeWay } from '../../src/core/merge/merge-json.js';
import { listById } from '../../src/core/merge/merge-list.js';
import { keyStep } from '../../src/core/merge/merge-parts.js';
import { counter, union } from '../../src/core/merge/mergers.js';
import { sharedFile } from '../support/shared-data.js';

const pathsOf = (base: Json, ours: Json, theirs: Json): ReadonlyArray<string> => {
  const merged = json3.merge(base, ours, theirs);
  return E.isLeft(merged) ? merged.left.map(({ path }) => path) : [];
};

describe('jsonThreeWay', () => {
  it('takes each side’s changes, however deep, additions and removals among them', () => {
    const base = { name: 'a', scripts: { test: 'jest', lint: 'eslint' }, old: true };
    const ours = { name: 'a', scripts: { test: 'jest --ci', lint: 'eslint' } };
    const theirs = { name: 'a', scripts: { test: 'jest' }, old: true, license: 'MIT' };
    expect(json3.merge(base, ours, theirs)).toEqual(
      E.right({ name: 'a', scripts: { test: 'jest --ci' }, license: 'MIT' }),
    );
  });

  it('tells all paths that both sides changed, and nothing else', () => {
    const base = { version: '1', deps: { '@types/node': '20', pg: '8' }, files: ['a'], gone: { a: 1 } };
    const ours = { version: '2', deps: { '@types/node': '21', pg: '9' }, files: ['b'] };
    const theirs = { version: '3', deps: { '@types/node': '22', pg: '8' }, files: ['c'], gone: { a: 2 } };
    expect(pathsOf(base, ours, theirs)).toEqual(['$.version', '$.deps["@types/node"]', '$.files', '$.gone']);
  });

  it('says what each side made of the part', () => {
    expect(json3.merge({ a: 1 }, { a: 2 }, {})).toEqual(
      E.left([{ path: '$.a', reason: 'changed on both sides: changed to 2, and removed' }]),
    );
    expect(json3.merge({}, { a: 2 }, { a: 'x' })).toEqual(
      E.left([{ path: '$.a', reason: 'added on both sides, with different values' }]),
    );
    expect(json3.merge(1, 2, 3)).toMatchObject(E.left([{ path: '$' }]));
  });

  it('takes the same change on both sides once, whatever the order of keys', () => {
    expect(json3.merge({}, { a: { x: 1, y: 2 } }, { a: { y: 2, x: 1 } })).toEqual(
      E.right({ a: { x: 1, y: 2 } }),
    );
    expect(json3.merge([1], [1, 2], [1, 2])).toEqual(E.right([1, 2]));
  });

  it('merges two objects that were added at the same place key by key', () => {
    expect(json3.merge({}, { scripts: { a: '1' } }, { scripts: { b: '2' } })).toEqual(
      E.right({ scripts: { a: '1', b: '2' } }),
    );
  });

  it('keeps the trunk’s order of keys, with the branch’s own after', () => {
    const merged = json3.merge({ z: 1, a: 1 }, { z: 1, m: 1, a: 1 }, { b: 1, a: 2, z: 1 });
    expect(E.isRight(merged) && Object.keys(merged.right as object)).toEqual(['z', 'm', 'a', 'b']);
  });

  it('leaves parts to the rules that are named for them', () => {
    const rule = jsonThreeWay({
      rules: {
        '$.tags': union<string>(),
        '$.stock.*.count': counter,
        '$.lines': listById<{ id: string; note: string }>('id', jsonThreeWay()),
        '$["a/b"]': counter,
      },
    });
    const base = { tags: ['x'], stock: { pear: { count: 5 } }, lines: [{ id: '1', note: '' }], 'a/b': 1 };
    const ours = {
      tags: ['x', 'y'],
      stock: { pear: { count: 4 } },
      lines: [{ id: '1', note: 'o' }],
      'a/b': 2,
    };
    const theirs = { tags: ['x', 'z'], stock: { pear: { count: 4 } }, lines: [], 'a/b': 2 };
    expect(rule.merge(base, ours, { ...theirs, lines: base.lines })).toEqual(
      E.right({ tags: ['x', 'y', 'z'], stock: { pear: { count: 3 } }, lines: ours.lines, 'a/b': 3 }),
    );
    expect(rule.merge(base, ours, theirs)).toMatchObject(E.left([{ path: '$.lines[id="1"]' }]));
    expect(rule.description).toBe(
      'jsonThreeWay($.tags: union, $.stock.*.count: counter, $.lines: listById(jsonThreeWay), $["a/b"]: counter)',
    );
  });

  it('throws where the path of a rule is none', () => {
    for (const path of ['tags', '$tags', '$.', '$.a..b', '$[a]', '$.a b'])
      expect(() => jsonThreeWay({ rules: { [path]: counter } })).toThrow(
        `jsonThreeWay: ${JSON.stringify(path)}`,
      );
  });

  it('no key reaches a prototype', () => {
    const theirs = JSON.parse(
      '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    ) as Json;
    const merged = json3.merge({}, { a: 1 }, theirs);
    expect(E.isRight(merged) && Object.keys(merged.right as object).sort()).toEqual([
      '__proto__',
      'a',
      'constructor',
    ]);
    expect(({} as { readonly polluted?: unknown }).polluted).toBeUndefined();
  });
});

interface RealMerge {
  readonly base: Json;
  readonly ours: Json;
  readonly theirs: Json;
  readonly merged: Json;
  readonly kind: 'clean' | 'conflict';
  readonly conflict_paths: ReadonlyArray<ReadonlyArray<string>>;
  /** Of a clean one: whether the human kept to what the two sides had changed. */
  readonly resolution: string;
}

const file = sharedFile('json-merges/merges.jsonl.gz');
const asked = file.skip === undefined ? it : it.skip;
const titled = (title: string): string =>
  file.skip === undefined ? title : `${title} (skipped: ${file.skip})`;

const readMerges = (): ReadonlyArray<RealMerge> =>
  gunzipSync(readFileSync(file.path))
    .toString('utf8')
    .trim()
    .split('\n')
    .map((row) => JSON.parse(row) as RealMerge);

const isInPart = (part: Json | undefined, sides: ReadonlyArray<Json | undefined>): boolean => {
  if (sides.some((side) => side !== undefined && part !== undefined && isJsonEqual(side, part))) return true;
  if (part === undefined) return sides.includes(undefined);
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return false;
  const inside = (of: Json | undefined, key: string): Json | undefined =>
    typeof of === 'object' && of !== null && !Array.isArray(of) && Object.hasOwn(of, key)
      ? (of as Readonly<Record<string, Json>>)[key]
      : undefined;
  return Object.keys(part).every((key) =>
    isInPart(
      inside(part, key),
      sides.map((side) => inside(side, key)),
    ),
  );
};

describe('jsonThreeWay on documents that people have merged', () => {
  asked(titled('every clean merge in which the human kept to both sides’ changes is the human’s'), () => {
    const clean = readMerges().filter(({ kind }) => kind === 'clean');
    const isHumans = ({ base, ours, theirs, merged }: RealMerge): boolean => {
      const answer = json3.merge(base, ours, theirs);
      return E.isRight(answer) && isJsonEqual(answer.right, merged);
    };
    const others = clean.filter((one) => !isHumans(one));
    // Where the human's result differs, the human undid a change that only one side had made, or wrote something new.
    expect(others.every(({ resolution }) => resolution === 'human-differs')).toBe(true);
    expect(clean.filter(({ resolution }) => resolution !== 'human-differs').every(isHumans)).toBe(true);
    const invented = others.filter(
      ({ base, ours, theirs, merged }) => !isInPart(merged, [base, ours, theirs]),
    );
    expect({ clean: clean.length, equal: clean.length - others.length, invented: invented.length }).toEqual({
      clean: 186,
      equal: 177,
      invented: 4,
    });
  });

  asked(titled('every conflicting merge is refused with exactly the paths that conflict'), () => {
    const conflicting = readMerges().filter(({ kind }) => kind === 'conflict');
    expect(conflicting).toHaveLength(21);
    for (const { base, ours, theirs, conflict_paths: expected } of conflicting)
      expect([...pathsOf(base, ours, theirs)].sort()).toEqual(
        expected.map((path) => `$${path.map(keyStep).join('')}`).sort(),
      );
  });

  asked(titled('no clean merge is refused'), () => {
    for (const { base, ours, theirs } of readMerges().filter(({ kind }) => kind === 'clean'))
      expect(pathsOf(base, ours, theirs)).toEqual([]);
  });
});
