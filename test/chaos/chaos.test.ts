/** A short run of `npm run chaos`: real processes, a real PostgreSQL, every kind of fault. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { whyNoPostgres } from '../support/embedded-postgres.mjs';
import { mutants } from './mutants.mjs';

interface Told {
  readonly byKind: ReadonlyArray<{
    readonly kind: string;
    readonly rounds: number;
    readonly figures: Readonly<Record<string, number>>;
  }>;
  readonly failures: ReadonlyArray<{ readonly again: string; readonly problems: ReadonlyArray<string> }>;
}

/** Runs it as a user would; answers what it tells. */
const chaos = async (...args: ReadonlyArray<string>): Promise<Told> => {
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-chaos-'));
  const file = join(folder, 'told.json');
  try {
    const all = ['scripts/chaos.mjs', '--quick', '--rounds', '1', '--json', file, ...args];
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'pipe'], env: withoutFlags() });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) process.stderr.write(errors);
    return JSON.parse(readFileSync(file, 'utf8')) as Told;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

// The flags that the test runner needs are not for others.
const withoutFlags = (): NodeJS.ProcessEnv => {
  const { NODE_OPTIONS: _, ...rest } = process.env;
  return rest;
};

const why = process.env['PGTEST_URL'] === undefined ? whyNoPostgres() : 'PGTEST_URL names a server of others';
const describeOrSkip = why === undefined ? describe : describe.skip;

describeOrSkip(`workers and servers under faults${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let told: Told;
  beforeAll(async () => {
    told = await chaos('--seed', String(1 + Math.floor(1_000_000 * Math.random())));
  }, 300_000);
  const figuresOf = (kind: string) => told.byKind.find((one) => one.kind === kind)?.figures ?? {};

  it('lose nothing that was acknowledged, do nothing twice, keep the order of a key, and finish every saga', () => {
    expect(told.failures).toEqual([]);
    for (const { figures } of told.byKind) {
      expect(figures['effects']).toBeGreaterThan(0);
      expect(figures['released']).toBeGreaterThan(0);
      expect(figures['staleWrites']).toBe(0);
    }
  });

  it.each([
    ['kill', ['kills']],
    ['restart', ['restarts']],
    ['cut', ['cuts before parse', 'cuts after execute', 'cuts after commit', 'cuts during the answer']],
    ['stop', ['stops']],
    ['clock', ['clock jumps', 'jumps of a stopped process']],
    ['poison', ['throws', 'hangs', 'spins', 'exits', 'memory'].map((poison) => `poison ${poison}`)],
    ['pglite', ['kills']],
  ])('%s: the faults have struck', (kind, faults) => {
    for (const fault of faults) expect(figuresOf(kind)[fault]).toBeGreaterThan(0);
  });
});

describe('bugs for the chaos run to find', () => {
  it.each(mutants)('$name: its text stands once in $file', ({ file, find }) => {
    expect(readFileSync(file, 'utf8').split(find).length - 1).toBe(1);
  });
});
