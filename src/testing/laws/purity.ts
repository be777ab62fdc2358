/** Whether a merger is a pure function of its conflict: asked twice, on another day, with frozen and with loose input. */
import * as E from 'fp-ts/lib/Either.js';
import { isDeepStrictEqual } from 'node:util';
import type { AnyEvent, Conflict, Merger } from '../../core/merge/merge.js';

type AnyConflict = Conflict<unknown, AnyEvent>;
type AnyMerger = Merger<unknown, AnyEvent>;

/** All that a merger says of a conflict, as plain data. */
export type Said = { readonly threw: string } | { readonly answered: Readonly<Record<string, unknown>> };

export const ask = (merger: AnyMerger, conflict: AnyConflict): Said => {
  try {
    const merged = merger.merge(conflict);
    if (E.isLeft(merged)) return { answered: { ...merged.left } };
    const { state, events, messages, late, rule } = merged.right;
    const fates = conflict.branches.flatMap((branch) =>
      branch.messages.map((message) => messages?.(message, branch) ?? 'by the rule'),
    );
    const plain = { state, ...(events && { events }), ...(late && { late }), ...(rule && { rule }) };
    return { answered: { ...plain, ...(fates.length > 0 && { messages: fates }) } };
  } catch (thrown) {
    return { threw: thrown instanceof Error ? thrown.message : String(thrown) };
  }
};

export const saidValue = (said: Said): unknown => ('threw' in said ? `threw: ${said.threw}` : said.answered);

/** Asks what is tried about an input, and keeps a throw for an answer. */
export type Ask<Input> = (input: Input) => Said;

const hourMs = 3_600_000;

/** Runs with the clock an hour ahead: a merger that reads it would answer the same within a millisecond. */
const anHourLater = <A>(run: () => A): A => {
  const RealDate = globalThis.Date;
  class LaterDate extends RealDate {
    constructor(...values: ReadonlyArray<unknown>) {
      // The real one takes no value, one, or many.
      super(...((values.length === 0 ? [RealDate.now() + hourMs] : values) as [number]));
    }
    static override now(): number {
      return RealDate.now() + hourMs;
    }
  }
  globalThis.Date = LaterDate as DateConstructor;
  try {
    return run();
  } finally {
    globalThis.Date = RealDate;
  }
};

/** The two different answers of what is asked three times for one input, twice with the very same object. */
export const twoAnswersOf = <Input>(
  asked: Ask<Input>,
  input: Input,
  equal: Input,
): readonly [Said, Said] | undefined => {
  const first = asked(input);
  for (const other of [asked(input), anHourLater(() => asked(equal))])
    if (!isDeepStrictEqual(first, other)) return [first, other];
  return undefined;
};

/** A copy that may be changed. Keys are defined, not assigned: `__proto__` is a key like any other here. */
const looseCopy = (value: unknown, known = new Map<object, object>()): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  const before = known.get(value);
  if (before !== undefined) return before;
  const copy: object = Array.isArray(value)
    ? []
    : (Object.create(Object.getPrototypeOf(value) as object) as object);
  known.set(value, copy);
  for (const [key, part] of Object.entries(value))
    Object.defineProperty(copy, key, {
      value: looseCopy(part, known),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  return copy;
};

export const sidesOf = ({ current, branches }: AnyConflict) => ({
  current,
  branches: branches.map(({ base, state, events }) => ({ base, state, events })),
});

/** What was done to an input that could be changed: as it was before, and after. */
export interface InputChange {
  readonly before: unknown;
  readonly after: unknown;
  readonly threw: string | undefined;
}

export const changesInputOf = <Input>(
  asked: Ask<Input>,
  input: Input,
  shown: (input: Input) => unknown,
): InputChange | undefined => {
  const loose = looseCopy(input) as Input;
  const onLoose = asked(loose);
  const onFrozen = asked(input);
  const isChanged = !isDeepStrictEqual(loose, looseCopy(input));
  const threw = 'threw' in onFrozen && !('threw' in onLoose) ? onFrozen.threw : undefined;
  return isChanged || threw !== undefined ? { before: shown(input), after: shown(loose), threw } : undefined;
};

const builtIns = { Object, Array, Function, String, Number, Boolean, Map, Set, Date };

/** What every object leads to by a name: the prototypes, their constructors, and the methods of all objects. */
const reachable: ReadonlyArray<readonly [name: string, object: object]> = [
  ...Object.entries(builtIns).flatMap(
    ([name, constructor]): ReadonlyArray<readonly [string, object]> => [
      [`${name}.prototype`, constructor.prototype as object],
      [name, constructor],
    ],
  ),
  ...Object.entries(Object.getOwnPropertyDescriptors(Object.prototype)).flatMap(
    ([name, { value }]): ReadonlyArray<readonly [string, object]> =>
      name !== 'constructor' && typeof value === 'function'
        ? [[`Object.prototype.${name}`, value as object]]
        : [],
  ),
];

/** Remembers what the built-in objects hold. The answer takes away what has been added since, and names it. */
export const guardPrototypes = (): (() => ReadonlyArray<string>) => {
  const before = reachable.map(([name, object]) => [name, object, new Set(Reflect.ownKeys(object))] as const);
  return () =>
    before.flatMap(([name, object, keys]) => {
      const added = Reflect.ownKeys(object).filter((key) => !keys.has(key));
      for (const key of added) Reflect.deleteProperty(object, key);
      return added.map((key) => `${name}.${String(key)}`);
    });
};

/** A prototype of a class has its constructor; data that took the place of a prototype has none. */
const findForeignPrototype = (value: unknown, path: string): string | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype === 'object' && prototype !== null && !Object.hasOwn(prototype, 'constructor'))
    return path;
  for (const [key, part] of Object.entries(value)) {
    const found = findForeignPrototype(part, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
};

/** How a prototype was reached, in words; the harm to built-in ones is undone. */
export const touchesPrototypeOf = <Input>(
  asked: Ask<Input>,
  input: Input,
  part: (answered: Readonly<Record<string, unknown>>) => unknown,
): string | undefined => {
  const undo = guardPrototypes();
  const said = asked(input);
  const added = undo();
  if (added.length > 0) return `it adds ${added.join(', ')}, to every object of the process`;
  const foreign = 'answered' in said ? findForeignPrototype(part(said.answered), '$') : undefined;
  return foreign === undefined ? undefined : `in its answer, data has become the prototype of ${foreign}`;
};
