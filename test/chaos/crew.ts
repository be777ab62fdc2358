/** The worker processes of a round, as the driver sees them: started, killed, stopped, let go on, and ended by their process ids. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromWorker, ToWorker, WorkerSetup } from './words.js';

export interface Worker {
  readonly name: string;
  readonly isReady: () => boolean;
  /** How long it has said nothing, in milliseconds. */
  readonly silentMs: () => number;
  readonly say: (words: ToWorker) => void;
  /** SIGKILL; resolves when the process is gone. */
  readonly kill: () => Promise<void>;
  /** SIGSTOP, and SIGCONT. */
  readonly stop: () => void;
  readonly goOn: () => void;
  /** In good order; rejects where the process ends in another way. */
  readonly end: () => Promise<void>;
}

export interface CrewEvents {
  readonly said: (worker: Worker, words: FromWorker) => void;
  /** It ended, wanted or not. */
  readonly gone: (worker: Worker) => void;
  /** It ended by itself with this code or signal; whether that was to be expected. */
  readonly ended: (worker: Worker, how: number | string | null) => boolean;
  /** It ended by itself, which was not. */
  readonly failed: (message: string) => void;
}

/** How a worker's process is run. */
export interface CrewOptions {
  /** Its memory, in megabytes. Default: the engine's own. */
  readonly heapMaxMb?: number;
}

// Every process that was started and is not gone yet: whatever becomes of the driver, none is left behind.
const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

const script = fileURLToPath(new URL('worker.js', import.meta.url));
const clock = new URL('clock.js', import.meta.url).href;

/** Starts one worker. */
export const startWorker = (
  setup: WorkerSetup,
  { heapMaxMb }: CrewOptions,
  { said, gone, ended, failed }: CrewEvents,
): Worker => {
  const child = fork(script, [JSON.stringify(setup)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: ['--import', clock, ...(heapMaxMb === undefined ? [] : [`--max-old-space-size=${heapMaxMb}`])],
  });
  alive.add(child);
  let isReady = false;
  let heardAtMs = performance.now();
  let isWanted = false;
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000);
  });
  const over = new Promise<number | null>((resolve) => {
    child.once('exit', (code, signal) => {
      alive.delete(child);
      isReady = false;
      resolve(code);
      gone(worker);
      if (!isWanted && !ended(worker, code ?? signal))
        failed(`${setup.name} ended by itself with ${code ?? signal}: ${errors.trim()}`);
    });
  });
  const worker: Worker = {
    name: setup.name,
    isReady: () => isReady,
    silentMs: () => performance.now() - heardAtMs,
    // A process that is being killed hears nothing more.
    say: (words) => void child.send(words, () => undefined),
    kill: async () => {
      isWanted = true;
      child.kill('SIGKILL');
      await over;
    },
    stop: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    end: async () => {
      isWanted = true;
      worker.say({ say: 'end' });
      const code = await over;
      if (code !== 0) failed(`${setup.name} ended with code ${code}: ${errors.trim()}`);
    },
  };
  child.on('error', () => undefined);
  child.on('message', (words: FromWorker) => {
    heardAtMs = performance.now();
    if (words.say === 'ready') isReady = true;
    said(worker, words);
  });
  return worker;
};
