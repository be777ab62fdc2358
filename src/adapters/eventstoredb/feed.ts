/**
 * The one live subscription of a handle: it wakes those who wait for news, brings the marks of other processes, and tells how far the
 * global order has come. While it stands, nobody needs to ask the server again and again.
 */
import type { SubscriptionSource } from '../../store/subscription.js';
import type { EventStore } from '../../store/event-store.js';
import { makeWake, type Wake } from '../../store/wake.js';
import type { Connection } from './connection.js';
import type { Marks } from './marks.js';
import type { Seen } from './seen.js';
import type { ServerFilter } from './wire.js';

/** All but the server's own streams, and the checkpoints that every follower writes after every batch. */
const watched: ServerFilter = { on: 'streamName', regex: '^(?!\\$|@/checkpoint)' };

/** How often who waits looks all the same while the subscription stands: should it stand and say nothing. */
const idlePollMs = 5_000;
const reconnectMaxMs = 5_000;

export interface Feed {
  /** Whether the subscription stands, and all that it brings is known here. */
  readonly isLive: () => boolean;
  /** What a subscription of the store waits on. Each has its own, which knows what came since its last read. */
  readonly sourceFor: (store: Pick<EventStore, 'readAll' | 'epoch'>) => SubscriptionSource;
  /** Resolves when the subscription stands, or after `ms`. */
  readonly untilLive: (ms: number) => Promise<void>;
  readonly notify: () => void;
  readonly close: () => Promise<void>;
}

interface News {
  readonly wake: Wake;
  readonly isLive: () => boolean;
  readonly count: () => number;
  readonly notify: () => void;
}

const sourceOf = (
  { isClosed, timers }: Connection,
  store: Pick<EventStore, 'readAll' | 'epoch'>,
  { wake, isLive, count, notify }: News,
): SubscriptionSource => {
  let known = count();
  const waiting: Wake = {
    notify,
    // What came since the read began need not be waited for.
    wait: async (ms, signal) => {
      if (count() === known) await wake.wait(isLive() ? Math.max(ms, idlePollMs) : ms, signal);
    },
  };
  const readAll: EventStore['readAll'] = (request) => {
    known = count();
    return store.readAll(request);
  };
  return { epoch: store.epoch, readAll, wake: waiting, isClosed, timers };
};

export const openFeed = (connection: Connection, marks: Marks, seen: Seen): Feed => {
  const stopping = new AbortController();
  const wake = makeWake(connection.timers);
  const begun = makeWake(connection.timers);
  let live = false;
  /** Counts news, so that what comes between a read and the waiting after it is not missed. */
  let news = 0;
  const notify = (): void => {
    news += 1;
    wake.notify();
  };

  const onConfirmed = async (): Promise<void> => {
    // What was marked before the subscription stood is read now; what comes after that, it brings.
    await marks.catchUp();
    live = true;
    begun.notify();
    notify();
  };
  const watchOnce = (onLive: () => void): Promise<void> => {
    const broken = new AbortController();
    const signal = AbortSignal.any([stopping.signal, broken.signal]);
    return connection.watch(
      { backwards: false, from: 'end', filter: watched },
      {
        // Without the marks it is of no use: then it is begun again.
        onConfirmed: () => void onConfirmed().then(onLive, () => broken.abort()),
        onEvent: (event) => {
          marks.see(event);
          seen.noteInOrder(event.position);
          notify();
        },
        onCheckpoint: seen.noteInOrder,
      },
      signal,
    );
  };
  const run = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; failures += 1) {
      await watchOnce(() => {
        failures = 0;
      });
      if (live) notify();
      live = false;
      if (!stopping.signal.aborted) await connection.nap(Math.min(reconnectMaxMs, 50 * 2 ** failures));
    }
  };
  const running = run();

  return {
    isLive: () => live,
    sourceFor: (store) =>
      sourceOf(connection, store, { wake, isLive: () => live, count: () => news, notify }),
    untilLive: async (ms) => {
      if (!live) await begun.wait(ms);
    },
    notify,
    close: async () => {
      stopping.abort();
      notify();
      await running;
    },
  };
};
