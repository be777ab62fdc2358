// Writes what was measured: bench.json with every round, bench.md, and report.html with plots.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { judge } from './goals.mjs';
import { html } from './page-html.mjs';
import { markdown } from './page-markdown.mjs';

export const readResults = (folder) => JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8'));

const isSame = (a, b) => a.bench === b.bench && a.commit === b.commit;

/** Later results of some benches in the place of the earlier ones; the rest is as it was. */
export const merged = (kept, { benches, rows, versions, notes, conditions }) => {
  const later = new Map(benches.map((bench) => [bench.name, bench]));
  const earlier = new Set(kept.benches.map(({ name }) => name));
  return {
    ...kept,
    ...{
      versions,
      notes,
      conditions: {
        ...{ ...kept.conditions, ...conditions },
        isLong: kept.conditions.isLong || conditions.isLong,
        commits: { ...kept.conditions.commits, ...conditions.commits },
      },
    },
    benches: [
      ...kept.benches.map((bench) => later.get(bench.name) ?? bench),
      ...benches.filter(({ name }) => !earlier.has(name)),
    ],
    rows: [...kept.rows.filter((row) => !rows.some((one) => isSame(one, row))), ...rows],
  };
};

export const pagesOf = (results) => {
  const judged = judge(results.rows);
  return { markdown: markdown(results, judged), html: html(results, judged) };
};

export const writeReport = (folder, results) => {
  mkdirSync(folder, { recursive: true });
  const pages = pagesOf(results);
  writeFileSync(join(folder, 'bench.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(folder, 'bench.md'), pages.markdown);
  writeFileSync(join(folder, 'report.html'), pages.html);
  console.log(`Written to ${folder}: bench.json, bench.md, report.html`);
};
