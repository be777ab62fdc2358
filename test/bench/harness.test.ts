/** The benches' own arithmetic, and the results that are kept with the code. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { judge, verdictText } from '../../bench/lib/goals.mjs';
import {
  drive,
  figure,
  measureCase,
  median,
  orderOf,
  quantile,
  ratioOf,
  type Row,
} from '../../bench/lib/harness.mjs';
import { merged, pagesOf, readResults, type Results } from '../../bench/lib/report.mjs';

const quiet = (): void => undefined;
const rowOf = (subject: string, values: ReadonlyArray<number>, more: Partial<Row> = {}): Row => ({
  ...{ bench: 'append', commit: 'disk', case: 'single events, 1 writer', subject },
  ...{ unit: 'events/s', lessIsBetter: false, values },
  ...{ median: median(values), min: Math.min(...values), max: Math.max(...values), runs: values.length },
  ...more,
});

describe('benches: the arithmetic', () => {
  it('takes the middle of an odd number of values, and between the two middle ones of an even number', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
    expect(median([])).toBeNaN();
  });

  it('takes quantiles by the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([50, 99, 100]);
    expect(quantile([7], 0.99)).toBe(7);
  });

  it('takes ratios within rounds, so that a round in which the machine was slow for both changes nothing', () => {
    const ours = rowOf('watersmeet', [100, 10, 1_000]);
    const theirs = rowOf('other', [50, 5, 250]);
    expect(ratioOf(ours, theirs)).toEqual({ median: 2, min: 2, max: 4, runs: 3 });
  });

  it('says how many times as good, also where less is better', () => {
    const ours = rowOf('watersmeet', [2, 4], { lessIsBetter: true });
    expect(ratioOf(ours, rowOf('other', [6, 8], { lessIsBetter: true })).median).toBe(2.5);
  });

  it('lets another subject begin in each round', () => {
    expect([0, 1, 2, 3].map((round) => orderOf(['a', 'b', 'c'], round).join(''))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ]);
  });

  it('runs each subject once in each round, warmed up first, and keeps every round', async () => {
    const ran: string[] = [];
    const subject = (name: string) => ({
      name,
      run: async ({ isWarmUp, round }: { isWarmUp: boolean; round: number }) => {
        ran.push(`${name}${isWarmUp ? 'w' : round}`);
        return { value: round + 1, p99Ms: 2 * round };
      },
    });
    const rows = await measureCase({
      ...{ bench: 'b', commit: 'disk', name: 'c', unit: 'x', rounds: 3, say: quiet },
      subjects: [subject('a'), subject('b')],
    });
    expect(ran).toEqual(['aw', 'bw', 'a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
    expect(rows[1]).toMatchObject({
      subject: 'b',
      median: 2,
      min: 1,
      max: 3,
      runs: 3,
      values: [1, 2, 3],
      p99Ms: 2,
    });
  });

  it('drives so many writers, begins no more work than was asked for, and tells what failed', async () => {
    const writers = new Set<number>();
    const work = async (writer: number, turn: number) => {
      writers.add(writer);
      return !(writer === 0 && turn === 0);
    };
    const driven = await drive({ writers: 4, ms: 60_000, max: 10 }, work);
    expect(driven).toMatchObject({ done: 9, failed: 1 });
    expect(writers.size).toBe(4);
  });

  it('tells three digits that count', () => {
    expect([1_234.5, 12.345, 0.012345, Number.NaN].map(figure)).toEqual(['1,235', '12.3', '0.0123', 'none']);
  });
});

describe('benches: the goals', () => {
  const of = (rows: ReadonlyArray<Row>, wanted: string) =>
    judge(rows).find((line) => line.case === 'single events, 1 writer' && line.wanted === wanted);

  it('are met, or missed by a share of the goal', () => {
    const rows = [rowOf('watersmeet', [300]), rowOf('Emmett', [60]), rowOf('plain pg', [400])];
    expect(of(rows, 'at least 4 x Emmett')).toMatchObject({ verdict: 'met', against: 'Emmett' });
    const missed = of(rows, 'at least 0.85 x plain pg');
    expect(missed).toMatchObject({ verdict: 'missed', spread: { median: 0.75 } });
    expect(missed && verdictText(missed)).toBe('missed by 12 %');
  });

  it('are held against the best of the others', () => {
    const decide = (subject: string, value: number) =>
      rowOf(subject, [value], { bench: 'decide', case: '32 writers' });
    const rows = [
      decide('watersmeet', 100),
      decide('Castore', 50),
      decide('Act', 20),
      decide('message-db', 40),
    ];
    const line = judge(rows).find(({ wanted }) => wanted.includes('best of 3 others'));
    expect(line).toMatchObject({ against: 'Castore', verdict: 'missed', spread: { median: 2 } });
  });

  it('count a cost upwards where it must stay within a bound', () => {
    const cost = (subject: string, values: ReadonlyArray<number>) =>
      rowOf(subject, values, {
        ...{ bench: 'growth', case: 'append one event, 1 writer, median', lessIsBetter: true },
      });
    const rows = [cost('10,000 events', [100, 100]), cost('10,000,000 events', [110, 130])];
    const line = judge(rows).find(({ wanted }) => wanted.startsWith('within 1.15 x'));
    expect(line?.verdict).toBe('missed');
    expect(line?.spread?.median).toBeCloseTo(1.2, 1);
  });

  it('are not measured where a row is missing', () => {
    expect(judge([]).every(({ verdict }) => verdict === 'not measured')).toBe(true);
  });
});

const bench = join(dirname(fileURLToPath(import.meta.url)), '../../bench');

describe('benches: results that are measured again', () => {
  const resultsOf = (names: ReadonlyArray<string>, date: string, rows: ReadonlyArray<Row>): Results => ({
    ...{ date, notes: [], rows, versions: { watersmeet: '0.1.0' } },
    machine: { cores: 2, cpu: 'some', memoryGb: 8, node: 'v20.19.0' },
    conditions: {
      rounds: 1,
      ms: 1,
      warmUpMs: 1,
      isQuick: false,
      isLong: false,
      poolMax: 1,
      commits: { disk: '', slow: '' },
    },
    benches: names.map((name) => ({ name, title: name, about: '', date, rounds: 1, ms: 1 })),
  });
  const read = { bench: 'read' };
  const earlier = resultsOf(['append', 'read'], '2026-01-01', [
    rowOf('watersmeet', [1]),
    rowOf('watersmeet', [2], { commit: 'slow' }),
    rowOf('watersmeet', [3], read),
  ]);

  it('stand in the place of the earlier ones of the same bench and commit, and the rest stays', () => {
    const later = resultsOf(['append', 'fold'], '2026-02-02', [
      rowOf('watersmeet', [10]),
      rowOf('watersmeet', [40], { bench: 'fold' }),
    ]);
    const all = merged(earlier, later);
    expect(all.rows.map(({ values }) => values[0])).toEqual([2, 3, 10, 40]);
    expect(all.benches.map(({ name, date }) => `${name} ${date}`)).toEqual([
      'append 2026-02-02',
      'read 2026-01-01',
      'fold 2026-02-02',
    ]);
  });

  it('become pages with a plot for each case, that load nothing', () => {
    const { html, markdown } = pagesOf(earlier);
    expect(html.match(/<svg/g)).toHaveLength(3);
    expect(html).not.toMatch(/https?:|<script|src=/);
    expect(markdown).toContain('### single events, 1 writer; slow');
  });
});

describe('benches: their packages', () => {
  it('are pinned, and the lock file names no place to download them from', () => {
    const { dependencies } = JSON.parse(readFileSync(join(bench, 'package.json'), 'utf8'));
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(readFileSync(join(bench, 'package-lock.json'), 'utf8')).not.toContain('"resolved": "http');
  });
});

const results = join(bench, 'results');
const found = existsSync(join(results, 'bench.json'));

describe('benches: the results that are kept', () => {
  const kept = found ? it : it.skip;

  kept(`${found ? '' : '[no bench/results/bench.json] '}say machine, versions, date and spread`, () => {
    const { date, machine, versions, conditions, rows, benches } = readResults(results);
    expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(machine.cores).toBeGreaterThan(0);
    expect(Object.keys(versions)).toEqual(expect.arrayContaining(['watersmeet', 'pg', 'PostgreSQL']));
    expect(conditions.isQuick).toBe(false);
    for (const row of rows) {
      expect(Object.keys(conditions.commits)).toContain(row.commit);
      expect(row.values).toHaveLength(row.runs);
      expect(row.median).toBe(median(row.values));
      expect(benches.map(({ name }) => name)).toContain(row.bench);
    }
  });

  kept(
    `${found ? '' : '[no bench/results/bench.json] '}make pages that name every goal and load nothing`,
    () => {
      const pages = pagesOf(readResults(results));
      for (const { wanted } of judge(readResults(results).rows)) expect(pages.markdown).toContain(wanted);
      expect(pages.html).not.toMatch(/https?:|<script|src=/);
    },
  );

  kept(`${found ? '' : '[no bench/results/bench.json] '}are what the README tells of them`, () => {
    const { markdown } = pagesOf(readResults(results));
    const told = readFileSync(join(dirname(bench), 'README.md'), 'utf8').match(
      /^\| (append|decide|read|contention|growth): .*$/gm,
    );
    expect(told).not.toBeNull();
    for (const line of told ?? []) expect(markdown).toContain(line);
  });
});
