// What both pages show: the tables, the goals, and what it was measured on.
import { machineText } from '../../scripts/machine.mjs';
import { measuredText, verdictText } from './goals.mjs';
import { figure, ratioOf } from './harness.mjs';
import { remarks } from './remarks.mjs';

export const grouped = (rows, by) => [
  ...rows.reduce((groups, row) => groups.set(by(row), [...(groups.get(by(row)) ?? []), row]), new Map()),
];

const extras = [
  ['p50Ms', 'p50, ms', figure],
  ['p99Ms', 'p99, ms', figure],
  ['peakMb', 'heap at most, MB', figure],
  ['runsPerMessage', 'handler runs per message', (value) => value.toFixed(2)],
  ['failedShare', 'failed', (value) => `${(value * 100).toFixed(1)} %`],
];

/** The rows of one case as a table: header, then cells. The first row is what the others are compared with. */
export const tableOf = (rows) => {
  const shown = extras.filter(([field]) => rows.some((row) => Number.isFinite(row[field])));
  const [first] = rows;
  const header = [
    '',
    first.unit,
    'smallest to largest',
    `${first.subject} is`,
    ...shown.map(([, label]) => label),
  ];
  const cells = rows.map((row) => {
    const ratio = row === first ? undefined : ratioOf(first, row);
    return [
      ...[row.subject, figure(row.median), `${figure(row.min)} to ${figure(row.max)}`],
      ratio === undefined ? '' : `${figure(ratio.median)} x (${figure(ratio.min)} to ${figure(ratio.max)})`,
      ...shown.map(([field, , tell]) => (Number.isFinite(row[field]) ? tell(row[field]) : '')),
    ];
  });
  return { header, cells };
};

export const goalTable = (judged) => ({
  header: ['bench', 'commit', 'goal', 'measured', 'plain pg is', ''],
  cells: judged.map((line) => [
    ...[`${line.bench}: ${line.case}`, line.commit, line.wanted, measuredText(line)],
    ...[line.limit === undefined ? '' : `${figure(line.limit.median)} x ${line.against}`, verdictText(line)],
  ]),
});

export const remarksOn = (judged) =>
  remarks
    .filter((remark) =>
      judged.some(
        (line) => line.verdict === 'missed' && line.bench === remark.bench && line.case === remark.case,
      ),
    )
    .map((remark) => `${remark.bench}, ${remark.case}: ${remark.text}`);

export const measuredOn = ({ date, rounds, ms }) => `${date}, ${rounds} rounds of ${ms} ms.`;

export const conditionsOf = ({ date, machine, versions, notes, conditions }) => [
  `Measured on ${date} on ${machineText(machine)}.`,
  `${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.`,
  `Each subject works ${conditions.warmUpMs} ms unmeasured before each case, then all take turns in each round; medians, and ratios of one and the same round. ${conditions.poolMax} connections for each subject.`,
  ...notes,
  ...Object.entries(conditions.commits).map(([name, meaning]) => `Commits on \`${name}\`: ${meaning}.`),
  ...(conditions.noSlowCommits === undefined
    ? []
    : [`\`slow\` was not measured: ${conditions.noSlowCommits}.`]),
];

export const title = 'Watersmeet beside its peers';
