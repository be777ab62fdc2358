/** What a run came to, for people: the outcome first, one conflict told in full, and what to type next. */
import { describeConflict } from '../core/saga/describe-conflict.js';
import type { ConflictExplanation } from '../core/saga/explanation.js';
import { escapeForDisplay } from '../core/stream.js';
import type { Running } from './running.js';
import { exampleConflict } from './example-conflict.js';
import type { RunReport } from './run-report.js';

const number = (value: number): string => value.toLocaleString('en-US');
const counted = (count: number, one: string, many = `${one}s`): string =>
  `${number(count)} ${count === 1 ? one : many}`;

const duration = (ms: number): string =>
  ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${number(Math.round(ms / 1_000))} s`;

const headline = ({ program, place }: Running, report: RunReport): string => {
  const what = `${program.name}: ${counted(report.cases, 'case')}, ${counted(report.messages, 'message')}`;
  const how = `in ${duration(report.elapsedMs)} (${number(report.messagesPerSecond)} a second), ${counted(report.workers, 'worker')}, ${place.shown}`;
  return `${what} ${how}`;
};

/** What this run met; nothing on a run that found all done. */
const conflictLines = (report: RunReport): ReadonlyArray<string> => {
  if (report.messages > 0 && report.duplicates === report.messages)
    return ['Every message had been handled before: each was recognised, and nothing was changed.'];
  const refused = report.conflicts + report.fastForwards;
  const known =
    report.duplicates > 0
      ? [`${counted(report.duplicates, 'message')} had been handled before and were recognised.`]
      : [];
  if (refused === 0) return ['No two workers met on one saga.', ...known];
  return [
    `${counted(refused, 'time')} a worker found that another had been first:`,
    `  ${number(report.fastForwards)} lost only to events that do not matter to theirs, and moved past them;`,
    `  ${number(report.conflicts)} diverged: their work was kept as a branch, and no handler ran again.`,
    ...known,
  ];
};

const factLines = (report: RunReport): ReadonlyArray<readonly [string, string]> => [
  [
    'Outcomes',
    Object.entries(report.outcomes)
      .map(([name, count]) => `${escapeForDisplay(name)} ${number(count)}`)
      .join(', '),
  ],
  ['Decisions sent', number(report.decisionsSent)],
  ['Merges', `${number(report.merges)}, of ${counted(report.branchesMerged, 'branch', 'branches')}`],
  [
    'Messages',
    `${number(report.messagesSent)} sent, ${number(report.messagesCancelled)} held back and cancelled`,
  ],
  ['Compensations', number(report.compensations)],
  [
    'Parked',
    report.parked === 0
      ? 'none'
      : `${number(report.parked)}: a merge was refused and waits for its merger to be mended`,
  ],
];

const troubleLines = (report: RunReport): ReadonlyArray<string> => [
  ...(report.waiting > 0
    ? [
        `${counted(report.waiting, 'message')} wait behind parked sagas; deliver them again once the merger is mended.`,
      ]
    : []),
  ...(report.owed > 0 ? [`${counted(report.owed, 'saga')} still owe merges or compensations.`] : []),
];

const verifiedLines = (report: RunReport): ReadonlyArray<string> => {
  if (report.verified === undefined) return [];
  return report.verified
    ? [
        `Verified: all ${counted(report.cases, 'case')} end as if their messages had been handled one after another.`,
      ]
    : [`Not verified: ${counted(report.differing ?? 0, 'case')} differ from a serial run; see below.`];
};

const quoted = (argument: string): string =>
  /^[\w@%+=:,./*-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;

const nextLines = (
  { place, program, options }: Running,
  example: ConflictExplanation | undefined,
): ReadonlyArray<string> => {
  if (place.kind === 'memory')
    return ['The store in memory is gone now. Keep one with --store pglite:<directory>.'];
  const schema = options.schema === undefined ? '' : ` --schema ${quoted(options.schema)}`;
  const store = ` --store ${quoted(escapeForDisplay(place.shown, 500))}${schema}`;
  const stream = example?.streamName;
  return [
    'Next:',
    `  npx watersmeet streams --category ${program.saga.name}${store}`,
    ...(stream === undefined
      ? []
      : [`  npx watersmeet saga ${quoted(escapeForDisplay(stream, 500))}${store}`]),
  ];
};

export const summaryOf = async (running: Running, report: RunReport): Promise<string> => {
  const { colors } = running.session;
  const example = await exampleConflict(running.store, running.program.saga);
  const facts = factLines(report).map(([name, value]) => `  ${colors.dim(name.padEnd(15))} ${value}`);
  const trouble = troubleLines(report).map((line) => colors.red(line));
  const blocks: ReadonlyArray<ReadonlyArray<string>> = [
    [colors.bold(headline(running, report))],
    conflictLines(report),
    facts,
    [
      ...trouble,
      ...verifiedLines(report).map((line) =>
        report.verified === true ? colors.green(line) : colors.red(line),
      ),
    ],
    example === undefined ? [] : [colors.bold('One of the conflicts:'), describeConflict(example)],
    nextLines(running, example),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
};
