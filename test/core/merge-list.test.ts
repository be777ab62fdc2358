/** The list by id in words: what becomes of items that were added, changed and removed, and of their order. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { listById } from '../../src/core/merge/merge-list.js';
import { counter, record, unlessBothChanged } from '../../src/core/merge/mergers.js';

interface Line {
  readonly id: number;
  readonly count: number;
  readonly note?: string;
}

const lines = listById<Line>(
  'id',
  record<Line>({ id: unlessBothChanged(), count: counter, note: unlessBothChanged() }),
);
const line = (id: number, count = 1, note?: string): Line => ({
  id,
  count,
  ...(note !== undefined && { note }),
});

describe('listById', () => {
  it('keeps what was added on either side, and leaves out what was removed on either side', () => {
    const base = [line(1), line(2), line(3)];
    expect(lines.merge(base, [line(1), line(3), line(5)], [line(2), line(3), line(4)])).toEqual(
      E.right([line(3), line(4), line(5)]),
    );
  });

  it('merges an item that both sides changed by the rule for items', () => {
    expect(lines.merge([line(1, 10)], [line(1, 12)], [line(1, 9, 'fragile')])).toEqual(
      E.right([line(1, 11, 'fragile')]),
    );
  });

  it('refuses with the paths of items that the rule for items refuses', () => {
    const refused = lines.merge(
      [line(1), line(2)],
      [line(1, 1, 'a'), line(2, 1, 'b')],
      [line(1, 1, 'c'), line(2, 1, 'd')],
    );
    expect(E.isLeft(refused) && refused.left.map(({ path }) => path)).toEqual([
      '$[id=1].note',
      '$[id=2].note',
    ]);
  });

  it('refuses an item that one side removed and the other changed, or removes it, as it was told', () => {
    const [base, changed] = [
      [line(1), line(2)],
      [line(1), line(2, 7)],
    ];
    expect(lines.merge(base, [line(1)], changed)).toEqual(
      E.left([
        { path: '$[id=2]', reason: 'removed on one side, changed on the other to {"count":7,"id":2}' },
      ]),
    );
    const remover = listById<Line>(
      'id',
      record<Line>({ id: unlessBothChanged(), count: counter, note: unlessBothChanged() }),
      {
        removedAndChanged: 'remove',
      },
    );
    expect(remover.merge(base, [line(1)], changed)).toEqual(E.right([line(1)]));
    expect(remover.merge(base, changed, [line(1)])).toEqual(E.right([line(1)]));
  });

  it('takes one item that both sides added alike once, and refuses two that differ', () => {
    expect(lines.merge([], [line(1), line(2)], [line(2), line(3)])).toEqual(
      E.right([line(1), line(2), line(3)]),
    );
    expect(lines.merge([], [line(2)], [line(2, 5)])).toEqual(
      E.left([{ path: '$[id=2]', reason: 'added on both sides under one id, with different values' }]),
    );
  });

  it('stands in the order that was asked for where both sides moved, and as it was where one did not', () => {
    const byCount = listById<Line>(({ id }) => `line ${id}`, unlessBothChanged(), {
      order: (a, b) => a.count - b.count,
    });
    expect(byCount.merge([], [line(1, 5), line(2, 1)], [line(4, 3), line(3, 3)])).toEqual(
      E.right([line(2, 1), line(3, 3), line(4, 3), line(1, 5)]),
    );
    expect(byCount.merge([], [line(1, 5), line(2, 1)], [])).toEqual(E.right([line(1, 5), line(2, 1)]));
  });

  it('orders number ids by number', () => {
    expect(lines.merge([], [line(10)], [line(9)])).toEqual(E.right([line(9), line(10)]));
  });

  it('refuses a list that holds an id twice, and says whose', () => {
    expect(lines.merge([], [line(1)], [line(2), line(2)])).toEqual(
      E.left([{ path: '$', reason: 'an id stands twice in the list of the branch' }]),
    );
  });

  it('takes an id for what it is: a number and its text are two', () => {
    const either = listById<{ readonly id: string | number }>('id', unlessBothChanged());
    expect(either.merge([], [{ id: 1 }], [{ id: '1' }])).toEqual(E.right([{ id: 1 }, { id: '1' }]));
    expect(either.merge([], [{ id: '__proto__' }], [{ id: 'constructor' }])).toEqual(
      E.right([{ id: '__proto__' }, { id: 'constructor' }]),
    );
  });
});
