/** Checks of what concerns leases, the same on every store. */
import * as E from 'fp-ts/lib/Either.js';
import { checkName } from '../core/stream.js';
import { checkCount, firstLeft, idBytesMax } from './checks.js';
import type { AcquireRequest, Lease, ListLeasesRequest } from './leases.js';
import { pageDefault, pageMax } from './limits.js';
import type { BadRequest } from './store-errors.js';

const ttlMsMax = 86_400_000;

export const checkAcquire = ({ name, holder, ttlMs }: AcquireRequest): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkName('lease', name, idBytesMax),
    () => checkName('holder', holder, idBytesMax),
    () => checkCount('ttlMs', ttlMs, 0, 1, ttlMsMax),
  );

/** A lease as `acquire` answered it, and how long it is to last. */
export const checkLease = ({ name, token }: Lease, ttlMs = 1): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkName('lease', name, idBytesMax),
    () => checkCount('token', token, 0, 1, Number.MAX_SAFE_INTEGER),
    () => checkCount('ttlMs', ttlMs, 0, 1, ttlMsMax),
  );

/** How many leases to list. The prefix may be empty, and is otherwise a name's beginning. */
export const checkListLeases = ({ prefix, maxCount }: ListLeasesRequest): E.Either<BadRequest, number> => {
  const name = prefix === '' ? E.right('') : checkName('prefix', prefix, idBytesMax);
  return E.isLeft(name) ? name : checkCount('maxCount', maxCount, pageDefault, 1, pageMax);
};
