/** One consumer of a persistent subscription: handles what it is given, says so, and comes back after an outage. */
import type { PersistentSubscriptionToAll, PersistentSubscriptionToStream } from '@eventstore/db-client';
import type { ReadResp } from '@eventstore/db-client/generated/persistent_pb.js';
import type { RecordedEvent } from '../../core/event.js';
import { taggedError, thrownMessage } from '../../core/fault.js';
import { defaultRetry, delayAfter, type RetryPolicy } from '../../core/retry.js';
import type { Timers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import type { Connection } from './connection.js';
import { passes } from './filter.js';
import { type GroupError, isAll, type PersistentGroup, streamOf } from './groups.js';
import { type RawEvent, rawRecordOf, recordedOf } from './wire.js';

export interface Delivery {
  /** Which attempt to handle this event, 1 is the first; those of consumers before this one are counted where the server knows of them. */
  readonly attempt: number;
  /** Aborts when the consumer is stopped. */
  readonly signal: AbortSignal;
}

export type HandleDelivery = (event: RecordedEvent, delivery: Delivery) => Promise<void>;

export interface ConsumeOptions {
  /** Events in hand at once, of different streams, 1 or more. Default 10. */
  readonly bufferSize?: number;
  /**
   * How often `handle` is called for an event that it rejects, and how long to wait between. All of it must fit into the group's
   * `messageTimeoutMs`, or another consumer is given the event meanwhile. Default 5 attempts, doubling from 50 ms.
   */
  readonly retry?: Partial<RetryPolicy>;
  /** Told each time the connection broke; it is made again. */
  readonly onOutage?: (error: GroupError) => void;
  readonly signal?: AbortSignal;
}

export interface Consuming {
  /** Resolves when it is connected for the first time; rejects where `done` does before. */
  readonly connected: Promise<void>;
  /** Resolves when it was stopped. Rejects with a `TaggedError` of `GroupMissing` where the group is gone, or of `GroupFull`. */
  readonly done: Promise<void>;
  /** Ends it; resolves when what is in hand is done. What was not begun comes to another consumer. */
  readonly stop: () => Promise<void>;
}

type Answered = Parameters<PersistentSubscriptionToStream['ack']>[0];

/** Of the client's subscription: what it needs besides its public face is how it makes events of messages. */
type Subscription = (PersistentSubscriptionToStream | PersistentSubscriptionToAll) & {
  convertGrpcEvent?: (read: ReadResp.ReadEvent) => Given;
};

/** What came, and what the client must know of it to answer. */
interface Given {
  readonly event: { readonly id: string } | undefined;
  readonly link: { readonly id: string } | undefined;
  readonly raw: RawEvent | undefined;
  readonly retryCount: number;
}

const retryDefault: RetryPolicy = { ...defaultRetry, attemptsMax: 5, delayMs: 50 };
const reconnectMaxMs = 5_000;
const flushMs = 20;

const idIn = (record: ReadResp.ReadEvent.RecordedEvent | undefined) => {
  const id = record?.getId()?.getString();
  return id === undefined ? undefined : { id };
};

/** Takes the event's own bytes, as reads do: the client would parse them, and leave what is no JSON by its bytes but by its name undefined. */
const givenOf = (read: ReadResp.ReadEvent): Given => ({
  event: idIn(read.getEvent()),
  link: idIn(read.getLink()),
  raw: rawRecordOf(read.getEvent()),
  retryCount: read.getRetryCount(),
});

/** Runs work of one key in order, and of different keys at once. */
const inLanes = () => {
  const lanes = new Map<string, Promise<void>>();
  return {
    run: (key: string, work: () => Promise<void>): void => {
      const before = lanes.get(key) ?? Promise.resolve();
      const after = before.then(work).finally(() => {
        if (lanes.get(key) === after) lanes.delete(key);
      });
      lanes.set(key, after);
    },
    settled: async (): Promise<void> => {
      while (lanes.size > 0) await Promise.allSettled([...lanes.values()]);
    },
  };
};

interface Handling {
  readonly handle: HandleDelivery;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal;
  readonly pause: (ms: number) => Promise<void>;
}

/** What to tell the server: undefined is that it is done. `stopped`: nothing, it comes again. */
const handled = async (
  { handle, retry, signal, pause }: Handling,
  event: RecordedEvent,
  before: number,
): Promise<{ readonly reason: string } | 'stopped' | undefined> => {
  for (let tried = 1; ; tried += 1) {
    if (signal.aborted) return 'stopped';
    try {
      await handle(event, { attempt: before + tried, signal });
      return undefined;
    } catch (error) {
      if (tried >= retry.attemptsMax) return { reason: thrownMessage(error) || 'refused without a reason' };
      await pause(delayAfter(retry, tried, Math.random));
    }
  }
};

/** Handles one event, and says what became of it. */
const answer = async (
  handling: Handling,
  isWanted: (event: RecordedEvent) => boolean,
  subscription: Subscription,
  given: Given,
): Promise<void> => {
  const event = given.raw && recordedOf(given.raw);
  // What a link no longer leads to, and what passes the server's filter only, is nobody's.
  const isNobodys = event === undefined || !isWanted(event);
  const verdict = isNobodys ? undefined : await handled(handling, event, given.retryCount);
  if (verdict === 'stopped') return;
  // Where the connection broke meanwhile, nobody hears it, and the event comes again. The client may wait for ever for the pipe
  // to take it, so nobody waits for that.
  const answered = given as unknown as Answered;
  const said =
    verdict === undefined ? subscription.ack(answered) : subscription.nack('park', verdict.reason, answered);
  said.catch(() => undefined);
};

type Lanes = ReturnType<typeof inLanes>;

/** Takes what the server hands over, until the connection ends. Undefined where it ended without a word. */
const takeAll = async (subscription: Subscription, take: (given: Given) => void): Promise<unknown> => {
  try {
    for await (const given of subscription as unknown as AsyncIterable<Given>) take(given);
    return undefined;
  } catch (error) {
    return error;
  }
};

/** One connection of a consumer, until it ends, or the consumer is stopped. */
const consumeOnce = async (
  subscription: Subscription,
  lanes: Lanes,
  { signal, pause }: Pick<Handling, 'signal' | 'pause'>,
  take: (given: Given) => void,
): Promise<unknown> => {
  // An error that comes after the last item was read would otherwise end the process.
  subscription.on('error', () => undefined);
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
  });
  signal.addEventListener('abort', onAbort, { once: true });
  const error = await Promise.race([takeAll(subscription, take), aborted]);
  signal.removeEventListener('abort', onAbort);
  // What is in hand is finished, and said, before the subscription is let go; what was said must have left by then.
  await lanes.settled();
  await pause(flushMs);
  await subscription.unsubscribe().catch(() => undefined);
  return error;
};

/** A pause, and one that ends early when the consumer is stopped. */
const pausing = (timers: Timers, signal: AbortSignal) => {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void timers.after(ms, resolve));
  const stoppable = makeWake(timers);
  return { pause, pauseUnlessStopped: (ms: number): Promise<void> => stoppable.wait(ms, signal) };
};

const open = (
  { client }: Connection,
  { group, source }: PersistentGroup,
  bufferSize: number,
): Subscription => {
  const subscription: Subscription = isAll(source)
    ? client.subscribeToPersistentSubscriptionToAll(group, { bufferSize })
    : client.subscribeToPersistentSubscriptionToStream(streamOf(source), group, { bufferSize });
  subscription.convertGrpcEvent = givenOf;
  return subscription;
};

export const consume = (
  connection: Connection,
  group: PersistentGroup,
  handle: HandleDelivery,
  options: ConsumeOptions,
  errorOf: (error: unknown) => GroupError,
): Consuming => {
  const { timers } = connection;
  const { source } = group;
  const stopping = new AbortController();
  const { signal } = stopping;
  const { pause, pauseUnlessStopped } = pausing(timers, signal);
  const handling = {
    handle,
    retry: { ...retryDefault, ...options.retry },
    signal,
    pause: pauseUnlessStopped,
  };
  const isWanted = isAll(source) ? passes(source.filter ?? {}) : () => true;
  const lanes = inLanes();
  let tellConnected: () => void = () => undefined;
  const isConnected = new Promise<void>((resolve) => {
    tellConnected = resolve;
  });

  const connectOnce = async (): Promise<GroupError> => {
    const subscription = open(connection, group, options.bufferSize ?? 10);
    subscription.on('confirmation', tellConnected);
    const take = (given: Given): void => {
      if (!signal.aborted)
        lanes.run(given.raw?.streamId ?? '', () => answer(handling, isWanted, subscription, given));
    };
    const error = await consumeOnce(subscription, lanes, { signal, pause }, take);
    return error === undefined
      ? { _tag: 'StoreUnavailable', message: 'the server ended the subscription' }
      : errorOf(error);
  };
  const run = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted && !connection.isClosed(); failures += 1) {
      const begun = timers.now();
      const error = await connectOnce();
      if (signal.aborted || connection.isClosed()) return;
      if (error._tag === 'GroupMissing' || error._tag === 'GroupFull') throw taggedError(error);
      options.onOutage?.(error);
      if (timers.now() - begun > reconnectMaxMs) failures = 0;
      await pauseUnlessStopped(Math.min(reconnectMaxMs, 50 * 2 ** failures));
    }
  };
  const done = run();
  const connected = Promise.race([isConnected, done]);
  // Whoever asks hears of it; it must not end the process before.
  for (const promise of [done, connected]) promise.catch(() => undefined);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await done;
  };
  options.signal?.addEventListener('abort', () => void stop().catch(() => undefined), { once: true });
  return { connected, done, stop };
};
