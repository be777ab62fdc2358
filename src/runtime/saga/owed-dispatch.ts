/**
 * Messages on their way out, in a lane for each saga: within one in order, across them at once. A lane remembers which versions
 * it has to deliver and reads the messages when their turn comes, so that what waits takes little room.
 */
import { describeTagged, taggedOf, thrownMessage } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import { delayAfter } from '../../core/retry.js';
import type { Checkpoint } from '../../store/event-store.js';
import { realTimers } from '../../store/timers.js';
import { makeWake, type Wake } from '../../store/wake.js';
import type { Patience } from '../outage.js';
import { unlessClosed } from './owed-closed.js';
import type { SagaShell } from './saga-context.js';
import type { Dispatched, Transport } from './saga-transport.js';
import { semaphore } from '../semaphore.js';
import { withinMs } from '../within-ms.js';

/** Records of one saga whose messages are to leave. */
export interface Stretch {
  /** Where the subscription stood before the first of them. */
  readonly before: Checkpoint | undefined;
  readonly first: number;
  readonly last: number;
}

export interface LaneOptions {
  readonly deliver: Transport['deliver'];
  /** Deliveries at once. */
  readonly concurrency: number;
  /** Sagas whose messages may be on their way. */
  readonly aheadMax: number;
  readonly deliverTimeMaxMs: number;
  readonly parkedRetryMs: number;
  /** Sagas are read through it. */
  readonly patience: Patience;
  /** Nobody waits any more before another attempt. */
  readonly signal: AbortSignal;
  /** Told whenever a lane is done or parked. */
  readonly onProgress: () => void;
  /** Told of what is thrown besides the transport's failures: a hook that throws. */
  readonly onFailure: (thrown: unknown) => void;
}

interface Lane {
  readonly instance: Instance;
  current: Stretch;
  /** What came while the current stretch was on its way; grows, so that a lane holds two at most. */
  next: Stretch | undefined;
  isParked: boolean;
}

export interface Lanes {
  /** Takes a stretch in. Waits while as many sagas as may be are on their way: then the subscription waits too. */
  readonly add: (instance: Instance, stretch: Stretch) => Promise<void>;
  /** Where the subscription stood before anything that has not been delivered. */
  readonly before: () => ReadonlyArray<Checkpoint | undefined>;
  /** Whether nothing is on its way but what is parked. */
  readonly isIdle: () => boolean;
  /** Lets those that are parked try once more, now. */
  readonly retryParked: () => void;
  /** Resolves when every lane has come to its end: delivered, or given up after the signal. */
  readonly settled: () => Promise<void>;
}

/** The words of a failure; `undefined` where the work is done. */
const failureOf = async (work: () => Promise<void>): Promise<string | undefined> => {
  try {
    return await work().then(() => undefined);
  } catch (thrown) {
    const tagged = taggedOf(thrown);
    return tagged === undefined ? thrownMessage(thrown) : describeTagged(tagged);
  }
};

/** What a lane is about at the moment; both empty while it reads its saga. */
type Subject = Pick<Dispatched, 'id' | 'type'>;

/** Tries until it is done; false where it was given up after the signal. `parkedWake` lets those that wait try at once. */
const insisting = <S, Ev extends AnyEvent>(
  { retry, hooks, environment }: SagaShell<S, Ev>,
  { concurrency, parkedRetryMs, signal, onProgress }: LaneOptions,
  parkedWake: Wake,
) => {
  const permits = semaphore(concurrency);
  return async (
    lane: Lane,
    { id: messageId, type }: Subject,
    work: () => Promise<void>,
  ): Promise<boolean> => {
    // Ends with a success, or with the subscription: until then the checkpoint waits for this saga.
    for (let attempts = 1; ; attempts += 1) {
      const error = await failureOf(() => permits.use(work));
      if (error === undefined) return true;
      if (attempts === retry.attemptsMax) {
        const { streamName } = lane.instance;
        hooks.onDeliveryParked?.({ streamName, kind: 'message', messageId, type, attempts, error });
      }
      lane.isParked = attempts >= retry.attemptsMax;
      onProgress();
      const waitMs = lane.isParked ? parkedRetryMs : delayAfter(retry, attempts, environment.random);
      await parkedWake.wait(waitMs, signal);
      lane.isParked = false;
      if (signal.aborted) return false;
    }
  };
};

export const dispatchLanes = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  options: LaneOptions,
): Lanes => {
  const { deliver, patience, signal, onProgress, aheadMax, deliverTimeMaxMs } = options;
  const { loader, environment } = shell;
  const timers = environment.timers ?? realTimers;
  const lanes = new Map<string, Lane>();
  const running = new Set<Promise<void>>();
  const room = makeWake(timers);
  const parkedWake = makeWake(timers);
  const insist = insisting(shell, options, parkedWake);

  const deliverStretch = async (lane: Lane): Promise<boolean> => {
    const { instance } = lane;
    const { first, last } = lane.current;
    let messages: ReadonlyArray<Omit<Dispatched, 'tenant' | 'sagaId' | 'streamName'>> = [];
    const isLoaded = await insist(lane, { id: '', type: '' }, async () => {
      const log = await patience.through(async () => unlessClosed(await loader.loadUpTo(instance, last)));
      messages = log?.owed(first - 1).messages ?? [];
    });
    if (!isLoaded) return false;
    const { tenant, sagaId, streamName } = instance;
    for (const message of messages) {
      if (message.version > last) break;
      const work = () =>
        withinMs(timers, deliverTimeMaxMs, () => deliver({ ...message, tenant, sagaId, streamName }));
      if (!(await insist(lane, message, work))) return false;
    }
    return true;
  };

  const run = async (lane: Lane): Promise<void> => {
    // Ends: with the last stretch, or where one was given up; then the lane stays, and the checkpoint before it.
    while (await deliverStretch(lane)) {
      if (lane.next === undefined) {
        lanes.delete(lane.instance.key);
        room.notify();
        return onProgress();
      }
      lane.current = lane.next;
      lane.next = undefined;
    }
  };

  return {
    add: async (instance, stretch) => {
      const known = lanes.get(instance.key);
      if (known !== undefined) {
        known.next = known.next === undefined ? stretch : { ...known.next, last: stretch.last };
        return;
      }
      while (lanes.size >= aheadMax && !signal.aborted) await room.wait(1_000, signal);
      const lane: Lane = { instance, current: stretch, next: undefined, isParked: false };
      lanes.set(instance.key, lane);
      const end = run(lane).catch(options.onFailure);
      running.add(end);
      void end.finally(() => running.delete(end));
    },
    before: () => [...lanes.values()].map(({ current }) => current.before),
    isIdle: () => [...lanes.values()].every(({ isParked }) => isParked),
    retryParked: () => {
      for (const lane of lanes.values()) lane.isParked = false;
      parkedWake.notify();
    },
    settled: async () => {
      while (running.size > 0) await Promise.all([...running]);
    },
  };
};
