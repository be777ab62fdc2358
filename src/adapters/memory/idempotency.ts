/** The operations that the memory store remembers, by their keys. */
import * as E from 'fp-ts/lib/Either.js';
import { frozenCopy, isJsonEqual, type Json } from '../../core/json.js';
import { defaultTenant, type Tenant } from '../../core/stream.js';
import type { StoreLimits } from '../../store/event-store.js';
import {
  attemptsCountMax,
  checkBegin,
  checkCleanUp,
  checkComplete,
  checkHeld,
  checkIdempotencyKey,
  checkListIdempotency,
  fullKey,
} from '../../store/idempotency-checks.js';
import type {
  Acquired,
  BeginError,
  BeginRequest,
  Begun,
  CompleteRequest,
  Completion,
  FailRequest,
  HeldKey,
  IdempotencyEntry,
  IdempotencyKey,
  IdempotencyLost,
  IdempotencyState,
  IdempotencyStore,
  IdempotencySummary,
  ListIdempotencyRequest,
} from '../../store/idempotency.js';
import { errorText } from '../../store/queue-checks.js';
import type { BadRequest, LimitExceeded } from '../../store/store-errors.js';
import { compareCodePoints } from '../../core/code-points.js';
import type { Call } from './queue.js';

export interface MemoryIdempotencyParts {
  /** Never goes back. */
  readonly clockMs: () => number;
  readonly now: () => Date;
  readonly limits: StoreLimits;
}

interface Kept {
  readonly tenant: Tenant;
  readonly scope: string;
  readonly key: string;
  requestHash: string;
  state: IdempotencyState;
  token: number;
  attempt: number;
  holder: string;
  keepMs: number;
  begunAt: string;
  settledAt: string | undefined;
  /** By the store's clock, as `expiresAt`. */
  staleAt: number;
  expiresAt: number;
  error: string | undefined;
  result: Json | undefined;
}

const nameOf = ({ tenant = defaultTenant, scope, key }: IdempotencyKey): string =>
  JSON.stringify([tenant, scope, key]);

const lostOf = ({ scope, key, token }: HeldKey): IdempotencyLost => ({
  _tag: 'IdempotencyLost',
  scope,
  key,
  token,
});

const isAfter = (a: { readonly scope: string; readonly key: string }, b: typeof a): boolean =>
  (compareCodePoints(a.scope, b.scope) || compareCodePoints(a.key, b.key)) > 0;

const summaryOf = (kept: Kept, clock: number): IdempotencySummary => {
  const { tenant, scope, key, state, requestHash, token, attempt, holder, begunAt, settledAt, error } = kept;
  const staleInMs = state === 'pending' ? Math.max(0, Math.ceil(kept.staleAt - clock)) : undefined;
  const expiresInMs = Math.ceil(kept.expiresAt - clock);
  const times = { begunAt, settledAt, staleInMs, expiresInMs };
  return { tenant, scope, key, state, requestHash, token, attempt, holder, ...times, error };
};

/** How an operation stands that may not be begun now; `undefined` where it may. */
const standing = (kept: Kept, request: BeginRequest, clock: number): Begun | undefined => {
  const { scope, key, attempt, holder, state, staleAt } = kept;
  if (state === 'completed')
    return { _tag: 'Completed', result: kept.result ?? null, completedAt: kept.settledAt ?? '' };
  if (state === 'pending' && staleAt > clock)
    return { _tag: 'InProgress', scope, key, holder, expiresInMs: Math.ceil(staleAt - clock) };
  if (attempt < (request.attemptsMax ?? attemptsCountMax)) return undefined;
  const error = state === 'failed' ? (kept.error ?? '') : `${holder} did not come back`;
  return { _tag: 'FailedEarlier', scope, key, attempt, error };
};

const makeEntries = ({ clockMs, now }: MemoryIdempotencyParts) => {
  const entries = new Map<string, Kept>();
  let tokens = 0;
  const find = (key: IdempotencyKey): Kept | undefined => {
    const kept = entries.get(nameOf(key));
    return kept !== undefined && kept.expiresAt > clockMs() ? kept : undefined;
  };
  /** Also one that is past its time: it is its holder's until another takes it, or it is deleted. */
  const heldBy = (held: HeldKey): Kept | undefined => {
    const kept = entries.get(nameOf(held));
    return kept?.token === held.token ? kept : undefined;
  };
  const acquire = (request: BeginRequest, attempt: number): Acquired => {
    tokens += 1;
    const { requestHash, holder, pendingMs, keepMs } = request;
    const staleAt = clockMs() + pendingMs;
    entries.set(nameOf(request), {
      ...fullKey(request),
      ...{ requestHash, state: 'pending', token: tokens, attempt, holder, keepMs },
      ...{ begunAt: now().toISOString(), settledAt: undefined, staleAt, expiresAt: staleAt + keepMs },
      ...{ error: undefined, result: undefined },
    });
    return { _tag: 'Acquired', token: tokens, attempt };
  };
  const settle = (kept: Kept, end: Pick<Kept, 'state' | 'error' | 'result'>): void => {
    Object.assign(kept, end, { settledAt: now().toISOString(), expiresAt: clockMs() + kept.keepMs });
  };
  return { entries, find, heldBy, acquire, settle };
};

type Entries = ReturnType<typeof makeEntries>;

const begin =
  ({ find, acquire }: Entries, clockMs: () => number) =>
  (request: BeginRequest): E.Either<BeginError, Begun> => {
    const checked = checkBegin(request);
    if (E.isLeft(checked)) return checked;
    const kept = find(request);
    if (kept === undefined) return E.right(acquire(request, 1));
    const { scope, key, requestHash: recordedHash } = kept;
    const { requestHash } = request;
    if (requestHash !== recordedHash)
      return E.left({ _tag: 'KeyReused', scope, key, requestHash, recordedHash });
    return E.right(standing(kept, request, clockMs()) ?? acquire(request, kept.attempt + 1));
  };

const complete =
  ({ heldBy, settle }: Entries, limits: StoreLimits) =>
  (request: CompleteRequest): E.Either<IdempotencyLost | BadRequest | LimitExceeded, void> => {
    const checked = checkComplete(request, limits);
    if (E.isLeft(checked)) return checked;
    const kept = heldBy(request);
    const isRepeat = kept?.state === 'completed' && isJsonEqual(kept.result ?? null, request.result);
    if (isRepeat) return E.right(undefined);
    if (kept?.state !== 'pending') return E.left(lostOf(request));
    settle(kept, { state: 'completed', result: frozenCopy(request.result), error: undefined });
    return E.right(undefined);
  };

const fail =
  ({ heldBy, settle }: Entries) =>
  (request: FailRequest): E.Either<IdempotencyLost | BadRequest, void> => {
    const checked = checkHeld(request);
    if (E.isLeft(checked)) return checked;
    const kept = heldBy(request);
    if (kept?.state === 'failed') return E.right(undefined);
    if (kept?.state !== 'pending') return E.left(lostOf(request));
    settle(kept, { state: 'failed', result: undefined, error: errorText(request.error) });
    return E.right(undefined);
  };

const renew =
  ({ heldBy }: Entries, clockMs: () => number) =>
  (held: HeldKey, pendingMs: number): E.Either<IdempotencyLost | BadRequest, void> => {
    const checked = checkHeld(held, pendingMs);
    if (E.isLeft(checked)) return checked;
    const kept = heldBy(held);
    if (kept?.state !== 'pending') return E.left(lostOf(held));
    kept.staleAt = clockMs() + pendingMs;
    kept.expiresAt = kept.staleAt + kept.keepMs;
    return E.right(undefined);
  };

const cleanUp =
  ({ entries }: Entries, clockMs: () => number) =>
  (maxCount: number | undefined): E.Either<BadRequest, number> => {
    const count = checkCleanUp(maxCount);
    if (E.isLeft(count)) return count;
    const clock = clockMs();
    const old = [...entries].filter(([, { expiresAt }]) => expiresAt <= clock);
    old.sort(([, a], [, b]) => a.expiresAt - b.expiresAt);
    const deleted = old.slice(0, count.right);
    for (const [name] of deleted) entries.delete(name);
    return E.right(deleted.length);
  };

const list =
  ({ entries }: Entries, clockMs: () => number) =>
  (request: ListIdempotencyRequest): E.Either<BadRequest, ReadonlyArray<IdempotencySummary>> => {
    const count = checkListIdempotency(request);
    if (E.isLeft(count)) return count;
    const { tenant = defaultTenant, scope, state, after } = request;
    const clock = clockMs();
    const found = [...entries.values()].filter(
      (kept) =>
        kept.tenant === tenant &&
        kept.expiresAt > clock &&
        (scope === undefined || kept.scope === scope) &&
        (state === undefined || kept.state === state) &&
        (after === undefined || isAfter(kept, after)),
    );
    found.sort((a, b) => (isAfter(a, b) ? 1 : -1));
    return E.right(found.slice(0, count.right).map((kept) => summaryOf(kept, clock)));
  };

const show =
  ({ find }: Entries, clockMs: () => number) =>
  (key: IdempotencyKey): E.Either<BadRequest, IdempotencyEntry | undefined> => {
    const checked = checkIdempotencyKey(key);
    if (E.isLeft(checked)) return checked;
    const kept = find(key);
    return E.right(kept && { ...summaryOf(kept, clockMs()), result: kept.result });
  };

interface Completing {
  readonly tenant: Tenant;
  readonly completes?: Completion;
}

export interface MemoryIdempotency {
  /** What an append that completes this is refused with. */
  readonly judge: (append: Completing) => IdempotencyLost | undefined;
  /** Completes what was judged good. */
  readonly write: (append: Completing) => void;
  readonly idempotency: (call: Call) => IdempotencyStore;
}

export const keepIdempotency = (parts: MemoryIdempotencyParts): MemoryIdempotency => {
  const kept = makeEntries(parts);
  const { clockMs, limits } = parts;
  const forget = (key: IdempotencyKey): E.Either<BadRequest, boolean> => {
    const checked = checkIdempotencyKey(key);
    if (E.isLeft(checked)) return checked;
    const isKnown = kept.find(key) !== undefined;
    kept.entries.delete(nameOf(key));
    return E.right(isKnown);
  };
  return {
    judge: ({ tenant, completes }) => {
      if (completes === undefined) return undefined;
      const held = { ...completes, tenant };
      return kept.heldBy(held)?.state === 'pending' ? undefined : lostOf(held);
    },
    write: ({ tenant, completes }) => {
      if (completes !== undefined) complete(kept, limits)({ ...completes, tenant });
    },
    idempotency: (call) => ({
      begin: (request) => call(() => begin(kept, clockMs)(request)),
      renew: (held, pendingMs) => call(() => renew(kept, clockMs)(held, pendingMs)),
      complete: (request) => call(() => complete(kept, limits)(request)),
      fail: (request) => call(() => fail(kept)(request)),
      forget: (key) => call(() => forget(key)),
      cleanUp: (request) => call(() => cleanUp(kept, clockMs)(request?.maxCount)),
      list: (request) => call(() => list(kept, clockMs)(request)),
      show: (key) => call(() => show(kept, clockMs)(key)),
    }),
  };
};
