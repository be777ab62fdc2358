/** A three-way merge of JSON documents by their structure, which refuses with the paths that both sides changed. */
import * as E from 'fp-ts/lib/Either.js';
import { canonicalJson, isJsonEqual, type Json, type JsonObject } from '../json.js';
import type { FieldConflict, ThreeWay } from './merge.js';
import { at, keyStep, mergeKeys } from './merge-parts.js';

export interface JsonThreeWayOptions {
  /**
   * Rules for parts of the document, by path as conflicts name it: `$.tags`, `$.devDependencies["@types/node"]`; `*` as a step
   * stands for any key: `$.schemas.*.versions`. A rule is asked wherever all three sides have the part. Default: none.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a rule of any part: union of strings, list by id, counter, ...
  readonly rules?: Readonly<Record<string, ThreeWay<any>>>;
}

/** A part of a document; `undefined` where a side does not have it. */
type Part = Json | undefined;
type Merged = E.Either<ReadonlyArray<FieldConflict>, Part>;

const isObject = (part: Part): part is JsonObject =>
  typeof part === 'object' && part !== null && !Array.isArray(part);

const isSame = (a: Part, b: Part): boolean =>
  a === undefined || b === undefined ? a === b : isJsonEqual(a, b);

const shown = (part: Part): string => {
  if (part === undefined) return 'removed';
  const text = canonicalJson(part);
  return `changed to ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
};

const bothChanged = (base: Part, ours: Part, theirs: Part): Merged =>
  E.left([
    {
      path: '$',
      reason:
        base === undefined
          ? 'added on both sides, with different values'
          : `changed on both sides: ${shown(ours)}, and ${shown(theirs)}`,
    },
  ]);

/** Rules as a tree of steps, so that each part of a document asks for its own at the cost of one look-up. */
interface Rules {
  readonly rule: ThreeWay<Json> | undefined;
  readonly inside: ReadonlyMap<string, Rules>;
}

const stepPattern = /\.(\*|[\w$]+)|\[("(?:[^"\\]|\\.)*")\]/gy;

const stepsOf = (path: string): ReadonlyArray<string> => {
  const steps = [...path.slice(1).matchAll(stepPattern)];
  if (!path.startsWith('$') || steps.map(([step]) => step).join('') !== path.slice(1))
    throw new TypeError(`jsonThreeWay: ${JSON.stringify(path)} is no path such as $.a.b or $.a["b/c"].*`);
  return steps.map(([step]) => step);
};

const rulesOf = (rules: ReadonlyArray<readonly [ReadonlyArray<string>, ThreeWay<Json>]>): Rules => {
  const steps = new Set(rules.flatMap(([path]) => path.slice(0, 1)));
  return {
    rule: rules.find(([path]) => path.length === 0)?.[1],
    inside: new Map(
      [...steps].map((step) => [
        step,
        rulesOf(
          rules.filter(([path]) => path[0] === step).map(([path, rule]) => [path.slice(1), rule] as const),
        ),
      ]),
    ),
  };
};

const mergeObjects = (
  base: JsonObject,
  ours: JsonObject,
  theirs: JsonObject,
  mergeAt: (key: string, base: Part, ours: Part, theirs: Part) => Merged,
): E.Either<ReadonlyArray<FieldConflict>, JsonObject> => {
  // Keys stay where the trunk has them; those that only the branch has come after.
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  const merged = mergeKeys(keys, (key) => mergeAt(key, at(base, key), at(ours, key), at(theirs, key)));
  if (E.isLeft(merged)) return merged;
  const kept = Object.entries(merged.right).filter(
    (entry): entry is [string, Json] => entry[1] !== undefined,
  );
  return E.right(Object.fromEntries(kept));
};

const mergePart = (rules: Rules | undefined, base: Part, ours: Part, theirs: Part): Merged => {
  const { rule } = rules ?? {};
  if (rule !== undefined && base !== undefined && ours !== undefined && theirs !== undefined)
    return rule.merge(base, ours, theirs);
  if (isSame(base, theirs)) return E.right(ours);
  if (isSame(base, ours)) return E.right(theirs);
  // A rule inside may have more to say about two equal changes: a counter adds them up.
  if ((rules === undefined || rules.inside.size === 0) && isSame(ours, theirs)) return E.right(ours);
  // Two objects that were added at the same place are two changes of an empty one.
  const before = base === undefined ? {} : base;
  if (!isObject(before) || !isObject(ours) || !isObject(theirs))
    return isSame(ours, theirs) ? E.right(ours) : bothChanged(base, ours, theirs);
  return mergeObjects(before, ours, theirs, (key, ...parts) =>
    mergePart(rules?.inside.get(keyStep(key)) ?? rules?.inside.get('.*'), ...parts),
  );
};

/**
 * Merges JSON documents part by part:
 *
 * | one side | the other | merged |
 * |---|---|---|
 * | anything | left it alone | the one side's change |
 * | the same change | the same change | that change |
 * | changed an object | changed the same object | key by key |
 * | added an object | added an object at the same key | key by key |
 * | changed to one value | changed to another | refused with the path |
 * | changed | removed | refused with the path |
 * | changed an array | changed the same array | refused with the array's path, unless `rules` has one for it |
 *
 * An array is one value, because nothing in it says which item is which; `rules` says so where there is more to know:
 * `{ '$.tags': union(), '$.lines': listById('id', jsonThreeWay()) }`. All conflicting paths are told, not only the first.
 * Keys keep the trunk's order, and order of keys is no difference.
 *
 * Laws 1 and 2 of `ThreeWay` always hold. Law 3, the diamond, holds wherever neither order refuses, as long as no part comes
 * back to an earlier value and no two writers reach the same value by themselves; with one common base even then. `rules`
 * hold what their own text promises.
 */
export const jsonThreeWay = <A extends Json = Json>(options: JsonThreeWayOptions = {}): ThreeWay<A> => {
  const given = Object.entries(options.rules ?? {});
  const rules = rulesOf(given.map(([path, rule]) => [stepsOf(path), rule as ThreeWay<Json>] as const));
  const described = given.map(([path, rule]) => `${path}: ${rule.description}`).join(', ');
  return {
    description: given.length === 0 ? 'jsonThreeWay' : `jsonThreeWay(${described})`,
    merge: (base, ours, theirs) =>
      mergePart(rules, base, ours, theirs) as E.Either<ReadonlyArray<FieldConflict>, A>,
  };
};

/** `jsonThreeWay()`: JSON documents by their structure, without rules of their own. */
export const json3: ThreeWay<Json> = jsonThreeWay();
