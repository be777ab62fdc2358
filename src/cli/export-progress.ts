/** How far an export has come, on stderr, where that is a terminal. */
import progress from 'cli-progress';
import type { Session } from './session.js';

const refreshMs = 250;

/** Short exports show nothing: the bar begins with its first refresh. */
export const exportBar = (
  session: Session,
  counts: { readonly streams: number; readonly events: number },
): { readonly stop: () => void } => {
  if (session.stderr.isTTY !== true) return { stop: () => undefined };
  const bar = new progress.SingleBar({
    format: '{events} events, {streams} streams, {duration_formatted}',
    stream: session.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  let isShown = false;
  const timer = setInterval(() => {
    if (!isShown) bar.start(1, 0, { ...counts });
    isShown = true;
    bar.update(0, { ...counts });
  }, refreshMs);
  return {
    stop: () => {
      clearInterval(timer);
      if (isShown) bar.stop();
    },
  };
};
