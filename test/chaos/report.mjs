// What a chaos run tells: its figures beside the plan's, as JSON and as a page.

/** How often each fault of a kind is to strike in a long run. */
export const planned = { kill: 200, restart: 20, cut: 500, stop: 100, clock: 100, poison: 10, pglite: 100 };

const places = ['before parse', 'after execute', 'after commit', 'during the answer'];
const poisons = ['throws', 'hangs', 'spins', 'seizes', 'exits', 'memory'];

/** Names of a kind's faults among its figures. */
export const faultsOf = {
  kill: ['kills'],
  restart: ['restarts'],
  cut: places.map((place) => `cuts ${place}`),
  stop: ['stops'],
  clock: ['clock jumps'],
  poison: poisons.map((poison) => `poison ${poison}`),
  pglite: ['kills'],
};

const names = {
  kills: 'worker killed with SIGKILL',
  restarts: 'PostgreSQL stopped with `immediate`, started again',
  stops: 'worker stopped with SIGSTOP past its lease',
  'clock jumps': 'wall clock of a worker jumps, by a minute to four hours, either way',
  'poison throws': 'poison: the handler throws',
  'poison hangs': 'poison: it answers never',
  'poison spins': 'poison: it calculates for ever',
  'poison seizes': 'poison: the same behind a pause, so that the process is seized',
  'poison exits': 'poison: it exits the process',
  'poison memory': 'poison: the process runs out of memory',
};
const nameOf = (kind, fault) =>
  kind === 'pglite'
    ? 'process on a PGlite directory killed with SIGKILL'
    : (names[fault] ?? `connection cut ${fault.slice('cuts '.length)}`);

export const sum = (all) => {
  const total = {};
  for (const one of all)
    for (const [name, value] of Object.entries(one)) total[name] = (total[name] ?? 0) + value;
  return total;
};

/** How much of the plan the rounds of a kind have come to; a kind is behind where its rarest fault is. */
export const shareDone = (kind, results) => {
  const figures = sum(results.filter((result) => result.kind === kind).map((result) => result.figures));
  return Math.min(...faultsOf[kind].map((fault) => figures[fault] ?? 0)) / planned[kind];
};

const byKindOf = (kinds, results) =>
  kinds.map((kind) => {
    const of = results.filter((result) => result.kind === kind);
    return {
      kind,
      rounds: of.length,
      failed: of.filter(({ problems }) => problems.length > 0).length,
      seconds: Math.round(of.reduce((total, { seconds }) => total + seconds, 0)),
      figures: sum(of.map(({ figures }) => figures)),
      answers: sum(of.map(({ answers }) => answers)),
    };
  });

/** `again` says how a round is repeated. */
export const tell = ({ machine, seed, seconds, kinds, results, again }) => ({
  machine,
  seed,
  rounds: results.length,
  seconds,
  planned,
  byKind: byKindOf(kinds, results),
  failures: results
    .filter(({ problems }) => problems.length > 0)
    .map((result) => ({
      kind: result.kind,
      seed: result.seed,
      again: again(result),
      problems: result.problems,
    })),
});

const shown = (value) => (value ?? 0).toLocaleString('en');

const rowsOf = ({ kind, rounds, failed, figures }) =>
  faultsOf[kind].map((fault, index) => {
    const ofRound = [rounds, figures.messages, figures.effects, figures.branches, figures.dispatched, failed];
    const rest = ofRound.map((value) => (index === 0 ? shown(value) : ''));
    return `| ${[nameOf(kind, fault), shown(figures[fault]), shown(planned[kind]), ...rest].join(' | ')} |`;
  });

const failureLines = (failures) =>
  failures.flatMap(({ kind, seed, again, problems }) => [
    `- ${kind}, seed ${seed}: ${problems[0]}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`,
    `  Again: \`${again}\``,
  ]);

const leaseLines = (byKind) => {
  const fenced = byKind.filter(({ kind }) => kind === 'stop' || kind === 'clock');
  if (fenced.length === 0) return [];
  const refused = sum(fenced.map(({ answers }) => answers))['refused: LeaseLost'];
  const accepted = sum(fenced.map(({ figures }) => figures)).staleWrites;
  return [
    '',
    `Writes of sagas under a lost lease, where workers were stopped or their clocks jumped: ${shown(refused)} refused, ${shown(accepted)} accepted.`,
  ];
};

const poisonLines = (byKind) => {
  const poison = byKind.find(({ kind }) => kind === 'poison');
  if (poison === undefined) return [];
  const { figures } = poison;
  const total = (start) =>
    Object.entries(figures)
      .filter(([name]) => name.startsWith(start))
      .reduce((all, [, count]) => all + count, 0);
  return [
    '',
    `Of the parked messages ${shown(total('poison discarded'))} were discarded and ${shown(total('poison tried again'))} tried again with a mended handler. On the way`,
    `${shown(figures['workers that exited'])} workers exited, ${shown(figures['workers out of memory'])} ran out of memory, and ${shown(figures['workers killed for their silence'])} were killed because they said nothing any more.`,
  ];
};

const proofs = [
  'A round draws messages of sagas, aggregates and a queue from its seed, gives them to up to three worker processes, and strikes them.',
  'After it: each acknowledged message has its effect, once; order of a key is kept; what followers handed over is, without repeats,',
  'exactly what the sagas released, in order; every saga has finished, and nothing is pending or owed; the queue is empty, and nothing',
  'is parked; and nothing was written under the token of a lease after a later token of it.',
  '',
  'In a round of poison, one message of some keys does harm each time it is handled. Each of them, and nothing else, is parked after',
  'its attempts, with its errors; while it is, nothing behind it is handled, and all other keys are handled to their ends; once it is',
  'discarded, or its handler is mended and it is tried again, the rest of its key goes on, and then all of the above must be so.',
  '',
  'Planned is how often each fault is to strike in a long run; with `--minutes` the next round is always of the kind that is furthest',
  'behind.',
];

/** The page. `command` is what the run was asked for. */
export const page = ({ machine, rounds, seconds, byKind, failures }, { command, machineText }) =>
  [
    '# Faults under load',
    '',
    `\`npm run chaos -- ${command}\` on ${machineText}, PostgreSQL ${machine.postgres ?? 'none'} with its`,
    `default durability, PGlite ${machine.pglite}: ${shown(rounds)} rounds in ${shown(Math.round(seconds))} s, **${failures.length} failed**.`,
    '',
    '| fault | how often | planned | rounds | messages | effects | branches | handed over | rounds failed |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...byKind.flatMap(rowsOf),
    '',
    ...proofs,
    ...leaseLines(byKind),
    ...poisonLines(byKind),
    ...(failures.length === 0 ? [] : ['', '## Rounds that failed', '', ...failureLines(failures)]),
    '',
  ].join('\n');
