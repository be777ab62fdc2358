/** Checks of what concerns leases, the same on every store. */
import * as E from 'fp-ts/lib/Either.js';
import { checkName, escapeForDisplay } from '../core/stream.js';
import { checkCount, firstLeft, idBytesMax } from './checks.js';
import { checkScope, isScopeName } from './lease-scopes.js';
import type { AcquireRequest, Lease, ListLeasesRequest } from './leases.js';
import { pageDefault, pageMax } from './limits.js';
import type { BadRequest } from './store-errors.js';

export const ttlMsMax = 86_400_000;

/** A plain name could be mistaken for a scope's, and would exclude nobody above and below. */
const checkPlainName = (name: unknown): E.Either<BadRequest, string> =>
  isScopeName(name)
    ? E.left({
        _tag: 'InvalidName',
        field: 'lease',
        value: escapeForDisplay(String(name)),
        reason: 'begins with scope:/, which is kept for leases on scopes: give its segments as `scope`',
      })
    : checkName('lease', name, idBytesMax);

const checkNameOrScope = ({ name, scope }: AcquireRequest): E.Either<BadRequest, string> => {
  if (scope === undefined) return checkPlainName(name);
  return name === undefined
    ? checkScope('scope', scope)
    : E.left({ _tag: 'InvalidRequest', field: 'scope', reason: 'stands beside a name: give one of them' });
};

/** Answers the lease's name. */
export const checkAcquire = (request: AcquireRequest): E.Either<BadRequest, string> => {
  const { holder, ttlMs } = request;
  const name = checkNameOrScope(request);
  const terms = firstLeft(
    () => name,
    () => checkName('holder', holder, idBytesMax),
    () => checkCount('ttlMs', ttlMs, 0, 1, ttlMsMax),
  );
  return E.isLeft(terms) ? terms : name;
};

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
