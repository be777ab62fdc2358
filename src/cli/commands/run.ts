/** `watersmeet run`: feeds an input to a saga, does what is owed, and says what came of it. */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { Program } from '../../runtime/saga/program.js';
import { runCases, type RunProgress } from '../../runtime/saga/run-cases.js';
import type { SagaHooks } from '../../runtime/saga/saga-context.js';
import { sagaRuntime } from '../../runtime/saga/saga-runtime.js';
import { survey } from '../../runtime/saga/survey.js';
import { exitCodes } from '../failure.js';
import { badOption, shareOf, wholeNumber } from '../options.js';
import { storeForInput, withStore } from '../open-store.js';
import { bundledNames, loadProgram, sampleOf } from '../programs.js';
import { countCases, progressBar } from '../run-progress.js';
import { reportOf, type RunReport, type Tally } from '../run-report.js';
import { summaryOf } from '../run-summary.js';
import { describeDifferences, ends, type Verification, verify } from '../run-verify.js';
import type { Running, RunOptions } from '../running.js';
import type { Session } from '../session.js';

interface Handled {
  readonly progress: RunProgress;
  readonly elapsedMs: number;
}

const hooksOf = (tally: Tally): SagaHooks => ({
  onReacted: () => {
    tally.handlerRuns += 1;
  },
  onConflict: ({ answer }) => {
    if (answer === 'fastForward') tally.fastForwards += 1;
    else tally.conflicts += 1;
  },
  onMerged: () => {
    tally.merges += 1;
  },
});

/** Handles the input while another part of the process follows the store and does what is owed, as in production. */
const handleInput = async (running: Running, tally: Tally): Promise<Handled> => {
  const { session, program, options, store, input } = running;
  const { workers, share } = options;
  const total = await countCases(running);
  const runtime = sagaRuntime(program.saga, { store, hooks: hooksOf(tally) });
  const bar = progressBar(session, total, tally);
  const subscriber =
    share === undefined ? program.saga.name : `${program.saga.name}/${share.part}of${share.of}`;
  const startedMs = performance.now();
  const following = runtime.follow({
    subscriber,
    dispatch: () => {
      tally.dispatched += 1;
    },
    onLag: ({ by, heldBackMs }) =>
      session.err(`the store's order is held back for ${heldBackMs} ms by ${by}`),
  });
  try {
    const progress = await runCases(runtime, program.readCases(input), {
      workers,
      windowMs: options.window,
      seed: options.seed,
      ...(share && { share }),
      signal: session.signal,
      onProgress: bar.update,
    });
    if (!session.signal.aborted) await following.caughtUp();
    return { progress, elapsedMs: performance.now() - startedMs };
  } finally {
    bar.stop();
    // What ended the run is told; a subscription that failed for the same reason adds nothing to it.
    await following.stop().catch(() => undefined);
  }
};

const isComplete = ({ parked, waiting, owed }: RunReport): boolean =>
  parked === 0 && waiting === 0 && owed === 0;

const tellInterrupted = (session: Session, { messages }: RunProgress): void =>
  session.err(`interrupted after ${messages} messages; nothing is lost: run the same command again to go on`);

const runOn = async (running: Running): Promise<number> => {
  const { session, program, options, store } = running;
  const tally: Tally = { handlerRuns: 0, conflicts: 0, fastForwards: 0, merges: 0, dispatched: 0 };
  const { progress, elapsedMs } = await handleInput(running, tally);
  if (session.signal.aborted) {
    tellInterrupted(session, progress);
    return exitCodes.interrupted;
  }
  const stored = ends();
  const surveyed = await survey(program, store, options.verify === true ? stored.note : undefined);
  const verified: Verification | undefined =
    options.verify === true ? await verify(running, stored) : undefined;
  // A comparison that was broken off has verified nothing.
  if (session.signal.aborted) {
    tellInterrupted(session, progress);
    return exitCodes.interrupted;
  }
  const report = reportOf({ running, tally, progress, elapsedMs, surveyed, verified });
  if (options.json === true) await session.out(JSON.stringify(report));
  else await session.out(await summaryOf(running, report));
  if (verified !== undefined && verified.differing > 0) session.err(describeDifferences(session, verified));
  return verified?.differing === 0 || verified === undefined
    ? isComplete(report)
      ? exitCodes.ok
      : exitCodes.difference
    : exitCodes.difference;
};

const inputOf = (session: Session, saga: string, { input }: RunOptions): string => {
  if (input !== undefined) return resolve(session.cwd, input);
  const sample = sampleOf(session, saga);
  if (sample !== undefined) return sample;
  throw badOption('--input', 'is missing: name the file with the messages, as in --input log.xes.gz');
};

/** Reads as far as the first case, so that a file that cannot be read leaves no empty store behind. */
const checkInput = async (program: Program, input: string): Promise<void> => {
  for await (const _ of program.readCases(input)) return;
};

const run = async (session: Session, saga: string, options: RunOptions): Promise<number> => {
  if (options.verify === true && options.share !== undefined)
    throw badOption(
      '--verify',
      'needs all messages: when every share is done, run once more without --share',
    );
  const program = await loadProgram(session, saga);
  const input = inputOf(session, saga, options);
  const place = storeForInput(session, options, input);
  await checkInput(program, input);
  // One connection for each worker, one for the subscription, one for its checkpoints.
  const opening = { schema: options.schema, poolMax: options.workers + 2, create: true };
  return withStore(place, opening, (store) => runOn({ session, program, input, place, options, store }));
};

const help = `
Examples:
  $ watersmeet run loan-application --input loans.xes.gz
  $ watersmeet run loan-application --input loans.xes.gz --store memory --workers 4 --verify
  $ watersmeet run loan-application --input loans.xes.gz --store postgres://me@localhost/loans --share 1/2
  $ watersmeet run ./dist/my-saga.js --input orders.csv --json

Bundled sagas: ${bundledNames.join(', ')} (reads event logs in XES, .xes or .xes.gz).
A saga of your own is a module whose default export is a program; see program() in the package.

With --json, one object is printed. These say what this run did: cases, messages, duplicates, waiting, handlerRuns,
conflicts (messages that became branches), fastForwards (appends that only had to be moved), elapsedMs,
messagesPerSecond. All the others are read from the store's streams after it: running again, or after a crash, gives
the same.`;

export const addRun = (cli: Command, session: Session, done: (exitCode: number) => void): void => {
  cli
    .command('run')
    .summary('feed a file of messages to a saga')
    .description(
      'Feeds a file of messages to a saga, with concurrent workers. Running it again changes nothing.',
    )
    .argument('<saga>', `${bundledNames.join(', ')}, or the path of a module`)
    .option('--input <file>', 'the messages; default: the sample that is bundled with the saga')
    .option(
      '--store <store>',
      'memory, pglite:<dir> or postgres://... (default: $WATERSMEET_STORE, or pglite:.watersmeet/<input>)',
    )
    .option('--schema <name>', 'schema of the tables (default: watersmeet)')
    .option('--workers <n>', 'messages handled at once', wholeNumber('--workers', 1, 1_024), 8)
    .option(
      '--window <ms>',
      'messages of a case this close in time are handled at once',
      wholeNumber('--window', 0, 86_400_000),
      1_000,
    )
    .option(
      '--seed <n>',
      'decides the order in which they are handed out',
      wholeNumber('--seed', 0, 2 ** 32 - 1),
      1,
    )
    .option(
      '--share <part/of>',
      'handle only every so many-th message of each case: for several processes',
      shareOf,
    )
    .option('--json', 'print one object instead of the summary')
    .option(
      '--verify',
      'compare every case with a serial run; a difference is printed, and the exit code is 1',
    )
    .addHelpText('after', help)
    .action(async (saga: string, options: RunOptions) => done(await run(session, saga, options)));
};
