/** Merges a saga's pending branches: computed on the tip, appended at exactly that version, thrown away and computed again if somebody was first. */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import { type Resolution, resolvePending } from '../../core/saga/resolving.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import { exactly, type StreamVersion } from '../../core/stream.js';
import { delayAfter, type RetryPolicy } from '../../core/retry.js';
import { type MergeLease, mergeLease } from './merge-lease.js';
import type { OneAtATime } from '../one-at-a-time.js';
import type { Resolved, ResolveError, SagaShell } from './saga-context.js';

/** A merge is pure and cheap, so it is computed often; after this many lost appends it is left to whoever looks next. */
const mergePolicy: RetryPolicy = { attemptsMax: 64, delayMs: 1, delayMaxMs: 50, multiplier: 1.5, jitter: 1 };

export interface ResolveWishes {
  readonly force?: boolean;
  /** This process wrote what is to be merged, up to this version: the stream need not be read for it. */
  readonly atLeast?: StreamVersion;
}

export type ResolveConflict = (
  instance: Instance,
  options?: ResolveWishes,
) => Promise<E.Either<ResolveError, Resolved>>;

/**
 * Merges at most `count` branches on the log at hand, or on the whole stream where a base is too long ago for it. Undefined where
 * nothing waits any more on what was read.
 */
const computeMerge = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  count: number,
): Promise<E.Either<ResolveError, Exclude<Resolution, { _tag: 'BaseForgotten' }> | undefined>> => {
  const { saga, checkDeterminism, mergeLimit: timeLimit } = shell;
  const mergeOn = (on: SagaLog<S, Ev>): Resolution | undefined => {
    const { pending } = on.view();
    if (pending.length === 0) return undefined;
    const part = pending.length > count ? pending.slice(0, count) : undefined;
    const branchIds = part?.map(({ branchId }) => branchId);
    return resolvePending(saga, instance, on, { branchIds, checkDeterminism, timeLimit });
  };
  const resolution = mergeOn(log);
  if (resolution?._tag !== 'BaseForgotten') return E.right(resolution);
  const whole = await shell.loader.loadWhole(instance);
  if (E.isLeft(whole)) return whole;
  const again = mergeOn(whole.right);
  if (again?._tag === 'BaseForgotten')
    throw new Error(`a whole log of ${instance.streamName} does not hold version ${again.base}`);
  return E.right(again);
};

/** So many branches were more than one append holds; fewer may fit. */
interface TooMuch {
  readonly tooMuch: number;
}

const isTooMuch = (error: ResolveError, count: number): boolean =>
  error._tag === 'LimitExceeded' && error.limit !== 'versionMax' && count > 1;

/** One attempt at `count` branches at most; `undefined` where somebody else was first. */
const tryOnce = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  { force = false, atLeast }: ResolveWishes,
  lease: MergeLease,
  count: number,
): Promise<E.Either<ResolveError, Resolved | TooMuch | undefined>> => {
  const { loader } = shell;
  const loaded = await (atLeast === undefined ? loader.load(instance) : loader.loadUpTo(instance, atLeast));
  if (E.isLeft(loaded)) return loaded;
  const view = loaded.right.view();
  if (view.pending.length === 0) return E.right({ _tag: 'Nothing' });
  if (view.parked !== undefined && !force && loaded.right.owed().merges.length === 0)
    return E.right({ _tag: 'Parked', branchIds: view.parked.branches, reason: view.parked.reason });
  const computed = await computeMerge(shell, instance, loaded.right, count);
  if (E.isLeft(computed)) return computed;
  const resolution = computed.right;
  // Somebody merged while the whole stream was read.
  if (resolution === undefined) return E.right(undefined);
  // The kept log is shared, and may have moved on since: what counts is the version the merge was computed on.
  const { version, branchIds } = resolution;
  const { streamName } = instance;
  const fence = lease.fence();
  const appended = await shell.loader.append(instance, exactly(version), resolution.events, { fence });
  if (E.isLeft(appended)) {
    if (appended.left._tag === 'LeaseLost') lease.forget();
    else if (isTooMuch(appended.left, branchIds.length)) return E.right({ tooMuch: branchIds.length });
    else if (appended.left._tag !== 'VersionConflict') return appended;
    return E.right(undefined);
  }
  if (resolution._tag === 'Refused') {
    shell.hooks.onParked?.({ streamName, branchIds, reason: resolution.reason });
    return E.right({ _tag: 'Parked', branchIds, reason: resolution.reason });
  }
  shell.hooks.onMerged?.({ streamName, mergeId: resolution.mergeId, branchIds });
  return E.right({ _tag: 'Merged', mergeId: resolution.mergeId, branchIds });
};

/** How far a merge has come that one append cannot hold. */
interface Parts {
  /** Branches in one append, at most. */
  count: number;
  merged: Extract<Resolved, { _tag: 'Merged' }> | undefined;
}

/** One attempt, in as many appends as the branches need; each holds half as many as were too much for one. */
const tryInParts = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  wishes: ResolveWishes,
  lease: MergeLease,
  parts: Parts,
): Promise<E.Either<ResolveError, Resolved | undefined>> => {
  // Ends: each round merges some of what waits, or tries fewer of them.
  for (let isFirst = true; ; isFirst = false) {
    // What this process knows of is in the fold once a part is merged; others may have been first with the next.
    const { force = false } = wishes;
    const result = await tryOnce(shell, instance, isFirst ? wishes : { force }, lease, parts.count);
    if (E.isLeft(result)) return result;
    const resolved = result.right;
    if (resolved === undefined) return E.right(undefined);
    if ('tooMuch' in resolved) {
      parts.count = Math.ceil(resolved.tooMuch / 2);
      continue;
    }
    if (resolved._tag !== 'Merged')
      return E.right(resolved._tag === 'Nothing' ? (parts.merged ?? resolved) : resolved);
    const branchIds = [...new Set([...(parts.merged?.branchIds ?? []), ...resolved.branchIds])];
    parts.merged = { ...resolved, branchIds };
    if (resolved.branchIds.length < parts.count) return E.right(parts.merged);
  }
};

/** Whether anything is left to merge; who waits for another's merge has nothing to do once it is done. */
const isPending = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
): Promise<E.Either<ResolveError, boolean>> => {
  const loaded = await shell.loader.load(instance);
  return E.isLeft(loaded) ? loaded : E.right(loaded.right.view().pending.length > 0);
};

const resolve = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  wishes: ResolveWishes,
  lease: MergeLease,
): Promise<E.Either<ResolveError, Resolved>> => {
  const { force = false } = wishes;
  const parts: Parts = { count: Infinity, merged: undefined };
  for (let attempt = 1; attempt <= mergePolicy.attemptsMax; attempt += 1) {
    const mayMerge = attempt <= shell.leaseAfter || (await lease.acquire());
    if (mayMerge) {
      const result = await tryInParts(shell, instance, attempt === 1 ? wishes : { force }, lease, parts);
      if (E.isLeft(result)) return result;
      if (result.right !== undefined) return E.right(result.right);
    } else {
      const pending = await isPending(shell, instance);
      if (E.isLeft(pending)) return pending;
      if (!pending.right) return E.right(parts.merged ?? { _tag: 'Nothing' });
    }
    await shell.environment.sleep(delayAfter(mergePolicy, attempt, shell.environment.random));
  }
  return E.right({ _tag: 'Contended' });
};

/**
 * After `leaseAfter` lost appends the saga's lease is taken. Those who come then find branches, must merge before they
 * handle, and wait for the lease; so the merge is up against handlers in flight alone, and these are used up.
 * Resolvers of one process do not race each other: whoever comes while a merge runs waits for it, and merges what is left.
 * `force` tries again although the same merger version has refused.
 */
export const resolveConflict = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  line: OneAtATime,
): ResolveConflict => {
  return (instance, options = {}) =>
    line(instance.key, async () => {
      const lease = mergeLease(shell, instance);
      try {
        return await resolve(shell, instance, options, lease);
      } finally {
        await lease.release();
      }
    });
};
