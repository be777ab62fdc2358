/** The border to JSON: a value is stored and read back equal, or refused by name and path; and its canonical form. */
import * as E from 'fp-ts/lib/Either.js';
import { hash } from 'node:crypto';

export type Json = null | boolean | number | string | ReadonlyArray<Json> | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Part of a value that JSON would drop or change. */
export interface JsonProblem {
  /** Where, as `$.items[2].price`. */
  readonly path: string;
  /** What was found there: `NaN`, `undefined`, `Date`, `a cycle`, ... */
  readonly found: string;
  /** What to store instead. */
  readonly advice: string;
}

/** Deepest nesting of arrays and objects that is stored. PGlite loses rows without an error at about 7,000. */
export const jsonDepthMax = 256;

const adviceFor: Readonly<Record<string, string>> = {
  undefined: 'leave the key out, or use null',
  NaN: 'use null or a tagged value',
  Infinity: 'use null or a tagged value',
  '-Infinity': 'use null or a tagged value',
  '-0': 'use 0',
  bigint: 'use a decimal string',
  function: 'store data only',
  symbol: 'store data only',
  Date: 'use an ISO 8601 string',
  Map: 'use a plain object or an array of pairs',
  Set: 'use an array',
  'a cycle': 'store a tree',
};

const nameOf = (value: object): string => {
  const constructorName = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof constructorName === 'string' && constructorName !== '' ? constructorName : 'object';
};

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype === null ||
    prototype === Object.prototype ||
    // An object of another realm (a worker, a vm context) has another Object.prototype.
    (Object.getPrototypeOf(prototype) === null && nameOf(value) === 'Object')
  );
};

/** Whether JSON would write something else in place of the value. */
const hasToJson = (value: object): boolean => typeof (value as { toJSON?: unknown }).toJSON === 'function';

const scalarProblem = (value: unknown): string | undefined => {
  switch (typeof value) {
    case 'boolean':
      return undefined;
    case 'number':
      if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : undefined;
      return String(value);
    case 'string':
      if (value.includes('\u0000')) return 'a NUL character';
      return value.isWellFormed() ? undefined : 'a lone surrogate';
    default:
      return typeof value;
  }
};

const keyProblem = (key: string): string | undefined => {
  if (key === '__proto__') return 'the key __proto__';
  return key.includes('\u0000') || !key.isWellFormed() ? 'a key that is not well-formed text' : undefined;
};

const pathOf = (path: ReadonlyArray<string | number>): string =>
  `$${path.map((part) => (typeof part === 'number' ? `[${part}]` : /^[\w$]+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`)).join('')}`;

/** The common case, decided without a path or a set to remember: false means only that a closer look is needed. */
const isClean = (value: unknown, depth: number): boolean => {
  if (value === null) return true;
  if (typeof value !== 'object') return scalarProblem(value) === undefined;
  // A cycle ends here too.
  if (depth >= jsonDepthMax || hasToJson(value)) return false;
  if (Array.isArray(value)) {
    if (Object.keys(value).length !== value.length) return false;
    for (const item of value as ReadonlyArray<unknown>) if (!isClean(item, depth + 1)) return false;
    return true;
  }
  if (!isPlain(value) || Object.getOwnPropertySymbols(value).length > 0) return false;
  for (const key of Object.keys(value))
    if (keyProblem(key) !== undefined || !isClean((value as Record<string, unknown>)[key], depth + 1))
      return false;
  return true;
};

/** Finds the first part of `value` that JSON would not keep as it is; `undefined` where all of it can be stored. */
export const findJsonProblem = (value: unknown): JsonProblem | undefined =>
  isClean(value, 0) ? undefined : lookForProblem(value);

const lookForProblem = (value: unknown): JsonProblem | undefined => {
  const path: Array<string | number> = [];
  const open = new Set<object>();
  const found = (what: string): JsonProblem => ({
    path: pathOf(path),
    found: what,
    advice: adviceFor[what] ?? (what.startsWith('nesting') ? 'store a flatter value' : 'use plain data'),
  });
  const visit = (part: unknown): JsonProblem | undefined => {
    if (part === null) return undefined;
    if (typeof part !== 'object') {
      const problem = scalarProblem(part);
      return problem === undefined ? undefined : found(problem);
    }
    if (open.has(part)) return found('a cycle');
    if (open.size >= jsonDepthMax) return found(`nesting deeper than ${jsonDepthMax}`);
    open.add(part);
    const problem = Array.isArray(part) ? visitArray(part) : visitObject(part);
    open.delete(part);
    return problem;
  };
  const visitArray = (items: ReadonlyArray<unknown>): JsonProblem | undefined => {
    for (let index = 0; index < items.length; index += 1) {
      path.push(index);
      // A hole reads as undefined, and is refused as such.
      const problem = visit(items[index]);
      if (problem !== undefined) return problem;
      path.pop();
    }
    // JSON writes the items only; the answer of `text.match()`, for one, holds more.
    return hasToJson(items) || Object.keys(items).length > items.length
      ? found('an array with properties of its own')
      : undefined;
  };
  const visitObject = (part: object): JsonProblem | undefined => {
    if (!isPlain(part)) return found(nameOf(part));
    if (hasToJson(part)) return found('an object with toJSON');
    if (Object.getOwnPropertySymbols(part).length > 0) return found('symbol');
    for (const key of Object.keys(part)) {
      path.push(key);
      const wrong = keyProblem(key);
      const problem = wrong === undefined ? visit((part as Record<string, unknown>)[key]) : found(wrong);
      if (problem !== undefined) return problem;
      path.pop();
    }
    return undefined;
  };
  return visit(value);
};

/** The value itself, known to survive JSON unchanged, or the first problem. */
export const strictJson = (value: unknown): E.Either<JsonProblem, Json> => {
  const problem = findJsonProblem(value);
  return problem === undefined ? E.right(value as Json) : E.left(problem);
};

/** JSON text with keys in code unit order and no white space, so that equal values have equal texts (in the manner of RFC 8785). */
export const canonicalJson = (value: Json): string => {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as ReadonlyArray<Json>).map(canonicalJson).join(',')}]`;
  const object = value as JsonObject;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as Json)}`);
  return `{${members.join(',')}}`;
};

/** Whether two JSON values are equal, whatever the order of their keys. */
export const isJsonEqual = (a: Json, b: Json): boolean => {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, index) => isJsonEqual(item as Json, b[index] as Json))
    );
  const [left, right] = [a as JsonObject, b as JsonObject];
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isJsonEqual(left[key] as Json, right[key] as Json))
  );
};

/** SHA-256 of the canonical form, 64 hexadecimal digits. */
export const hashOf = (value: Json): string => hash('sha256', canonicalJson(value), 'hex');

/** A deep copy of JSON that nobody can change. */
export const frozenCopy = <A extends Json>(value: A): A => {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value))
    return Object.freeze((value as ReadonlyArray<Json>).map(frozenCopy)) as unknown as A;
  const copy: Record<string, Json> = {};
  for (const key of Object.keys(value)) copy[key] = frozenCopy((value as JsonObject)[key] as Json);
  return Object.freeze(copy) as A;
};

/** At least as many bytes as the value has as JSON text in UTF-8: cheap, to know that a limit is not in question. */
export const jsonBytesBound = (value: Json): number => {
  if (typeof value === 'string') return 6 * value.length + 2;
  if (value === null || typeof value !== 'object') return 32;
  let bytes = 2;
  if (Array.isArray(value))
    for (const item of value as ReadonlyArray<Json>) bytes += jsonBytesBound(item) + 1;
  else
    for (const key of Object.keys(value))
      bytes += 6 * key.length + 4 + jsonBytesBound((value as JsonObject)[key] as Json);
  return bytes;
};

// What is frozen at the top may have parts that are not: only trees that were walked here are known.
const deeplyFrozen = new WeakSet<object>();

/** Freezes a tree of plain data, and answers it. */
export const deepFreeze = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || deeplyFrozen.has(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  deeplyFrozen.add(value);
  return Object.freeze(value);
};

/**
 * Freezes a tree of plain data that has one list more, made when it is first looked at: for what grows without end, and is rarely
 * asked for. The list's items are deeply frozen already.
 */
export const deepFreezeWith = <T extends object, K extends string, A>(
  value: T,
  key: K,
  make: () => ReadonlyArray<A>,
): T & { readonly [key in K]: ReadonlyArray<A> } => {
  let made: ReadonlyArray<A> | undefined;
  const get = (): ReadonlyArray<A> => {
    if (made === undefined) {
      made = Object.freeze(make());
      deeplyFrozen.add(made);
    }
    return made;
  };
  for (const part of Object.values(value)) deepFreeze(part);
  Object.defineProperty(value, key, { enumerable: true, get });
  deeplyFrozen.add(value);
  return Object.freeze(value) as T & { readonly [key in K]: ReadonlyArray<A> };
};
