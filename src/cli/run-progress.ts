/** The progress bar on stderr, where that is a terminal. */
import progress from 'cli-progress';
import type { RunProgress } from '../runtime/saga/run-cases.js';
import type { Running } from './running.js';
import type { Tally } from './run-report.js';
import type { Session } from './session.js';

/** How many cases there are, for the bar alone: where none is shown, the input is read once only. */
export const countCases = async ({ session, program, input }: Running): Promise<number | undefined> => {
  if (session.stderr.isTTY !== true) return undefined;
  let cases = 0;
  for await (const _ of program.readCases(input)) {
    if (session.signal.aborted) break;
    cases += 1;
  }
  return cases;
};

export interface Bar {
  readonly update: (progress: RunProgress) => void;
  readonly stop: () => void;
}

const format = '{bar} {percentage}% | {messages} messages, {rate}/s | {conflicts} conflicts, {merges} merges';

export const progressBar = (session: Session, total: number | undefined, tally: Tally): Bar => {
  if (total === undefined) return { update: () => undefined, stop: () => undefined };
  const bar = new progress.SingleBar(
    { format, stream: session.stderr, hideCursor: true, clearOnComplete: true, barsize: 24, fps: 8 },
    progress.Presets.shades_classic,
  );
  const startedMs = performance.now();
  bar.start(total, 0, { messages: 0, rate: 0, conflicts: 0, merges: 0 });
  return {
    update: ({ cases, messages }) => {
      const seconds = Math.max(0.001, (performance.now() - startedMs) / 1_000);
      const { conflicts, merges } = tally;
      bar.update(cases, { messages, rate: Math.round(messages / seconds), conflicts, merges });
    },
    stop: () => bar.stop(),
  };
};
