/** Two JSON values compared: what changed, by path, and the same as a text diff. */
import { structuredPatch } from 'diff';
import { isJsonEqual, type Json, type JsonObject } from '../../core/json.js';
import { escapeForDisplay } from '../../core/stream.js';

/** One part that differs. `before` is missing where the part was added, `after` where it was removed. */
export interface Change {
  /** As `$.state.items[2].price`. */
  readonly path: string;
  readonly before?: Json;
  readonly after?: Json;
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isArray = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value);

const under = (path: string, key: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;

/** The parts in which two values differ, the smallest that can be named; items of arrays are compared by their place. */
export const changesBetween = (before: Json, after: Json, path = '$'): ReadonlyArray<Change> => {
  if (isJsonEqual(before, after)) return [];
  if (isArray(before) && isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) => index).flatMap((index) =>
      partChanges(before[index], after[index], `${path}[${index}]`),
    );
  }
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => partChanges(own(before, key), own(after, key), under(path, key)));
  }
  return [{ path, before, after }];
};

const own = (object: JsonObject, key: string): Json | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

const partChanges = (
  before: Json | undefined,
  after: Json | undefined,
  path: string,
): ReadonlyArray<Change> => {
  if (before !== undefined && after !== undefined) return changesBetween(before, after, path);
  return [{ path, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }];
};

const charactersMax = 120;
const shown = (value: Json): string => escapeForDisplay(JSON.stringify(value), charactersMax);

/** One change on one line, as `state.count: 1 -> 2`; everything in it is escaped. */
export const describeChange = ({ path, before, after }: Change): string => {
  const where = escapeForDisplay(path.replace(/^\$\.?/, '') || 'all of it', 200);
  if (before === undefined) return `${where}: + ${shown(after as Json)}`;
  return after === undefined
    ? `${where}: - ${shown(before)}`
    : `${where}: ${shown(before)} -> ${shown(after)}`;
};

const sorted = (value: Json): Json => {
  if (isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] as Json)]),
  );
};

const pretty = (value: Json): string => `${JSON.stringify(sorted(value), undefined, 2)}\n`;
const lineCharactersMax = 300;

/** A unified diff of two values as JSON with sorted keys, escaped line by line; empty where they are equal. */
export const textDiff = (before: Json, after: Json, names: readonly [string, string]): string => {
  const { hunks } = structuredPatch(names[0], names[1], pretty(before), pretty(after), '', '', {
    context: 3,
  });
  if (hunks.length === 0) return '';
  const lines = hunks.flatMap((hunk) => [
    `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`,
    ...hunk.lines.filter((line) => !line.startsWith('\\')),
  ]);
  return [`--- ${names[0]}`, `+++ ${names[1]}`, ...lines]
    .map((line) => escapeForDisplay(line, lineCharactersMax))
    .join('\n');
};
