/** The table of branches that wait, beside a plain list that is searched and sorted each time. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  addPending,
  clonePending,
  dropPending,
  emptyPending,
  listPending,
  lowestBase,
  type PendingTable,
} from '../../src/core/saga/pending-branches.js';
import type { PendingBranch } from '../../src/core/saga/saga-view.js';

const branch = (branchId: string, base: number, messageId: string): PendingBranch =>
  ({ branchId, base, cause: { messageId, type: 'Add', schemaVersion: 1, data: {} } }) as PendingBranch;

const byBaseThenId = (a: PendingBranch, b: PendingBranch): number =>
  a.base - b.base || (a.branchId < b.branchId ? -1 : 1);

type Change =
  | { readonly _tag: 'Add'; readonly branch: PendingBranch }
  | { readonly _tag: 'DropBranch'; readonly id: string }
  | { readonly _tag: 'DropMessage'; readonly id: string };

const ids = fc.constantFrom(...'abcdefgh');
const changes: fc.Arbitrary<ReadonlyArray<Change>> = fc.array(
  fc.oneof(
    fc
      .record({ id: ids, base: fc.integer({ min: 0, max: 4 }), message: ids })
      .map(({ id, base, message }) => ({ _tag: 'Add' as const, branch: branch(id, base, message) })),
    ids.map((id) => ({ _tag: 'DropBranch' as const, id })),
    ids.map((id) => ({ _tag: 'DropMessage' as const, id })),
  ),
  { maxLength: 40 },
);

const play = (table: PendingTable, change: Change): void => {
  if (change._tag === 'DropBranch') dropPending(table, table.byId.get(change.id));
  else if (change._tag === 'DropMessage') dropPending(table, table.byMessage.get(change.id));
  else if (!table.byId.has(change.branch.branchId) && !table.byMessage.has(change.branch.cause.messageId))
    addPending(table, change.branch);
};

const playOnList = (list: ReadonlyArray<PendingBranch>, change: Change): ReadonlyArray<PendingBranch> => {
  if (change._tag === 'DropBranch') return list.filter(({ branchId }) => branchId !== change.id);
  if (change._tag === 'DropMessage') return list.filter(({ cause }) => cause.messageId !== change.id);
  const { branchId, cause } = change.branch;
  const waits = list.some(
    (other) => other.branchId === branchId || other.cause.messageId === cause.messageId,
  );
  return waits ? list : [...list, change.branch];
};

describe('branches that wait', () => {
  it('are those of a plain list, sorted by base, then id, with the lowest base at hand', () => {
    fc.assert(
      fc.property(changes, (all) => {
        const table = emptyPending();
        let list: ReadonlyArray<PendingBranch> = [];
        for (const change of all) {
          play(table, change);
          list = playOnList(list, change);
          expect(listPending(table)).toEqual([...list].sort(byBaseThenId));
          expect(lowestBase(table)).toBe(Math.min(Infinity, ...list.map(({ base }) => base)));
        }
      }),
    );
  });

  it('that were listed stay as they were when the table changes, and so does a clone', () => {
    const table = emptyPending();
    addPending(table, branch('b', 2, 'two'));
    const listed = listPending(table);
    const clone = clonePending(table);
    addPending(table, branch('a', 1, 'one'));
    dropPending(table, table.byId.get('b'));
    expect(listed.map(({ branchId }) => branchId)).toEqual(['b']);
    expect(listPending(clone)).toEqual(listed);
    expect(listPending(table).map(({ branchId }) => branchId)).toEqual(['a']);
  });

  it('are listed once for as long as nothing changes', () => {
    const table = emptyPending();
    addPending(table, branch('a', 1, 'one'));
    expect(listPending(table)).toBe(listPending(table));
  });
});
