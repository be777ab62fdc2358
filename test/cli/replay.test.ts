/** `watersmeet export` and `watersmeet replay`: a history out of a store, into a file, and folded again. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { run, workFolder, xes } from './support.js';

const work = workFolder();
const store = `pglite:${work.path('store')}`;
const stream = 'loanApplication-one';
const golden = 'test/fixtures/0.1.0';
const loan = `${golden}/loan-application.jsonl`;
const credit = `${golden}/acceptable-credit.jsonl`;
const entry = 'dist/esm/src/cli/main.js';

beforeAll(async () => {
  writeFileSync(
    work.path('log.xes'),
    xes({
      one: ['A_SUBMITTED', 'O_CREATED', 'A_CANCELLED', 'O_CANCELLED'],
      two: ['A_SUBMITTED', 'A_DECLINED'],
    }),
  );
  await run(['run', 'loan-application', '--input', work.path('log.xes'), '--store', store, '--json']);
}, 120_000);
afterAll(work.remove);

const linesOf = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('export', () => {
  it('writes a stream to stdout, as JSON lines between a header and an end', async () => {
    const { code, stdout } = await run(['export', stream, '--store', store]);
    expect(code).toBe(0);
    const [first, ...rest] = linesOf(stdout);
    expect(first).toEqual({ format: 'watersmeet-fixture', version: 1 });
    expect(rest.at(-1)).toEqual({ end: true, events: rest.length - 1 });
    const read = linesOf((await run(['read', stream, '--store', store, '--json'])).stdout);
    expect(rest.slice(0, -1)).toEqual(read);
  });

  it('writes a category to a gzipped file, with states, and says how much', async () => {
    const output = work.path('all.jsonl.gz');
    const args = ['--category', 'loanApplication', '--states', '--output', output, '--store', store];
    const { code, stdout, stderr } = await run(['export', ...args]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/^\d+ events of 2 streams in /);
    const lines = linesOf(gunzipSync(readFileSync(output)).toString());
    expect(lines.slice(1, -1).every(({ after }) => typeof after === 'object')).toBe(true);
    const replayed = await run(['replay', output]);
    expect(replayed.code).toBe(0);
    expect(replayed.stdout).toMatch(/2 streams, \d+ events: the code of today gives the recorded states/);
  });

  it.each<readonly [string, ReadonlyArray<string>, RegExp]>([
    ['neither stream nor choice', [], /name a stream, or give --category or --all/],
    ['two choices', [stream, '--all'], /exclude each other/],
    ['a stream that is not there', ['order-1'], /no stream order-1/],
    ['code without states', [stream, '--saga', 'loan-application'], /of use with --states/],
    ['code of another saga', [stream, '--states', '--saga', 'acceptable-credit'], /is of acceptableCredit/],
    ['states of all streams without code', ['--all', '--states'], /--saga is missing/],
    ['a folder that is not there', [stream, '--output', work.path('no/file.jsonl')], /no such directory/],
  ])('refuses %s, and writes nothing', async (_title, args, reason) => {
    const { code, stdout, stderr } = await run(['export', ...args, '--store', store]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(reason);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('replay', () => {
  it('prints the state after each event of a stream in a store', async () => {
    const { code, stdout } = await run(['replay', stream, '--store', store]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^0 \. no events yet$/m);
    expect(stdout).toMatch(/o MergeSagaState/);
    expect(stdout).toContain('"milestones":{"A_CANCELLED":1,"A_SUBMITTED":1}');
    expect(stdout).toMatch(/1 stream, \d+ events: the code of today gives the recorded states/);
  });

  it('prints what each event changed, beside the drawing', async () => {
    const { code, stdout } = await run(['replay', credit, '--diff', '--merges']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ 2 \* ScoreRecorded .*\n {3}\| {5}state\.scores\.Equifax: \+ 720$/m);
    expect(stdout).toMatch(/^ 6 \| o MergeSagaState .*\n {3}\| \| {5}a branch from 2 waits for its merge$/m);
    expect(stdout).toContain('compensation correctDecision is owed');
    expect(stdout).toContain('state.decision: "accepted" -> "refused"');
    expect(stdout).toContain("1 merge of 1: today's merger gives the same answer");
    expect(stdout).not.toContain('\u001b[');
  });

  it('folds no further than it is told, and shows the branch as it waited then', async () => {
    const { stdout } = await run(['replay', credit, '--to', '6', '--from', '6', '--diff']);
    expect(stdout).toMatch(/^6 \| o MergeSagaState .*\(waits\)$/m);
    expect(stdout).not.toMatch(/^5 /m);
    expect(stdout).toContain('1 stream, 6 events');
  });

  it('prints JSON, one object a line, the comparison last', async () => {
    const { stdout } = await run(['replay', credit, '--json', '--from', '9']);
    const lines = linesOf(stdout);
    expect(lines.map(({ version }) => version)).toEqual([9, 10, undefined]);
    expect(lines[0]).toMatchObject({ type: 'Decided', after: { state: { decision: 'refused' } } });
    expect(lines[2]).toMatchObject({ same: true, streams: 1, events: 10, differences: [] });
  });

  it('ends with 4 where the code gives another state than was recorded, and shows the first', async () => {
    const changed = work.path('changed.jsonl');
    writeFileSync(
      changed,
      readFileSync(credit, 'utf8').replace('"scores":{"Equifax":720}', '"scores":{"Equifax":721}'),
    );
    const { code, stdout } = await run(['replay', changed, '--saga', 'acceptable-credit', '--from', '10']);
    expect(code).toBe(4);
    expect(stdout).toContain('acceptableCredit-ada, version 2 (ScoreRecorded): the first state that is not');
    expect(stdout).toMatch(/^- +"Equifax": 721$/m);
    expect(stdout).toMatch(/^\+ +"Equifax": 720$/m);
  });

  it('shows nothing of a stream that a terminal would obey', async () => {
    const hostile = work.path('hostile.jsonl');
    writeFileSync(
      hostile,
      readFileSync(credit, 'utf8').replaceAll('"customer":"Ada"', '"customer":"\\u001b[2J\\u009b\\u202e"'),
    );
    for (const mode of [[], ['--diff']]) {
      const { stdout } = await run(['replay', hostile, ...mode]);
      expect(stdout).toContain('\\u{202e}');
      expect(stdout).not.toMatch(/[\u001b\u009b\u202e]/);
    }
  });

  it.each<readonly [string, ReadonlyArray<string>, RegExp]>([
    ['a file that is not there', [work.path('none.jsonl')], /none\.jsonl: no such file/],
    ['a file that is no fixture', ['package.json'], /package\.json:1: is no fixture/],
    [
      'a stream that is not there',
      ['loanApplication-none', '--store', store],
      /no stream loanApplication-none/,
    ],
    ['a saga that nobody knows', [loan, '--saga', 'loan'], /loan is neither a bundled saga .* nor a file/],
    ['a saga that is TypeScript', [loan, '--saga', 'sagas/loan-application/saga.ts'], /compile it first/],
    ['a module without a saga', [loan, '--saga', 'scripts/ensure.mjs'], /exports no saga/],
    [
      'the fixture of another saga',
      [loan, '--saga', 'acceptable-credit'],
      /holds no stream of acceptableCredit/,
    ],
    ['a version beyond the end', [credit, '--to', '99'], /--to 99 is beyond the end: .* has 10 events/],
    ['a beginning beyond the end', [credit, '--from', '5', '--to', '4'], /--from 5 is beyond --to 4/],
    ['a stream that is not in the file', [credit, '--stream', 'x'], /--stream x is not in/],
    ['JSON that is watched', [credit, '--watch', '--json'], /--watch/],
  ])('refuses %s', async (_title, args, reason) => {
    const { code, stdout, stderr } = await run(['replay', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(reason);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('says of a name that is neither file nor stream that it may be meant as either', async () => {
    const nowhere = await run(['replay', 'none'], { env: { WATERSMEET_STORE: 'nowhere' } });
    expect(nowhere).toMatchObject({ code: 2, stdout: '' });
    expect(nowhere.stderr).toMatch(/there is no file none, and for a stream: unknown store "nowhere"/);
    const there = await run(['replay', 'none'], { env: { WATERSMEET_STORE: store } });
    expect(there.stderr).toMatch(/there is no file or stream none/);
  });
});

/** A module of a user's, whose rule is in another file. */
const writeModule = (by: number): string => {
  const io = pathToFileURL(resolve('node_modules/io-ts/lib/index.js')).href;
  const own = pathToFileURL(resolve('dist/esm/src/index.js')).href;
  writeFileSync(work.path('rule.mjs'), `export const by = ${by};\n`);
  writeFileSync(
    work.path('tally.mjs'),
    `import * as t from '${io}';
import { accept, aggregate } from '${own}';
import { by } from './rule.mjs';
export const tally = aggregate({
  category: 'tally',
  commands: {},
  events: { Counted: t.type({}) },
  state: t.type({ count: t.number }),
  initialState: { count: 0 },
  evolve: { Counted: ({ count }) => ({ count: count + by }) },
  decide: {},
});
`,
  );
  return work.path('tally.mjs');
};

const writeTally = (): string => {
  const event = (version: number) =>
    JSON.stringify({
      ...{ tenant: 'default', streamName: 'tally-1', version, eventId: `e${version}`, type: 'Counted' },
      ...{ schemaVersion: 1, data: {}, metadata: {}, after: { state: { count: version } } },
    });
  const lines = [
    '{"format":"watersmeet-fixture","version":1}',
    event(1),
    event(2),
    '{"end":true,"events":2}',
  ];
  writeFileSync(work.path('tally.jsonl'), `${lines.join('\n')}\n`);
  return work.path('tally.jsonl');
};

describe('replay with a module of one’s own', () => {
  it('folds an aggregate, and compares two codes', () => {
    const [fixture, module] = [writeTally(), writeModule(1)];
    const args = [entry, 'replay', fixture, '--saga', `${module}#tally`, '--against', module, '--diff'];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toContain('state.count: 1 -> 2');
    expect({ status, end: stdout.trim().split('\n').at(-1) }).toEqual({
      status: 0,
      end: '1 stream, 2 events: both give the same states (5 compared)',
    });
  });

  it('--watch runs again when what the module imports is changed, and shows which states that changed', async () => {
    const [fixture, module] = [writeTally(), writeModule(1)];
    expect(existsSync(entry)).toBe(true);
    const child = spawn(process.execPath, [entry, 'replay', fixture, '--saga', module, '--watch'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let shown = '';
    for (const output of [child.stdout, child.stderr])
      output.on('data', (chunk: Buffer) => {
        shown += chunk.toString();
      });
    const ended = new Promise<number | null>((done) => child.on('close', done));
    const waits = async (count: number): Promise<void> => {
      for (let attempt = 1; attempt <= 400; attempt += 1) {
        if (shown.split('waiting for a change').length > count) return;
        await new Promise((wake) => setTimeout(wake, 50));
      }
      throw new Error(`waited for run ${count} in vain:\n${shown}`);
    };
    try {
      await waits(1);
      expect(shown).toContain('gives the recorded states');
      writeFileSync(work.path('rule.mjs'), 'export const by = 2;\n');
      await waits(2);
      expect(shown).toContain('run 2, changed: rule.mjs\n2 of 2 states changed');
      expect(shown).toContain('state.count: 2 -> 4');
      expect(shown).toContain('the first state that is not as recorded');
      writeFileSync(work.path('rule.mjs'), 'export const by = ;\n');
      await waits(3);
      expect(shown).toMatch(/tally\.mjs: cannot be loaded/);
      writeFileSync(work.path('rule.mjs'), 'export const by = 2;\n');
      await waits(4);
      expect(shown).toContain('all 2 states as before');
    } finally {
      child.kill('SIGINT');
    }
    expect(await ended).toBe(130);
  }, 60_000);
});
