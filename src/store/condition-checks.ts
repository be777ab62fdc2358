/** Checks of queries by tags and of appends under a condition, the same on every store. */
import * as E from 'fp-ts/lib/Either.js';
import { checkName, defaultTenant, type Tenant, tenant as tenantOf } from '../core/stream.js';
import { badRequest, checkCount, eventTypeBytesMax, firstLeft, tagBytesMax, tagsMax } from './checks.js';
import type { AppendCondition, EventQuery, QueryItem, Seen } from './conditions.js';
import type { BadRequest } from './store-errors.js';

export const itemsMax = 32;
export const typesMax = 64;
/** Events that a failed condition names. */
export const conflictingMax = 16;

/** A query whose parts are all there and good. */
export interface CheckedQuery {
  readonly tenant: Tenant;
  readonly items: ReadonlyArray<{
    readonly tags: ReadonlyArray<string>;
    readonly types: ReadonlyArray<string> | null;
  }>;
}

/** A `Seen` in its parts: the life of the store that it belongs to, and the store's own mark in it. */
export interface SeenParts {
  readonly epoch: string;
  readonly mark: string;
}

export interface CheckedCondition {
  readonly query: CheckedQuery;
  readonly after: SeenParts | undefined;
}

export const seenOf = (epoch: string, mark: string): Seen => `${epoch}|${mark}` as Seen;

/** Marks are counts or snapshots: `120` or `742:751:745,749`. */
const seenForm = /^([^|]{1,200})\|(\d{1,20}(?::\d{1,20}:(?:\d{1,20}(?:,\d{1,20})*)?)?)$/;

const checkSeen = (after: Seen | undefined): E.Either<BadRequest, SeenParts | undefined> => {
  if (after === undefined) return E.right(undefined);
  const parts = typeof after === 'string' ? seenForm.exec(after) : null;
  if (parts === null) return badRequest('condition.after', 'must be what a read by tags answered as `seen`');
  return E.right({ epoch: parts[1] as string, mark: parts[2] as string });
};

const checkList = (
  field: string,
  list: ReadonlyArray<string>,
  max: number,
  bytesMax: number,
): E.Either<BadRequest, void> => {
  if (!Array.isArray(list)) return badRequest(field, 'must be a list');
  return firstLeft(
    () => checkCount(`${field}.length`, list.length, 0, 1, max),
    ...list.map((one, index) => () => checkName(`${field}[${index}]`, one as string, bytesMax)),
  );
};

const checkItem = (field: string, { tags, types }: QueryItem): E.Either<BadRequest, void> =>
  firstLeft(
    () =>
      tags === undefined || tags.length === 0
        ? badRequest(
            `${field}.tags`,
            'must name a tag: by types alone every writer would have to wait for every other',
          )
        : checkList(`${field}.tags`, tags, tagsMax, tagBytesMax),
    () =>
      types === undefined
        ? E.right(undefined)
        : checkList(`${field}.types`, types, typesMax, eventTypeBytesMax),
  );

export const checkQuery = (
  field: string,
  { tenant = defaultTenant, anyOf }: EventQuery,
): E.Either<BadRequest, CheckedQuery> => {
  if (!Array.isArray(anyOf)) return badRequest(`${field}.anyOf`, 'must be a list');
  const items = anyOf as ReadonlyArray<QueryItem>;
  const checked = firstLeft(
    () => tenantOf(tenant),
    () => checkCount(`${field}.anyOf.length`, items.length, 0, 1, itemsMax),
    ...items.map((item, index) => () => checkItem(`${field}.anyOf[${index}]`, item)),
  );
  if (E.isLeft(checked)) return checked;
  return E.right({ tenant, items: items.map(({ tags, types = null }) => ({ tags, types })) });
};

/** The condition of an append; it speaks of the append's own tenant. */
export const checkCondition = (
  condition: AppendCondition | undefined,
  tenant: Tenant,
): E.Either<BadRequest, CheckedCondition | undefined> => {
  if (condition === undefined) return E.right(undefined);
  const { noneOf, after } = condition;
  if (typeof noneOf !== 'object' || noneOf === null) return badRequest('condition.noneOf', 'must be a query');
  const query = checkQuery('condition.noneOf', { tenant, ...noneOf });
  if (E.isLeft(query)) return query;
  if (query.right.tenant !== tenant)
    return badRequest('condition.noneOf.tenant', `must be that of the stream, ${tenant}`);
  const seen = checkSeen(after);
  return E.isLeft(seen) ? seen : E.right({ query: query.right, after: seen.right });
};
