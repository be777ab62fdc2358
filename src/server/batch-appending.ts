/**
 * The BatchAppend call: one connection over which a client sends many appends, each in one or more parts, to any streams. Every append
 * is answered once, under its correlation id, in whatever order they end. Appends to one stream are done in the order in which they were
 * completed.
 */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { UUID } from '@eventstore/db-client/generated/shared_pb.js';
import type { BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { taggedError } from '../core/fault.js';
import { append, type AppendOutcome, proposedEvent, wireBytes } from './appending.js';
import { type BatchOptions, batchAnswers, batchOptionsOf } from './batch-answers.js';
import { answering, type OpenCall } from './calls.js';
import type { ServerContext } from './context.js';
import { appendTooLarge, refusalOf, type Refused, refuse, refused } from './status.js';
import type { WireEvent } from './stored-form.js';
import { idOf, streamIdFrom } from './wire.js';

type Call = ServerDuplexStream<BatchAppendReq, BatchAppendResp>;

/** Appends at work at once; the client waits when there are more. */
const runningMax = 64;
/** Appends of one connection that are begun and not complete. */
const pendingMax = 4_096;
/** How many of the largest appends those may hold between them. */
const pendingSizes = 4;
/** What an event counts there besides its bytes: one without any is held as well. */
const eventOverhead = 16;

/** An append that is not complete, or is at work. */
interface Pending {
  readonly correlation: UUID | undefined;
  readonly options: BatchOptions;
  readonly events: WireEvent[];
  /** Bytes and number of the events that are held. */
  bytes: number;
  count: number;
  /** Answered already, as too large, wrong or late: what still comes of it is dropped. */
  isAnswered: boolean;
  /** Calls off the deadline. */
  callOff: () => void;
  /** Drops the events that are held until the append is complete. */
  drop: () => void;
}

const failed: Refused = refused('INTERNAL', 'The server failed; its log says why.');

/** Runs what is put into it line by line: one after another in each line, at most `runningMax` at once. */
const makeLines = () => {
  const lines = new Map<string, Promise<void>>();
  const running = new Set<Promise<void>>();
  return {
    put: (line: string, work: () => Promise<void>): void => {
      const turn = (lines.get(line) ?? Promise.resolve()).then(work);
      lines.set(line, turn);
      running.add(turn);
      void turn.then(() => {
        running.delete(turn);
        if (lines.get(line) === turn) lines.delete(line);
      });
    },
    /** Resolves when there is room for one more. */
    room: async (): Promise<void> => {
      while (running.size >= runningMax) await Promise.race(running);
    },
    empty: async (): Promise<void> => {
      while (running.size > 0) await Promise.all(running);
    },
  };
};

/** The first part of an append: what it is to be. */
const begin = (message: BatchAppendReq): Pending => {
  const sent = message.getOptions();
  if (sent === undefined) return refuse('INVALID_ARGUMENT', 'The first part of an append lacks its options.');
  return {
    correlation: message.getCorrelationId(),
    options: batchOptionsOf(sent),
    events: [],
    bytes: 0,
    count: 0,
    isAnswered: false,
    callOff: () => undefined,
    drop: () => undefined,
  };
};

/** The appends of a connection that are begun and not complete, as many and as large as they may be. */
const makePending = (appendBytesMax: number) => {
  const begun = new Map<string, Pending>();
  const bytesMax = pendingSizes * appendBytesMax;
  let bytesHeld = 0;
  const release = (one: Pending): void => {
    bytesHeld -= one.bytes + eventOverhead * one.count;
    one.bytes = 0;
    one.count = 0;
    one.drop = () => undefined;
  };
  const hold = (one: Pending, event: WireEvent): void => {
    const bytes = wireBytes(event);
    if (one.bytes + bytes > appendBytesMax) throw taggedError(appendTooLarge(appendBytesMax));
    if (bytesHeld + bytes + eventOverhead > bytesMax)
      refuse(
        'RESOURCE_EXHAUSTED',
        `Appends that were begun and not completed hold ${bytesMax} bytes at most.`,
      );
    one.bytes += bytes;
    one.count += 1;
    bytesHeld += bytes + eventOverhead;
    one.events.push(event);
  };
  return {
    get: (id: string): Pending | undefined => begun.get(id),
    all: () => begun.values(),
    add: (id: string, one: Pending): void => {
      if (begun.size >= pendingMax)
        refuse('RESOURCE_EXHAUSTED', `More than ${pendingMax} appends were begun and not completed.`);
      begun.set(id, one);
      one.drop = () => {
        one.events.length = 0;
        release(one);
      };
    },
    addEvents: (one: Pending, message: BatchAppendReq): void => {
      for (const proposed of message.getProposedMessagesList()) hold(one, proposedEvent(proposed));
    },
    /** The append is complete, or over: it keeps its events, and holds nothing back any more. */
    take: (id: string, one: Pending): void => {
      begun.delete(id);
      release(one);
    },
  };
};

/** Answers appends, each once: in time or as late, with its outcome or a refusal. */
const answeringEach = (context: ServerContext, write: OpenCall<BatchAppendResp>['write']) => {
  const { limits, timers, now, onError } = context;
  const answers = batchAnswers(context);
  const answer = async (one: Pending, outcome: AppendOutcome | 'late'): Promise<void> => {
    if (one.isAnswered) return;
    one.isAnswered = true;
    one.callOff();
    one.drop();
    // Where the call is over nobody waits for the answer.
    await write(answers.answer(one.correlation, one.options, outcome)).catch(() => undefined);
  };
  return {
    answer,
    refuse: (one: Pending, thrown: unknown): Promise<void> => {
      const refusal = refusalOf(thrown, limits.appendBytesMax);
      if (refusal === undefined) onError(thrown);
      return answer(one, { _tag: 'Refused', refusal: refusal ?? failed });
    },
    watchDeadline: (one: Pending): void => {
      const { deadline } = one.options;
      if (deadline === undefined) return;
      const leftMs = deadline - now().getTime();
      // Past when it comes: a timer would let the store be first.
      if (leftMs <= 0) return void answer(one, 'late');
      // Timers of the machine count no further.
      if (leftMs < 2 ** 31) one.callOff = timers.after(leftMs, () => void answer(one, 'late'));
    },
  };
};

const batch = (context: ServerContext, write: OpenCall<BatchAppendResp>['write']) => {
  const each = answeringEach(context, write);
  const pending = makePending(context.limits.appendBytesMax);
  const lines = makeLines();
  const started = (id: string, message: BatchAppendReq): Pending => {
    const one = begin(message);
    pending.add(id, one);
    each.watchDeadline(one);
    return one;
  };
  const run = async (one: Pending): Promise<void> => {
    // Late before it began: nothing is written.
    if (one.isAnswered) return;
    try {
      const streamId = streamIdFrom(one.options.stream);
      const { expected } = one.options;
      await each.answer(one, await append(context, { streamId, expected, events: one.events }));
    } catch (thrown) {
      await each.refuse(one, thrown);
    }
  };
  return {
    take: async (message: BatchAppendReq): Promise<void> => {
      const id = idOf(message.getCorrelationId());
      const one = pending.get(id) ?? started(id, message);
      if (!one.isAnswered)
        try {
          pending.addEvents(one, message);
        } catch (thrown) {
          await each.refuse(one, thrown);
        }
      if (!message.getIsFinal()) return;
      pending.take(id, one);
      if (one.isAnswered) return;
      await lines.room();
      lines.put(Buffer.from(one.options.streamBytes).toString('latin1'), () => run(one));
    },
    /** Resolves when all complete appends are answered; what is not complete is dropped. */
    finish: async (): Promise<void> => {
      for (const one of pending.all()) one.callOff();
      await lines.empty();
    },
  };
};

/** Takes message after message until the client has sent all, or the call or the server ends. */
const takeAll = (
  call: Call,
  signal: AbortSignal,
  take: (message: BatchAppendReq) => Promise<void>,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      call.off('data', next);
      call.off('end', end);
      signal.removeEventListener('abort', end);
    };
    const end = (): void => {
      stop();
      resolve();
    };
    // The next message is asked for when this one is taken: so the client waits where the store does.
    const next = (message: BatchAppendReq): void => {
      call.pause();
      take(message).then(
        () => call.resume(),
        (thrown: unknown) => {
          stop();
          reject(thrown as Error);
        },
      );
    };
    signal.addEventListener('abort', end, { once: true });
    call.on('end', end);
    call.on('data', next);
  });

/** Answers a BatchAppend call. */
export const answerBatchAppend = (context: ServerContext, call: Call): Promise<void> =>
  answering<BatchAppendResp>(context, call, async ({ signal, writeLast }) => {
    const appends = batch(context, writeLast);
    try {
      await takeAll(call, signal, appends.take);
    } finally {
      await appends.finish();
    }
  });
