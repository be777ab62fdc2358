/** A user's mistake gets one readable line and an exit code, never a stack trace. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { run, workFolder, xes } from './support.js';

const work = workFolder();
beforeAll(async () => {
  await run(['migrate', '--store', `pglite:${work.path('empty')}`]);
}, 60_000);
afterAll(work.remove);

const file = (name: string, text: string): string => {
  writeFileSync(work.path(name), text);
  return work.path(name);
};
const good = file('good.xes', xes({ one: ['A_SUBMITTED'] }));
const input = (path: string) => ['run', 'loan-application', '--store', 'memory', '--input', path];
const trace = (inner: string): string => `<log>\n<trace>${inner}</trace></log>`;

describe('a mistake', () => {
  it.each<readonly [string, ReadonlyArray<string>, number, RegExp]>([
    ['an unknown command', ['rum'], 2, /unknown command 'rum'/],
    ['an unknown store', ['streams', '--store', 'mongodb://x'], 2, /unknown store "mongodb:\/\/x"/],
    ['an unknown saga', ['run', 'loan', '--input', good], 2, /loan/],
    ['a store that is not there', ['streams', '--store', `pglite:${work.path('nowhere')}`], 2, /nowhere/],
    [
      'a server that does not answer',
      ['streams', '--store', 'postgres://nobody@127.0.0.1:9/none'],
      3,
      /ECONNREFUSED/,
    ],
    ['a file that is not there', input(work.path('none.xes')), 2, /none\.xes.*no such file/],
    ['a directory for a file', input(work.folder), 2, /directory/],
    [
      'broken XML, with the line',
      input(file('broken.xes', '<log>\n<trace>\n<event></trace></log>')),
      2,
      /broken\.xes.*3/,
    ],
    ['a case without a name', input(file('nameless.xes', trace(''))), 2, /name/],
    [
      'a timestamp that is none',
      input(
        file(
          'time.xes',
          trace(
            '<string key="concept:name" value="a"/><event><string key="concept:name" value="A_SUBMITTED"/><date key="time:timestamp" value="yesterday"/></event>',
          ),
        ),
      ),
      2,
      /yesterday/,
    ],
    [
      'two cases of one name',
      input(
        file(
          'twice.xes',
          `<log>${xes({ one: ['A_SUBMITTED'] }).slice(5, -6)}${xes({ one: ['A_SUBMITTED'] }).slice(5, -6)}</log>`,
        ),
      ),
      2,
      /two cases are called one/,
    ],
    [
      'a case whose name cannot be a stream’s',
      input(
        file(
          'name.xes',
          trace(
            '<string key="concept:name" value="a&#x202e;b"/><event><string key="concept:name" value="A"/><date key="time:timestamp" value="2024-05-01T10:00:00Z"/></event>',
          ),
        ),
      ),
      2,
      /bidirectional/,
    ],
    ['no workers', [...input(good), '--workers', '0'], 2, /workers/],
    ['a window that is no number', [...input(good), '--window', 'soon'], 2, /window/],
    ['a share of nothing', [...input(good), '--share', '3/2'], 2, /share/],
    [
      'a stream that is not there',
      ['read', 'order-1', '--store', `pglite:${work.path('empty')}`],
      2,
      /order-1/,
    ],
    ['a schema that is none', ['migrate', '--print', '--schema', 'a; drop table b'], 2, /schema/],
  ])(
    '%s',
    async (_what, args, code, words) => {
      const ran = await run(args);
      expect(ran).toMatchObject({ code, stdout: '' });
      expect(ran.stderr).toMatch(words);
      expect(ran.stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
      expect(ran.stderr).not.toMatch(/^\s+at /m);
    },
    60_000,
  );

  it('a directory that another process holds is named with the process that holds it', async () => {
    const directory = work.path('held');
    mkdirSync(directory);
    await run(['migrate', '--store', `pglite:${directory}`]);
    const holder = spawn(
      process.execPath,
      ['dist/esm/src/cli/main.js', 'tail', '--store', `pglite:${directory}`, '--from-start'],
      { stdio: 'ignore' },
    );
    try {
      const lock = `${directory}.lock`;
      const holds = (): boolean =>
        existsSync(lock) && readFileSync(lock, 'utf8').includes(String(holder.pid));
      for (let attempt = 1; attempt <= 400 && !holds(); attempt += 1)
        await new Promise((resolve) => setTimeout(resolve, 100));
      const { code, stderr } = await run(['streams', '--store', `pglite:${directory}`]);
      expect(code).toBe(3);
      expect(stderr).toContain(String(holder.pid));
    } finally {
      holder.kill('SIGKILL');
    }
  }, 120_000);

  it('a reader that has enough ends the command quietly', () => {
    const command = `"${process.execPath}" dist/esm/src/cli/main.js migrate --print | head -1`;
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect({ status, stderr, lines: stdout.trim().split('\n').length }).toEqual({
      status: 0,
      stderr: '',
      lines: 1,
    });
  });

  it('the built command runs the bundled sample', () => {
    const args = [
      'dist/esm/src/cli/main.js',
      'run',
      'loan-application',
      '--store',
      'memory',
      '--json',
      '--verify',
    ];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ cases: 300, verified: true });
  }, 120_000);
});
