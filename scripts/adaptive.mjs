// A workload that changes, under each fixed strategy and under `adaptive`, in memory and on real PostgreSQL: `npm run adaptive`.
//   --only <store>    memory or postgres alone      --runs <n>  repetitions (default 3)
//   --phase-ms <n>    how long each of the four phases lasts, in milliseconds (default 3,000)
//   --strategies <list>  such as retry,adaptive     --write     the figures go to bench/results/adaptive.json and adaptive.md
// PostgreSQL is started by the script; PGTEST_URL names another one. Ends with 1 where a stream did not hold what was confirmed.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createDatabase, dropDatabase, startPostgres } from '../test/support/embedded-postgres.mjs';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({
  options: {
    ...{ only: text, runs: text, 'phase-ms': text, strategies: text },
    ...{ write: { type: 'boolean', default: false }, verbose: { type: 'boolean', default: false } },
  },
});
const number = (name, fallback) => {
  const found = Number(options[name] ?? fallback);
  if (Number.isSafeInteger(found) && found > 0) return found;
  console.error(`--${name} takes a whole number, not ${options[name]}`);
  process.exit(2);
};
const [runs, phaseMs] = [number('runs', 3), number('phase-ms', 3_000)];
const poolMax = 32;

ensure();
const { transformAll, writeCompiled } = await import('./compile.mjs');

/** The sources of today as plain JavaScript, in a folder where they find themselves by the package's name. */
const compile = () => {
  const cache = join(root, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'adaptive-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const exports = { '.': './src/index.js', './postgres': './src/adapters/postgres/index.js' };
  const sources = transformAll(['src', 'test/support/adaptive-workload.ts']);
  writeCompiled(folder, sources, { manifest: { name: 'watersmeet', exports } });
  return (path) => import(pathToFileURL(join(folder, path)).href);
};

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
const load = compile();
const { memoryStore, toPromise } = await load('src/index.js');
const { openPostgres } = await load('src/adapters/postgres/index.js');
const { phases, runWorkload, workloadStrategies } = await load('test/support/adaptive-workload.js');
const wantedNames = options.strategies?.split(';') ?? workloadStrategies;

const openMemory = async () => {
  const store = memoryStore();
  return { name: 'memory', store, close: () => store.close() };
};

const openServer = async () => {
  const server = await startPostgres();
  const url = await createDatabase(server.url);
  const store = await toPromise(openPostgres({ connectionString: url, poolMax, migrate: true }));
  // A cold pool starts its writers one after another.
  await Promise.all(Array.from({ length: poolMax }, () => toPromise(store.readAll({}))));
  return {
    ...{ name: 'postgres', store },
    close: async () => {
      await store.close();
      await dropDatabase(server.url, url);
      await server.stop();
    },
  };
};

/** Numbers from 0 up to 1, the same for the same seed. */
const randomOf = (seed) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

const quantile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;

const figuresOf = ({ useful, failed, decideRuns, latencies, ms, strategies }) => ({
  ...{ useful, failed, perSecond: (useful / ms) * 1_000, decideRuns, strategies },
  ...{ p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) },
});

const totalOf = (parts) => {
  const sum = (of) => parts.reduce((total, part) => total + of(part), 0);
  return figuresOf({
    ...{ useful: sum((one) => one.useful), failed: sum((one) => one.failed) },
    ...{ decideRuns: sum((one) => one.decideRuns), ms: sum((one) => one.ms), strategies: {} },
    latencies: parts.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
  });
};

let count = 0;
const runOne = async ({ name: storeName, store }, strategy, repetition) => {
  count += 1;
  const given = { phaseMs, prefix: `r${count}x`, random: randomOf(repetition + 1) };
  const { phases: parts, switches, wrong } = await runWorkload(store, strategy, given);
  const all = [...parts.map((part) => [part.phase, figuresOf(part)]), ['all', totalOf(parts)]];
  for (const one of wrong) console.log(`WRONG ${storeName}, ${strategy}: ${one}`);
  if (options.verbose) for (const { reason } of switches) console.log(`  ${reason}`);
  return {
    store: storeName,
    strategy,
    wrong: wrong.length,
    switches: switches.length,
    phases: Object.fromEntries(all),
  };
};

const measureOn = async (open) => {
  const opened = await open();
  const results = [];
  try {
    for (let repetition = 0; repetition < runs; repetition += 1)
      // Another one begins each time, so that none always comes after the same.
      for (const [index] of wantedNames.entries()) {
        const strategy = wantedNames[(index + repetition) % wantedNames.length];
        const result = await runOne(opened, strategy, repetition);
        results.push(result);
        const told = Object.entries(result.phases).map(
          ([phase, { useful, failed }]) => `${phase} ${useful}${failed > 0 ? ` (${failed} failed)` : ''}`,
        );
        console.log(`${opened.name}, ${strategy}: ${told.join(', ')}`);
        if (options.verbose)
          for (const [phase, one] of Object.entries(result.phases))
            console.log(
              `   ${phase}: p50 ${one.p50Ms.toFixed(1)} p99 ${one.p99Ms.toFixed(1)} ${JSON.stringify(one.strategies)}`,
            );
      }
  } finally {
    await opened.close();
  }
  return results;
};
const wanted = (store) => options.only === undefined || options.only === store;
const results = [
  ...(wanted('memory') ? await measureOn(openMemory) : []),
  ...(wanted('postgres') ? await measureOn(openServer) : []),
];
