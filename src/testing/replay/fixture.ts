/**
 * The format of fixtures, histories kept in a file: JSON lines, a header first, then one event a line, an end last.
 *
 *     {"format":"watersmeet-fixture","version":1}
 *     {"tenant":"default","streamName":"order-7","version":1,"eventId":"…","type":"Placed","schemaVersion":1,"data":{…},"metadata":{…}}
 *     {"end":true,"events":1}
 */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { problemsOf } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import { taggedError } from '../../core/fault.js';
import { findJsonProblem, type JsonObject } from '../../core/json.js';
import {
  escapeForDisplay,
  type Position,
  startPosition,
  streamName,
  tenant,
  versionMax,
} from '../../core/stream.js';

/** An event as a fixture holds it. */
export interface FixtureEvent extends RecordedEvent {
  /** What the code of then knew after the event, where it was exported with states; see `viewOf`. */
  readonly after?: JsonObject;
  /** In place of `after`, its SHA-256 over the canonical JSON: 64 hexadecimal digits. */
  readonly afterHash?: string;
}

/** The file cannot be opened or read. Nothing was written. Check the path; `code` is the operating system's reason. */
export interface FixtureUnreadable {
  readonly _tag: 'FixtureUnreadable';
  readonly file: string;
  readonly code: string;
  readonly message: string;
}

/** The file is no fixture, or a line of it is damaged. Nothing was written. Export it again, or mend the line that is named. */
export interface FixtureBroken {
  readonly _tag: 'FixtureBroken';
  readonly file: string;
  /** 1 is the first; in a gzipped file, lines of the unpacked text. */
  readonly line: number;
  readonly reason: string;
  readonly message: string;
}

/** A fixture could not be written. No file of that name was made or changed. Mend what `reason` names and write again. */
export interface FixtureNotWritten {
  readonly _tag: 'FixtureNotWritten';
  readonly file: string;
  readonly reason: string;
  readonly message: string;
}

/** The history is of other streams than the rules. Nothing was written. Name the rules that wrote it, or another stream. */
export interface FixtureMismatch {
  readonly _tag: 'FixtureMismatch';
  readonly message: string;
}

/** Bytes of one line at most: an event of the largest size, and its state. */
export const lineBytesMax = 64 * 1024 * 1024;

const format = 'watersmeet-fixture';
const formatVersion = 1;

export const headerLine = JSON.stringify({ format, version: formatVersion });
export const endLine = (events: number): string => JSON.stringify({ end: true, events });

const shownFile = (file: string): string => escapeForDisplay(file, 300);

export const fixtureBroken = (file: string, line: number, reason: string): Error =>
  taggedError<FixtureBroken>({
    _tag: 'FixtureBroken',
    file,
    line,
    reason,
    message: `${shownFile(file)}:${line}: ${reason}`,
  });

export const fixtureUnreadable = (file: string, code: string): Error => {
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'no such file',
    EISDIR: 'is a directory',
    EACCES: 'permission denied',
  };
  const message = `${shownFile(file)}: ${words[code] ?? `cannot be read (${code})`}`;
  return taggedError<FixtureUnreadable>({ _tag: 'FixtureUnreadable', file, code, message });
};

export const fixtureNotWritten = (file: string, reason: string): Error =>
  taggedError<FixtureNotWritten>({
    _tag: 'FixtureNotWritten',
    file,
    reason,
    message: `${shownFile(file)} was not written: ${reason}`,
  });

export const fixtureMismatch = (message: string): Error =>
  taggedError<FixtureMismatch>({ _tag: 'FixtureMismatch', message });

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = new t.Type<JsonObject, JsonObject, unknown>(
  'an object',
  isObject,
  (value, context) => (isObject(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

const eventLine = t.intersection([
  t.type({
    tenant: t.string,
    streamName: t.string,
    version: t.number,
    eventId: t.string,
    type: t.string,
    schemaVersion: t.number,
    data: t.unknown,
    metadata: t.intersection([
      object,
      t.partial({ correlationId: t.string, causationId: t.string, actor: t.string, headers: object }),
    ]),
  }),
  t.partial({ position: t.string, recordedAt: t.string, after: object, afterHash: t.string }),
]);
const eventKeys: ReadonlySet<string> = new Set([
  ...['tenant', 'streamName', 'version', 'eventId', 'type', 'schemaVersion', 'data', 'metadata'],
  ...['position', 'recordedAt', 'after', 'afterHash'],
]);
/** What is taken where a line written by hand does not say when. */
const unknownTime = '1970-01-01T00:00:00.000Z';

const countProblem = (name: string, value: number): string | undefined =>
  Number.isInteger(value) && value >= 1 && value <= versionMax
    ? undefined
    : `${name} must be a whole number from 1 on, found ${value}`;

const eventProblem = (event: t.TypeOf<typeof eventLine>): string | undefined => {
  const stream = streamName(event.streamName);
  if (E.isLeft(stream)) return `the streamName "${stream.left.value}" ${stream.left.reason}`;
  const owner = tenant(event.tenant);
  if (E.isLeft(owner)) return `the tenant "${owner.left.value}" ${owner.left.reason}`;
  if (event.eventId === '' || event.type === '')
    return `${event.type === '' ? 'type' : 'eventId'} must not be empty`;
  if (event.position !== undefined && !/^\d{1,20}\/\d{1,20}$/.test(event.position))
    return `position must be like 12/34, found ${escapeForDisplay(event.position)}`;
  if (event.afterHash !== undefined && !/^[0-9a-f]{64}$/.test(event.afterHash))
    return 'afterHash must be 64 hexadecimal digits';
  return countProblem('version', event.version) ?? countProblem('schemaVersion', event.schemaVersion);
};

/** One line's JSON value as an event, or what is wrong with it. */
export const eventOfLine = (value: JsonObject): E.Either<string, FixtureEvent> => {
  const unknownKey = Object.keys(value).find((key) => !eventKeys.has(key));
  if (unknownKey !== undefined) return E.left(`unknown key ${escapeForDisplay(JSON.stringify(unknownKey))}`);
  const decoded = eventLine.decode(value);
  if (E.isLeft(decoded)) {
    const [first] = problemsOf(decoded.left);
    const found = escapeForDisplay(first?.found ?? '?');
    return E.left(`${first?.path ?? '$'}: expected ${first?.expected ?? 'an event'}, found ${found}`);
  }
  if (!Object.hasOwn(value, 'data')) return E.left('$.data is missing');
  const problem = eventProblem(decoded.right);
  return problem !== undefined
    ? E.left(problem)
    : E.right({
        ...decoded.right,
        position: (decoded.right.position ?? startPosition) as Position,
        recordedAt: decoded.right.recordedAt ?? unknownTime,
      } as unknown as FixtureEvent);
};

/** The text of a line as an object of JSON that a store would keep, or what is wrong with it. */
export const objectOfLine = (text: string): E.Either<string, JsonObject> => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return E.left(
      `is no JSON: ${escapeForDisplay(error instanceof Error ? error.message : String(error), 160)}`,
    );
  }
  if (!isObject(value)) return E.left('must be a JSON object');
  // What JSON can say and a store cannot keep: a lone surrogate, a NUL, the key __proto__, -0.
  const problem = findJsonProblem(value);
  return problem === undefined
    ? E.right(value)
    : E.left(`${escapeForDisplay(problem.path, 200)} holds ${problem.found}: ${problem.advice}`);
};

/** `undefined` where the first line is a header of this version. */
export const headerProblem = (header: JsonObject): string | undefined => {
  const { format: found, version } = header;
  if (found !== format)
    return `is no fixture: the first line must be ${headerLine}, as watersmeet export writes it`;
  if (version === formatVersion) return undefined;
  return typeof version === 'number' && version > formatVersion
    ? `is a fixture of format version ${version}, and this program knows ${formatVersion}: use a later watersmeet`
    : `its format version must be ${formatVersion}`;
};
