/** Codecs between typed data and JSON: strict on the way out, readable errors and upcasters on the way in. */
import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { findJsonProblem, type Json } from './json.js';

/** An io-ts codec of `A`; `any` where only the compiler's inference needs to look inside. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- io-ts codecs are invariant in their output
export type Codec<A = any> = t.Type<A, any, unknown>;

/** A codec that has changed over time: `upcasts[n]` turns data of schema version n into data of version n + 1. */
export interface Versioned<C extends Codec = Codec> {
  readonly schemaVersion: number;
  readonly codec: C;
  readonly upcasts: Readonly<Record<number, (data: Json) => Json>>;
}

/** How a type of event or message is written: a codec, or one with a history. */
export type Definition = Codec | Versioned;
/** Definitions by type. */
export type Definitions = Readonly<Record<string, Definition>>;

// The output is read from the phantom `_A`, which infers through every kind of io-ts codec.
export type DataOf<D> = D extends { readonly codec: { readonly _A: infer A } }
  ? A
  : D extends { readonly _A: infer A }
    ? A
    : never;

/** The tagged union of a map of definitions: `{ type: 'Opened', data: {...} } | ...`. */
export type TaggedOf<D extends Definitions> = {
  readonly [K in keyof D & string]: { readonly type: K; readonly data: DataOf<D[K]> };
}[keyof D & string];

/**
 * A codec whose earlier schema versions are still in streams.
 *
 * ```ts
 * Renamed: versioned({ codec: t.type({ name: t.string }), upcasts: { 1: (old) => ({ name: String(old) }) } })
 * ```
 * The current schema version is one more than the largest key of `upcasts`; there must be one for every version before it.
 */
export const versioned = <C extends Codec>(definition: {
  readonly codec: C;
  readonly upcasts: Readonly<Record<number, (data: Json) => Json>>;
}): Versioned<C> => {
  const versions = Object.keys(definition.upcasts).map(Number);
  const schemaVersion = versions.length + 1;
  for (let version = 1; version < schemaVersion; version += 1)
    if (definition.upcasts[version] === undefined)
      throw new TypeError(
        `versioned: no upcast from schema version ${version}; there are some from ${versions.join(', ')}`,
      );
  return { ...definition, schemaVersion };
};

export interface CodecProblem {
  /** Where, as `$.items[2].price`. */
  readonly path: string;
  readonly expected: string;
  /** The value that was found, as short JSON. */
  readonly found: string;
}

/** Data that a codec does not accept, or that storage would change. Nothing was written. Mend the data at the named paths. */
export interface EncodeFailed {
  readonly _tag: 'EncodeFailed';
  /** Type of the event, message or state. */
  readonly type: string;
  readonly problems: ReadonlyArray<CodecProblem>;
  readonly message: string;
}

/**
 * Recorded or received data that today's codec does not accept. Nothing was written. Add an upcaster for the schema
 * version that is named, or widen the codec.
 */
export interface DecodeFailed {
  readonly _tag: 'DecodeFailed';
  readonly type: string;
  readonly schemaVersion: number;
  readonly problems: ReadonlyArray<CodecProblem>;
  readonly message: string;
}

const shown = (value: unknown): string => {
  const text =
    typeof value === 'object' && value !== null
      ? safeJson(value)
      : typeof value === 'string'
        ? JSON.stringify(value)
        : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

const safeJson = (value: object): string => {
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return 'an object that is no JSON';
  }
};

// io-ts puts tagged unions and intersections into the context as numbered entries of their own: they are not part of a path.
const isPathPart = (entry: t.ContextEntry, parent: t.ContextEntry | undefined): boolean => {
  const tag = (parent?.type as { _tag?: string } | undefined)?._tag;
  return (
    entry.key !== '' &&
    tag !== 'UnionType' &&
    tag !== 'IntersectionType' &&
    tag !== 'ExactType' &&
    tag !== 'RefinementType'
  );
};

const pathOfContext = (context: t.Context): string =>
  `$${context
    .filter((entry, index) => isPathPart(entry, context[index - 1]))
    .map(({ key }) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`))
    .join('')}`;

/** io-ts errors in readable form: path, expected, found. */
export const problemsOf = (errors: t.Errors): ReadonlyArray<CodecProblem> => {
  const problems = errors.map(({ context, value, message }) => ({
    path: pathOfContext(context),
    expected: message ?? context[context.length - 1]?.type.name ?? 'something else',
    found: shown(value),
  }));
  // A union reports each member's complaint; the same place is told once, with all that would have done.
  const byPath = new Map<string, CodecProblem>();
  for (const problem of problems) {
    const old = byPath.get(problem.path);
    byPath.set(
      problem.path,
      old === undefined || old.expected === problem.expected
        ? problem
        : { ...old, expected: `${old.expected} or ${problem.expected}` },
    );
  }
  return [...byPath.values()];
};

const describeProblems = (type: string, problems: ReadonlyArray<CodecProblem>): string =>
  `${type}: ${problems.map(({ path, expected, found }) => `${path}: expected ${expected}, found ${found}`).join('; ')}`;

const encodeFailed = (type: string, problems: ReadonlyArray<CodecProblem>): EncodeFailed => ({
  _tag: 'EncodeFailed',
  type,
  problems,
  message: describeProblems(type, problems),
});

const decodeFailed = (
  type: string,
  schemaVersion: number,
  problems: ReadonlyArray<CodecProblem>,
): DecodeFailed => ({
  _tag: 'DecodeFailed',
  type,
  schemaVersion,
  problems,
  message: describeProblems(
    schemaVersion === 1 ? type : `${type} (schema version ${schemaVersion})`,
    problems,
  ),
});

const isVersioned = (definition: Definition): definition is Versioned => 'codec' in definition;
export const codecOf = (definition: Definition): Codec =>
  isVersioned(definition) ? definition.codec : definition;
export const schemaVersionOf = (definition: Definition): number =>
  isVersioned(definition) ? definition.schemaVersion : 1;

/** Encodes with one codec; what storage would drop or change is refused by name and path. */
export const encodeWith = (type: string, codec: Codec, data: unknown): E.Either<EncodeFailed, Json> => {
  if (!codec.is(data)) {
    const checked = codec.decode(data);
    const problems = E.isLeft(checked)
      ? problemsOf(checked.left)
      : [{ path: '$', expected: codec.name, found: shown(data) }];
    return E.left(encodeFailed(type, problems));
  }
  const encoded: unknown = codec.encode(data);
  const problem = findJsonProblem(encoded);
  return problem === undefined
    ? E.right(encoded as Json)
    : E.left(
        encodeFailed(type, [
          { path: problem.path, expected: `JSON (${problem.advice})`, found: problem.found },
        ]),
      );
};

export const decodeWith = <A>(
  type: string,
  codec: Codec<A>,
  data: Json,
  schemaVersion = 1,
): E.Either<DecodeFailed, A> => {
  const decoded = codec.decode(data);
  return E.isRight(decoded) ? decoded : E.left(decodeFailed(type, schemaVersion, problemsOf(decoded.left)));
};

/** A value on its way into a stream or out to a receiver. */
export interface Encoded {
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Json;
}

const definitionOf = (definitions: Definitions, type: string): Definition | undefined =>
  Object.hasOwn(definitions, type) ? definitions[type] : undefined;

export const encodeTagged = (
  definitions: Definitions,
  value: { readonly type: string; readonly data: unknown },
): E.Either<EncodeFailed, Encoded> => {
  const definition = definitionOf(definitions, value.type);
  if (definition === undefined) {
    const expected = `one of ${Object.keys(definitions).join(', ')}`;
    return E.left(encodeFailed(String(value.type), [{ path: 'type', expected, found: shown(value.type) }]));
  }
  const data = encodeWith(value.type, codecOf(definition), value.data);
  return E.isLeft(data)
    ? data
    : E.right({ type: value.type, schemaVersion: schemaVersionOf(definition), data: data.right });
};

const upcast = (definition: Versioned, from: number, data: Json): Json => {
  let current = data;
  for (let version = from; version < definition.schemaVersion; version += 1)
    current = (definition.upcasts[version] as (data: Json) => Json)(current);
  return current;
};

/** Decodes by type; chooses the codec by the tag, so that the cost does not grow with the number of types. */
export const decodeTagged = (
  definitions: Definitions,
  encoded: Encoded,
): E.Either<DecodeFailed, { readonly type: string; readonly data: unknown }> => {
  const { type, schemaVersion, data } = encoded;
  const definition = definitionOf(definitions, type);
  if (definition === undefined)
    return E.left(
      decodeFailed(type, schemaVersion, [
        { path: 'type', expected: `one of ${Object.keys(definitions).join(', ')}`, found: shown(type) },
      ]),
    );
  const known = schemaVersionOf(definition);
  if (schemaVersion > known)
    return E.left(
      decodeFailed(type, schemaVersion, [
        {
          path: 'schemaVersion',
          expected: `at most ${known}; this program is older than the data`,
          found: String(schemaVersion),
        },
      ]),
    );
  const current = isVersioned(definition) ? upcast(definition, schemaVersion, data) : data;
  const decoded = decodeWith(type, codecOf(definition), current, schemaVersion);
  return E.isLeft(decoded) ? decoded : E.right({ type, data: decoded.right });
};
