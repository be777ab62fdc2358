/**
 * Calls to the server, through the client's own channel: it finds the leader, reconnects and signs in. The calls themselves are made here,
 * because those of the client leave out what a store needs: its `readAll` has no filter, its reads have no deadline, and its batched
 * appends are in one table for the whole process, so that a broken connection of one client fails the appends of all others.
 */
import type { EventStoreDBClient } from '@eventstore/db-client';
import type { AppendReq, AppendResp, ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { type Position, positionOf, type StreamVersion } from '../../core/stream.js';
import { realTimers, type Timers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import type { Driver } from './driver.js';
import { type FaultError, faultError, faultOf, type ServerFault } from './faults.js';
import {
  appendMessages,
  type ProposedEvent,
  type RawEvent,
  rawEventOf,
  type RawExpected,
  type RawRead,
  readRequest,
} from './wire.js';

export interface RawAppend {
  readonly streamId: string;
  readonly expected: RawExpected;
  readonly events: ReadonlyArray<ProposedEvent>;
}

export interface RawAppended {
  readonly version: StreamVersion;
  /** `undefined` where the server recognised a repeat and does not say where it stands. */
  readonly position: Position | undefined;
}

export interface RawPage {
  readonly events: ReadonlyArray<RawEvent>;
  /** False where there is no such stream, or it was deleted softly. */
  readonly found: boolean;
  /**
   * The read ended before it was done: what came is the beginning of what was asked for. So end reads of the global order only; nothing may
   * have come where a filter lets so little pass that the server was looking for longer than a call may take.
   */
  readonly isCut: boolean;
}

export interface Watching {
  /** The server has begun: from here on nothing is missed. */
  readonly onConfirmed: () => void;
  readonly onEvent: (event: RawEvent) => void;
  /** Everything up to this place has been looked at. */
  readonly onCheckpoint: (position: Position) => void;
}

export interface Connection {
  readonly driver: Driver;
  readonly client: EventStoreDBClient;
  readonly timers: Timers;
  /** All of these reject with a `FaultError`. */
  readonly append: (append: RawAppend, timeoutMs?: number) => Promise<RawAppended>;
  readonly read: (read: RawRead & { readonly count: number }) => Promise<RawPage>;
  readonly tombstone: (streamId: string, version: StreamVersion) => Promise<void>;
  /** Hands over what comes, until the connection breaks or the signal aborts; resolves then, and never rejects. */
  readonly watch: (read: RawRead, watching: Watching, signal: AbortSignal) => Promise<void>;
  /** Whether a connection stands, so that a call that fails from here on may have reached the server. */
  readonly isReady: () => Promise<boolean>;
  /** Waits; ends early when the connection is closed. */
  readonly nap: (ms: number) => Promise<void>;
  readonly isClosed: () => boolean;
  readonly close: () => Promise<void>;
}

/** Of gRPC only what is used here; the package itself is the client's. */
interface Channel {
  /** 2 is ready. */
  readonly getConnectivityState: (tryToConnect: boolean) => number;
  readonly close: () => void;
}
type Sink = NodeJS.WritableStream & { readonly write: (message: AppendReq) => boolean };
type Source = AsyncIterable<ReadResp> & NodeJS.ReadableStream & { readonly cancel: () => void };
interface StreamsCalls {
  readonly append: (
    metadata: unknown,
    options: unknown,
    done: (error: unknown, answer: AppendResp) => void,
  ) => Sink;
  readonly read: (request: ReadReq, metadata: unknown, options: unknown) => Source;
}

/** What the client keeps for the classes that extend it. */
interface Inside {
  readonly GRPCStreamCreator: (
    service: unknown,
    name: string,
    create: (calls: StreamsCalls) => Source,
  ) => () => Promise<Source>;
  readonly execute: <A>(
    service: unknown,
    name: string,
    act: (calls: StreamsCalls) => Promise<A>,
  ) => Promise<A>;
  readonly callArguments: (
    base: { readonly requiresLeader: boolean },
    call: { readonly deadline: Date | number },
  ) => readonly [metadata: unknown, options: unknown];
  readonly getChannel: () => Promise<Channel>;
}

const channelReady = 2;
/** Attempts of a read on connections that break, or on nodes that do not lead. */
const readAttemptsMax = 4;

const isWorthAgain = ({ _tag: tag }: ServerFault): boolean => tag === 'Lost' || tag === 'NotLeader';

const answered = (answer: AppendResp): RawAppended => {
  const refusal = answer.getWrongExpectedVersion();
  if (refusal !== undefined) {
    const actual = (
      refusal.hasCurrentRevision() ? Number(refusal.getCurrentRevision()) + 1 : 0
    ) as StreamVersion;
    throw faultError({ _tag: 'WrongVersion', actual, message: 'the stream is not as expected' });
  }
  const success = answer.getSuccess();
  if (success === undefined)
    throw faultError({ _tag: 'Lost', message: 'the server answered neither yes nor no' });
  const position = success.getPosition();
  return {
    version: (success.hasCurrentRevision() ? Number(success.getCurrentRevision()) + 1 : 0) as StreamVersion,
    position: position && positionOf(position.getCommitPosition(), position.getPreparePosition()),
  };
};

export interface ConnectionOptions {
  readonly driver: Driver;
  readonly client: EventStoreDBClient;
  /** How long one call may take. */
  readonly timeoutMs: number;
  readonly timers?: Timers;
}

/** Whether what came of a read that broke off is better than to read it all again. */
const isOfUse = (
  { streamId, filter }: RawRead,
  events: ReadonlyArray<RawEvent>,
  fault: ServerFault,
): boolean =>
  fault._tag === 'Lost' &&
  streamId === undefined &&
  (events.length > 0 || (filter !== undefined && fault.isLate === true));

/** The calls themselves; they reject with whatever gRPC or the client gives. */
const callsOf = ({ driver, client, timeoutMs }: ConnectionOptions) => {
  const inside = client as unknown as Inside;
  const { StreamsClient } = driver.service;
  const argumentsFor = (ms: number) =>
    inside.callArguments(
      { requiresLeader: true },
      { deadline: ms === Infinity ? Infinity : new Date(Date.now() + ms) },
    );
  const open = (read: RawRead, ms: number): Promise<Source> =>
    inside.GRPCStreamCreator(StreamsClient, 'read', (calls) =>
      calls.read(readRequest(driver, read), ...argumentsFor(ms)),
    )();
  const read = async (request: RawRead): Promise<RawPage> => {
    const events: RawEvent[] = [];
    let found = true;
    try {
      for await (const answer of await open(request, timeoutMs)) {
        if (answer.hasStreamNotFound()) found = false;
        const event = answer.getEvent();
        const raw = event && rawEventOf(event);
        if (raw !== undefined) events.push(raw);
      }
    } catch (error) {
      if (isOfUse(request, events, faultOf(error))) return { events, found, isCut: true };
      throw error;
    }
    return { events, found, isCut: false };
  };
  const append = ({ streamId, expected, events }: RawAppend, ms: number): Promise<AppendResp> =>
    inside.execute(
      StreamsClient,
      'append',
      (calls) =>
        new Promise<AppendResp>((resolve, reject) => {
          const sink = calls.append(...argumentsFor(ms), (error, answer) =>
            error === null || error === undefined ? resolve(answer) : reject(error as Error),
          );
          sink.on('error', reject);
          // All at once: an append is small enough to be held, and nothing can come between its messages.
          for (const message of appendMessages(driver, streamId, expected, events)) sink.write(message);
          sink.end();
        }),
    );
  return { open, read, append, channel: inside.getChannel };
};

/** Hands over what comes, until the source ends or breaks. */
const watchOn =
  (open: (read: RawRead, ms: number) => Promise<Source>): Connection['watch'] =>
  async (request, { onConfirmed, onEvent, onCheckpoint }, signal) => {
    let cancel: (() => void) | undefined;
    const onAbort = (): void => cancel?.();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const source = await open(request, Infinity);
      cancel = () => source.cancel();
      if (signal.aborted) return source.cancel();
      for await (const answer of source) {
        if (answer.hasConfirmation()) onConfirmed();
        const event = answer.getEvent();
        const raw = event && rawEventOf(event);
        if (raw !== undefined) onEvent(raw);
        const checkpoint = answer.getCheckpoint();
        if (checkpoint !== undefined)
          onCheckpoint(positionOf(checkpoint.getCommitPosition(), checkpoint.getPreparePosition()));
      }
    } catch {
      // It is begun again by who asked, whatever broke it.
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };

export const connect = (options: ConnectionOptions): Connection => {
  const { driver, client, timeoutMs, timers = realTimers } = options;
  const calls = callsOf(options);
  const naps = makeWake(timers);
  let closed = false;

  const guarded = async <A>(call: () => Promise<A>): Promise<A> => {
    if (closed) throw faultError({ _tag: 'StoreClosed' });
    try {
      return await call();
    } catch (error) {
      throw closed ? faultError({ _tag: 'StoreClosed' }) : faultError(faultOf(error));
    }
  };
  const read = async (request: RawRead): Promise<RawPage> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await guarded(() => calls.read(request));
      } catch (error) {
        const { fault } = error as FaultError;
        if (!isWorthAgain(fault) || attempt >= readAttemptsMax) throw error;
        await naps.wait(10 * 2 ** attempt);
      }
    }
  };
  return {
    driver,
    client,
    timers,
    append: (request, ms = timeoutMs) =>
      guarded(async () => answered(await calls.append(request, Math.min(ms, timeoutMs)))),
    read,
    watch: watchOn(calls.open),
    tombstone: (streamId, version) =>
      guarded(async () => {
        const expectedRevision = BigInt(version - 1);
        await client.tombstoneStream(streamId, {
          expectedRevision,
          requiresLeader: true,
          deadline: timeoutMs,
        });
      }),
    isReady: () => guarded(async () => (await calls.channel()).getConnectivityState(true) === channelReady),
    nap: (ms) => (closed ? Promise.resolve() : naps.wait(ms)),
    isClosed: () => closed,
    close: async () => {
      if (closed) return;
      closed = true;
      naps.notify();
      // The client ends its streams, and leaves the channel open.
      await client.dispose();
      (await calls.channel().catch(() => undefined))?.close();
    },
  };
};
