/** `watersmeet run`: what it prints, that a repeat changes nothing, and that `--verify` can fail. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { openTestPostgres } from '../support/stores.js';
import { type Ran, run, sample, workFolder, xes } from './support.js';

const work = workFolder();
afterAll(work.remove);

const log = work.path('small.xes');
writeFileSync(
  log,
  xes({
    one: [
      'A_SUBMITTED',
      'A_PARTLYSUBMITTED',
      'O_SELECTED',
      'A_FINALIZED',
      'O_CREATED',
      'O_SENT',
      'A_CANCELLED',
      'O_CANCELLED',
    ],
    two: ['A_SUBMITTED', 'A_PARTLYSUBMITTED', 'A_DECLINED'],
    three: ['A_SUBMITTED', 'A_PARTLYSUBMITTED', 'O_CREATED', 'O_SENT', 'A_APPROVED', 'O_ACCEPTED'],
  }),
);

const facts = ({ stdout }: Ran): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

describe('watersmeet run', () => {
  it.each([1, 2, 8])(
    'by %i workers prints one object with --json, and what it says is so',
    async (workers) => {
      const ran = await run([
        'run',
        'loan-application',
        '--input',
        log,
        '--store',
        'memory',
        '--workers',
        String(workers),
        '--json',
        '--verify',
      ]);
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout.trim().split('\n')).toHaveLength(1);
      expect(facts(ran)).toMatchObject({
        cases: 3,
        messages: 17,
        handlerRuns: 17,
        duplicates: 0,
        parked: 0,
        outcomes: { approved: 1, declined: 1, cancelled: 1, open: 0 },
        decisionsSent: 3,
        openOffersAfterDecision: 0,
        verified: true,
      });
      for (const key of [
        'conflicts',
        'branchesMerged',
        'merges',
        'fastForwards',
        'messagesSent',
        'messagesCancelled',
        'compensations',
        'elapsedMs',
        'messagesPerSecond',
      ])
        expect(typeof facts(ran)[key]).toBe('number');
      if (workers === 1) expect(facts(ran)).toMatchObject({ conflicts: 0, merges: 0 });
      else expect(facts(ran)['branchesMerged']).toBe(facts(ran)['conflicts']);
    },
  );

  it('prints a summary that a person can read, with one conflict explained', async () => {
    const { code, stdout } = await run([
      'run',
      'loan-application',
      '--input',
      log,
      '--store',
      'memory',
      '--verify',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('loan-application: 3 cases, 17 messages');
    expect(stdout).toContain('approved 1, declined 1, cancelled 1, open 0');
    expect(stdout).toContain('Verified: all 3 cases');
    expect(stdout).toMatch(/Conflict at version \d+ of loanApplication-/);
  });

  it('again on the same directory knows every message, and changes nothing', async () => {
    const store = `pglite:${work.path('store')}`;
    const first = facts(
      await run(['run', 'loan-application', '--input', log, '--store', store, '--json', '--verify']),
    );
    const second = await run([
      'run',
      'loan-application',
      '--input',
      log,
      '--store',
      store,
      '--json',
      '--verify',
    ]);
    expect(second.code).toBe(0);
    expect(facts(second)).toMatchObject({
      messages: 17,
      duplicates: 17,
      handlerRuns: 0,
      conflicts: 0,
      verified: true,
    });
    for (const key of [
      'branchesMerged',
      'merges',
      'messagesSent',
      'messagesCancelled',
      'compensations',
      'outcomes',
      'decisionsSent',
    ])
      expect(facts(second)[key]).toEqual(first[key]);
  }, 120_000);

  it('halves of the messages of every case, one after the other, end as all of them', async () => {
    const store = `pglite:${work.path('halves')}`;
    const half = (part: string) =>
      run(['run', 'loan-application', '--input', log, '--store', store, '--share', part, '--json']);
    expect(facts(await half('1/2'))).toMatchObject({ messages: 9 });
    expect(facts(await half('2/2'))).toMatchObject({ messages: 8, decisionsSent: 3, outcomes: { open: 0 } });
    const whole = await run([
      'run',
      'loan-application',
      '--input',
      log,
      '--store',
      store,
      '--json',
      '--verify',
    ]);
    expect(facts(whole)).toMatchObject({ duplicates: 17, verified: true });
  }, 120_000);

  it('--verify says where the store differs from a serial run, and exits with 1', async () => {
    const store = `pglite:${work.path('other')}`;
    await run(['run', 'loan-application', '--input', log, '--store', store, '--json']);
    const changed = work.path('changed.xes');
    writeFileSync(changed, xes({ one: ['A_SUBMITTED', 'A_PARTLYSUBMITTED', 'A_APPROVED'] }));
    const ran = await run(['run', 'loan-application', '--input', changed, '--store', store, '--verify']);
    expect(ran.code).toBe(1);
    expect(ran.stdout + ran.stderr).toContain('approved');
    expect(ran.stdout + ran.stderr).toContain('cancelled');
  }, 120_000);

  it('works on a migrated PostgreSQL, and says what to do on one that is not', async () => {
    const { url, dispose } = await openTestPostgres();
    const ran = await run(['run', 'loan-application', '--input', log, '--store', url, '--json', '--verify']);
    expect(facts(ran)).toMatchObject({
      messages: 17,
      handlerRuns: 17,
      verified: true,
      outcomes: { open: 0 },
    });
    const elsewhere = await run([
      'run',
      'loan-application',
      '--input',
      log,
      '--store',
      url,
      '--schema',
      'elsewhere',
    ]);
    expect(elsewhere.code).toBe(3);
    expect(elsewhere.stderr).toContain('watersmeet migrate');
    expect((await run(['migrate', '--store', url, '--schema', 'elsewhere', '--dry-run'])).code).toBe(0);
    expect(
      (await run(['run', 'loan-application', '--input', log, '--store', url, '--schema', 'elsewhere'])).code,
    ).toBe(3);
    expect((await run(['migrate', '--store', url, '--schema', 'elsewhere'])).code).toBe(0);
    expect(
      (await run(['run', 'loan-application', '--input', log, '--store', url, '--schema', 'elsewhere'])).code,
    ).toBe(0);
    expect((await run(['migrate', '--store', url, '--schema', 'elsewhere', '--status'])).stdout).toContain(
      '0001.do.event-store.sql',
    );
    await dispose();
  }, 120_000);

  it('stops between two messages when it is interrupted, and goes on where it was', async () => {
    const interrupting = new AbortController();
    const store = `pglite:${work.path('interrupted')}`;
    const args = ['run', 'loan-application', '--input', sample, '--store', store, '--json'];
    setTimeout(() => interrupting.abort(), 4_000);
    const stopped = await run(args, { interrupted: interrupting.signal });
    expect(stopped.code).toBe(130);
    const whole = await run([...args, '--verify']);
    expect(whole.code).toBe(0);
    expect(facts(whole)).toMatchObject({
      cases: 300,
      decisionsSent: 300,
      verified: true,
      outcomes: { open: 0 },
    });
  }, 240_000);
});
