/** `watersmeet idempotency`: what it shows of operations, and what it forgets. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { memoryStore, type Tenant, toPromise } from 'watersmeet';
import { addIdempotency } from '../../src/cli/commands/idempotency.js';
import { acquired, asked } from '../../src/testing/contract/idempotency-store.js';
import { onOpen } from './support.js';

const evil = 'red\u001b[31m\u202eadmin\nnext';

let nowMs = 0;
let store = memoryStore();

const run = (...args: ReadonlyArray<string>) => onOpen(store, addIdempotency)('idempotency', ...args);

const lines = (text: string): ReadonlyArray<string> => text.trimEnd().split('\n');

beforeEach(async () => {
  nowMs = 0;
  store = memoryStore({ clockMs: () => nowMs, now: () => new Date(nowMs) });
  const { complete, fail } = store.idempotency;
  const done = await acquired(store, asked({ scope: 'api:redeem', key: 'order-1' }));
  await toPromise(complete({ ...done, result: { receipt: evil } }));
  const failed = await acquired(store, asked({ scope: 'job:import', key: 'erp-1', keepMs: 1_000 }));
  await toPromise(fail({ ...failed, error: evil }));
  await acquired(store, asked({ scope: 'job:import', key: 'erp-2', pendingMs: 100 }));
  await acquired(store, asked({ scope: 'job:import', key: 'theirs', tenant: 'other' as Tenant }));
});

describe('watersmeet idempotency', () => {
  it('lists operations with their states, and whose holder did not come back', async () => {
    expect(lines((await run('list')).stdout)).toEqual([
      'api:redeem  order-1  completed  1970-01-01T00:00:00.000Z',
      'job:import  erp-1  failed  red\\u{1b}[31m\\u{202e}admin\\u{a}next  1970-01-01T00:00:00.000Z',
      'job:import  erp-2  pending  by holder  1970-01-01T00:00:00.000Z',
    ]);
    nowMs = 200;
    expect((await run('list', '--state', 'pending')).stdout).toContain('holder did not come back');
    expect(lines((await run('list', '--scope', 'job:import', '--max', '1')).stdout)).toHaveLength(1);
    const theirs = await run('list', '--tenant', 'other', '--json');
    expect(JSON.parse(theirs.stdout)).toMatchObject({ key: 'theirs', state: 'pending', attempt: 1 });
    expect(await run('list', '--scope', 'none')).toEqual({ code: 0, stdout: '', stderr: 'no operations\n' });
  });

  it('shows one with what it came to', async () => {
    const { stdout } = await run('show', 'api:redeem', 'order-1');
    expect(stdout).toMatch(/^state {6}completed$/m);
    expect(stdout).toMatch(/^forgotten {2}in 60 s$/m);
    expect(stdout).toMatch(/^result {5}\{"receipt":"red/m);
    expect(stdout).not.toContain('\u001b');
    expect((await run('show', 'api:redeem', 'none')).stderr).toBe('api:redeem none is not known\n');
    const { stdout: json } = await run('show', 'job:import', 'erp-1', '--json');
    expect(JSON.parse(json)).toMatchObject({ state: 'failed', error: evil });
  });

  it('forgets those that are named, which may then be begun anew', async () => {
    expect((await run('forget', 'job:import', 'erp-1', 'erp-9')).stdout).toBe(
      'job:import erp-1 is forgotten, and may be begun anew\njob:import erp-9 is not known\n',
    );
    expect((await acquired(store, asked({ scope: 'job:import', key: 'erp-1' }))).attempt).toBe(1);
  });

  it('deletes what is past its time, and no more', async () => {
    expect((await run('clean')).stdout).toBe('0 deleted\n');
    nowMs = 2_000;
    expect((await run('clean', '--json')).stdout).toBe('{"did":"clean","deleted":1}\n');
    expect(lines((await run('list')).stdout)).toHaveLength(2);
  });

  it('says what is wrong with what it was given', async () => {
    const bad = await run('list', '--state', 'odd');
    expect(bad).toMatchObject({ code: 2 });
    expect(bad.stderr).toMatch(/--state must be pending, completed or failed, found "odd"/);
    expect((await run('show', '', 'key')).stderr).toMatch(/the scope "" /);
  });
});
