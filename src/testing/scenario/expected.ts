/** What a test expects of a value: the value itself, or a matcher such as `expect.any(String)` in any place of it. */
import { inspect, isDeepStrictEqual } from 'node:util';

/** An asymmetric matcher, of Jest or of anything else that has the method. */
export interface ValueMatcher {
  asymmetricMatch(other: unknown): boolean;
}

/** `T`, with a matcher allowed in any place. */
export type Expected<T> =
  | T
  | ValueMatcher
  // Lists are named apart: mapping over them would follow a type that holds itself, such as JSON, without end.
  | (T extends ReadonlyArray<infer Item>
      ? ReadonlyArray<Expected<Item>>
      : T extends object
        ? { readonly [K in keyof T]: Expected<T[K]> }
        : never);

const isMatcher = (value: unknown): value is ValueMatcher =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Partial<ValueMatcher>).asymmetricMatch === 'function';

type Fields = Readonly<Record<string, unknown>>;

/** An object that is its fields and nothing more; dates, maps and the like are compared as a whole. */
const isPlain = (value: unknown): value is Fields => {
  if (typeof value !== 'object' || value === null || isMatcher(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Two realms meet where a test runner isolates files: the prototype is known by what it lacks.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};

const keysOf = (value: Fields): ReadonlyArray<string> =>
  Object.keys(value).filter((key) => value[key] !== undefined);

/** Whether a value is as expected. A field that is `undefined` is the same as a missing one: JSON knows no difference. */
export const meets = (expected: unknown, actual: unknown): boolean => {
  if (isMatcher(expected)) return expected.asymmetricMatch(actual);
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((item, index) => meets(item, actual[index]))
    );
  if (!isPlain(expected) || !isPlain(actual)) return isDeepStrictEqual(expected, actual);
  const keys = keysOf(expected);
  return (
    keys.length === keysOf(actual).length &&
    keys.every((key) => Object.hasOwn(actual, key) && meets(expected[key], actual[key]))
  );
};

/** The expected value with what a matcher accepts in the matcher's place, so that a difference shows what differs only. */
export const aligned = (expected: unknown, actual: unknown): unknown => {
  if (isMatcher(expected)) return expected.asymmetricMatch(actual) ? actual : expected;
  if (Array.isArray(expected)) {
    const items: ReadonlyArray<unknown> = Array.isArray(actual) ? actual : [];
    return expected.map((item, index) => aligned(item, items[index]));
  }
  if (!isPlain(expected)) return expected;
  const fields: Fields = isPlain(actual) ? actual : {};
  return Object.fromEntries(keysOf(expected).map((key) => [key, aligned(expected[key], fields[key])]));
};

const named = (value: unknown): unknown => {
  if (isMatcher(value)) {
    const { toAsymmetricMatcher } = value as { toAsymmetricMatcher?: () => string };
    const text = toAsymmetricMatcher === undefined ? String(value) : toAsymmetricMatcher.call(value);
    return { [inspect.custom]: () => text };
  }
  if (Array.isArray(value)) return value.map(named);
  return isPlain(value) ? Object.fromEntries(keysOf(value).map((key) => [key, named(value[key])])) : value;
};

/** What a thing is comes before the rest of it. */
const first: ReadonlyMap<string, number> = new Map([
  ['type', 0],
  ['hook', 0],
  ['_tag', 0],
  ['data', 1],
]);
const byKey = (a: string, b: string): number => {
  const places = [a, b].map((text) => first.get(text.split(':', 1)[0] as string) ?? 2);
  return (places[0] as number) - (places[1] as number) || (a < b ? -1 : 1);
};

const inline = (value: unknown): string =>
  inspect(value, {
    depth: Infinity,
    sorted: byKey,
    breakLength: 96,
    maxArrayLength: Infinity,
    maxStringLength: Infinity,
  });

const indented = (text: string): string => text.replaceAll('\n', '\n  ');

/** A value as lines for a difference: each item of a list and each field begins a line of its own. */
export const linesOf = (raw: unknown): string => {
  const value = named(raw);
  if (Array.isArray(value))
    return value.length === 0
      ? '[]'
      : `[\n${value.map((item) => `  ${indented(inline(item))}`).join('\n')}\n]`;
  if (!isPlain(value) || Object.keys(value).length === 0) return inline(value);
  const fields = Object.keys(value).sort(byKey);
  return `{\n${fields.map((key) => `  ${key}: ${indented(inline(value[key]))}`).join('\n')}\n}`;
};
