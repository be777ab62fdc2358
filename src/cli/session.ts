/** What a command is given of the world: streams, environment, colours, and when to stop. */
import { type createColors } from 'picocolors';
import picocolors from 'picocolors';

/** A stream that text is written to; a terminal says so by `isTTY`. */
export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** What `main` is given. Tests give their own. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted when the person wants the command to end. */
  readonly interrupted?: AbortSignal;
  /** Folder of the installed package, for the bundled sample. */
  readonly packageFolder?: string;
  /** File that runs this command as a process of its own. Without it nothing can be watched. */
  readonly entry?: string;
}

export type Colors = ReturnType<typeof createColors>;

export interface Session extends Io {
  /** Writes a line to stdout, and waits while a slow reader catches up. */
  readonly out: (line: string) => Promise<void>;
  /** Writes a line to stderr. */
  readonly err: (line: string) => void;
  readonly colors: Colors;
  /** Aborted when the person interrupts, or when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  readonly isInterrupted: () => boolean;
  readonly close: () => void;
}

const hasColors = ({ env, stdout }: Io): boolean => {
  const refused = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return stdout.isTTY === true && !refused && env['TERM'] !== 'dumb';
};

const drained = (stream: Output): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'close', 'error']) stream.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.on(event, done);
  });

export const openSession = (io: Io): Session => {
  const stopping = new AbortController();
  let isGone = false;
  const stop = (): void => stopping.abort();
  // `| head` ends reading when it has enough: that is no error, only the end of the work.
  const onError = (): void => {
    isGone = true;
    stop();
  };
  io.stdout.on('error', onError);
  if (io.interrupted?.aborted === true) stop();
  io.interrupted?.addEventListener('abort', stop);
  return {
    ...io,
    out: async (line) => {
      if (isGone) return;
      if (!io.stdout.write(`${line}\n`)) await drained(io.stdout);
    },
    err: (line) => void io.stderr.write(`${line}\n`),
    colors: picocolors.createColors(hasColors(io)),
    signal: stopping.signal,
    isInterrupted: () => io.interrupted?.aborted === true,
    close: () => {
      io.interrupted?.removeEventListener('abort', stop);
      // The listener stays: what was written last may still be refused.
    },
  };
};
