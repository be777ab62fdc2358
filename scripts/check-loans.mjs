// Runs a whole log of loan applications on every store, by many workers and seeds, and checks every figure against the log
// itself: `npm run check:loans`. Writes bench/results/check-loans.json and .md. Options: --quick (one seed, 8 workers),
// --only memory|pglite|postgres|eventstoredb|copy, --jobs <n> (runs in memory at once; default 2). With --only the runs of the
// other stores stay in the report. `eventstoredb` runs through `watersmeet serve` over a PostgreSQL; `copy` moves the streams of one run from
// PGlite to PostgreSQL, through a server of EventStoreDB's protocol over another, and back to PGlite, and compares hashes.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  createDatabase,
  databaseOf,
  dropDatabase,
  startPostgres,
} from '../test/support/embedded-postgres.mjs';
import { build } from './build.mjs';
import { ensure, root } from './ensure.mjs';
import { machine, machineText } from './machine.mjs';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean' }, only: { type: 'string' }, jobs: { type: 'string', default: '2' } },
});

const log = resolve(root, process.env.WATERSMEET_DATA ?? '../shared/data', 'bpic2012/loans.xes.gz');
if (!existsSync(log)) {
  console.log('Skipped: the folder WATERSMEET_DATA has no bpic2012/loans.xes.gz.');
  process.exit(0);
}
ensure();
if (!build()) process.exit(1);

const cli = join(root, 'dist/esm/src/cli/main.js');

/** The command as a user runs it; answers its exit code and both outputs. */
const command = (...args) =>
  new Promise((done) => {
    const child = spawn(process.execPath, [cli, ...args], { cwd: root });
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].on('data', (chunk) => (out[name] += chunk));
    child.on('close', (code) => done({ code, ...out }));
  });

/** What the log itself says: its cases, its messages, and how each case ended. */
const factsOfLog = async () => {
  const { readCases } = await import('../dist/esm/sagas/loan-application/index.js');
  const facts = { cases: 0, messages: 0, outcomes: { approved: 0, declined: 0, cancelled: 0, open: 0 } };
  const ends = { A_APPROVED: 'approved', A_DECLINED: 'declined', A_CANCELLED: 'cancelled' };
  for await (const { messages } of readCases(log)) {
    facts.cases += 1;
    facts.messages += messages.length;
    const last = messages
      .map(({ message }) => ends[message.data.activity])
      .filter(Boolean)
      .at(-1);
    facts.outcomes[last ?? 'open'] += 1;
  }
  return facts;
};

/** Every promise that a run must keep; the ones it broke are answered. */
const broken = (run, facts) => {
  const decided = facts.cases - facts.outcomes.open;
  const checks = {
    'every case': run.cases === facts.cases,
    'every message': run.messages === facts.messages,
    'outcomes are those of the log': JSON.stringify(run.outcomes) === JSON.stringify(facts.outcomes),
    'each handler ran once': run.handlerRuns === run.messages,
    'nothing parked, waiting or owed': run.parked + run.waiting + run.owed === 0,
    'one decision for each decided case': run.decisionsSent === decided,
    'no offer open after a decision against it': run.openOffersAfterDecision === 0,
    'every conflict merged': run.branchesMerged === run.conflicts,
    'thousands of conflicts by 8 workers': run.workers < 8 || run.conflicts >= 1_000,
    'no conflict by 1 worker': run.workers > 1 || run.conflicts === 0,
    'as one after another': run.verified === true,
  };
  return Object.keys(checks).filter((name) => !checks[name]);
};

const folder = join(root, 'bench/results');
const reportFile = join(folder, 'check-loans.json');
const wanted = (kind) => options.only === undefined || options.only === kind;

// Runs of stores that are left out this time stay in the report.
const before = existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, 'utf8')) : { runs: [] };
const kept = before.runs;
const results = kept.filter(({ kind }) => !wanted(kind));
const runsBefore = results.length;
let failures = 0;

const runOnce = async (facts, kind, store, workers, seed, isAlone) => {
  const args = [
    '--input',
    log,
    '--store',
    store,
    '--workers',
    String(workers),
    '--seed',
    String(seed),
    '--json',
    '--verify',
  ];
  const { code, stdout, stderr } = await command('run', 'loan-application', ...args);
  const run = stdout.trim() === '' ? undefined : JSON.parse(stdout);
  const wrong = run === undefined ? ['an answer'] : broken(run, facts);
  const ok = code === 0 && wrong.length === 0;
  if (!ok) failures += 1;
  const what = `${kind}, ${workers} workers, seed ${seed}`;
  const pace =
    run === undefined ? '' : `${run.conflicts} conflicts, ${run.messagesPerSecond}/s, ${run.peakMemoryMb} MB`;
  console.log(
    ok
      ? `ok      ${what}: ${pace}`
      : `FAILED  ${what}: exit code ${code}; not so: ${wrong.join('; ')} ${stderr.trim()}`,
  );
  if (run !== undefined) {
    const { store: _, ...figures } = run;
    results.push({ kind, ok, isAlone, ...figures });
  }
};

const seedsTo = (last) => Array.from({ length: options.quick ? 1 : last }, (_, index) => index + 1);

const inMemory = async (facts) => {
  // Alone first: the pace counts. The rest at once.
  for (const seed of seedsTo(3)) await runOnce(facts, 'memory', 'memory', 8, seed, true);
  if (options.quick) return;
  const rest = [1, 2, 4, 8]
    .flatMap((workers) => seedsTo(20).map((seed) => [workers, seed]))
    .filter(([workers, seed]) => workers < 8 || seed > 3);
  const next = rest.values();
  const job = async () => {
    for (const [workers, seed] of next) await runOnce(facts, 'memory', 'memory', workers, seed, false);
  };
  await Promise.all(Array.from({ length: Number(options.jobs) }, job));
};

const onPglite = async (facts) => {
  for (const seed of seedsTo(3)) {
    const folder = mkdtempSync(join(tmpdir(), 'watersmeet-loans-'));
    await runOnce(facts, 'pglite', `pglite:${join(folder, 'store')}`, 8, seed, true);
    rmSync(folder, { recursive: true });
  }
};

const onPostgres = async (facts) => {
  const server = await startPostgres();
  try {
    for (const seed of seedsTo(3)) {
      const url = await createDatabase(server.url);
      await command('migrate', '--store', url);
      await runOnce(facts, 'postgres', url, 8, seed, true);
      await dropDatabase(server.url, url);
    }
  } finally {
    await server.stop();
  }
};

/** `watersmeet serve` over a store: its connection string, and how it is ended. */
const served = (store) =>
  new Promise((resolved, rejected) => {
    const child = spawn(process.execPath, [cli, 'serve', '--store', store, '--port', '0'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.once('exit', (code) => rejected(new Error(`watersmeet serve ended with ${code}`)));
    child.stdout.once('data', (line) => {
      const end = () =>
        new Promise((done) => {
          child.once('exit', done);
          child.kill('SIGTERM');
        });
      resolved({ url: String(line).trim(), end });
    });
  });

/** Runs `work` with a migrated database of its own on the server. */
const onDatabase = async (server, work) => {
  const url = await createDatabase(server.url);
  try {
    await command('migrate', '--store', url);
    return await work(url);
  } finally {
    await dropDatabase(server.url, url);
  }
};

const onEventstoredb = async (facts) => {
  const server = await startPostgres();
  try {
    for (const seed of seedsTo(3))
      await onDatabase(server, async (url) => {
        const { url: there, end } = await served(url);
        await runOnce(facts, 'eventstoredb', there, 8, seed, true);
        await end();
      });
  } finally {
    await server.stop();
  }
};

/** The streams of one run from store to store and back: a hash of all of them on each side of each copy. */
const copies = async () => {
  const directory = mkdtempSync(join(tmpdir(), 'watersmeet-copy-'));
  const server = await startPostgres();
  const hashes = [];
  const copy = async (from, to) => {
    const { code, stdout, stderr } = await command('copy', '--from', from, '--to', to);
    for (const [, side, hash] of stdout.matchAll(/^(source|target) +([0-9a-f]{64})/gm))
      hashes.push({ side, hash });
    const shown = (store) => store.slice(0, store.indexOf(':'));
    const last = hashes.at(-1)?.hash.slice(0, 16);
    console.log(
      `${code === 0 ? 'ok     ' : 'FAILED '} copy ${shown(from)} to ${shown(to)}: ${last} ${stderr.trim()}`,
    );
    if (code !== 0) failures += 1;
  };
  const [first, last] = ['first', 'last'].map((name) => `pglite:${join(directory, name)}`);
  try {
    await command('run', 'loan-application', '--input', log, '--store', first, '--workers', '8', '--json');
    await onDatabase(server, async (one) => {
      await copy(first, one);
      await onDatabase(server, async (two) => {
        const { url, end } = await served(two);
        await copy(one, url);
        await copy(url, last);
        await end();
      });
    });
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true });
  }
  const isOne = hashes.length === 6 && new Set(hashes.map(({ hash }) => hash)).size === 1;
  if (!isOne) failures += 1;
  return { hash: hashes[0]?.hash, identical: isOne };
};

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];

const table = () => {
  const rows = [...new Set(results.map(({ kind, workers }) => `${kind}/${workers}`))].map((key) => {
    const [kind, workers] = key.split('/');
    const runs = results.filter((run) => run.kind === kind && run.workers === Number(workers));
    const alone = runs.filter(({ isAlone }) => isAlone);
    const of = (field, among = runs) =>
      among.length === 0 ? '' : median(among.map((run) => run[field])).toLocaleString('en');
    const cells = [
      kind,
      workers,
      runs.length,
      runs.filter(({ ok }) => ok).length,
      of('conflicts'),
      of('merges'),
      of('compensations'),
      of('messagesPerSecond', alone),
      of('peakMemoryMb'),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| store | workers | runs | kept every promise | conflicts | merges | compensations | messages a second | peak memory, MB |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
};

const report = (facts, copied) => {
  const { approved, declined, cancelled, open } = facts.outcomes;
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    reportFile,
    `${JSON.stringify({ machine: machine(), facts, copied, runs: results }, null, 1)}\n`,
  );
  const lines = [
    '# A whole log of loan applications on every store',
    '',
    `\`npm run check:loans\` on ${machineText()}. The log: ${facts.cases.toLocaleString('en')} cases,`,
    `${facts.messages.toLocaleString('en')} messages; ${approved.toLocaleString('en')} approved, ${declined.toLocaleString('en')} declined, ${cancelled.toLocaleString('en')} cancelled, ${open} open. Figures are medians. The pace is that of runs`,
    'alone on the machine; reading the log and doing what is owed are part of it.',
    '',
    table(),
    '',
    'Each run is checked: every case and message; the outcomes are those of the log; each handler ran once; every conflict',
    'was merged; nothing is parked or owed; one decision for each decided case; no offer open after a decision against it;',
    'and every case ends, and has told, what it does when its messages are handled one after another. The store `eventstoredb` is',
    '`watersmeet serve` over a PostgreSQL, met by its clients’ protocol.',
    '',
    ...(copied?.identical
      ? [
          'The streams of one run, copied from PGlite to PostgreSQL, from there through EventStoreDB’s protocol, and back to PGlite,',
          `are identical on all sides, by hash: \`${copied.hash.slice(0, 16)}…\`.`,
          '',
        ]
      : []),
  ];
  writeFileSync(join(folder, 'check-loans.md'), lines.join('\n'));
  console.log(`\n${table()}`);
};

const facts = await factsOfLog();
if (wanted('memory')) await inMemory(facts);
if (wanted('postgres')) await onPostgres(facts);
if (wanted('pglite')) await onPglite(facts);
if (wanted('eventstoredb')) await onEventstoredb(facts);
report(facts, wanted('copy') ? await copies() : before.copied);
console.log(`\n${results.length - runsBefore - failures} passed, ${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;
