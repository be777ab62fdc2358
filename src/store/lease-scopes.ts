/** Scopes of leases: paths from the wide to the narrow, and the names under which stores keep them. */
import * as E from 'fp-ts/lib/Either.js';
import { checkName, escapeForDisplay } from '../core/stream.js';
import type { BadRequest } from './store-errors.js';

/**
 * What a lease is for, from the wide to the narrow: `['product-123', 'assets', 'thumbnail:en']`. 1 to 8 segments, each a name as any
 * other; as a lease's name (`scopeLeaseName`) 512 bytes at most in all.
 */
export type LeaseScope = ReadonlyArray<string>;

export const scopeSegmentsMax = 8;
const nameBytesMax = 512;
/** What the names of leases on scopes begin with, and no others. */
const scheme = 'scope:';

export const isScopeName = (name: unknown): boolean =>
  typeof name === 'string' && name.startsWith(`${scheme}/`);

/** As in a JSON pointer, so that no two scopes have one name whatever their segments hold. */
const escapedSegment = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1');
const segmentOf = (escaped: string): string => escaped.replaceAll('~1', '/').replaceAll('~0', '~');

/** The name of the lease on a scope: `scope:/product-123/assets`; `~` and `/` inside of segments are `~0` and `~1`. */
export const scopeLeaseName = (scope: LeaseScope): string => [scheme, ...scope.map(escapedSegment)].join('/');

/** The scope that a lease's name stands for; `undefined` for a lease that is on none. */
export const leaseScopeOf = (name: string): LeaseScope | undefined =>
  isScopeName(name) ? name.split('/').slice(1).map(segmentOf) : undefined;

/** Whether leases of these names exclude each other: the same, or one within the other. Both are names of scopes. */
export const excludesEachOther = (a: string, b: string): boolean =>
  a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

/** Checks a scope; callers without types can hand over anything. Answers the lease's name. */
export const checkScope = (field: string, scope: LeaseScope): E.Either<BadRequest, string> => {
  if (!Array.isArray(scope) || scope.length < 1 || scope.length > scopeSegmentsMax) {
    const found = Array.isArray(scope) ? `${scope.length} segments` : escapeForDisplay(String(scope));
    const reason = `must be an array of 1 to ${scopeSegmentsMax} names, found ${found}`;
    return E.left({ _tag: 'InvalidRequest', field, reason });
  }
  // By index: a hole in an array is passed over by its iterators of the older kind.
  for (let index = 0; index < scope.length; index += 1) {
    const checked = checkName(`${field}[${index}]`, scope[index], nameBytesMax);
    if (E.isLeft(checked)) return checked;
  }
  return checkName(field, scopeLeaseName(scope), nameBytesMax);
};
