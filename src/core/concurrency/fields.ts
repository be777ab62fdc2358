/** Fields of a state as paths: which ones two states differ in, which path covers which, and how they are written. */
import type { AnyEvent } from '../merge/merge.js';
import { at, keyStep } from '../merge/merge-parts.js';
import type { ResolverConflict, ResolverRules } from './resolver.js';

/** Keys from the whole state inwards; none is the whole state. */
export type FieldPath = ReadonlyArray<string>;

/** Stands for any key in what a person declares, written `*`. No store takes this as a key, so that no state has it. */
const anyKey = '\u0000';

const stepPattern = /\.(\*|[\w$]+)|\[("(?:[^"\\]|\\.)*")\]/gy;

/** Reads `name`, `delivery.address`, `titles.*` or `files["a.b"]`; a TypeError where it is none of these. */
export const parseField = (field: string): FieldPath => {
  const text = field.startsWith('[') ? field : `.${field}`;
  const steps = [...text.matchAll(stepPattern)];
  if (text === '.' || steps.map(([step]) => step).join('') !== text)
    throw new TypeError(`${JSON.stringify(field)} is no field such as name, a.b or a["b/c"]`);
  return steps.map(([, word, quoted]) =>
    word === '*' ? anyKey : (word ?? (JSON.parse(quoted as string) as string)),
  );
};

/** As refusals name it: `$.delivery.address`. */
export const showPath = (path: FieldPath): string =>
  `$${path.map((key) => (key === anyKey ? '.*' : keyStep(key))).join('')}`;

/** As ownerships name it: `delivery.address`; `$` is the whole state. */
export const showField = (path: FieldPath): string =>
  path.length === 0 ? '$' : showPath(path).replace(/^\$\.?/, '');

const isSameStep = (a: string | undefined, b: string | undefined): boolean =>
  a === b || a === anyKey || b === anyKey;

/** Whether the part at `inner` lies in the part at `outer`. */
export const covers = (outer: FieldPath, inner: FieldPath): boolean =>
  outer.length <= inner.length && outer.every((key, index) => isSameStep(key, inner[index]));

/** The part that two paths have in common; `undefined` where there is none. */
export const meetOf = (a: FieldPath, b: FieldPath): FieldPath | undefined => {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
};

/** All parts that lie in both, each once. */
export const overlapOf = (
  some: ReadonlyArray<FieldPath>,
  others: ReadonlyArray<FieldPath>,
): ReadonlyArray<FieldPath> => {
  const met = new Map<string, FieldPath>();
  for (const a of some)
    for (const b of others) {
      const path = meetOf(a, b);
      if (path !== undefined) met.set(showPath(path), path);
    }
  return [...met.values()];
};

type Table = Readonly<Record<string, unknown>>;

export const isTable = (part: unknown): part is Table => {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return false;
  const prototype: unknown = Object.getPrototypeOf(part);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
};

const emptyTable: Table = {};

/** What a part that appears or goes away is compared with: where it is a table, its keys do so one by one. */
const tables = (before: unknown, after: unknown): readonly [Table, Table] | undefined => {
  if (isTable(before) && isTable(after)) return [before, after];
  if (before === undefined && isTable(after) && Object.keys(after).length > 0) return [emptyTable, after];
  if (after === undefined && isTable(before) && Object.keys(before).length > 0) return [before, emptyTable];
  return undefined;
};

/** A Date and its like are what they are written as; other values of a class are equal to themselves only. */
const isSamePart = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSamePart(item, (b as unknown[])[index]));
  if (isTable(a) && isTable(b)) return isSame(a, b);
  const [left, right] = [a, b] as ReadonlyArray<{ readonly toJSON?: unknown }>;
  return (
    typeof left?.toJSON === 'function' &&
    typeof right?.toJSON === 'function' &&
    JSON.stringify(a) === JSON.stringify(b)
  );
};

/**
 * The innermost parts in which two states differ, in the order of their keys. An array is one part, because nothing in it says
 * which item is which; so is a value of a class. Order of keys is no difference.
 */
export const touchedPaths = (before: unknown, after: unknown): ReadonlyArray<FieldPath> => {
  const found: FieldPath[] = [];
  const visit = (path: FieldPath, left: unknown, right: unknown): void => {
    if (Object.is(left, right)) return;
    const both = tables(left, right);
    if (both === undefined) {
      if (!isSamePart(left, right)) found.push(path);
      return;
    }
    const keys = new Set([...Object.keys(both[0]), ...Object.keys(both[1])]);
    for (const key of [...keys].sort()) visit([...path, key], at(both[0], key), at(both[1], key));
  };
  visit([], before, after);
  return found;
};

/** Whether two states differ in no part. */
export const isSame = (a: unknown, b: unknown): boolean => touchedPaths(a, b).length === 0;

/** A state as it is stored: by its codec where the rules have one, else as it is. */
export const storedState = <S, Ev extends AnyEvent>(rules: ResolverRules<S, Ev>, state: S): unknown =>
  rules.state === undefined ? state : rules.state.encode(state);

/** The parts in which two states differ as they are stored. */
export const touchedBetween = <S, Ev extends AnyEvent>(
  rules: ResolverRules<S, Ev>,
  before: S,
  after: S,
): ReadonlyArray<FieldPath> => touchedPaths(storedState(rules, before), storedState(rules, after));

/** The parts of the state that both sides of a conflict changed. */
export const contestedFields = <S, Ev extends AnyEvent>({
  rules,
  original,
  current,
  attempted,
}: ResolverConflict<S, Ev>): ReadonlyArray<string> =>
  overlapOf(touchedBetween(rules, original, attempted), touchedBetween(rules, original, current)).map(
    showPath,
  );
