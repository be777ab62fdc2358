/**
 * Sees what a merger looks at. Most never ask for numbers of versions, or for what the trunk did since a branch left it; as long
 * as nobody does, streams that differ in these alone are one.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent, Conflict, ConflictBranch, ReleasedMessage } from '../../core/merge/merge.js';
import type { MergedInfo, Saga } from '../../core/saga/saga.js';

type Watched = 'versions' | 'trunkEvents';

/** Parts of an outcome that no process sees once they are written. */
export type OutcomePart = 'cancelled' | 'compensations' | 'events' | 'branches' | 'records';

/** What histories are told apart by only where somebody looks at it. */
export type Part = OutcomePart | Watched;

/** The same object, but reading certain keys is told. A copy by `...` reads them too. */
const watched = <T extends object>(value: T, tell: { readonly [K in keyof T]?: () => void }): T => {
  const copy = { ...value };
  for (const key of Object.keys(tell) as Array<keyof T & string>)
    Object.defineProperty(copy, key, {
      enumerable: true,
      get: () => {
        tell[key]?.();
        return value[key];
      },
    });
  return Object.freeze(copy);
};

/** The saga with its merger and what follows it under watch. */
export const watchSaga = (saga: Saga, look: (what: Watched) => void): Saga => {
  const versions = (): void => look('versions');
  const branchOf = (branch: ConflictBranch<unknown>): ConflictBranch<unknown> =>
    watched(branch, { baseVersion: versions, trunkEvents: () => look('trunkEvents') });
  const releasedOf = (released: ReadonlyArray<ReleasedMessage>): ReadonlyArray<ReleasedMessage> =>
    released.map((message) => watched(message, { version: versions }));
  const conflictOf = (conflict: Conflict<unknown>): Conflict<unknown> => ({
    ...conflict,
    branches: conflict.branches.map(branchOf) as unknown as Conflict<unknown>['branches'],
    released: releasedOf(conflict.released),
  });
  const infoOf = (info: MergedInfo<unknown, AnyEvent>): MergedInfo<unknown, AnyEvent> => ({
    ...info,
    conflict: conflictOf(info.conflict),
    released: releasedOf(info.released),
  });
  const { merger, onMerged, compensate } = saga;
  return {
    ...saga,
    merger: merger && {
      ...merger,
      merge: (conflict) => {
        const answer = merger.merge(conflictOf(conflict));
        if (E.isLeft(answer) || answer.right.messages === undefined) return answer;
        const { messages } = answer.right;
        return E.right({ ...answer.right, messages: (held, branch) => messages(held, branchOf(branch)) });
      },
    },
    onMerged: onMerged && ((info) => onMerged(infoOf(info))),
    compensate: compensate && ((info) => compensate(infoOf(info))),
  };
};
