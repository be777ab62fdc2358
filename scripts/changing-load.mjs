// A load that changes, under fixed strategies and under the adaptive one, on real PostgreSQL: `node scripts/changing-load.mjs`.
//   --writers <n>  how many save at once (default 48)     --saves <n>  saves of each writer in the rush (default 16)
//   --runs <n>     repetitions (default 3)                --write      the figures go to bench/results/changing-load.json and .md
// Three phases: every writer its own product; a rush of all on one; their own again. The calm ones have twice the saves. PostgreSQL is started by the script;
// PGTEST_URL names another one. Ends with 1 where a stock was wrong.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createDatabase, dropDatabase, startPostgres } from '../test/support/embedded-postgres.mjs';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({
  options: { writers: text, saves: text, runs: text, write: { type: 'boolean', default: false } },
});
const whole = (name, fallback) => {
  const found = Number(options[name] ?? fallback);
  if (Number.isSafeInteger(found) && found > 0) return found;
  console.error(`--${name} takes a whole number, not ${options[name]}`);
  process.exit(2);
};
const [writers, saves, runs] = [whole('writers', 48), whole('saves', 16), whole('runs', 3)];

ensure();
const { transformAll, writeCompiled } = await import('./compile.mjs');

/** The sources of today as plain JavaScript, in a folder where they find themselves by the package's name. */
const compile = () => {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'changing-load-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const exports = { '.': './src/index.js', './postgres': './src/adapters/postgres/index.js' };
  writeCompiled(folder, transformAll(['src']), { manifest: { name: 'watersmeet', exports } });
  return (path) => import(pathToFileURL(join(folder, path)).href);
};

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
const load = compile();
const { accept, aggregate, toPromise } = await load('src/index.js');
const { repository } = await load('src/runtime/repository/repository.js');
const { adaptive } = await load('src/runtime/concurrency/adaptive.js');
const { concurrencyStats } = await load('src/runtime/concurrency/concurrency-stats.js');
const { openPostgres } = await load('src/adapters/postgres/index.js');
const t = await import('io-ts');

const item = aggregate({
  category: 'item',
  commands: { Add: t.type({ amount: t.number }) },
  events: { Added: t.type({ amount: t.number }) },
  state: t.number,
  initialState: 0,
  evolve: { Added: (stock, { amount }) => stock + amount },
  decide: { Add: (_, data) => accept({ type: 'Added', data }) },
});
const add = { type: 'Add', data: { amount: 1 } };

const patient = { attemptsMax: 1_000, delayMaxMs: 100, lockWaitMaxMs: 60_000 };
const settingsOf = {
  retry: () => ({ ...patient, strategy: 'retry' }),
  pessimistic: () => ({ ...patient, strategy: 'pessimistic' }),
  adaptive: () => ({
    ...patient,
    strategy: 'adaptive',
    adaptive: adaptive({
      table: [
        { above: 0, strategy: 'retry' },
        { above: 0.05, strategy: 'pessimistic' },
      ],
    }),
  }),
};
const phases = [
  { name: 'apart', count: 2 * saves, idOf: (run, writer) => `${run}a${writer}` },
  { name: 'together', count: saves, idOf: (run) => `${run}b` },
  { name: 'apart again', count: 2 * saves, idOf: (run, writer) => `${run}c${writer}` },
];

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

/** All writers through all phases; how long each phase took, how long saves took, and whether all of them are there. */
const measure = async (store, strategy, run) => {
  const stats = concurrencyStats();
  const settings = settingsOf[strategy]();
  const items = repository({ store, stats })(item);
  const phaseMs = [];
  const saveMs = [];
  let right = true;
  for (const { count, idOf } of phases) {
    const began = performance.now();
    const write = async (writer) => {
      for (let save = 0; save < count; save += 1) {
        const start = performance.now();
        await toPromise(items.update(idOf(run, writer), add, { settings }));
        saveMs.push(performance.now() - start);
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    phaseMs.push(performance.now() - began);
    const ids = new Set(Array.from({ length: writers }, (_, writer) => idOf(run, writer)));
    let sum = 0;
    for (const id of ids) sum += (await toPromise(items.load(id))).state;
    right &&= sum === writers * count;
  }
  saveMs.sort((a, b) => a - b);
  const [type] = stats.read().types;
  return {
    ...{ strategy, phaseMs, totalMs: phaseMs.reduce((sum, ms) => sum + ms, 0), right },
    ...{ p50Ms: percentile(saveMs, 0.5), p99Ms: percentile(saveMs, 0.99) },
    ...{ attempts: type.attempts.mean, chosen: type.strategies },
  };
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const measureAll = async () => {
  const server = await startPostgres();
  const url = await createDatabase(server.url);
  const store = await toPromise(openPostgres({ connectionString: url, poolMax: 24, migrate: true }));
  const found = [];
  try {
    // A cold pool starts its writers one after another; a cold process compiles while it is measured.
    await Promise.all(Array.from({ length: 24 }, () => toPromise(store.readAll({}))));
    for (const strategy of Object.keys(settingsOf)) await measure(store, strategy, `warm${strategy}`);
    for (let run = 0; run < runs; run += 1)
      for (const strategy of Object.keys(settingsOf)) {
        found.push(await measure(store, strategy, `${strategy}${run}`));
        console.error(lineOf(found.at(-1)));
      }
  } finally {
    await store.close();
    await dropDatabase(server.url, url);
    await server.stop();
  }
  return found;
};

const ms = (value) => value.toFixed(0);
const lineOf = ({ strategy, phaseMs, totalMs, p50Ms, p99Ms, attempts }) =>
  `| ${strategy} | ${phaseMs.map(ms).join(' | ')} | ${ms(totalMs)} | ${p50Ms.toFixed(1)} | ${ms(p99Ms)} | ${attempts.toFixed(2)} |`;

const found = await measureAll();
const medians = Object.keys(settingsOf).map((strategy) => {
  const own = found.filter((one) => one.strategy === strategy);
  const of = (read) => median(own.map(read));
  return {
    ...{ strategy, phaseMs: phases.map((_, index) => of(({ phaseMs }) => phaseMs[index])) },
    ...{ totalMs: of(({ totalMs }) => totalMs), p50Ms: of(({ p50Ms }) => p50Ms) },
    ...{ p99Ms: of(({ p99Ms }) => p99Ms), attempts: of(({ attempts }) => attempts) },
    ...{ right: own.every(({ right }) => right), chosen: own[0].chosen },
  };
});
const report = `# A load that changes

${writers} writers; each saves ${2 * saves} times its own product, ${saves} times one that all save, and ${2 * saves} times its own again.
Median of ${runs} runs, on PostgreSQL in the same machine.
${machineText()}. Made by \`node scripts/changing-load.mjs --write\`.

| strategy | ${phases.map(({ name }) => `${name}, ms`).join(' | ')} | in all, ms | save p50, ms | save p99, ms | attempts |
|---|---|---|---|---|---|---|---|
${medians.map(lineOf).join('\n')}

Every stock was ${medians.every(({ right }) => right) ? 'right' : 'NOT right'} after every phase.
`;
console.log(report);
if (options.write) {
  const where = join(root, 'bench/results/changing-load');
  writeFileSync(
    `${where}.json`,
    `${JSON.stringify({ machine: machine(), writers, saves, runs, medians, found }, null, 2)}\n`,
  );
  writeFileSync(`${where}.md`, report);
}
process.exit(medians.every(({ right }) => right) ? 0 : 1);
