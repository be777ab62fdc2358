// Simulates the saga runtime, seed after seed, until a promise is broken: `npm run sim -- --seeds 10000`.
//   --seeds <n>    how many seeds (default 10,000)        --from <k>     the first one (default 1)
//   --seed <s>     this one alone, with its figures       --trace        with --seed: every step
//   --workers <w>  processes at once (default 2)          --json <file>  the figures as JSON
//   --write        the figures go to bench/results/sim.json and sim.md
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const number = (name, text, fallback, min) => {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isSafeInteger(value) && value >= min && value < 2 ** 32) return value;
  console.error(`--${name} takes a whole number from ${min} on, not ${text}`);
  process.exit(2);
};

const options = (() => {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const known = { seeds: text, from: text, seed: text, workers: text, json: text, trace: flag, write: flag };
  try {
    const { values } = parseArgs({ options: known });
    const { seeds, from, seed, workers, ...rest } = values;
    return {
      ...rest,
      seed: seed === undefined ? undefined : number('seed', seed, 0, 0),
      seeds: number('seeds', seeds, 10_000, 1),
      from: number('from', from, 1, 0),
      workers: number('workers', workers, 2, 1),
    };
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
})();

ensure();
const { transformAll, writeCompiled } = await import('../test/simulation/compiled.mjs');
const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, 'sim-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
writeCompiled(folder, transformAll());

/** One seed, in this process: what it came to, or why it failed. */
const one = async (seed) => {
  const { simulateLedger } = await import(pathToFileURL(join(folder, 'test/simulation/ledger.js')).href);
  try {
    const { hash, figures, trace } = await simulateLedger(seed);
    if (options.trace) console.log(trace().join('\n'));
    console.log(`seed ${seed}: every promise kept, trace ${hash}`);
    console.log(JSON.stringify(figures));
  } catch (error) {
    if (error.tagged?._tag !== 'SimulationFailed') throw error;
    console.log(
      options.trace
        ? `${error.tagged.trace.join('\n')}\nseed ${seed}: ${error.tagged.broken}`
        : error.message,
    );
    process.exitCode = 1;
  }
};

const total = { seeds: 0, figures: {}, violations: [] };

const progress = (() => {
  const startedAtMs = Date.now();
  let shownAtMs = 0;
  return {
    seconds: () => Math.round((Date.now() - startedAtMs) / 100) / 10,
    show: () => {
      if (Date.now() - shownAtMs < 5_000) return;
      shownAtMs = Date.now();
      const pace = Math.round(total.seeds / Math.max(0.1, progress.seconds()));
      process.stderr.write(
        `${total.seeds.toLocaleString('en')} seeds, ${pace.toLocaleString('en')} a second\n`,
      );
    },
  };
})();

/** A process of its own that runs every `workers`-th seed; resolves when it ends. */
const worker = (index) =>
  new Promise((resolve, reject) => {
    const { from, seeds, workers } = options;
    const script = join(root, 'test/simulation/run-seeds.mjs');
    const range = [from + index, from + seeds, workers].map(String);
    const args = ['--max-semi-space-size=32', '--single-threaded-gc', script, folder, ...range];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    process.on('exit', () => child.kill());
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line);
      if (told.violation !== undefined) return total.violations.push(told);
      total.seeds += told.seeds;
      for (const [name, value] of Object.entries(told.figures))
        total.figures[name] = (total.figures[name] ?? 0) + value;
      progress.show();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0 && total.violations.length === 0) reject(new Error(`a worker ended with code ${code}`));
      else resolve();
    });
  });

const words = {
  steps: 'steps of processes',
  processes: 'processes started',
  crashes: 'crashes',
  messages: 'messages',
  deliveries: 'deliveries of them',
  duplicates: 'deliveries known as duplicates',
  unavailable: 'calls that the store refused',
  answersLost: 'answers of appends that were lost',
  jointAppends: 'appends of several messages at once',
  conflicts: 'conflicts',
  fastForwards: 'fast-forwards',
  merges: 'merges',
  mergesInParts: 'of them parts of what one append could not hold',
  branchesMerged: 'branches merged',
  refusals: 'merges refused, mended later',
  leases: 'appends under a lease',
  leasesLost: 'of them refused, the lease was lost',
  compensations: 'compensations',
  compensationsFailed: 'failed attempts at them',
  completions: 'completions',
  dispatched: 'messages handed over',
  outages: 'outages that followers waited out',
  timeoutsAsked: 'timeouts asked for',
  timeoutsDelivered: 'of them delivered',
  timeoutsCancelled: 'of them cancelled',
  timeoutsIgnored: 'of them ignored, their epoch was over',
  enqueued: 'messages and timeouts in queues',
  queueAnswersLost: 'answers of queues that were lost',
  stops: 'processes stopped past their leases',
  workers: 'workers started',
  workersLeft: 'of them told to stop',
  partitionsTaken: 'partitions taken',
  partitionsGivenBack: 'of them given back',
  partitionsLost: 'of them lost',
  messagesRetried: 'attempts of messages that failed and came again',
  handlersTimedOut: 'handlers that took too long',
  parked: 'messages and timeouts parked',
  lettersRetried: 'dead letters let go',
  lettersDiscarded: 'dead letters given up',
};

const report = () => {
  const { from, seeds, workers } = options;
  const violations = total.violations.map(({ violation, broken }) => ({ seed: violation, broken }));
  return {
    machine: machine(),
    from,
    wanted: seeds,
    workers,
    seeds: total.seeds,
    seconds: progress.seconds(),
    violations,
    figures: total.figures,
  };
};

const write = (run) => {
  const folder = join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'sim.json'), `${JSON.stringify(run, null, 1)}\n`);
  const { seeds, from, seconds, workers, violations, figures } = run;
  const shown = (value) => value.toLocaleString('en');
  const rows = Object.entries(words).map(([name, what]) => `| ${what} | ${shown(figures[name] ?? 0)} |`);
  const lines = [
    '# The saga runtime, simulated',
    '',
    `\`npm run sim -- --seeds ${run.wanted} --from ${from}\`, ${workers} processes on ${machineText()}:`,
    `${shown(seeds)} seeds in ${shown(Math.round(seconds))} s, **${violations.length} violations**.`,
    '',
    '| what happened | how often |',
    '|---|---:|',
    ...rows,
    '',
    'A seed draws a saga, its messages, one to four processes and the faults that strike them, and runs them in virtual time over',
    'the memory store; by chance the saga asks for timeouts, and its messages come through a queue and its workers. After every append',
    'and every call of a queue, and at the end, what is recorded is held against what the engine promises.',
    '',
  ];
  writeFileSync(join(folder, 'sim.md'), lines.join('\n'));
};

if (options.seed !== undefined) await one(options.seed);
else {
  await Promise.all(
    Array.from({ length: Math.min(options.workers, options.seeds) }, (_, index) => worker(index)),
  );
  const run = report();
  for (const { message } of total.violations) console.log(message);
  for (const [name, what] of Object.entries(words))
    console.log(`${String(run.figures[name] ?? 0).padStart(14)} ${what}`);
  console.log(
    `${String(run.seeds).padStart(14)} seeds in ${run.seconds} s, ${run.violations.length} violations`,
  );
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(run, null, 1)}\n`);
  if (options.write) write(run);
  process.exitCode = run.violations.length > 0 ? 1 : 0;
}
