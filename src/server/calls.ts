/** Calls that stay open: their end, by the client or by the server, and writing no faster than the client takes it. */
import type { Writable } from 'node:stream';
import { taggedError } from '../core/fault.js';
import type { ServerContext } from './context.js';
import { closingRefusal, serviceErrorOf } from './status.js';

/** A call that the server answers with many messages, whatever the client sends. */
export interface AnsweringCall<Answer> extends Pick<Writable, 'on' | 'once' | 'off' | 'emit' | 'destroyed'> {
  readonly cancelled: boolean;
  readonly write: (answer: Answer) => boolean;
  readonly end: () => unknown;
}

export interface OpenCall<Answer> {
  /** Aborts when the client goes away or the server closes. */
  readonly signal: AbortSignal;
  /** Resolves when the client can take more; rejects when the call is over. */
  readonly write: (answer: Answer) => Promise<void>;
  /** The same, but what was under way when the server closes can be answered still. */
  readonly writeLast: (answer: Answer) => Promise<void>;
}

/** The call is over; whoever still works for it stops. */
const callOver = { _tag: 'CallOver' } as const;

const drained = (call: Pick<Writable, 'once' | 'off'>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('cancelled', done);
      call.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    // A signal that aborted earlier, as when the server closes, tells nothing more of the client.
    call.once('cancelled', done);
    call.once('close', done);
    signal.addEventListener('abort', done, { once: true });
  });

export interface CallEnd {
  /** Aborts when the client goes away, or waits no longer, or the server closes. */
  readonly signal: AbortSignal;
  /** The call is answered. */
  readonly forget: () => void;
}

export const endOfCall = (
  { closing }: Pick<ServerContext, 'closing'>,
  call: {
    on(event: 'cancelled' | 'error', end: () => void): unknown;
    off(event: 'cancelled', end: () => void): unknown;
  },
): CallEnd => {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  call.on('cancelled', end);
  // A broken connection is the client's end of the call too; without a listener it would be thrown.
  call.on('error', end);
  const forget = closing.listen(end);
  return {
    signal: ending.signal,
    forget: () => {
      forget();
      call.off('cancelled', end);
    },
  };
};

/**
 * Runs what answers a call, and ends the call after it: in order, with the status of what was thrown, or with UNAVAILABLE when the
 * server closes first.
 */
export const answering = async <Answer>(
  context: ServerContext,
  call: AnsweringCall<Answer>,
  run: (open: OpenCall<Answer>) => Promise<void>,
): Promise<void> => {
  const { signal, forget } = endOfCall(context, call);
  // Many may wait at once, and one listener is enough for all of them.
  let draining: Promise<void> | undefined;
  const writeLast = async (answer: Answer): Promise<void> => {
    if (call.cancelled || call.destroyed) throw taggedError(callOver);
    if (call.write(answer)) return;
    draining ??= drained(call, signal).then(() => void (draining = undefined));
    await draining;
  };
  const write = async (answer: Answer): Promise<void> => {
    if (signal.aborted) throw taggedError(callOver);
    await writeLast(answer);
  };
  try {
    await run({ signal, write, writeLast });
    if (call.cancelled) return;
    if (signal.aborted) call.emit('error', serviceErrorOf(context, taggedError(closingRefusal)));
    else call.end();
  } catch (thrown) {
    if (call.cancelled || call.destroyed) return;
    const reason = signal.aborted ? taggedError(closingRefusal) : thrown;
    call.emit('error', serviceErrorOf(context, reason));
  } finally {
    forget();
  }
};
