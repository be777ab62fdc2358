/** The one live subscription of a server: fills the ring with the newest events, and wakes those who wait for them. */
import { taggedError, taggedOf, toPromise } from '../core/fault.js';
import { streamIdOf } from '../core/eventstoredb/stream-id.js';
import { comparePositions, type Position, startPosition } from '../core/stream.js';
import type { Checkpoint } from '../store/event-store.js';
import type { Timers } from '../store/timers.js';
import { makeWake, type Wake } from '../store/wake.js';
import type { FeedContext } from './feed-items.js';
import { headPosition } from './reading.js';
import { makeRing, type Ring } from './ring.js';

/** Watches one stream, for one follower. */
export interface StreamWatch {
  /** Grows with every event of the stream that comes into the ring. */
  readonly news: () => number;
  /** Grows with whatever changes the stream without an event, and now and then, so that others' changes are seen too. */
  readonly looks: () => number;
  /** Resolves when one of the two grew, or the signal aborts; sometimes for nothing. */
  readonly wait: (signal: AbortSignal) => Promise<void>;
  readonly stop: () => void;
}

export interface LiveEvents {
  readonly ring: Ring;
  /** Resolves when any event came, or the signal aborts; sometimes for nothing. */
  readonly waitForAny: (signal: AbortSignal) => Promise<void>;
  readonly watch: (streamId: string) => StreamWatch;
  /** Whether the store shows everything up to here, to whoever reads now. */
  readonly hasShown: (position: Position) => boolean;
  /** Resolves when the store shows more than before, after `ms` milliseconds, or when the signal aborts; sometimes for nothing. */
  readonly waitForMore: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Throws once the store lives another life than it did when the follower began. */
  readonly checkEpoch: (epoch: string) => void;
  readonly epoch: () => string;
  readonly nudge: (streamId: string) => void;
  readonly close: () => Promise<void>;
}

const ringLimits = { events: 4_096, bytes: 64 * 1024 * 1024 };
/** Events that the subscription reads at once; they may be large. */
const pageCount = 16;
const lookAgainMs = 60_000;
const restartDelayMs = (attempt: number): number => Math.min(5_000, 100 * 2 ** Math.min(attempt, 8));

interface Watched {
  readonly wake: Wake;
  news: number;
  looks: number;
  watchers: number;
}

const makeWatches = (timers: Timers) => {
  const streams = new Map<string, Watched>();
  const watch = (streamId: string): StreamWatch => {
    const watched = streams.get(streamId) ?? { wake: makeWake(timers), news: 0, looks: 0, watchers: 0 };
    streams.set(streamId, watched);
    watched.watchers += 1;
    let late = 0;
    return {
      news: () => watched.news,
      looks: () => watched.looks + late,
      wait: async (signal) => {
        const since = timers.now();
        await watched.wake.wait(lookAgainMs, signal);
        if (timers.now() - since >= lookAgainMs) late += 1;
      },
      stop: () => {
        watched.watchers -= 1;
        if (watched.watchers === 0) streams.delete(streamId);
      },
    };
  };
  const grow = (watched: Watched | undefined, what: 'news' | 'looks'): void => {
    if (watched === undefined) return;
    watched[what] += 1;
    watched.wake.notify();
  };
  return {
    watch,
    isEmpty: () => streams.size === 0,
    event: (streamId: string) => grow(streams.get(streamId), 'news'),
    nudge: (streamId: string) => grow(streams.get(streamId), 'looks'),
    nudgeAll: () => {
      for (const watched of streams.values()) grow(watched, 'looks');
    },
  };
};

const endOf = async ({ store }: FeedContext): Promise<Checkpoint> => ({
  epoch: await toPromise(store.epoch()),
  position: (await headPosition({ store })) ?? startPosition,
});

/** Subscribes from the end of the order; comes back after any outage of the store, until `close`. */
export const liveEvents = async (context: FeedContext): Promise<LiveEvents> => {
  const { store, timers, onError } = context;
  const ending = new AbortController();
  const { signal } = ending;
  let checkpoint = await endOf(context);
  const ring = makeRing(ringLimits, checkpoint.position);
  const anyWake = makeWake(timers);
  const moreWake = makeWake(timers);
  const watches = makeWatches(timers);
  const listen = async (): Promise<void> => {
    const filter = { includeArchived: true };
    const request = { after: checkpoint, filter, maxCount: pageCount, signal };
    for await (const item of store.subscribe(request)) {
      checkpoint = item.checkpoint;
      // With events that nobody is shown it goes on without one.
      moreWake.notify();
      if (item._tag !== 'Event') continue;
      ring.push(item.event);
      anyWake.notify();
      if (!watches.isEmpty()) watches.event(streamIdOf(item.event));
    }
  };
  // After an outage the store may have been restored: nothing that is known of it holds then.
  const lookAtEpoch = async (): Promise<void> => {
    const end = await endOf(context);
    if (end.epoch === checkpoint.epoch) return;
    checkpoint = end;
    ring.reset(end.position);
    anyWake.notify();
    moreWake.notify();
    watches.nudgeAll();
  };
  const run = async (): Promise<void> => {
    const pause = makeWake(timers);
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const before = checkpoint;
      try {
        if (attempt > 0) await lookAtEpoch();
        await listen();
        // The store was closed: nothing more will come.
        return;
      } catch (error) {
        if (taggedOf(error)?._tag === 'StoreClosed') return;
        onError(error);
        if (checkpoint !== before) attempt = 0;
      }
      await pause.wait(restartDelayMs(attempt), signal);
    }
  };
  const running = run();
  return {
    ring,
    waitForAny: (signalOfOne) => anyWake.wait(lookAgainMs, signalOfOne),
    watch: watches.watch,
    hasShown: (position) => comparePositions(checkpoint.position, position) >= 0,
    waitForMore: moreWake.wait,
    epoch: () => checkpoint.epoch,
    checkEpoch: (epoch) => {
      if (epoch !== checkpoint.epoch)
        throw taggedError({ _tag: 'EpochChanged', checkpointEpoch: epoch, storeEpoch: checkpoint.epoch });
    },
    nudge: watches.nudge,
    close: async () => {
      ending.abort();
      await running;
    },
  };
};
