/** Checks of small parts of requests, which larger checks are made of. */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData } from '../core/event.js';
import { findJsonProblem } from '../core/json.js';
import { checkName, escapeForDisplay } from '../core/stream.js';
import type { Fence } from './leases.js';
import type { BadRequest, InvalidRequest } from './store-errors.js';

export const eventTypeBytesMax = 256;
export const idBytesMax = 512;
export const tagBytesMax = 256;
/** Tags of one event, and of one item of a query. */
export const tagsMax = 32;

const metadataKeys: ReadonlySet<string> = new Set([
  'correlationId',
  'causationId',
  'actor',
  'tags',
  'headers',
]);

const isRecord = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const tagsProblem = (tags: ReadonlyArray<string>): readonly [path: string, reason: string] | undefined => {
  if (!Array.isArray(tags) || tags.length < 1 || tags.length > tagsMax)
    return ['metadata.tags', `must be a list of 1 to ${tagsMax} texts`];
  for (const [index, tag] of tags.entries()) {
    const checked = checkName('tag', tag as string, tagBytesMax);
    if (E.isLeft(checked)) return [`metadata.tags[${index}]`, checked.left.reason];
  }
  return new Set(tags).size === tags.length ? undefined : ['metadata.tags', 'must not name a tag twice'];
};

/** What is wrong with metadata: where, and why. */
export const metadataProblem = ({
  metadata,
}: Pick<EventData, 'metadata'>): readonly [path: string, reason: string] | undefined => {
  if (!isRecord(metadata)) return ['metadata', 'must be an object'];
  // A store would drop it without a word.
  for (const key of Object.keys(metadata))
    if (!metadataKeys.has(key))
      return [`metadata.${escapeForDisplay(key)}`, 'is not a part of metadata; put it under headers'];
  for (const key of ['correlationId', 'causationId', 'actor'] as const) {
    const value = metadata[key];
    if (value === undefined) continue;
    const checked = checkName(key, value, idBytesMax);
    if (E.isLeft(checked)) return [`metadata.${key}`, checked.left.reason];
  }
  const inTags = metadata.tags === undefined ? undefined : tagsProblem(metadata.tags);
  if (inTags !== undefined) return inTags;
  const { headers } = metadata;
  if (headers === undefined) return undefined;
  const problem = findJsonProblem(headers);
  if (problem !== undefined)
    return [`metadata.headers${problem.path.slice(1)}`, `found ${problem.found}; ${problem.advice}`];
  return isRecord(headers) ? undefined : ['metadata.headers', 'must be an object'];
};

export const badRequest = (field: string, reason: string): E.Either<InvalidRequest, never> =>
  E.left({ _tag: 'InvalidRequest', field: escapeForDisplay(field), reason });

/** A whole number from `min` to `max`, or the default where none is given. */
export const checkCount = (
  field: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
): E.Either<InvalidRequest, number> => {
  const count = value ?? fallback;
  return Number.isInteger(count) && count >= min && count <= max
    ? E.right(count)
    : E.left({
        _tag: 'InvalidRequest',
        field,
        reason: `must be a whole number from ${min} to ${max}, found ${String(value)}`,
      });
};

/** The first refusal of several checks, each made only if those before it passed. */
export const firstLeft = (
  ...checks: ReadonlyArray<() => E.Either<BadRequest, unknown>>
): E.Either<BadRequest, void> => {
  for (const check of checks) {
    const checked = check();
    if (E.isLeft(checked)) return checked;
  }
  return E.right(undefined);
};

/** A fence names a lease as `acquire` answered it. */
export const checkFence = (fence: Fence | undefined): E.Either<BadRequest, void> =>
  fence === undefined
    ? E.right(undefined)
    : firstLeft(
        () => checkName('fence.lease', fence.lease, idBytesMax),
        () => checkCount('fence.token', fence.token, 0, 1, Number.MAX_SAFE_INTEGER),
      );
