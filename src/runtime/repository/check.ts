/** What must hold for a save, in the form in which it is looked at on each state that the events might be appended to. */
import * as E from 'fp-ts/lib/Either.js';
import type { ConcurrencyStrategy } from '../../core/concurrency/concurrency-strategy.js';
import type { ConcurrencySettings } from '../../core/concurrency/policy.js';
import { checkExpectedVersion, exactly, type StreamVersion } from '../../core/stream.js';
import { readToken } from '../../core/concurrency/token.js';
import type { InvalidRequest } from '../../store/store-errors.js';
import type { Loaded, Source } from '../aggregate/aggregate-context.js';
import type { ConcurrencyCheck, RepositoryContext, SaveError } from './context.js';
import type { AggregateCopy } from './copy.js';

/** A check that was read. */
export type Look =
  | { readonly _tag: 'expectedVersion' | 'token'; readonly version: StreamVersion }
  | { readonly _tag: 'expectedRevision'; readonly revision: number }
  | {
      readonly _tag: 'ifNotModifiedSince';
      readonly sinceMs: number;
      /** The revision of that time where the copy in hand is of then: closes the gap of a millisecond. */
      readonly revision: number | undefined;
    }
  | { readonly _tag: 'condition'; readonly holds: (state: unknown) => boolean };

export const invalid = (field: string, reason: string): InvalidRequest => ({
  _tag: 'InvalidRequest',
  field,
  reason,
});

/** The strategy that a check is one of. */
export const strategyOf = (check: ConcurrencyCheck): ConcurrencyStrategy => {
  if ('expectedVersion' in check) return 'expectedVersion';
  if ('ifNotModifiedSince' in check) return 'ifNotModifiedSince';
  if ('token' in check) return 'token';
  return 'expectedRevision' in check ? 'expectedRevision' : 'condition';
};

type Read = E.Either<SaveError<never>, Look>;

const since = <State>(given: string | Date, { kept: { loaded } }: AggregateCopy<State>): Read => {
  const sinceMs = given instanceof Date ? given.getTime() : Date.parse(given);
  if (!Number.isFinite(sinceMs))
    return E.left(invalid('check.ifNotModifiedSince', 'must be a Date, or a time in ISO 8601'));
  const { lastModified, revision } = loaded.about;
  const isOfCopy = lastModified !== undefined && Date.parse(lastModified) === sinceMs;
  return E.right({ _tag: 'ifNotModifiedSince', sinceMs, revision: isOfCopy ? revision : undefined });
};

const tokenLook = (context: RepositoryContext, source: Source<never, unknown>, token: string): Read => {
  if (context.tokenSecret === undefined)
    return E.left(invalid('tokenSecret', 'the repository has none, so that it can read no token'));
  if (typeof token !== 'string') return E.left(invalid('check.token', 'must be text'));
  const read = readToken(context.tokenSecret, token, source);
  return E.isLeft(read) ? read : E.right({ _tag: 'token', version: read.right.version });
};

/** Reads a check that the caller gave. */
export const readCheck = <State>(
  context: RepositoryContext,
  check: ConcurrencyCheck,
  copy: AggregateCopy<State>,
): Read => {
  if ('expectedVersion' in check) {
    const checked = checkExpectedVersion(exactly(check.expectedVersion));
    if (E.isLeft(checked)) return checked;
    return E.right({ _tag: 'expectedVersion', version: check.expectedVersion as StreamVersion });
  }
  if ('ifNotModifiedSince' in check) return since(check.ifNotModifiedSince, copy);
  if ('token' in check) return tokenLook(context, copy.kept.source as never, check.token);
  if ('condition' in check) return E.right({ _tag: 'condition', holds: check.condition });
  const { expectedRevision: revision } = check;
  return Number.isInteger(revision) && revision >= 0
    ? E.right({ _tag: 'expectedRevision', revision })
    : E.left(invalid('check.expectedRevision', 'must be a whole number, 0 or more'));
};

/** The check that a strategy makes by itself, from the copy in hand; `undefined` where it makes none. */
export const ownLook = <State>(
  context: RepositoryContext,
  { strategy, condition }: ConcurrencySettings,
  copy: AggregateCopy<State>,
): E.Either<SaveError<never>, Look | undefined> => {
  const { loaded, token, source } = copy.kept;
  switch (strategy) {
    case 'expectedRevision':
      return E.right({ _tag: 'expectedRevision', revision: loaded.about.revision });
    case 'ifNotModifiedSince':
      // A copy without any change has no time: then nothing may have come at all.
      return loaded.about.lastModified === undefined
        ? E.right({ _tag: 'expectedRevision', revision: loaded.about.revision })
        : since(loaded.about.lastModified, copy);
    case 'token':
      return token === undefined
        ? E.left(invalid('check.token', 'the strategy is token: load with loadWithToken, or give one'))
        : tokenLook(context, source as never, token);
    case 'condition':
      return condition === undefined
        ? E.left(invalid('settings.condition', 'the strategy is condition, and none is given'))
        : E.right({ _tag: 'condition', holds: condition });
    // Where the copy's version must stand is said to the store by the append itself.
    case 'expectedVersion':
    case 'retry':
    case 'lastWriteWins':
    case 'pessimistic':
    case 'merge':
    case 'adaptive':
      return E.right(undefined);
  }
};

/** Whether what was asked for holds on this fold. */
export const holdsOn = (look: Look, { version, state, about }: Loaded<unknown>): boolean => {
  switch (look._tag) {
    case 'expectedVersion':
    case 'token':
      return version === look.version;
    case 'expectedRevision':
      return about.revision === look.revision;
    case 'ifNotModifiedSince': {
      if (about.lastModified === undefined) return true;
      return (
        Date.parse(about.lastModified) <= look.sinceMs &&
        (look.revision === undefined || about.revision === look.revision)
      );
    }
    case 'condition':
      return look.holds(state);
  }
};
