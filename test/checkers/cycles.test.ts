/** The cycle checker names what is wrong with handwritten and generated transactions, and nothing else. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkCycles, type Order } from './cycles.js';
import type { MicroOperation, Transaction, TransactionOutcome } from './dependencies.js';

const append = (key: string, value: number): MicroOperation => ({ f: 'append', key, value });
const read = (key: string, ...values: ReadonlyArray<number>): MicroOperation => ({ f: 'read', key, values });

interface Written {
  readonly operations: ReadonlyArray<MicroOperation>;
  readonly outcome?: TransactionOutcome;
  readonly process?: string;
}

/** T1, T2, ... one after the other. */
const history = (...transactions: ReadonlyArray<Written>): ReadonlyArray<Transaction> =>
  transactions.map(({ operations, outcome = 'ok', process }, index) => ({
    name: `T${index + 1}`,
    process: process ?? `p${index}`,
    outcome,
    operations,
    calledAt: index * 2,
    returnedAt: index * 2 + 1,
  }));
const t = (...operations: ReadonlyArray<MicroOperation>): Written => ({ operations });
const kindsOf = (transactions: ReadonlyArray<Transaction>, order?: Order): ReadonlyArray<string> =>
  checkCycles(transactions, order).map(({ kind }) => kind);

describe('the cycle checker', () => {
  type Case = readonly [
    title: string,
    kinds: ReadonlyArray<string>,
    transactions: ReadonlyArray<Transaction>,
  ];
  const cases: ReadonlyArray<Case> = [
    ['nothing at all', [], []],
    [
      'what was done one after the other',
      [],
      history(
        t(append('x', 1)),
        t(read('x', 1), append('x', 2), append('y', 1)),
        t(read('x', 1, 2), read('y', 1)),
      ),
    ],
    [
      'a transaction that sees its own writes',
      [],
      history(t(append('x', 1)), t(append('x', 2), read('x', 1, 2), append('x', 3), read('x', 1, 2, 3))),
    ],
    [
      'what nobody was told of, and what was seen of it',
      [],
      history({ operations: [append('x', 1)], outcome: 'info' }, t(read('x', 1))),
    ],
    [
      'what did not happen, and is not seen',
      [],
      history({ operations: [append('x', 1)], outcome: 'fail' }, t(read('x'))),
    ],
    [
      'a read of a write that did not happen',
      ['G1a'],
      history({ operations: [append('x', 1)], outcome: 'fail' }, t(read('x', 1))),
    ],
    [
      'a read of the middle of a transaction',
      ['G1b', 'G-single'],
      history(t(append('x', 1), append('x', 2)), t(read('x', 1)), t(read('x', 1, 2))),
    ],
    ['a value that nobody wrote', ['unknown value'], history(t(read('x', 7)))],
    ['a value twice', ['duplicate value'], history(t(append('x', 1)), t(read('x', 1, 1)))],
    [
      'a value that two transactions append',
      ['duplicate append'],
      history(t(append('x', 1)), t(append('x', 1))),
    ],
    ['a transaction that does not see its own write', ['internal'], history(t(append('x', 1), read('x')))],
    [
      'a transaction that reads twice and sees two things',
      ['internal', 'G-single'],
      history(t(append('x', 1)), t(read('x'), read('x', 1))),
    ],
    [
      'two readers of two orders',
      ['incompatible orders'],
      history(t(append('x', 1)), t(append('x', 2)), t(read('x', 1, 2)), t(read('x', 2, 1))),
    ],
    [
      'two writers that overtake each other',
      ['G0'],
      history(
        t(append('x', 1), append('y', 1)),
        t(append('x', 2), append('y', 2)),
        t(read('x', 1, 2)),
        t(read('y', 2, 1)),
      ),
    ],
    [
      'two transactions that see each other',
      ['G1c'],
      history(t(append('x', 1), read('y', 1)), t(append('y', 1), read('x', 1))),
    ],
    [
      'half of a transaction is seen',
      ['G-single'],
      history(t(append('x', 1), append('y', 1)), t(read('x', 1), read('y')), t(read('y', 1))),
    ],
    [
      'a lost update',
      ['G-single'],
      history(t(read('x'), append('x', 1)), t(read('x'), append('x', 2)), t(read('x', 1, 2))),
    ],
    [
      'write skew',
      ['G2-item'],
      history(t(read('x'), append('y', 1)), t(read('y'), append('x', 1)), t(read('x', 1), read('y', 1))),
    ],
    [
      'write skew of which nothing is read',
      ['G2-item'],
      history(t(read('x'), append('y', 1)), t(read('y'), append('x', 1))),
    ],
    [
      'a read that is late, where time does not count',
      [],
      history(t(append('x', 1)), t(append('x', 2)), t(read('x', 1)), t(read('x', 1, 2))),
    ],
  ];
  for (const [title, kinds, transactions] of cases)
    it(`${title}: ${kinds.length === 0 ? 'nothing wrong' : kinds.join(', ')}`, () => {
      expect(kindsOf(transactions)).toEqual(kinds);
    });

  it('shows a shortest cycle, step by step', () => {
    const [anomaly] = checkCycles(
      history(t(read('x'), append('y', 1)), t(read('y'), append('x', 1)), t(read('x', 1), read('y', 1))),
    );
    expect(anomaly?.words).toBe(
      'G2-item, a cycle of 2:\n' +
        '  T1 read x without 1, which T2 appended (rw)\n' +
        '  T2 read y without 1, which T1 appended (rw)',
    );
  });

  describe('with the order of time', () => {
    it('finds a read that does not see what was over before it was called', () => {
      const late = history(t(append('x', 1)), t(read('x')), t(read('x', 1)));
      expect(kindsOf(late)).toEqual([]);
      expect(kindsOf(late, 'realtime')).toEqual(['G-single-realtime']);
      expect(kindsOf(late, 'process')).toEqual([]);
    });
    it('finds a write that comes before one that was over', () => {
      const turned = history(t(append('x', 1)), t(append('x', 2)), t(read('x', 2, 1)));
      expect(kindsOf(turned)).toEqual([]);
      expect(kindsOf(turned, 'realtime')).toEqual(['G0-realtime']);
    });
    it('finds a read of what was not yet called', () => {
      const early = history(t(read('x', 1)), t(append('x', 1)));
      expect(kindsOf(early, 'realtime')).toEqual(['G1c-realtime']);
    });
    it('accepts that what nobody was told of happens later', () => {
      const lost = history({ operations: [append('x', 1)], outcome: 'info' }, t(read('x')), t(read('x', 1)));
      expect(kindsOf(lost, 'realtime')).toEqual([]);
    });
    it('accepts that what overlaps is seen in either order', () => {
      const all = history(t(append('x', 1)), t(read('x')), t(read('x', 1)));
      const [first, ...rest] = all as readonly [Transaction, ...Transaction[]];
      expect(kindsOf([{ ...first, returnedAt: 9 }, ...rest], 'realtime')).toEqual([]);
    });
  });

  it('with the order of processes finds that one does not see its own earlier write', () => {
    const own = history(
      { operations: [append('x', 1)], process: 'p' },
      { operations: [read('x')], process: 'p' },
      t(read('x', 1)),
    );
    expect(kindsOf(own)).toEqual([]);
    expect(kindsOf(own, 'process')).toEqual(['G-single-process']);
  });
});

const keys = ['x', 'y', 'z'];
const aPlan = fc.array(
  fc.array(
    fc.record({ f: fc.constantFrom('append' as const, 'read' as const), key: fc.constantFrom(...keys) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
  { minLength: 1, maxLength: 30 },
);
type Plan = typeof aPlan extends fc.Arbitrary<infer P> ? P : never;

/** Runs the plan one transaction at a time; `seen` says what a transaction finds of each list when it begins. */
const run = (
  plan: Plan,
  seen: (
    now: ReadonlyMap<string, ReadonlyArray<number>>,
    index: number,
  ) => ReadonlyMap<string, ReadonlyArray<number>>,
) => {
  let now: ReadonlyMap<string, ReadonlyArray<number>> = new Map();
  let value = 0;
  return history(
    ...plan.map((steps, index) => {
      const view = new Map(seen(now, index));
      const operations = steps.map(({ f, key }): MicroOperation => {
        if (f === 'read') return read(key, ...(view.get(key) ?? []));
        value += 1;
        view.set(key, [...(view.get(key) ?? []), value]);
        return append(key, value);
      });
      const written = operations.flatMap((operation) => (operation.f === 'append' ? [operation] : []));
      const next = new Map(now);
      for (const { key, value: one } of written) next.set(key, [...(next.get(key) ?? []), one as number]);
      now = next;
      return { operations };
    }),
  );
};

describe('the cycle checker on generated transactions', () => {
  it('finds nothing wrong with what was done one at a time', () => {
    fc.assert(
      fc.property(aPlan, (plan) => {
        expect(
          kindsOf(
            run(plan, (now) => now),
            'realtime',
          ),
        ).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('finds a transaction that reads one list as it was before another that it has seen', () => {
    const filler = fc.array(
      fc.array(
        fc.record({ f: fc.constantFrom('append' as const, 'read' as const), key: fc.constantFrom(...keys) }),
        {
          maxLength: 3,
        },
      ),
      { maxLength: 15 },
    );
    fc.assert(
      fc.property(filler, filler, (early, late) => {
        const both = [
          { f: 'append' as const, key: 'x' },
          { f: 'append' as const, key: 'y' },
        ];
        const reads = keys.map((key) => ({ f: 'read' as const, key }));
        const plan = [...early, both, reads, ...late, reads];
        let before: ReadonlyMap<string, ReadonlyArray<number>> = new Map();
        const transactions = run(plan, (now, index) => {
          if (index === early.length) before = now;
          if (index !== early.length + 1) return now;
          return new Map([...now, ['y', before.get('y') ?? []]]);
        });
        expect(kindsOf(transactions)).toContain('G-single');
      }),
      { numRuns: 200 },
    );
  });
});
