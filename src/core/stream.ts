/** Streams: their names and tenants, the version a stream stands at, and what a writer may expect of it. */
import * as E from 'fp-ts/lib/Either.js';

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A stream's name, `<category>-<id>`: 1 to 512 bytes of well-formed UTF-8 without control characters. */
export type StreamName = Brand<string, 'StreamName'>;

/** Who owns a stream; part of every key. 1 to 128 bytes. Default: `defaultTenant`. */
export type Tenant = Brand<string, 'Tenant'>;

/** Number of events in a stream; 0 is a stream that has none. The first event has version 1. */
export type StreamVersion = Brand<number, 'StreamVersion'>;

/**
 * A place in the global order of a store, opaque to callers: `<commit>/<sequence>` in decimal. Compare with
 * `comparePositions`, never as text. Positions of different stores, or epochs of one store, do not compare.
 */
export type Position = Brand<string, 'Position'>;

/** Where the global order begins: before the first event. */
export const startPosition = '0/0' as Position;
/** After every event that any store can hold. */
export const endPosition = '18446744073709551615/18446744073709551615' as Position;
export const defaultTenant = 'default' as Tenant;
export const noEvents = 0 as StreamVersion;

/** Largest stream version: the stores keep it in 32 bits. */
export const versionMax = 2 ** 31 - 1;
export const streamNameBytesMax = 512;
export const tenantBytesMax = 128;

/** What a writer requires of a stream. */
export type ExpectedVersion =
  | { readonly _tag: 'any' }
  | { readonly _tag: 'noStream' }
  | { readonly _tag: 'streamExists' }
  | { readonly _tag: 'exactly'; readonly version: StreamVersion };

/** No check. Only for records whose order does not matter. */
export const any: ExpectedVersion = { _tag: 'any' };
/** The stream has no events yet. */
export const noStream: ExpectedVersion = { _tag: 'noStream' };
/** The stream has at least one event. */
export const streamExists: ExpectedVersion = { _tag: 'streamExists' };
/** The stream has exactly `version` events; `exactly(0)` is `noStream`. Checked by the store, see `InvalidExpectedVersion`. */
export const exactly = (version: number): ExpectedVersion => ({
  _tag: 'exactly',
  version: version as StreamVersion,
});

/** A name or key that cannot be stored unchanged. Nothing was written. Use a name that keeps the rule in `reason`. */
export interface InvalidName {
  readonly _tag: 'InvalidName';
  /** Which name: `streamName`, `tenant`, `eventType`, `eventId`, `messageId`, ... */
  readonly field: string;
  /** The value, escaped so that it can be printed, at most 80 characters of it. */
  readonly value: string;
  readonly reason: string;
}

/** An expectation that no stream can meet because it is not a version: -1, 0.5, NaN, '1', 2^31. Nothing was written. */
export interface InvalidExpectedVersion {
  readonly _tag: 'InvalidExpectedVersion';
  readonly value: string;
}

const byteLength = (text: string): number => new TextEncoder().encode(text).length;
// C0, DEL, C1, line and paragraph separators, and the bidirectional controls that make one name look like another.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]/u;

/** Shows any text on one line: control, bidirectional and zero-width characters as `\u{..}`, cut to `charactersMax`. */
export const escapeForDisplay = (text: string, charactersMax = 80): string => {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  return [...cut]
    .map((character) =>
      unprintable.test(character) || !character.isWellFormed()
        ? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
        : character,
    )
    .join('');
};

// Most names are plain: printable ASCII without white space at the ends needs no closer look.
const plainName = /^[!-~](?:[ -~]*[!-~])?$/;

const reasonAgainst = (name: unknown, bytesMax: number): string | undefined => {
  if (typeof name !== 'string') return `must be a string, found ${typeof name}`;
  if (name.length <= bytesMax && plainName.test(name)) return undefined;
  if (name.length === 0) return 'must not be empty';
  if (name.trim() !== name) return 'must not begin or end with white space';
  if (!name.isWellFormed()) return 'holds a lone surrogate, which storage would silently replace';
  if (unprintable.test(name)) return 'holds a control, zero-width or bidirectional character';
  if (name.normalize('NFC') !== name)
    return 'is not in Unicode normal form C, so two names could look the same';
  const bytes = name.length > bytesMax ? name.length : byteLength(name);
  return bytes > bytesMax ? `is ${bytes} bytes long, the limit is ${bytesMax}` : undefined;
};

/** Checks a name or key of any kind; every store uses this same rule, so that a name is good on all of them or on none. */
export const checkName = (field: string, name: unknown, bytesMax: number): E.Either<InvalidName, string> => {
  const reason = reasonAgainst(name, bytesMax);
  return reason === undefined
    ? E.right(name as string)
    : E.left({
        _tag: 'InvalidName',
        field,
        value: typeof name === 'string' ? escapeForDisplay(name) : typeof name,
        reason,
      });
};

/**
 * Checks a stream's name. Names that begin with `$` are kept for the stores; `.` and `..` would be read as paths by tools.
 */
export const streamName = (name: string): E.Either<InvalidName, StreamName> => {
  const checked = checkName('streamName', name, streamNameBytesMax);
  if (E.isLeft(checked)) return checked;
  const reserved = name.startsWith('$') || name === '.' || name === '..';
  return reserved
    ? E.left({ _tag: 'InvalidName', field: 'streamName', value: name, reason: 'is reserved' })
    : E.right(name as StreamName);
};

export const tenant = (name: string): E.Either<InvalidName, Tenant> =>
  checkName('tenant', name, tenantBytesMax) as E.Either<InvalidName, Tenant>;

/** What stands before the first `-`; the whole name where there is none. */
export const categoryOf = (name: StreamName): string => {
  const dash = name.indexOf('-');
  return dash < 0 ? name : name.slice(0, dash);
};

/** Refuses what is not an expectation before any store sees it; callers without types can hand over anything. */
export const checkExpectedVersion = (
  expected: ExpectedVersion,
): E.Either<InvalidExpectedVersion, ExpectedVersion> => {
  const { _tag: tag, version } = (expected ?? {}) as { readonly _tag?: unknown; readonly version?: unknown };
  if (tag === 'any' || tag === 'noStream' || tag === 'streamExists') return E.right(expected);
  const good = tag === 'exactly' && isVersion(version);
  return good
    ? E.right(expected)
    : E.left({ _tag: 'InvalidExpectedVersion', value: shownVersion(tag === 'exactly' ? version : expected) });
};

const isVersion = (version: unknown): boolean =>
  Number.isInteger(version) &&
  (version as number) >= 0 &&
  (version as number) <= versionMax &&
  !Object.is(version, -0);

const shownVersion = (value: unknown): string => {
  if (typeof value === 'string') return `'${escapeForDisplay(value)}'`;
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'number' || typeof value === 'bigint'
    ? String(value)
    : value === null
      ? 'null'
      : typeof value;
};

/** Whether a stream at `version` is as expected. */
export const meets = (expected: ExpectedVersion, version: StreamVersion): boolean => {
  switch (expected._tag) {
    case 'any':
      return true;
    case 'noStream':
      return version === 0;
    case 'streamExists':
      return version > 0;
    case 'exactly':
      return version === expected.version;
  }
};

/** The version after which a refused writer's tail begins: what it expected, or the beginning where it named no number. */
export const expectedAfter = (expected: ExpectedVersion): StreamVersion =>
  expected._tag === 'exactly' ? expected.version : noEvents;

/** Order of two positions of one store: negative, 0 or positive. */
export const comparePositions = (a: Position, b: Position): number => {
  const [commitA, sequenceA] = positionParts(a);
  const [commitB, sequenceB] = positionParts(b);
  if (commitA !== commitB) return commitA < commitB ? -1 : 1;
  return sequenceA === sequenceB ? 0 : sequenceA < sequenceB ? -1 : 1;
};

export const positionOf = (commit: bigint | number | string, sequence: bigint | number | string): Position =>
  `${commit}/${sequence}` as Position;

export const positionParts = (position: Position): readonly [commit: bigint, sequence: bigint] => {
  const slash = position.indexOf('/');
  return [BigInt(position.slice(0, slash)), BigInt(position.slice(slash + 1))];
};
