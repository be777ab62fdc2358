// Runs seeds of a compiled simulation and tells of them in lines of JSON: node run-seeds.mjs <folder> <from> <to> [<step>].
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, from, to, step = '1'] = process.argv.slice(2);
const ledger = pathToFileURL(join(folder, 'test/simulation/ledger.js')).href;
const { simulateLedger } = await import(ledger);

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let seeds = 0;
let figures = {};
const report = (last) => {
  tell({ seeds, figures, last });
  seeds = 0;
  figures = {};
};

for (let seed = Number(from); seed < Number(to); seed += Number(step)) {
  try {
    const simulated = await simulateLedger(seed);
    for (const [name, value] of Object.entries(simulated.figures))
      figures[name] = (figures[name] ?? 0) + value;
    seeds += 1;
    if (seeds === 1_000) report(seed);
  } catch (error) {
    report(seed);
    tell({ violation: seed, broken: error.tagged?.broken ?? error.message, message: error.message });
    process.exitCode = 1;
    break;
  }
}
if (seeds > 0) report(Number(to));
