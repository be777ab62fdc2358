/** What was counted of saves, as tables for people. */
import { numeric, textTable } from '../../core/text-table.js';
import { attemptBuckets, type KeyStats, type TypeStats } from './concurrency-counts.js';

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

/** Middle, slow end and slowest; nothing where nothing was measured. */
const spreadCell = ({ count, p50Ms, p99Ms, maxMs }: TypeStats['append']): string =>
  count === 0 ? '-' : `${ms(p50Ms)} / ${ms(p99Ms)} / ${ms(maxMs)}`;

const countsCell = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

const common = (one: KeyStats): ReadonlyArray<string> => [
  String(one.saves),
  percent(one.rate.share),
  String(one.conflicts),
  one.attempts.mean.toFixed(2),
  String(one.attempts.max),
  String(one.lockWaits.count),
  spreadCell(one.lockWaits),
];
const commonColumns = numeric(
  'saves',
  'met now',
  'refused',
  'attempts',
  'max',
  'lock waits',
  'ms, p50/p99/max',
);

const typeTable = (types: ReadonlyArray<TypeStats>): ReadonlyArray<string> =>
  textTable(
    [
      { title: 'type' },
      ...commonColumns,
      ...numeric(`saves by attempts ${attemptBuckets.join('/')}`, 'append ms, p50/p99/max'),
      { title: 'strategies' },
      { title: 'failures' },
    ],
    types.map((one) => [
      one.key,
      ...common(one),
      attemptBuckets.map((bucket) => one.attempts.saves[bucket]).join('/'),
      spreadCell(one.append),
      countsCell(one.strategies),
      countsCell(one.failures),
    ]),
  );

const keyTable = (keys: ReadonlyArray<KeyStats>): ReadonlyArray<string> =>
  textTable(
    [{ title: 'hottest' }, ...commonColumns, { title: 'strategy' }],
    keys.map((one) => [one.key, ...common(one), one.strategy ?? '-']),
  );

export const statsText = (
  { types, keys }: { readonly types: ReadonlyArray<TypeStats>; readonly keys: ReadonlyArray<KeyStats> },
  keysShown: number,
): string => {
  if (types.length === 0) return 'no saves yet';
  const hot = keys.filter(({ contended }) => contended > 0).slice(0, keysShown);
  return [...typeTable(types), ...(hot.length === 0 ? [] : ['', ...keyTable(hot)])].join('\n');
};
