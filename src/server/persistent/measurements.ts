/** How long consumers take over messages: the last thousand, told as the protocol's clients expect them. */

const measuredMax = 1_000;

export interface Measurement {
  readonly key: string;
  /** Milliseconds. */
  readonly value: number;
}

export interface Measurements {
  readonly add: (ms: number) => void;
  /** None where nothing was measured yet. */
  readonly told: () => ReadonlyArray<Measurement>;
}

const percentiles: ReadonlyArray<readonly [key: string, percent: number]> = [
  ['Quintile 1', 0],
  ['Quintile 2', 20],
  ['Quintile 3', 40],
  ['Quintile 4', 60],
  ['Quintile 5', 80],
  ['90%', 90],
  ['95%', 95],
  ['99%', 99],
  ['99.5%', 99.5],
  ['99.9%', 99.9],
];

const tell = (measured: ReadonlyArray<number>): ReadonlyArray<Measurement> => {
  const sorted = [...measured].sort((a, b) => a - b);
  const at = (index: number): number => Math.round(sorted[Math.min(index, sorted.length - 1)] ?? 0);
  const sum = sorted.reduce((total, ms) => total + ms, 0);
  return [
    { key: 'Mean', value: Math.round(sum / sorted.length) },
    { key: 'Median', value: at(Math.floor(sorted.length / 2)) },
    { key: 'Fastest', value: at(0) },
    ...percentiles.map(([key, percent]) => ({ key, value: at(Math.floor((percent / 100) * sorted.length)) })),
    { key: 'Highest', value: at(sorted.length - 1) },
  ];
};

export const openMeasurements = (): Measurements => {
  const measured: number[] = [];
  let next = 0;
  return {
    add: (ms) => {
      measured[next] = ms;
      next = (next + 1) % measuredMax;
    },
    told: () => (measured.length === 0 ? [] : tell(measured)),
  };
};
