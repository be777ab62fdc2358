/** Checks of what concerns leases, the same on every store. */
import * as E from 'fp-ts/lib/Either.js';
import { checkName } from '../core/stream.js';
import { checkCount, idBytesMax } from './checks.js';
import type { AcquireRequest, Lease, ListLeasesRequest } from './leases.js';
import { pageDefault, pageMax } from './limits.js';
import type { BadRequest } from './store-errors.js';

const ttlMsMax = 86_400_000;

export const checkAcquire = (request: AcquireRequest): E.Either<BadRequest, AcquireRequest> => {
  const name = checkName('lease', request.name, idBytesMax);
  if (E.isLeft(name)) return name;
  const holder = checkName('holder', request.holder, idBytesMax);
  if (E.isLeft(holder)) return holder;
  const ttlMs = checkCount('ttlMs', request.ttlMs, 0, 1, ttlMsMax);
  return E.isLeft(ttlMs) ? ttlMs : E.right(request);
};

/** A lease as `acquire` answered it, and how long it is to last. */
export const checkLease = ({ name, token }: Lease, ttlMs = 1): E.Either<BadRequest, void> => {
  const checkedName = checkName('lease', name, idBytesMax);
  if (E.isLeft(checkedName)) return checkedName;
  const checkedToken = checkCount('token', token, 0, 1, Number.MAX_SAFE_INTEGER);
  if (E.isLeft(checkedToken)) return checkedToken;
  const checkedTtl = checkCount('ttlMs', ttlMs, 0, 1, ttlMsMax);
  return E.isLeft(checkedTtl) ? checkedTtl : E.right(undefined);
};

/** How many leases to list. The prefix may be empty, and is otherwise a name's beginning. */
export const checkListLeases = ({ prefix, maxCount }: ListLeasesRequest): E.Either<BadRequest, number> => {
  const name = prefix === '' ? E.right('') : checkName('prefix', prefix, idBytesMax);
  return E.isLeft(name) ? name : checkCount('maxCount', maxCount, pageDefault, 1, pageMax);
};
