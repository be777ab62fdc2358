// The results as Markdown.
import { conditionsOf, goalTable, grouped, measuredOn, remarksOn, tableOf, title } from './tables.mjs';

const markdownTable = ({ header, cells }) =>
  [header, header.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`).join('\n');

export const markdown = (results, judged) => {
  const sections = results.benches.flatMap(({ name, title: heading, about, ...when }) => {
    const own = results.rows.filter((row) => row.bench === name);
    const tables = grouped(own, ({ commit, case: what }) => `${what}; ${commit}`);
    return [
      `## ${heading}`,
      '',
      about,
      '',
      measuredOn(when),
      '',
      ...tables.flatMap(([what, rows]) => [`### ${what}`, '', markdownTable(tableOf(rows)), '']),
    ];
  });
  const top = [
    `# ${title}`,
    '',
    '`npm run bench`. [The same with plots](report.html).',
    '',
    ...conditionsOf(results).map((line) => `- ${line}`),
    '',
  ];
  return [
    ...top,
    '## Goals',
    '',
    markdownTable(goalTable(judged)),
    '',
    ...remarksOn(judged).flatMap((one) => [one, '']),
    ...sections,
  ].join('\n');
};
