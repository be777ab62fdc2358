/** The commands that look: streams, read, saga, tail; and the schema's: migrate --print. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { run, workFolder, xes } from './support.js';

const work = workFolder();
const store = `pglite:${work.path('store')}`;
const stream = 'loanApplication-one';

beforeAll(async () => {
  const log = work.path('log.xes');
  writeFileSync(
    log,
    xes({
      one: ['A_SUBMITTED', 'O_CREATED', 'A_CANCELLED', 'O_CANCELLED'],
      two: ['A_SUBMITTED', 'A_DECLINED'],
    }),
  );
  await run(['run', 'loan-application', '--input', log, '--store', store, '--json']);
}, 120_000);
afterAll(work.remove);

describe('the commands that look', () => {
  it('streams lists them with their versions', async () => {
    const { code, stdout } = await run(['streams', '--store', store]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\d+ {2}loanApplication-one\n.*\d+ {2}loanApplication-two/);
    const lines = (await run(['streams', '--store', store, '--json'])).stdout.trim().split('\n');
    expect(JSON.parse(lines[0] as string)).toMatchObject({ streamName: stream, state: 'open' });
  });

  it('read prints events, oldest or newest first', async () => {
    const all = (await run(['read', stream, '--store', store, '--json'])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { version: number });
    expect(all.map(({ version }) => version)).toEqual(all.map((_, index) => index + 1));
    const newest = (
      await run(['read', stream, '--store', store, '--json', '--backwards', '--max', '2'])
    ).stdout
      .trim()
      .split('\n');
    expect(newest.map((line) => (JSON.parse(line) as { version: number }).version)).toEqual([
      all.length,
      all.length - 1,
    ]);
  });

  it('saga draws the trunk, its branches and merges, and explains each conflict', async () => {
    const { code, stdout } = await run(['saga', stream, '--store', store]);
    expect(code).toBe(0);
    expect(stdout).toContain('o MergeSagaState');
    expect(stdout).toContain('M SagaMerged');
    expect(stdout).toContain('Conflict at version');
    expect(stdout).toContain('rule: the facts of all sides count');
    expect(stdout).not.toContain('\u001b[');
  });

  it('tail prints what is there and goes on until it is interrupted', async () => {
    const interrupting = new AbortController();
    setTimeout(() => interrupting.abort(), 1_500);
    const { code, stdout } = await run(['tail', '--store', store, '--from-start', '--json'], {
      interrupted: interrupting.signal,
    });
    expect([0, 130]).toContain(code);
    expect(stdout.trim().split('\n').length).toBeGreaterThan(8);
  });

  it('migrate --print shows the SQL without a database', async () => {
    const { code, stdout } = await run(['migrate', '--print', '--schema', 'shop']);
    expect(code).toBe(0);
    expect(stdout).toContain('create table events');
    expect(stdout).toContain('shop');
  });
});
