/** `watersmeet stats`: how saves met each other, from what they left in their events. */
import type { Command } from 'commander';
import { toPromise } from '../../core/fault.js';
import { escapeForDisplay, type Position, startPosition } from '../../core/stream.js';
import { type Column, numeric, textTable } from '../../core/text-table.js';
import type { AllPage, EventFilter, EventStore } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import { lookInto, type LookOptions, tenantOption, withLookOptions } from '../look.js';
import { badOption, collect, wholeNumber } from '../options.js';
import { type CategoryStats, type SaveSurvey, saveSurvey, type StreamHeat } from '../save-survey.js';
import type { Session } from '../session.js';
import type { Opener } from './dead-letters.js';

/** From a position on, or the last so many events. */
type Since =
  | { readonly _tag: 'Position'; readonly position: Position }
  | { readonly _tag: 'Last'; readonly count: number };

interface StatsOptions extends LookOptions {
  readonly category?: ReadonlyArray<string>;
  readonly since?: Since;
  readonly hottest: number;
}

const sinceOf = (value: string): Since => {
  if (/^\d{1,19}\/\d{1,19}$/.test(value)) return { _tag: 'Position', position: value as Position };
  if (/^[1-9]\d{0,14}$/.test(value)) return { _tag: 'Last', count: Number(value) };
  throw badOption(
    '--since',
    `must be a position such as 1042/7, or how many of the last events, found ${JSON.stringify(value)}`,
  );
};

interface Place {
  readonly after: Position;
  /** Events behind it that are not counted. */
  readonly skip: number;
}

/** Page by page until the end, as it is when it is reached, or until the person interrupts. */
const eachPage = async (
  session: Session,
  store: EventStore,
  filter: EventFilter,
  from: Position,
  work: (page: AllPage, after: Position) => void,
): Promise<void> => {
  let after = from;
  for (let isEnd = false; !isEnd && !session.signal.aborted; ) {
    const page = await toPromise(store.readAll({ after, filter, maxCount: pageMax }));
    work(page, after);
    after = page.last;
    isEnd = page.isEnd;
  }
};

/** Where the last `count` events begin: the order is read forwards only, so that it is gone through once, keeping places. */
const startOfLast = async (
  session: Session,
  store: EventStore,
  filter: EventFilter,
  count: number,
): Promise<Place> => {
  const pages: { readonly after: Position; readonly events: number }[] = [];
  let kept = 0;
  await eachPage(session, store, filter, startPosition, ({ events }, after) => {
    pages.push({ after, events: events.length });
    kept += events.length;
    while (pages.length > 1 && kept - (pages[0]?.events ?? 0) >= count) kept -= pages.shift()?.events ?? 0;
  });
  return { after: pages[0]?.after ?? startPosition, skip: Math.max(0, kept - count) };
};

const placeOf = async (
  session: Session,
  store: EventStore,
  filter: EventFilter,
  since: Since | undefined,
): Promise<Place> => {
  switch (since?._tag) {
    case undefined:
      return { after: startPosition, skip: 0 };
    case 'Position':
      return { after: since.position, skip: 0 };
    case 'Last':
      return startOfLast(session, store, filter, since.count);
  }
};

const percent = (part: number, whole: number): string =>
  whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
const orDash = (count: number, text: string): string => (count === 0 ? '-' : text);

const columns: ReadonlyArray<Column> = [
  { title: 'category' },
  ...numeric('events', 'saves', 'met', 'attempts', 'max', 'waits', 'ms p50/p99/max', 'system'),
  ...numeric('branches', 'merges'),
  { title: 'strategies' },
];

const cellsOf = ({ saves, attempts, lockWaits: waits, ...one }: CategoryStats): ReadonlyArray<string> => [
  one.category,
  String(one.events),
  String(saves),
  percent(one.contended, saves),
  orDash(saves, attempts.mean.toFixed(2)),
  orDash(saves, String(attempts.max)),
  orDash(waits.count, String(waits.count)),
  orDash(waits.count, [waits.p50Ms, waits.p99Ms, waits.maxMs].map((ms) => ms.toFixed(0)).join('/')),
  percent(one.systemWork, saves),
  orDash(one.branches, String(one.branches)),
  orDash(one.merges, String(one.merges)),
  Object.entries(one.strategies)
    .map(([name, count]) => `${name} ${count}`)
    .join(', '),
];

const heatLine = ({ streamName, met, extra }: StreamHeat): string =>
  `  ${escapeForDisplay(streamName, 600)}  met others ${met} ${met === 1 ? 'time' : 'times'}; ${extra} attempts or branches besides`;

const show = async (session: Session, hottest: number, json: boolean, survey: SaveSurvey): Promise<void> => {
  const { categories, streams } = survey.read();
  const hot = streams.slice(0, hottest);
  if (json) {
    for (const category of categories) await session.out(JSON.stringify({ kind: 'category', ...category }));
    for (const stream of hot) await session.out(JSON.stringify({ kind: 'stream', ...stream }));
    return;
  }
  if (categories.length === 0) return session.err('no events');
  const [titles = '', ...rows] = textTable(columns, categories.map(cellsOf));
  await session.out(session.colors.dim(titles));
  for (const row of rows) await session.out(row);
  if (hot.length === 0) return;
  await session.out(session.colors.bold('\nhottest streams'));
  for (const stream of hot) await session.out(heatLine(stream));
};

const run = async (session: Session, options: StatsOptions, store: EventStore): Promise<void> => {
  const { category: categories, since, hottest, json = false } = options;
  const filter = { ...tenantOption(options), includeArchived: true, ...(categories && { categories }) };
  const survey = saveSurvey();
  const { after: from, skip } = await placeOf(session, store, filter, since);
  let left = skip;
  await eachPage(session, store, filter, from, ({ events }) => {
    for (const event of events) {
      if (left > 0) left -= 1;
      else survey.add(event);
    }
  });
  await show(session, hottest, json, survey);
};

const notes = `
A save is counted where it was made by a repository, which leaves a header in its events; of other appends only the events are.
  met       share of the saves that met another writer: that took a second attempt, or waited 10 ms or more for a lock
  attempts  how many a save took, in the mean and at most; those that failed wrote nothing and are not seen here
  waits     saves that took a lock, and how long they waited for it
  system    share of the saves that were work of the system
  branches  conflicts of sagas that were kept as a branch, and the merges that answered them

Examples:
  $ watersmeet stats
  $ watersmeet stats --category product --since 100000
  $ watersmeet stats --store postgres://me@localhost/shop --since 1042/7 --json
`;

export const addStats = (cli: Command, session: Session, open: Opener = lookInto): void => {
  withLookOptions(cli.command('stats').summary('show how saves and sagas met each other'))
    .description(
      'Shows for each category how its saves were made, how many met another writer and what that took, from what is recorded.',
    )
    .option('--category <name>', 'only this category; may be given more than once', collect)
    .option('--since <place>', 'after this position, or the last so many events', sinceOf)
    .option('--hottest <n>', 'show so many of the hottest streams', wholeNumber('--hottest', 0, 1_000), 10)
    .addHelpText('after', notes)
    .action((options: StatsOptions) => open(session, options, (store) => run(session, options, store)));
};
