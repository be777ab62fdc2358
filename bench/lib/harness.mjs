// What every bench shares: rounds in which the subjects take turns, medians, spread, and ratios of one and the same round.

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** The value below which `share` of all lie, by the nearest rank. */
export const quantile = (values, share) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length))) - 1] ?? Number.NaN;
};

export const spreadOf = (values) => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
  runs: values.length,
});

/** Which goes first moves on by one each round, so that none always comes after the same. */
export const orderOf = (subjects, round) =>
  subjects.map((_, index) => subjects[(index + round) % subjects.length]);

const averages = (measured) => {
  const fields = [...new Set(measured.flatMap((one) => Object.keys(one)))].filter((name) => name !== 'value');
  return Object.fromEntries(
    fields.map((name) => [name, median(measured.map((one) => one[name] ?? Number.NaN))]),
  );
};

/** A service is seldom cold: each subject works unmeasured until it has worked for so long, once at least. */
const warm = async (subject, warmUpMs) => {
  const from = performance.now();
  do await subject.run({ isWarmUp: true, round: -1 });
  while (performance.now() - from < warmUpMs);
};

/**
 * Measures one case. Each subject's `run` answers `{ value, ... }`, numbers all; the other fields are told as medians. The machine
 * is faster at one moment than at another: subjects take turns in each round, and ratios are taken within a round.
 */
export const measureCase = async ({
  bench,
  commit,
  name,
  unit,
  lessIsBetter = false,
  subjects,
  rounds,
  warmUp = true,
  warmUpMs = 0,
  say,
}) => {
  const measured = new Map(subjects.map((subject) => [subject.name, []]));
  if (warmUp) for (const subject of subjects) await warm(subject, warmUpMs);
  for (let round = 0; round < rounds; round += 1)
    for (const subject of orderOf(subjects, round))
      measured.get(subject.name).push(await subject.run({ isWarmUp: false, round }));
  const rows = subjects.map((subject) => {
    const own = measured.get(subject.name);
    const values = own.map(({ value }) => value);
    return {
      ...{ bench, commit, case: name, subject: subject.name, unit, lessIsBetter },
      ...{ ...spreadOf(values), values, ...averages(own) },
    };
  });
  for (const row of rows) say(`${commit} | ${name} | ${row.subject}: ${figure(row.median)} ${unit}`);
  return rows;
};

/** How many times as good as `theirs` the row `ours` is, round by round. */
export const ratioOf = (ours, theirs) => {
  const rounds = Math.min(ours.values.length, theirs.values.length);
  const pairs = Array.from({ length: rounds }, (_, round) =>
    ours.lessIsBetter ? theirs.values[round] / ours.values[round] : ours.values[round] / theirs.values[round],
  );
  return spreadOf(pairs);
};

/** So many writers, each doing one piece of work after another, for `ms` or until `max` pieces were begun. */
export const drive = async ({ writers, ms, max = Number.POSITIVE_INFINITY }, work) => {
  const latencies = [];
  let begun = 0;
  let failed = 0;
  const from = performance.now();
  const write = async (writer) => {
    for (let turn = 0; begun < max && performance.now() - from < ms; turn += 1) {
      begun += 1;
      const at = performance.now();
      if ((await work(writer, turn)) === false) failed += 1;
      else latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const elapsedMs = performance.now() - from;
  return {
    perSecond: (latencies.length / elapsedMs) * 1_000,
    ...{ done: latencies.length, failed, elapsedMs },
    ...{ p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) },
  };
};

/** Three digits that count, thousands apart. */
export const figure = (value) => {
  if (!Number.isFinite(value)) return 'none';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
};
