/**
 * Positions and revisions as clients of EventStoreDB know them.
 *
 *     ours                      there
 *     position  `7/42`          commit 7 * 2^20, prepare 42       clients refuse a prepare beyond its commit
 *     version   1               revision 0
 */
import { type Position, positionOf, positionParts, startPosition, versionMax } from '../core/stream.js';

export interface WirePosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

const commitShift = 20n;
const unsignedMax = 2n ** 64n - 1n;
/** No store hands out a larger sequence, and not every one can compare with one. */
const sequenceMax = 2n ** 63n - 1n;
const sequenceOf = (prepare: bigint): bigint => (prepare > sequenceMax ? sequenceMax : prepare);

export const wirePositionOf = (position: Position): WirePosition => {
  const [commit, sequence] = positionParts(position);
  return { commit: commit << commitShift, prepare: sequence };
};

/** The end of the order is written as the largest number; so it is to every client. */
export const isEndPosition = ({ commit }: WirePosition): boolean => commit === unsignedMax;

/** Everything after the answer is beyond the position that the client named. */
export const positionAt = ({ commit, prepare }: WirePosition): Position =>
  positionOf(commit >> commitShift, sequenceOf(prepare));

/** Everything after the answer begins with the position that the client named: reads forwards answer the event at it. */
export const positionBefore = (position: WirePosition): Position => {
  const commit = position.commit >> commitShift;
  if (position.prepare > 0n) return positionOf(commit, sequenceOf(position.prepare) - 1n);
  return commit === 0n ? startPosition : positionOf(commit - 1n, sequenceMax);
};

/** The version of the event at a revision there; beyond all versions where no stream can have it. */
export const versionAt = (revision: bigint): number =>
  revision >= BigInt(versionMax) ? versionMax : Number(revision) + 1;

/** The revision of a version there. */
export const revisionOf = (version: number): string => String(version - 1);
