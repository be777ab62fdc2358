/** Checks of what concerns idempotency, the same on every store: what passes can be stored and read back equal. */
import * as E from 'fp-ts/lib/Either.js';
import { findJsonProblem, type Json, jsonBytesBound } from '../core/json.js';
import { checkName, defaultTenant, tenant as tenantOf } from '../core/stream.js';
import { badRequest, checkCount, firstLeft, idBytesMax } from './checks.js';
import type { AppendRequest, StoreLimits } from './event-store.js';
import type {
  BeginRequest,
  CompleteRequest,
  HeldKey,
  IdempotencyKey,
  ListIdempotencyRequest,
} from './idempotency.js';
import type { BadRequest, InvalidRequest, LimitExceeded } from './store-errors.js';

export const requestHashBytesMax = 128;
export const pendingMsMax = 86_400_000;
/** Ten years. */
export const keepMsMax = 315_360_000_000;
/** The largest number of attempts that is counted; also what no bound is. */
export const attemptsCountMax = 2_147_483_647;
const cleanUpDefault = 1_000;
const cleanUpMax = 10_000;
const listDefault = 512;
const listMax = 4_096;

/** A key with its tenant. */
export interface FullKey extends IdempotencyKey {
  readonly tenant: NonNullable<IdempotencyKey['tenant']>;
}

export const fullKey = ({ tenant = defaultTenant, scope, key }: IdempotencyKey): FullKey => ({
  tenant,
  scope,
  key,
});

export const checkIdempotencyKey = ({ tenant, scope, key }: IdempotencyKey): E.Either<BadRequest, void> =>
  firstLeft(
    () => tenantOf(tenant ?? defaultTenant),
    () => checkName('scope', scope, idBytesMax),
    () => checkName('key', key, idBytesMax),
  );

export const checkBegin = (request: BeginRequest): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkIdempotencyKey(request),
    () => checkName('requestHash', request.requestHash, requestHashBytesMax),
    () => checkName('holder', request.holder, idBytesMax),
    () => checkCount('pendingMs', request.pendingMs, 0, 1, pendingMsMax),
    () => checkCount('keepMs', request.keepMs, 0, 1, keepMsMax),
    () => checkCount('attemptsMax', request.attemptsMax, attemptsCountMax, 1, attemptsCountMax),
  );

const checkToken = ({ token }: HeldKey): E.Either<BadRequest, unknown> =>
  checkCount('token', token, 0, 1, Number.MAX_SAFE_INTEGER);

export const checkHeld = (held: HeldKey, pendingMs = 1): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkIdempotencyKey(held),
    () => checkToken(held),
    () => checkCount('pendingMs', pendingMs, 0, 1, pendingMsMax),
  );

const checkResult = (
  field: string,
  result: Json,
  { resultBytesMax }: StoreLimits,
): E.Either<BadRequest | LimitExceeded, void> => {
  const problem = findJsonProblem(result);
  if (problem !== undefined)
    return badRequest(`${field}${problem.path.slice(1)}`, `found ${problem.found}; ${problem.advice}`);
  if (jsonBytesBound(result) <= resultBytesMax) return E.right(undefined);
  const found = Buffer.byteLength(JSON.stringify(result));
  return found > resultBytesMax
    ? E.left({ _tag: 'LimitExceeded', limit: 'resultBytesMax', max: resultBytesMax, found })
    : E.right(undefined);
};

export const checkComplete = (
  request: CompleteRequest,
  limits: StoreLimits,
): E.Either<BadRequest | LimitExceeded, void> => {
  const held = checkHeld(request);
  return E.isLeft(held) ? held : checkResult('result', request.result, limits);
};

/** What an append completes: of its own tenant, and never without an event that the append is known again by. */
export const checkCompletes = (
  { completes, events }: AppendRequest,
  tenant: FullKey['tenant'],
  limits: StoreLimits,
): E.Either<BadRequest | LimitExceeded, void> => {
  if (completes === undefined) return E.right(undefined);
  if (events.length === 0)
    return badRequest('completes', 'needs an event; complete what wrote nothing with complete');
  return checkComplete({ ...completes, tenant }, limits);
};

/** One batch ends an operation once. */
export const completesTwice = (
  requests: ReadonlyArray<Pick<AppendRequest, 'tenant' | 'completes'>>,
): InvalidRequest | undefined => {
  const seen = new Set<string>();
  for (const { tenant, completes } of requests) {
    if (completes === undefined) continue;
    const name = JSON.stringify([tenant, completes.scope, completes.key]);
    if (seen.has(name))
      return { _tag: 'InvalidRequest', field: 'completes', reason: 'names an operation twice' };
    seen.add(name);
  }
  return undefined;
};

export const checkCleanUp = (maxCount: number | undefined): E.Either<BadRequest, number> =>
  checkCount('maxCount', maxCount, cleanUpDefault, 1, cleanUpMax);

/** How many to list. */
export const checkListIdempotency = (request: ListIdempotencyRequest): E.Either<BadRequest, number> => {
  const { tenant, scope, state, after, maxCount } = request;
  const states: ReadonlyArray<string | undefined> = [undefined, 'pending', 'completed', 'failed'];
  const checked = firstLeft(
    () => checkIdempotencyKey({ ...(tenant && { tenant }), scope: scope ?? 'any', key: after?.key ?? 'any' }),
    () => checkName('after.scope', after?.scope ?? 'any', idBytesMax),
    () =>
      states.includes(state)
        ? E.right(undefined)
        : badRequest('state', 'must be pending, completed or failed'),
  );
  return E.isLeft(checked) ? checked : checkCount('maxCount', maxCount, listDefault, 1, listMax);
};
