// The results as one HTML file with plots, that loads nothing.
import { bars, escape, lines } from './plot.mjs';
import { conditionsOf, goalTable, grouped, measuredOn, remarksOn, tableOf, title } from './tables.mjs';

const htmlTable = ({ header, cells }, classOf = () => '') => {
  const row = (tag, line, name) =>
    `<tr class="${name}">${line.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${row('th', header, '')}${cells.map((line) => row('td', line, classOf(line))).join('')}</table>`;
};

const writersOf = (what) => Number(/(\d+) writer/.exec(what)?.[1]);

/** Cases that differ in the number of writers alone, as lines over that number. */
const plotsOverWriters = (rows) => {
  const kindOf = ({ commit, case: what }) => `${what.replace(/,? ?\d+ writers?,? ?/, '')}; ${commit}`;
  const kinds = grouped(rows, kindOf).filter(
    ([, own]) => new Set(own.map((row) => writersOf(row.case))).size > 2,
  );
  return kinds.map(([what, own]) => {
    const series = grouped(own, ({ subject }) => subject).map(([subject, mine]) => ({
      subject,
      points: mine.map((row) => [writersOf(row.case), row.median]).sort((a, b) => a[0] - b[0]),
    }));
    return `<h3>${escape(what)}</h3>${lines(series, { xLabel: 'writers', yLabel: own[0].unit })}`;
  });
};

const style = `body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left } svg { max-width: 100%; height: auto; font-size: 13px }
.met td:last-child { color: #2e7d32 } .missed td:last-child { color: #b3261e } .not td:last-child { color: #777 }`;

export const html = (results, judged) => {
  const sections = results.benches.map(({ name, title: heading, about, ...when }) => {
    const own = results.rows.filter((row) => row.bench === name);
    const cases = grouped(own, ({ commit, case: what }) => `${what}; ${commit}`).map(
      ([what, rows]) => `<h3>${escape(what)}</h3>${bars(rows)}${htmlTable(tableOf(rows))}`,
    );
    const plots = plotsOverWriters(own);
    return `<h2 id="${name}">${escape(heading)}</h2><p>${escape(about)}</p><p>${measuredOn(when)}</p>${[...plots, ...cases].join('\n')}`;
  });
  const links = results.benches
    .map(({ name, title: heading }) => `<a href="#${name}">${escape(heading)}</a>`)
    .join(' · ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title><style>${style}</style></head><body>
<h1>${title}</h1>
${conditionsOf(results)
  .map((line) => `<p>${escape(line).replaceAll(/`(\w+)`/g, '<code>$1</code>')}</p>`)
  .join('\n')}
<h2>Goals</h2>${htmlTable(goalTable(judged), (line) => line.at(-1).split(' ')[0])}
${remarksOn(judged)
  .map((one) => `<p>${escape(one)}</p>`)
  .join('\n')}
<p>${links}</p>
${sections.join('\n')}
</body></html>
`;
};
