/** Errors as values, and the bridge for those who prefer promises that reject. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';

/** Every expected failure is a value with a tag; ERRORS.md lists them all. */
export interface Tagged {
  readonly _tag: string;
}

/** An `Error` that carries the tagged value. Check `error.tagged._tag`, never `instanceof`. */
export interface TaggedError<T extends Tagged = Tagged> extends Error {
  readonly tagged: T;
}

/** One readable line for any tagged value: its tag and its plain fields. Replaced by better words where there are some. */
export const describeTagged = (tagged: Tagged): string => {
  const message = (tagged as { message?: unknown }).message;
  if (typeof message === 'string') return `${tagged._tag}: ${message}`;
  const fields = Object.entries(tagged)
    .filter(([key, value]) => key !== '_tag' && (typeof value !== 'object' || value === null))
    .map(([key, value]) => `${key} ${String(value)}`);
  return fields.length === 0 ? tagged._tag : `${tagged._tag}: ${fields.join(', ')}`;
};

export const taggedError = <T extends Tagged>(tagged: T, message = describeTagged(tagged)): TaggedError<T> =>
  Object.assign(new Error(message), { name: tagged._tag, tagged });

/** The tagged value that an error carries, if it carries one. */
export const taggedOf = (error: unknown): Tagged | undefined => {
  const tagged = (error as { tagged?: unknown } | null | undefined)?.tagged;
  return typeof (tagged as { _tag?: unknown } | undefined)?._tag === 'string'
    ? (tagged as Tagged)
    : undefined;
};

/** Runs a `TaskEither`; resolves with its right side, rejects with an `Error` whose `tagged` is its left side. */
export const toPromise = async <L extends Tagged, A>(task: TaskEither<L, A>): Promise<A> => {
  const result = await task();
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

/** What a thrown value says; anything can be thrown. */
export const thrownMessage = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message : String(thrown);
