// What the figures are held against: each goal, what was measured, and by how much it was met or missed.
import { figure, ratioOf } from './harness.mjs';

const byHand = ['optimistic retry', 'retry with backoff', 'row lock', 'advisory lock', 'in-process queue'];
const withEmmett = [...byHand, 'Emmett, its default retry', 'Emmett, enough retries'];
const merge = 'watersmeet, merge';
const largest = '10,000,000 events';
const smallest = '10,000 events';

const append = (name, commits, ...against) =>
  against.map(([theirs, atLeast]) => ({
    ...{ bench: 'append', case: name, ours: 'watersmeet', commits },
    theirs,
    atLeast,
  }));
const growth = (name) => ({
  ...{ bench: 'growth', case: `${name}, 1 writer, median`, commits: ['disk'] },
  ...{ ours: largest, theirs: [smallest], atMost: 1.15 },
});
const both = ['disk', 'slow'];

/** `theirs` names the rows of which the best counts; `instead` one that stands in where there is none of these. */
export const goals = [
  ...append('single events, 32 writers', both, [['Emmett'], 8]),
  { ...append('single events, 32 writers', both, [['pgbench'], 1.3])[0], instead: 'plain pg' },
  ...append('single events, 1 writer', ['disk'], [['Emmett'], 4], [['plain pg'], 0.85]),
  ...append('batches of 10, 8 writers', both, [['Emmett'], 3.5], [['plain pg'], 1]),
  ...append('batches of 100, 8 writers', both, [['Emmett'], 3.5], [['plain pg'], 1]),
  ...[
    { theirs: ['Emmett'], atLeast: 6 },
    { theirs: ['Castore', 'Act', 'message-db'], atLeast: 2.5 },
  ].map((one) => ({ bench: 'decide', case: '32 writers', ours: 'watersmeet', commits: both, ...one })),
  ...[
    { theirs: ['Emmett'], atLeast: 4 },
    { theirs: ['plain pg'], atLeast: 0.95 },
  ].map((one) => ({
    bench: 'read',
    case: 'a stream of 1,000',
    ours: 'watersmeet',
    commits: ['disk'],
    ...one,
  })),
  ...[
    {
      case: '64 writers, 5 ms handlers',
      field: 'runsPerMessage',
      says: 'handler runs per message',
      atMost: 1,
    },
    { case: '64 writers, 5 ms handlers', theirs: byHand, atLeast: 15 },
    { case: '32 writers, 0 ms handlers', theirs: withEmmett, atLeast: 6 },
  ].map((one) => ({ bench: 'contention', ours: merge, commits: both, ...one })),
  ...['append one event', 'load a stream of 10 events'].map(growth),
];

const find = (rows, goal, commit, subject) =>
  rows.find(
    (row) =>
      row.bench === goal.bench && row.commit === commit && row.case === goal.case && row.subject === subject,
  );

const best = (rows) =>
  rows.reduce((a, b) => ((a.lessIsBetter ? b.median < a.median : b.median > a.median) ? b : a), rows[0]);

const invert = ({ median, min, max, runs }) => ({ median: 1 / median, min: 1 / max, max: 1 / min, runs });

const measured = (rows, goal, commit) => {
  const ours = find(rows, goal, commit, goal.ours);
  if (ours === undefined) return undefined;
  if (goal.field !== undefined) {
    const value = ours[goal.field];
    return { against: goal.says, spread: { median: value, min: value, max: value, runs: ours.runs } };
  }
  const named = goal.theirs.map((name) => find(rows, goal, commit, name)).filter((row) => row !== undefined);
  const theirs = best(named.length > 0 ? named : [find(rows, goal, commit, goal.instead)].filter(Boolean));
  if (theirs === undefined) return undefined;
  const ratio = ratioOf(ours, theirs);
  return { against: theirs.subject, spread: goal.atMost === undefined ? ratio : invert(ratio) };
};

/** What a plain insert or select of the same rows comes to beside the same subject: more than that, nobody can have by the same means. */
const limit = (rows, goal, commit, against) => {
  const [plain, theirs] = ['plain pg', against].map((subject) => find(rows, goal, commit, subject));
  return plain === undefined || theirs === undefined || plain === theirs ? undefined : ratioOf(plain, theirs);
};

/** To two digits behind the point, as it is told: 1.004 runs per message are 1.00. */
const rounded = (value) => Math.round(value * 100) / 100;

const wantedText = ({ theirs, instead, says, atLeast, atMost }) => {
  if (says !== undefined) return `${says} ${atMost.toFixed(2)}`;
  const whom = theirs.length === 1 ? theirs[0] : `the best of ${theirs.length} others`;
  const bound = atLeast === undefined ? `within ${atMost} x` : `at least ${atLeast} x`;
  return `${bound} ${whom}${instead === undefined ? '' : ` (${instead} where there is none)`}`;
};

/** One line for each goal and commit setting. `missedBy` is a share of the goal, and undefined where it was met or not measured. */
export const judge = (rows) =>
  goals.flatMap((goal) =>
    goal.commits.map((commit) => {
      const line = { bench: goal.bench, case: goal.case, commit, wanted: wantedText(goal) };
      const found = measured(rows, goal, commit);
      if (found === undefined) return { ...line, verdict: 'not measured' };
      const { against, spread } = found;
      const value = rounded(spread.median);
      const missedBy = goal.atLeast === undefined ? value / goal.atMost - 1 : 1 - value / goal.atLeast;
      const isMet = missedBy <= 0;
      return {
        ...{ ...line, against, spread, limit: limit(rows, goal, commit, against) },
        verdict: isMet ? 'met' : 'missed',
        ...(!isMet && { missedBy }),
      };
    }),
  );

export const verdictText = ({ verdict, missedBy }) =>
  missedBy === undefined ? verdict : `missed by ${Math.round(missedBy * 100)} %`;

export const measuredText = ({ spread, against, wanted }) => {
  if (spread === undefined) return '';
  const { median, min, max } = spread;
  if (wanted.startsWith(against)) return figure(median);
  return `${figure(median)} x ${against} (${figure(min)} to ${figure(max)})`;
};
