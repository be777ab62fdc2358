// Kills, stops and cuts off workers and servers under load, and proves that nothing was lost or done twice: `npm run chaos`.
//   --rounds <n>   rounds of each kind (default 4)         --seed <s>     the first round's seed (default 1)
//   --only <kind>  kill | restart | cut | stop | clock | poison | pglite
//   --minutes <m>  for so long, in place of --rounds: each round is of the kind that is furthest behind its planned number
//   --json <file>  the figures as JSON
//   --quick        short rounds with few faults
//   --write        the figures go to bench/results/chaos.json and chaos.md
//   --mutant <m>   with a bug put into the sources, which must be found; see test/chaos/mutants.mjs
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';
import { page, planned, shareDone, tell } from '../test/chaos/report.mjs';

const allKinds = Object.keys(planned);

const refuse = (message) => {
  console.error(message);
  process.exit(2);
};

const number = (name, text, min) => {
  const value = Number(text);
  return Number.isSafeInteger(value) && value >= min && value < 2 ** 31
    ? value
    : refuse(`--${name} takes a whole number from ${min} on, not ${text}`);
};

const parse = () => {
  const text = { type: 'string' };
  const known = { rounds: text, seed: text, only: text, json: text, minutes: text, mutant: text };
  try {
    const flag = { type: 'boolean', default: false };
    return parseArgs({ options: { ...known, write: flag, quick: flag } }).values;
  } catch (error) {
    return refuse(error.message);
  }
};
const given = parse();
if (given.only !== undefined && !allKinds.includes(given.only)) refuse(`--only takes ${allKinds.join(', ')}`);
const kinds = given.only === undefined ? allKinds : [given.only];
const rounds = number('rounds', given.rounds ?? '4', 1);
const firstSeed = number('seed', given.seed ?? '1', 0);
const minutes = given.minutes === undefined ? undefined : number('minutes', given.minutes, 1);

ensure();
const { compileInto } = await import('../test/chaos/compiled.mjs');
const { mutants } = await import('../test/chaos/mutants.mjs');
const { createDatabase, dropDatabase, startPostgres, whyNoPostgres } = await import(
  '../test/support/embedded-postgres.mjs'
);
const mutant = mutants.find(({ name }) => name === given.mutant);
if (given.mutant !== undefined && mutant === undefined)
  refuse(`--mutant takes ${mutants.map(({ name }) => name).join(', ')}`);

const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'chaos-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
// Workers are ended when this process exits (test/chaos/crew.ts), the server when its pipe closes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
compileInto(folder, mutant);
const compiled = (path) => import(pathToFileURL(join(folder, path)).href);
const { runRound } = await compiled('test/chaos/round.js');

/** A server of our own, with its default durability, and a migrated database that each round gets a copy of. */
const startServer = async () => {
  const { toPromise } = await compiled('src/core/fault.js');
  const { migratePostgres } = await compiled('src/adapters/postgres/index.js');
  const why = process.env.PGTEST_URL === undefined ? whyNoPostgres() : 'PGTEST_URL names a server of others';
  if (why !== undefined) refuse(`Kinds other than pglite need a server that may be crashed: ${why}`);
  const server = await startPostgres();
  const template = await createDatabase(server.url);
  await toPromise(migratePostgres({ connectionString: template }));
  const name = new URL(template).pathname.slice(1);
  const { default: pg } = await import('pg');
  const asked = new pg.Client({ connectionString: server.url });
  await asked.connect();
  const { rows } = await asked.query('show server_version');
  await asked.end();
  return {
    version: rows[0].server_version,
    createDatabase: () => createDatabase(server.url, name),
    dropDatabase: (url) => dropDatabase(server.url, url),
    crash: server.crash,
    stop: server.stop,
  };
};

const startedAtMs = Date.now();
const seconds = () => Math.round((Date.now() - startedAtMs) / 100) / 10;
const results = [];

const again = ({ kind, seed }) =>
  `npm run chaos -- --only ${kind} --rounds 1 --seed ${seed}${given.quick ? ' --quick' : ''}${mutant ? ` --mutant ${mutant.name}` : ''}`;

const show = (result) => {
  const { kind, seed, seconds: took, problems, figures, answers } = result;
  const told = Object.entries(figures).map(([what, count]) => `${count} ${what}`);
  const say = (line) => process.stderr.write(`${line}\n`);
  say(`${problems.length === 0 ? 'ok     ' : 'FAILED '} ${kind} ${seed} in ${took} s: ${told.join(', ')}`);
  if (problems.length === 0) return;
  for (const problem of problems.slice(0, 20)) say(`        ${problem}`);
  if (problems.length > 20) say(`        and ${problems.length - 20} more`);
  say(`        answers: ${JSON.stringify(answers)}`);
  say(`        again: ${again(result)}`);
};

const versionOf = (name) =>
  JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;

const measuredOn = (server) => ({
  ...machine(),
  ...(server && { postgres: server.version }),
  pglite: versionOf('@electric-sql/pglite'),
});

/** The run as it can be repeated; where its figures went is nobody's business. */
const command = () => {
  const asked = ['only', 'minutes', 'rounds', 'seed', 'mutant'].filter((name) => given[name] !== undefined);
  return [...asked.map((name) => `--${name} ${given[name]}`), ...(given.quick ? ['--quick'] : [])].join(' ');
};

const write = (told) => {
  const target = join(root, 'bench/results');
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'chaos.json'), `${JSON.stringify(told, null, 1)}\n`);
  const words = { command: command(), machineText: machineText(told.machine) };
  writeFileSync(join(target, 'chaos.md'), page(told, words));
};

/** The kinds of the next rounds, one after another: each as often, or by the clock whichever is furthest behind its plan. */
function* schedule() {
  if (minutes === undefined) for (let round = 0; round < rounds; round += 1) yield* kinds;
  else
    while (Date.now() - startedAtMs < minutes * 60_000)
      yield kinds.reduce((one, other) => (shareDone(other, results) < shareDone(one, results) ? other : one));
}

const server = kinds.some((kind) => kind !== 'pglite') ? await startServer() : undefined;
try {
  for (const kind of schedule()) {
    const seed = firstSeed + results.filter((result) => result.kind === kind).length;
    const result = await runRound(kind, seed, kind === 'pglite' ? undefined : server, given.quick);
    results.push(result);
    show(result);
  }
} finally {
  await server?.stop();
}

const told = tell({
  machine: measuredOn(server),
  seed: firstSeed,
  seconds: seconds(),
  ...{ kinds, results, again },
});
if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(told, null, 1)}\n`);
if (given.write) write(told);
console.log(`${told.rounds} rounds in ${told.seconds} s, ${told.failures.length} failed`);
process.exit(told.failures.length > 0 ? 1 : 0);
