/** Waits for work that a signal may cut short, and leaves nothing behind: a race against a promise that lasts would keep a little of each. */

/** Resolves when the work has ended or the signal aborts, whichever is first; rejects with what the work throws before that. */
export const untilAborted = (work: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      signal.removeEventListener('abort', stop);
      settle();
    };
    const stop = (): void => end(resolve);
    signal.addEventListener('abort', stop, { once: true });
    work.then(stop, (thrown: unknown) => end(() => reject(thrown)));
    if (signal.aborted) stop();
  });
