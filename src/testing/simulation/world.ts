/** What the processes of one simulation share: the clock, the dice, the store, and the watch over every append. */
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore, type MemoryStore } from '../../adapters/memory/index.js';
import type { EventData } from '../../core/event.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { SagaMergedRecord } from '../../core/saga/saga-records.js';
import { dice } from '../../runtime/dice.js';
import type { EventStore } from '../../store/event-store.js';
import type { Fence, Leases } from '../../store/leases.js';
import type { MessageQueue, QueuedMessage } from '../../store/message-queue.js';
import type { Faults } from './faults.js';
import { noFigures, type SimulationFigures } from './figures.js';
import { type QueueWatch, watchQueue } from './queue-watch.js';
import { type StreamWatch, watchStream } from './stream-watch.js';
import type { WatchedTimeout } from './timeout-watch.js';
import { makeTrace, type Trace } from './trace.js';
import { virtualTime, type VirtualTime } from './virtual-time.js';

export type { SimulationFigures } from './figures.js';

export type WatchedStore = EventStore & { readonly leases: Leases; readonly queue: MessageQueue };

export interface World {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly random: () => number;
  readonly faults: Faults;
  readonly figures: SimulationFigures;
  /** The store itself: nothing waits, nothing fails. */
  readonly raw: MemoryStore;
  /** The store as it is watched: what processes call at last. */
  readonly store: WatchedStore;
  readonly watches: ReadonlyMap<string, StreamWatch>;
  readonly watchOf: (streamName: string) => StreamWatch;
  readonly queues: QueueWatch;
  /** Who holds a lease: nobody where it was given back, the last one where it has ended. */
  readonly holderOf: (lease: string) => LeaseHolder | undefined;
  readonly timeoutOf: (
    id: string,
  ) => { readonly timeout: WatchedTimeout; readonly watch: StreamWatch } | undefined;
  /** Timeouts whose letters were discarded: their sagas wait for them in vain. */
  readonly givenUp: Set<string>;
  /** Whether messages or timeouts are on their way through a queue. */
  readonly hasQueues: () => boolean;
  /** Whether a fault of this chance strikes now. Never once faults are over. */
  readonly strikes: (chance: number) => boolean;
  /** How long the next step takes, in milliseconds. */
  readonly latency: () => number;
  readonly note: (line: string) => void;
  /** A promise is broken; the first one counts. */
  readonly broken: (what: string) => void;
  readonly firstBroken: () => string | undefined;
  /** 1: faults may strike; 2: faults are over, what is owed is done; 3: nothing waits any more. */
  phase: 1 | 2 | 3;
}

export interface LeaseHolder {
  readonly token: number;
  readonly holder: string;
}

/** Who holds which lease, as the store has said. */
const watchLeases = (raw: Leases) => {
  const holders = new Map<string, LeaseHolder>();
  const leases: Leases = {
    ...raw,
    acquire: (request) => async () => {
      const answer = await raw.acquire(request)();
      if (E.isRight(answer))
        holders.set(answer.right.name, { token: answer.right.token, holder: request.holder });
      return answer;
    },
    release: (lease) => async () => {
      const answer = await raw.release(lease)();
      if (E.isRight(answer) && holders.get(lease.name)?.token === lease.token) holders.delete(lease.name);
      return answer;
    },
  };
  return {
    leases,
    holderOf: (lease: string) => holders.get(lease),
    isHeld: ({ lease, token }: Fence): boolean => holders.get(lease)?.token === token,
  };
};

/** Whether it is of several messages; a merge is of several, too, and no joint append. */
const isJoint = (events: ReadonlyArray<EventData>): boolean =>
  new Set(events.map(({ metadata }) => metadata.causationId)).size > 1 &&
  events.every(({ type }) => type !== recordTypes.sagaMerged);

interface AppendWatch {
  readonly broken: World['broken'];
  readonly onJoint: () => void;
  readonly onPart: () => void;
  /** A merge of more is more than an append may hold. */
  readonly branchesMax: number;
}

/** How many branches a merge may take in: in one of eight simulations few. Of the seed and not drawn, so that the dice fall as they would. */
const mergeBranchesMax = (seed: number): number =>
  seed % 8 === 5 ? 1 + (Math.floor(seed / 8) % 3) : Infinity;

const branchesIn = (events: ReadonlyArray<EventData>): number => {
  const merged = events.find(({ type }) => type === recordTypes.sagaMerged);
  return merged === undefined ? 0 : (merged.data as unknown as SagaMergedRecord).resolves.length;
};

/** Watches every append that is really made. */
const watchedAppend =
  (
    raw: MemoryStore,
    watchOf: World['watchOf'],
    isHeld: (fence: Fence) => boolean,
    { broken, onJoint, onPart, branchesMax }: AppendWatch,
  ): EventStore['append'] =>
  (request) =>
  async () => {
    const found = branchesIn(request.events);
    if (found > branchesMax)
      return E.left({ _tag: 'LimitExceeded', limit: 'batchBytesMax', max: branchesMax, found });
    const answer = await raw.append(request)();
    if (E.isLeft(answer) || answer.right.idempotent || request.events.length === 0) return answer;
    const { fence, streamName, events } = request;
    if (fence !== undefined && !isHeld(fence))
      broken(`${streamName}: an append under a lease that had been lost was written`);
    if (isJoint(events)) onJoint();
    const before = answer.right.version - events.length;
    const problem = watchOf(streamName).appended(events, before);
    if (problem !== undefined) broken(`${streamName}, version ${before + 1}: ${problem}`);
    if (found > 0 && watchOf(streamName).pending.size > 0) onPart();
    return answer;
  };

/** What the queues' watch must know of timeouts, which the streams tell. */
const timeoutRules = (timeoutOf: World['timeoutOf']) => ({
  enqueueProblem: ({ id, delayMs = 0 }: QueuedMessage): string | undefined => {
    const known = timeoutOf(id)?.timeout;
    if (known === undefined) return `timeout ${id} was enqueued, and nobody had asked for it`;
    return delayMs === known.afterMs ? undefined : `timeout ${id} waits ${delayMs} ms, not ${known.afterMs}`;
  },
  timeoutProblem: (id: string, how: 'done' | 'cancelled'): string | undefined => {
    const known = timeoutOf(id);
    if (known === undefined) return `timeout ${id} is over, and nobody had asked for it`;
    const { timeout, watch } = known;
    if (how === 'cancelled' && timeout.fate !== 'cancelled')
      return `timeout ${id} was taken back, and the stream says that it ${timeout.fate}`;
    return timeout.fate === 'waits' && !watch.holds(id)
      ? `timeout ${id} was told done before it had an effect`
      : undefined;
  },
});

const makeWatches = (now: () => number) => {
  const watches = new Map<string, StreamWatch>();
  return {
    watches,
    watchOf: (streamName: string): StreamWatch => {
      const watch = watches.get(streamName) ?? watchStream(now);
      watches.set(streamName, watch);
      return watch;
    },
    timeoutOf: (id: string): ReturnType<World['timeoutOf']> => {
      for (const watch of watches.values()) {
        const timeout = watch.timeouts.all.get(id);
        if (timeout !== undefined) return { timeout, watch };
      }
      return undefined;
    },
  };
};

export const makeWorld = (seed: number, chooseFaults: (random: () => number) => Faults): World => {
  const random = dice(seed);
  const faults = chooseFaults(random);
  const time = virtualTime();
  const { now } = time;
  const trace = makeTrace();
  const raw = memoryStore({ now: () => new Date(now()), clockMs: now });
  const { watches, watchOf, timeoutOf } = makeWatches(now);
  let first: string | undefined;
  const broken = (what: string): void => {
    first ??= what;
  };
  const strikes = (chance: number): boolean => world.phase === 1 && chance > 0 && random() < chance;
  const { leases, holderOf, isHeld } = watchLeases(raw.leases);
  const figures = noFigures();
  const queues = watchQueue({
    ...{ queue: raw.queue, now, isHeld, ...timeoutRules(timeoutOf), broken },
    onEnqueued: () => void (figures.enqueued += 1),
    onParked: () => void (figures.parked += 1),
  });
  const watched: AppendWatch = {
    broken,
    onJoint: () => void (figures.jointAppends += 1),
    onPart: () => void (figures.mergesInParts += 1),
    branchesMax: mergeBranchesMax(seed),
  };
  const world: World = {
    time,
    trace,
    random,
    faults,
    figures,
    raw,
    store: { ...raw, append: watchedAppend(raw, watchOf, isHeld, watched), leases, queue: queues.queue },
    watches,
    watchOf,
    queues,
    holderOf,
    timeoutOf,
    givenUp: new Set(),
    hasQueues: () => queues.unfinished().length > 0,
    strikes,
    latency: () => (strikes(faults.pause) ? faults.pauseMs : faults.latencyMs) * random(),
    note: (line) => trace.note(now(), line),
    broken,
    firstBroken: () => first,
    phase: 1,
  };
  return world;
};
