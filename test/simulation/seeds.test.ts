/**
 * Thousands of seeds keep every promise; and the simulation is worth something, because bugs that are put into copies of the
 * engine show. Both run in processes of their own, two at once: code runs several times slower inside the test runner.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { root, transformAll, writeCompiled } from './compiled.mjs';
import { type Mutant, mutants } from './mutants.js';

/** A bug that hides longer than this many seeds counts as not caught. */
const mutantSeeds = 2_000;

interface Ran {
  readonly seeds: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly violation: number | undefined;
  readonly message: string | undefined;
}

interface Job {
  readonly from: number;
  /** This one is not run any more. */
  readonly to: number;
  readonly mutant?: Mutant;
}

const runSeeds = (folder: string, { from, to }: Job): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const script = join(root, 'test/simulation/run-seeds.mjs');
    const args = ['--single-threaded-gc', script, folder, String(from), String(to)];
    // What NODE_OPTIONS holds is for the test runner.
    const env = { ...process.env, NODE_OPTIONS: '' };
    execFile(process.execPath, args, { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const told = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Partial<Ran>);
      const broken = told.find(({ violation }) => violation !== undefined);
      if (broken === undefined && error !== null) return reject(new Error(stderr));
      const figures: Record<string, number> = {};
      for (const line of told)
        for (const [name, value] of Object.entries(line.figures ?? {}))
          figures[name] = (figures[name] ?? 0) + value;
      const seeds = told.reduce((sum, line) => sum + (line.seeds ?? 0), 0);
      resolve({ seeds, figures, violation: broken?.violation, message: broken?.message });
    });
  });

const plain: ReadonlyArray<Job> = [
  { from: 1, to: 1_001 },
  { from: 1_001, to: 2_001 },
];
const mutated: ReadonlyArray<Job> = mutants.map((mutant) => ({ from: 1, to: mutantSeeds + 1, mutant }));

/** Starts all jobs, two at once and in order; the answer of each is waited for where it is asked for. */
const startAll = (folder: string, jobs: ReadonlyArray<Job>): ReadonlyMap<Job, Promise<Ran>> => {
  const sources = transformAll();
  const lanes: Array<Promise<unknown>> = [Promise.resolve(), Promise.resolve()];
  const started = new Map<Job, Promise<Ran>>();
  for (const [index, job] of jobs.entries()) {
    const copy = join(folder, String(index));
    const before = lanes[index % lanes.length] as Promise<unknown>;
    const ran = before.then(() => {
      writeCompiled(copy, sources, { mutant: job.mutant });
      return runSeeds(copy, job);
    });
    lanes[index % lanes.length] = ran.catch(() => undefined);
    // Whoever asks for it hears of a failure.
    ran.catch(() => undefined);
    started.set(job, ran);
  }
  return started;
};

describe('the simulated saga runtime', () => {
  let folder = '';
  let started: ReadonlyMap<Job, Promise<Ran>>;
  const ranOf = (job: Job): Promise<Ran> => started.get(job) as Promise<Ran>;

  beforeAll(() => {
    const cache = join(root, 'node_modules/.cache');
    mkdirSync(cache, { recursive: true });
    folder = mkdtempSync(join(cache, 'seeds-'));
    started = startAll(folder, [...plain, ...mutated]);
  });

  afterAll(async () => {
    await Promise.allSettled(started.values());
    rmSync(folder, { recursive: true, force: true });
  });

  it('keeps every promise in 2,000 seeds with crashes, lost answers, outages, duplicates, broken mergers, timeouts and queue workers', async () => {
    const figures: Record<string, number> = {};
    let seeds = 0;
    for (const ran of await Promise.all(plain.map(ranOf))) {
      expect(ran.message).toBeUndefined();
      seeds += ran.seeds;
      for (const [name, value] of Object.entries(ran.figures)) figures[name] = (figures[name] ?? 0) + value;
    }
    expect(seeds).toBe(2_000);
    // What never happens is not tested.
    expect(Object.entries(figures).filter(([, value]) => value === 0)).toEqual([]);
  }, 300_000);

  it.each(mutated.map((job) => [job.mutant?.name, job] as const))(
    'is caught when %s',
    async (_name, job) => {
      const ran = await ranOf(job);
      expect(ran.violation).toEqual(expect.any(Number));
      expect(ran.message).toContain(`Again: npm run sim -- --seed ${ran.violation}`);
    },
    120_000,
  );
});
