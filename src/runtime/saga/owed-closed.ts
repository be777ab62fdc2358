/** How followers take the errors that are about one saga alone: closed streams owe nothing, unreadable ones wait. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError, taggedOf } from '../../core/fault.js';
import type { SagaHooks } from './saga-context.js';

export const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

/** Closed streams owe nothing more: nobody may write to them. */
const closedTags: ReadonlySet<string> = new Set(['StreamArchived', 'StreamTombstoned']);

export const isClosed = ({ _tag }: { readonly _tag: string }): boolean => closedTags.has(_tag);

export const unlessClosed = <L extends { readonly _tag: string }, A>(
  result: E.Either<L, A>,
): A | undefined => (E.isLeft(result) && isClosed(result.left) ? undefined : orThrow(result));

export type UnreadableSaga = Parameters<NonNullable<SagaHooks['onUnreadable']>>[0]['error'];

/** These are about one saga alone, and stay until its code, its stream or the store's limits are mended. */
const unreadableTags: ReadonlySet<string> = new Set(['SagaUnreadable', 'SagaTruncated', 'LimitExceeded']);

/** Does work on one saga. Answers why the saga cannot be read, if so; whatever else is thrown goes on. */
export const unlessUnreadable = async (work: () => Promise<void>): Promise<UnreadableSaga | undefined> => {
  try {
    return await work().then(() => undefined);
  } catch (thrown) {
    const error = taggedOf(thrown);
    if (error === undefined || !unreadableTags.has(error._tag)) throw thrown;
    return error as UnreadableSaga;
  }
};
