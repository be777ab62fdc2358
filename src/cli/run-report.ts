/** What a run came to, as `--json` prints it. */
import type { RunProgress } from '../runtime/saga/run-cases.js';
import type { Survey } from '../runtime/saga/survey.js';
import type { Running } from './running.js';
import type { Verification } from './run-verify.js';

/** What this process did, counted as it happened. */
export interface Tally {
  handlerRuns: number;
  /** Messages that became branches, or were tried again or given back. */
  conflicts: number;
  /** Appends refused that only had to be moved. */
  fastForwards: number;
  merges: number;
  /** Messages handed over to be delivered; at least once each. */
  dispatched: number;
}

export interface RunReport {
  readonly cases: number;
  readonly messages: number;
  readonly duplicates: number;
  /** Messages behind a parked saga: to be delivered again. */
  readonly waiting: number;
  readonly handlerRuns: number;
  readonly conflicts: number;
  readonly branchesMerged: number;
  readonly merges: number;
  readonly fastForwards: number;
  readonly messagesSent: number;
  readonly messagesCancelled: number;
  readonly compensations: number;
  readonly parked: number;
  /** Sagas with merges or compensations still to be done. */
  readonly owed: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly decisionsSent: number;
  readonly elapsedMs: number;
  readonly messagesPerSecond: number;
  readonly store: string;
  readonly workers: number;
  readonly windowMs: number;
  readonly seed: number;
  /** The most that this process has held, in MiB. */
  readonly peakMemoryMb: number;
  /** Only with `--verify`. */
  readonly verified?: boolean;
  /** Only with `--verify`: cases that end otherwise than in a serial run. */
  readonly differing?: number;
  /** The program's own figures, by name. */
  readonly [figure: string]: unknown;
}

export interface ReportParts {
  readonly running: Running;
  readonly tally: Tally;
  readonly progress: RunProgress;
  readonly elapsedMs: number;
  readonly surveyed: Survey;
  readonly verified: Verification | undefined;
}

export const reportOf = ({
  running,
  tally,
  progress,
  elapsedMs,
  surveyed,
  verified,
}: ReportParts): RunReport => {
  const { cases, messages, duplicates, waiting } = progress;
  const { handlerRuns, conflicts, fastForwards } = tally;
  const { branchesMerged, merges, messagesSent, messagesCancelled, compensations, parked, owed } = surveyed;
  return {
    cases,
    messages,
    duplicates,
    waiting,
    handlerRuns,
    conflicts,
    branchesMerged,
    merges,
    fastForwards,
    messagesSent,
    messagesCancelled,
    compensations,
    parked,
    owed,
    outcomes: surveyed.outcomes,
    decisionsSent: surveyed.decisionsSent,
    ...surveyed.figures,
    elapsedMs: Math.round(elapsedMs),
    messagesPerSecond: Math.round((messages * 1_000) / Math.max(1, elapsedMs)),
    store: running.place.shown,
    workers: running.options.workers,
    windowMs: running.options.window,
    seed: running.options.seed,
    // Node tells kilobytes.
    peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1_024),
    ...(verified && { verified: verified.differing === 0, differing: verified.differing }),
  };
};
