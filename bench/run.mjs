// Measures Watersmeet beside its peers, everything interleaved in one run: `npm run bench`.
//   --only <name,...>  these benches alone          --list        which there are
//   --quick            tiny sizes: whether it works, not how fast
//   --long             stores of 10,000,000 events as well
//   --rounds <n>       repetitions (default 5)      --ms <n>      how long a subject works in a round (default 500)
//   --commit <name>    disk or slow alone           --no-build    take dist as it is
//   --output <folder>  default bench/results; with --quick or --only nothing is written unless it is named
//   --merge            with --only: what is measured replaces these benches in the last results, and the rest stays
//   --report           nothing is measured: the pages are made again from the last results
// PostgreSQL is started by the script, with its default durability; PGTEST_URL names another one.
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import { prepare } from './lib/prepare.mjs';

// Two of the peers ask a busy client, which pg is about to give up; it would be told in the midst of the figures.
process.noDeprecation = true;

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const { values: options } = parseArgs({
  options: {
    ...{ only: text, rounds: text, ms: text, commit: text, output: text },
    ...{ quick: flag, long: flag, list: flag, report: flag, merge: flag, 'no-build': flag },
  },
});
const here = dirname(fileURLToPath(import.meta.url));

const number = (name, fallback) => {
  const found = Number(options[name] ?? fallback);
  if (Number.isSafeInteger(found) && found > 0) return found;
  console.error(`--${name} takes a whole number, not ${options[name]}`);
  process.exit(2);
};
const sizes = {
  rounds: number('rounds', options.quick ? 2 : 5),
  ms: number('ms', options.quick ? 100 : 500),
  warmUpMs: options.quick ? 0 : 2_000,
  ...{ isQuick: options.quick, isLong: options.long },
};

const main = async () => {
  const { writeReport, readResults, merged } = await import('./lib/report.mjs');
  const folder = options.output ?? join(here, 'results');
  if (options.report) return writeReport(folder, readResults(folder));
  prepare({ isBuilt: options['no-build'] });
  const { benches } = await import('./lib/benches.mjs');
  if (options.list) return console.log(benches.map(({ name, title }) => `${name}: ${title}`).join('\n'));
  const only = options.only?.split(',');
  const unknown = only?.filter((one) => !benches.some(({ name }) => name === one)) ?? [];
  if (unknown.length > 0) {
    console.error(`no bench ${unknown.join(', ')}; there are ${benches.map(({ name }) => name).join(', ')}`);
    process.exit(2);
  }
  const { measure } = await import('./lib/measure.mjs');
  const wanted = benches.filter(({ name }) => only === undefined || only.includes(name));
  const results = await measure(wanted, { ...sizes, commit: options.commit, say: console.log });
  const { summary } = await import('./lib/summary.mjs');
  console.log(`\n${summary(results)}`);
  if (options.merge) return writeReport(folder, merged(readResults(folder), results));
  if (options.output === undefined && (options.quick || only !== undefined))
    return console.log(
      '\nNothing was written: --merge keeps a part in the last results, --output <folder> keeps it by itself.',
    );
  writeReport(folder, results);
};

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
