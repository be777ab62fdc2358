/** How the adaptive table moves: it finds the right row, stays there, and follows a shift. */
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  adaptiveTable,
  type AdaptiveRule,
  type Contention,
  contentionAfter,
  noContention,
  reasonOf,
  rowAt,
} from '../../src/core/concurrency/adaptive.js';
import { counted, faded, noRate, shareBounds, shareOf } from '../../src/core/concurrency/conflict-rate.js';
import { dice } from '../../src/runtime/dice.js';

const rule: AdaptiveRule = {
  table: adaptiveTable,
  windowMs: 60_000,
  savesMax: 500,
  minSaves: 20,
  hysteresis: 0.5,
  dwellMs: 15_000,
};

interface Phase {
  readonly share: number;
  readonly saves: number;
  readonly everyMs: number;
}

/** Saves of which a share meets another writer, by chance. Answers the rows that were gone through, with the save's number. */
const run = (phases: ReadonlyArray<Phase>, seed: number, own: AdaptiveRule = rule) => {
  const random = dice(seed);
  const rows: { readonly row: number | undefined; readonly save: number }[] = [];
  let known: Contention = noContention(0);
  let nowMs = 0;
  let save = 0;
  for (const { share, saves, everyMs } of phases)
    for (let count = 0; count < saves; count += 1) {
      nowMs += everyMs * 2 * random();
      save += 1;
      const before = known.row;
      known = contentionAfter(own, known, { contended: random() < share, nowMs });
      if (known.row !== before) rows.push({ row: known.row, save });
    }
  return { rows, known };
};

const seeds = Array.from({ length: 10 }, (_, index) => index + 1);

describe('the adaptive table', () => {
  it.each([
    { share: 0, row: 0 },
    { share: 0.03, row: 1 },
    { share: 0.12, row: 2 },
    { share: 0.4, row: 2 },
    { share: 0.8, row: 3 },
    { share: 1, row: 3 },
  ])('finds row $row where $share of the saves meet another writer, and stays', ({ share, row }) => {
    const runs = seeds.map((seed) => run([{ share, saves: 1_200, everyMs: 50 }], seed));
    expect(runs.map(({ known }) => known.row)).toEqual(seeds.map(() => row));
    // Unknown, calm, then up at most once for each row.
    for (const { rows } of runs) expect(rows.length).toBeLessThanOrEqual(1 + row);
  });

  it('does not go back and forth on a steady share, wherever it lies and however fast the saves come', () => {
    const steady = fc.record({
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      everyMs: fc.constantFrom(1, 20, 100, 300, 1_000, 5_000),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(steady, ({ share, everyMs, seed }) => {
        expect(run([{ share, saves: 1_000, everyMs }], seed).rows.length).toBeLessThanOrEqual(4);
      }),
      { seed: 5, numRuns: 60 },
    );
  });

  it.each([0.01, 0.05])('moves seldom even where the share lies just on a threshold, %p', (share) => {
    const moves = seeds.map((seed) => run([{ share, saves: 5_000, everyMs: 100 }], seed).rows.length);
    // Ten times what is remembered.
    expect(Math.max(...moves)).toBeLessThanOrEqual(6);
  });

  it('goes up within a hundred saves when a calm key becomes hot', () => {
    for (const seed of seeds) {
      const { rows } = run(
        [
          { share: 0, saves: 1_000, everyMs: 20 },
          { share: 0.4, saves: 200, everyMs: 20 },
        ],
        seed,
      );
      const up = rows.find(({ row }) => row === 2);
      expect(up?.save).toBeGreaterThan(1_000);
      expect(up?.save).toBeLessThanOrEqual(1_120);
    }
  });

  it('comes down again when a hot key becomes calm, after the dwell', () => {
    for (const seed of seeds) {
      const { rows, known } = run(
        [
          { share: 0.4, saves: 1_000, everyMs: 20 },
          { share: 0, saves: 6_000, everyMs: 20 },
        ],
        seed,
      );
      expect(known.row).toBe(0);
      expect(rows.filter(({ save }) => save > 1_000).every(({ row }) => (row ?? 0) < 2)).toBe(true);
    }
  });

  it('does not come down before the dwell has passed, whatever is measured', () => {
    const slow = { ...rule, dwellMs: 1e9 };
    const { known } = run(
      [
        { share: 0.4, saves: 100, everyMs: 1 },
        { share: 0, saves: 5_000, everyMs: 1 },
      ],
      1,
      slow,
    );
    expect(known.row).toBe(2);
  });

  it('says nothing of fewer saves than it needs, nor of those that are too long ago', () => {
    const met = { contended: true, nowMs: 0 };
    let known = noContention(0);
    for (let save = 1; save < 20; save += 1) known = contentionAfter(rule, known, met);
    expect(known.row).toBeUndefined();
    known = contentionAfter(rule, known, met);
    known = contentionAfter(rule, known, met);
    expect(rowAt(rule, known, 0)).toBe(3);
    // 21 saves are 5.25 after two windows, and less than 5 a little later.
    expect(rowAt(rule, known, 110_000)).toBe(3);
    expect(rowAt(rule, known, 130_000)).toBeUndefined();
    expect(contentionAfter(rule, known, { contended: false, nowMs: 130_000 }).row).toBeUndefined();
  });

  it('tells why in words', () => {
    let known = noContention(0);
    for (let save = 0; save < 40; save += 1)
      known = contentionAfter(rule, known, { contended: save % 8 === 0, nowMs: save });
    expect(reasonOf(rule, 'item-7', known, false)).toBe(
      'item-7: 15.2 % of the last 32 saves met another writer (above 5 %): pessimistic instead of retry',
    );
    expect(reasonOf(rule, 'item-7', known, true)).toContain('(above 5 %): merge instead of retry');
  });

  it('is pure: the same observation on the same knowledge gives the same, and changes neither', () => {
    const known = Object.freeze({
      ...noContention(0),
      rate: Object.freeze({ saves: 50, contended: 9, atMs: 0 }),
    });
    const met = Object.freeze({ contended: true, nowMs: 5 });
    expect(contentionAfter(rule, known, met)).toEqual(contentionAfter(rule, known, met));
  });
});

describe('a conflict rate', () => {
  const window = { windowMs: 1_000, savesMax: 500 };

  it('weighs a save half after a window', () => {
    const one = counted(noRate(0), window, true, 0);
    expect(faded(one, window, 1_000)).toEqual({ saves: 0.5, contended: 0.5, atMs: 1_000 });
    expect(faded(one, window, -1_000)).toEqual(one);
  });

  it('remembers no more than so many saves, however fast they come', () => {
    let rate = noRate(0);
    for (let save = 0; save < 10_000; save += 1) rate = counted(rate, window, save < 9_000, 0);
    expect(rate.saves).toBeCloseTo(500, 3);
    expect(shareOf(rate)).toBeCloseTo(Math.exp(-2), 2);
  });

  it('has bounds that hold the share, lie in 0 to 1, and come nearer with more saves', () => {
    const rates = fc.tuple(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }));
    fc.assert(
      fc.property(rates, fc.double({ min: 0.1, max: 4, noNaN: true }), ([saves, share], deviations) => {
        const rate = { saves, contended: saves * share, atMs: 0 };
        const { low, high } = shareBounds(rate, deviations);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(share + 1e-9);
        expect(high).toBeGreaterThanOrEqual(share - 1e-9);
        const more = shareBounds({ saves: saves * 4, contended: saves * 4 * share, atMs: 0 }, deviations);
        expect(more.high - more.low).toBeLessThanOrEqual(high - low + 1e-9);
      }),
    );
  });

  it('knows nothing of no saves', () => {
    expect(shareBounds(noRate(0), 2)).toEqual({ low: 0, high: 1 });
    expect(shareOf(noRate(0))).toBe(0);
  });
});
