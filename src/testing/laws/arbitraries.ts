/** Random values of an io-ts codec, for fast-check: small, alike, and storable, so that they meet each other. */
import * as fc from 'fast-check';
import type * as t from 'io-ts';
import { type Codec, codecOf, type DataOf, type Definition, type Definitions } from '../../core/codec.js';
import { taggedError } from '../../core/fault.js';
import { findJsonProblem } from '../../core/json.js';

/**
 * There is no telling which values a codec accepts: it is a class of your own, or its predicate accepts next to nothing.
 * Nothing was written. Pass an arbitrary for the type of message or event.
 */
export interface ArbitraryMissing {
  readonly _tag: 'ArbitraryMissing';
  /** The codec's name. */
  readonly codec: string;
  /** Where in the value, as `$.items[].price`. */
  readonly path: string;
  readonly message: string;
}

/** The parts of io-ts codecs that are read here; which of them there are depends on `_tag`. */
interface AnyCodec extends Codec {
  readonly _tag?: string;
  readonly type: AnyCodec;
  readonly types: ReadonlyArray<AnyCodec>;
  readonly props: Readonly<Record<string, AnyCodec>>;
  readonly keys: object;
  readonly value: unknown;
  readonly domain: AnyCodec;
  readonly codomain: AnyCodec;
}

interface Place {
  readonly path: string;
  /** How often each recursive codec stands inside of itself already. */
  readonly depths: ReadonlyMap<AnyCodec, number>;
}

/** Nothing where a recursive codec has come to its depth: the list around it is empty then, the optional field left out. */
type Derived = fc.Arbitrary<unknown> | undefined;

const depthMax = 3;

/** So many values in a row that a predicate turned away mean that it will not be met by chance. */
const rejectionsMax = 10_000;

const missing = (codec: AnyCodec, { path }: Place, why: string): Error => {
  const tagged: ArbitraryMissing = {
    _tag: 'ArbitraryMissing',
    codec: codec.name,
    path,
    message: `${path}: no arbitrary can be derived from the codec ${codec.name}: ${why}; pass an arbitrary of your own`,
  };
  return taggedError(tagged);
};

/**
 * Few different texts, so that two writers often mean the same thing. Some are names of what every object has already: a
 * merger that uses texts as keys must not stumble over them.
 */
const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('a') },
  { weight: 5, arbitrary: fc.constantFrom('b', 'c') },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString') },
  { weight: 2, arbitrary: fc.string({ maxLength: 6 }) },
);

/** Whole: sums of fractions depend on the order in which they are added, whatever a merger does. */
const wholeNumber: fc.Arbitrary<number> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 5 }) },
  { weight: 2, arbitrary: fc.integer({ min: -5, max: 1000 }) },
  { weight: 1, arbitrary: fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }) },
);

// Through JSON, where -0 becomes 0.
const json: fc.Arbitrary<unknown> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value) => JSON.parse(JSON.stringify(value)) as unknown)
  .filter((value) => findJsonProblem(value) === undefined);

const accepted = (codec: AnyCodec, place: Place, from: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => {
  let rejections = 0;
  return from.filter((value) => {
    const isAccepted = codec.is(value);
    rejections = isAccepted ? 0 : rejections + 1;
    if (rejections > rejectionsMax)
      throw missing(codec, place, `${rejectionsMax} values in a row were not accepted`);
    return isAccepted;
  });
};

const member = (place: Place, key: string): Place => ({ ...place, path: `${place.path}.${key}` });
const item = (place: Place): Place => ({ ...place, path: `${place.path}[]` });

const fields = (codec: AnyCodec, place: Place, areRequired: boolean): Derived => {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [key, part] of Object.entries(codec.props)) {
    const derived = derive(part, member(place, key));
    if (derived !== undefined) parts[key] = derived;
    else if (areRequired) return undefined;
  }
  return fc.record(parts, { noNullPrototype: true, requiredKeys: areRequired ? Object.keys(parts) : [] });
};

/** The keys that a record must have, where its domain lists them. */
const listedKeys = (domain: AnyCodec): ReadonlyArray<string> | undefined => {
  if (domain._tag === 'KeyofType') return Object.keys(domain.keys);
  if (domain._tag === 'LiteralType') return [String(domain.value)];
  if (domain._tag !== 'UnionType') return undefined;
  const parts = domain.types.map(listedKeys);
  return parts.some((part) => part === undefined) ? undefined : parts.flatMap((part) => part ?? []);
};

const table = (codec: AnyCodec, place: Place): Derived => {
  const value = derive(codec.codomain, item(place));
  const keys = listedKeys(codec.domain);
  if (keys !== undefined)
    return value && fc.record(Object.fromEntries(keys.map((key) => [key, value])), { noNullPrototype: true });
  const texts = derive(codec.domain, place) as fc.Arbitrary<string> | undefined;
  if (value === undefined || texts === undefined) return fc.constant({});
  // No store takes this key, so that no merger ever sees it in data.
  const key = texts.filter((name) => name !== '__proto__');
  return fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true });
};

const list = (codec: AnyCodec, place: Place): Derived => {
  const value = derive(codec.type, item(place));
  return value === undefined ? fc.constant([]) : fc.array(value, { maxLength: 3 });
};

const isKnown = (derived: Derived): derived is fc.Arbitrary<unknown> => derived !== undefined;

/** All of them, or nothing. */
const all = (derived: ReadonlyArray<Derived>): ReadonlyArray<fc.Arbitrary<unknown>> | undefined =>
  derived.every(isKnown) ? derived : undefined;

const choice = (codec: AnyCodec, place: Place): Derived => {
  const types = codec.types.filter(({ _tag }) => _tag !== 'UndefinedType' && _tag !== 'VoidType');
  if (types.length === 0) throw missing(codec, place, 'JSON has no undefined');
  const known = types.map((type) => derive(type, place)).filter(isKnown);
  return known.length === 0 ? undefined : fc.oneof(...known);
};

const tuple = (codec: AnyCodec, place: Place): Derived => {
  const parts = all(
    codec.types.map((type, index) => derive(type, { ...place, path: `${place.path}[${index}]` })),
  );
  return parts && fc.tuple(...parts);
};

const joined = (codec: AnyCodec, place: Place): Derived => {
  const parts = all(codec.types.map((type) => derive(type, place)));
  if (parts === undefined) return undefined;
  const whole = fc
    .tuple(...parts)
    .map((values) =>
      values.every((value) => typeof value === 'object' && value !== null)
        ? (Object.assign({}, ...values) as unknown)
        : values[0],
    );
  return accepted(codec, place, whole);
};

const recursive = (codec: AnyCodec, place: Place): Derived => {
  const depth = place.depths.get(codec) ?? 0;
  const depths = new Map([...place.depths, [codec, depth + 1]]);
  return depth === depthMax ? undefined : derive(codec.type, { ...place, depths });
};

const refined = (codec: AnyCodec, place: Place): Derived => {
  const from = derive(codec.type, place);
  return from && accepted(codec, place, from);
};

const derive = (codec: AnyCodec, place: Place): Derived => {
  switch (codec._tag) {
    case 'StringType':
      return text;
    case 'NumberType':
      return wholeNumber;
    case 'BooleanType':
      return fc.boolean();
    case 'NullType':
      return fc.constant(null);
    case 'UnknownType':
    case 'AnyType':
      return json;
    case 'LiteralType':
      return fc.constant(codec.value);
    case 'KeyofType':
      return fc.constantFrom(...Object.keys(codec.keys));
    case 'InterfaceType':
    case 'StrictType':
      return fields(codec, place, true);
    case 'PartialType':
      return fields(codec, place, false);
    case 'DictionaryType':
      return table(codec, place);
    case 'AnyDictionaryType':
      return fc.dictionary(fc.constantFrom('a', 'b', 'constructor'), json, { noNullPrototype: true });
    case 'ArrayType':
    case 'ReadonlyArrayType':
      return list(codec, place);
    case 'AnyArrayType':
      return fc.array(json, { maxLength: 3 });
    case 'TupleType':
      return tuple(codec, place);
    case 'UnionType':
      return choice(codec, place);
    case 'IntersectionType':
      return joined(codec, place);
    case 'ReadonlyType':
    case 'ExactType':
      return derive(codec.type, place);
    case 'RefinementType':
      return refined(codec, place);
    case 'RecursiveType':
      return recursive(codec, place);
    default:
      throw missing(codec, place, 'it is a codec of its own kind');
  }
};

/**
 * Values that the codec accepts: storable as JSON (no NaN, no infinity, no -0), numbers whole and mostly small, texts mostly
 * of a few letters, lists of at most 3. Problems are told with a path that begins with `name`, by default `$`. Of a type with a history (`versioned`), values of today's codec. Throws an `Error`
 * whose `tagged` is `ArbitraryMissing` where nothing can be derived.
 */
export const arbitraryOf = <D extends Definition>(definition: D, name = '$'): fc.Arbitrary<DataOf<D>> => {
  const codec = codecOf(definition) as t.Any as AnyCodec;
  const place = { path: name, depths: new Map<AnyCodec, number>() };
  const derived = derive(codec, place);
  if (derived === undefined) throw missing(codec, place, 'its values have no end');
  return derived as fc.Arbitrary<DataOf<D>>;
};

/** An arbitrary for the data of each type: as given, else of its codec. `lacks` are the words for a type that there is not. */
export const arbitrariesFor = (
  caller: string,
  lacks: string,
  definitions: Definitions,
  given: Readonly<Record<string, fc.Arbitrary<unknown>>> = {},
): Readonly<Record<string, fc.Arbitrary<unknown>>> => {
  const unknown = Object.keys(given).filter((type) => !Object.hasOwn(definitions, type));
  if (unknown.length > 0)
    throw new TypeError(
      `${caller}: ${lacks} ${unknown.join(', ')}; there are ${Object.keys(definitions).join(', ')}`,
    );
  return Object.fromEntries(
    Object.entries(definitions).map(([type, definition]) => [
      type,
      given[type] ?? arbitraryOf(definition, type),
    ]),
  );
};
