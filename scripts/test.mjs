// `npm test`: everything that must hold before a change is taken, cheap checks first. Extra arguments go to jest only.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensure, npm, root } from './ensure.mjs';

const jestArgs = process.argv.slice(2).filter((arg) => arg !== '--checks-only');
const checksOnly = process.argv.includes('--checks-only');
const isCi = Boolean(process.env.CI);
const scratch = mkdtempSync(join(tmpdir(), 'watersmeet-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Runs a command of a dev dependency with this very Node, found in its package.json: npx would take a second each. */
const run = (name, args, { command = name, env = {} } = {}) => {
  const folder = join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = join(folder, typeof bin === 'string' ? bin : bin[command]);
  const stdio = [isCi ? 'ignore' : 'inherit', 'inherit', 'inherit'];
  return (
    spawnSync(process.execPath, [file, ...args], { cwd: root, stdio, env: { ...process.env, ...env } })
      .status === 0
  );
};

/** The lock file must install from whatever registry a user has: it may name no place to download from. */
const lockFileNamesNoHost = () => {
  const named =
    readFileSync(join(root, 'package-lock.json'), 'utf8').match(/"resolved": "\w+:\/\/[^"]*"/g) ?? [];
  for (const line of named)
    console.error(`package-lock.json: ${line}; run npm install with this folder's .npmrc`);
  return named.length === 0;
};

/** The package as users get it, packed once for the two tools that look at it. */
const tarball = () => {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch];
  const { stdout, status } = npm(args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
  if (status !== 0) throw new Error('npm pack failed; run it by itself to see why');
  const report = JSON.parse(stdout);
  return join(scratch, (Array.isArray(report) ? report[0] : Object.values(report)[0]).filename);
};

const jestReport = join(scratch, 'jest.json');
const jest = () => {
  // Without the first flag PGlite ends the process; the second hides Node's remark about the first.
  const flags = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
  const env = { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${flags}`.trim() };
  const args = [...(isCi ? ['--ci'] : []), '--json', `--outputFile=${jestReport}`, ...jestArgs];
  return runQuietly(args, env);
};

/** With --json jest prints its whole report on stdout as well; only what it tells people, on stderr, is wanted. */
const runQuietly = (args, env) => {
  const file = join(root, 'node_modules/jest/bin/jest.js');
  const stdio = ['ignore', 'ignore', 'inherit'];
  return (
    spawnSync(process.execPath, [file, ...args], { cwd: root, stdio, env: { ...process.env, ...env } })
      .status === 0
  );
};

const present = (...folders) => folders.filter((folder) => existsSync(join(root, folder)));
let packed;
const packedOnce = () => (packed ??= tarball());

const steps = [
  ['lock file', lockFileNamesNoHost],
  [
    'embedded SQL',
    () =>
      spawnSync(process.execPath, ['scripts/embed-sql.mjs', '--check'], { cwd: root, stdio: 'inherit' })
        .status === 0,
  ],
  ['format', () => run('@biomejs/biome', ['format'], { command: 'biome' })],
  [
    'arrows',
    () =>
      run(
        'dependency-cruiser',
        ['--config', '.dependency-cruiser.cjs', ...present('src', 'sagas', 'examples')],
        {
          command: 'depcruise',
        },
      ),
  ],
  ['types', () => run('typescript', ['--noEmit', '-p', 'tsconfig.json'], { command: 'tsc' })],
  ['lint', () => run('eslint', ['--max-warnings=0', '.'])],
  ['build', build],
  ['publint', () => run('publint', ['--strict', packedOnce()])],
  [
    'package types',
    () =>
      run('@arethetypeswrong/cli', ['--profile', 'node16', '--format', 'table-flipped', packedOnce()], {
        command: 'attw',
      }),
  ],
  ...(checksOnly ? [] : [['jest', jest]]),
];

const attempt = (check) => {
  try {
    return check();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
};

ensure();
const failed = [];
for (const [name, check] of steps) {
  console.log(`\n== ${name}`);
  const startedAtMs = Date.now();
  const ok = attempt(check);
  if (!ok) failed.push(name);
  console.log(`== ${name} ${ok ? 'ok' : 'FAILED'} in ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
}

/** One line for people and machines. A failed check counts as one failure, a test file that could not run as one too. */
const summary = () => {
  const checksFailed = failed.filter((name) => name !== 'jest').length;
  if (checksOnly) return `${steps.length - checksFailed} passed, ${checksFailed} failed, 0 skipped`;
  if (!existsSync(jestReport)) return `0 passed, ${checksFailed + 1} failed, 0 skipped`;
  const report = JSON.parse(readFileSync(jestReport, 'utf8'));
  const testsFailed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  const unnamed = failed.includes('jest') && testsFailed === 0 ? 1 : 0;
  const skipped = report.numPendingTests + report.numTodoTests;
  return `${report.numPassedTests} passed, ${testsFailed + unnamed + checksFailed} failed, ${skipped} skipped`;
};

if (failed.length > 0) console.log(`\nFailed: ${failed.join(', ')}`);
console.log(`\n${summary()}`);
process.exitCode = failed.length > 0 ? 1 : 0;
