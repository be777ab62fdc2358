/** How far a copy is, on stderr, where that is a terminal. */
import progress from 'cli-progress';
import type { CopyProgress } from '../runtime/copy/copy-store.js';
import type { Session } from './session.js';

const words: Readonly<Record<CopyProgress['phase'], string>> = {
  copying: 'copying',
  hashing: 'hashing the source',
  marking: 'marking streams',
  comparing: 'hashing the target',
};

export interface CopyBar {
  readonly update: (progress: CopyProgress) => void;
  readonly stop: () => void;
}

const steps = 1_000;

export const copyBar = (session: Session): CopyBar => {
  if (session.stderr.isTTY !== true) return { update: () => undefined, stop: () => undefined };
  const bar = new progress.SingleBar(
    {
      format: '{bar} {percentage}% | {phase} | {events} events, {rate}/s',
      stream: session.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 24,
      fps: 8,
    },
    progress.Presets.shades_classic,
  );
  let [phase, startedMs] = [undefined as CopyProgress['phase'] | undefined, 0];
  return {
    update: (told) => {
      if (told.phase !== phase) {
        if (phase === undefined) bar.start(steps, 0, { phase: words[told.phase], events: 0, rate: 0 });
        [phase, startedMs] = [told.phase, performance.now()];
      }
      const seconds = Math.max(0.001, (performance.now() - startedMs) / 1_000);
      const rate = Math.round(told.events / seconds);
      bar.update(Math.floor(told.done * steps), { phase: words[told.phase], events: told.events, rate });
    },
    stop: () => {
      if (phase !== undefined) bar.stop();
    },
  };
};
