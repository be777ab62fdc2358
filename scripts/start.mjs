// `npm start`: installs and builds when needed, then runs the loan-application saga on the bundled sample or a log given.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from './build.mjs';
import { ensure, root } from './ensure.mjs';

const sampleLogs = ['sample.xes.gz', 'sample.xes'].map((name) => join(root, 'sagas/loan-application', name));

/** A first argument that is no option is the log. npm runs scripts in the package: a path is meant from where one typed. */
const argumentsOfRun = (args) => {
  const [first, ...rest] = args;
  const given = first !== undefined && !first.startsWith('-');
  const others = given ? rest : args;
  const has = (option) => others.some((arg) => arg === option || arg.startsWith(`${option}=`));
  if (['--help', '-h'].some(has)) return others;
  const input = given ? resolve(process.env.INIT_CWD ?? process.cwd(), first) : sampleLogs.find(existsSync);
  const inputArgs = has('--input') || input === undefined ? [] : ['--input', input];
  // One database for each log, so that a second run meets its own messages again and no others.
  const name = basename(input ?? 'input').replace(/\.xes(\.gz)?$/, '');
  const store = ['--store', `pglite:${join('.watersmeet', name)}`];
  return [...inputArgs, ...(has('--store') || has('--input') ? [] : store), ...others];
};

ensure();
if (!build()) {
  process.stderr.write('The build failed, so nothing was run. The compiler says why above.\n');
  process.exit(1);
}

const main = join(root, 'dist/esm/src/cli/main.js');
const args = [main, 'run', 'loan-application', ...argumentsOfRun(process.argv.slice(2))];
const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });

// A terminal sends Ctrl-C to the child as well; sent twice it would mean "stop at once".
process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
