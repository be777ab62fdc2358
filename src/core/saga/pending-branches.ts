/** The branches of a saga that wait for the merge: found by their id and by their message, and sorted when somebody looks. */
import type { PendingBranch } from './saga-view.js';

/** A mutable table that belongs to one fold. */
export interface PendingTable {
  readonly byId: Map<string, PendingBranch>;
  readonly byMessage: Map<string, PendingBranch>;
  /** All of them in order, until the table changes. */
  sorted: ReadonlyArray<PendingBranch> | undefined;
  /** Infinity where none waits; undefined where it must be looked for. */
  lowestBase: number | undefined;
}

export const emptyPending = (): PendingTable => ({
  byId: new Map(),
  byMessage: new Map(),
  sorted: [],
  lowestBase: Infinity,
});

export const clonePending = (table: PendingTable): PendingTable => ({
  ...table,
  byId: new Map(table.byId),
  byMessage: new Map(table.byMessage),
});

/** The order in which branches are merged. */
export const byBaseThenId = (a: PendingBranch, b: PendingBranch): number =>
  a.base !== b.base ? a.base - b.base : a.branchId < b.branchId ? -1 : 1;

/** Sorted by base, then id. A value: later changes of the table do not change it. */
export const listPending = (table: PendingTable): ReadonlyArray<PendingBranch> =>
  (table.sorted ??= [...table.byId.values()].sort(byBaseThenId));

/** The lowest version that a branch began from; `Infinity` where none waits. */
export const lowestBase = (table: PendingTable): number => {
  table.lowestBase ??= [...table.byId.values()].reduce(
    (lowest, { base }) => Math.min(lowest, base),
    Infinity,
  );
  return table.lowestBase;
};

/** None of its id, and none of its message, may wait already. */
export const addPending = (table: PendingTable, branch: PendingBranch): void => {
  const { branchId, base, cause } = branch;
  table.lowestBase = Math.min(lowestBase(table), base);
  table.byId.set(branchId, branch);
  table.byMessage.set(cause.messageId, branch);
  table.sorted = undefined;
};

export const dropPending = (table: PendingTable, branch: PendingBranch | undefined): void => {
  if (branch === undefined) return;
  table.byId.delete(branch.branchId);
  table.byMessage.delete(branch.cause.messageId);
  table.sorted = undefined;
  table.lowestBase = undefined;
};
