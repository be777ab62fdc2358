/** What the processes of one simulation share: the clock, the dice, the store, and the watch over every append. */
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore, type MemoryStore } from '../../adapters/memory/index.js';
import { dice } from '../../runtime/dice.js';
import type { EventStore } from '../../store/event-store.js';
import type { Leases } from '../../store/leases.js';
import type { Faults } from './faults.js';
import { type StreamWatch, watchStream } from './stream-watch.js';
import { makeTrace, type Trace } from './trace.js';
import { virtualTime, type VirtualTime } from './virtual-time.js';

/** What happened in a simulation, counted. */
export interface SimulationFigures {
  steps: number;
  processes: number;
  messages: number;
  deliveries: number;
  /** Deliveries that were answered `Duplicate`. */
  duplicates: number;
  crashes: number;
  unavailable: number;
  answersLost: number;
  conflicts: number;
  fastForwards: number;
  merges: number;
  branchesMerged: number;
  refusals: number;
  /** Appends under a lease, and those that were refused because the lease was lost. */
  leases: number;
  leasesLost: number;
  compensations: number;
  compensationsFailed: number;
  completions: number;
  dispatched: number;
  subscriptionsFailed: number;
}

export const noFigures = (): SimulationFigures => ({
  steps: 0,
  processes: 0,
  messages: 0,
  deliveries: 0,
  duplicates: 0,
  crashes: 0,
  unavailable: 0,
  answersLost: 0,
  conflicts: 0,
  fastForwards: 0,
  merges: 0,
  branchesMerged: 0,
  refusals: 0,
  leases: 0,
  leasesLost: 0,
  compensations: 0,
  compensationsFailed: 0,
  completions: 0,
  dispatched: 0,
  subscriptionsFailed: 0,
});

type WatchedStore = EventStore & { readonly leases: Leases };

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

/** Watches every append that is really made, and who holds which lease. */
const watched = (raw: MemoryStore, watchOf: World['watchOf'], broken: World['broken']): WatchedStore => {
  const tokens = new Map<string, number>();
  return {
    ...raw,
    append: (request) => async () => {
      const answer = await raw.append(request)();
      if (E.isLeft(answer) || answer.right.idempotent || request.events.length === 0) return answer;
      const { fence, streamName, events } = request;
      if (fence !== undefined && tokens.get(fence.lease) !== fence.token)
        broken(`${streamName}: an append under a lease that had been lost was written`);
      const before = answer.right.version - events.length;
      const problem = watchOf(streamName).appended(events, before);
      if (problem !== undefined) broken(`${streamName}, version ${before + 1}: ${problem}`);
      return answer;
    },
    leases: {
      ...raw.leases,
      acquire: (request) => async () => {
        const answer = await raw.leases.acquire(request)();
        if (E.isRight(answer)) tokens.set(answer.right.name, answer.right.token);
        return answer;
      },
    },
  };
};

export const makeWorld = (seed: number, chooseFaults: (random: () => number) => Faults): World => {
  const random = dice(seed);
  const faults = chooseFaults(random);
  const time = virtualTime();
  const trace = makeTrace();
  const raw = memoryStore({ now: () => new Date(time.now()), clockMs: time.now });
  const watches = new Map<string, StreamWatch>();
  const watchOf = (streamName: string): StreamWatch => {
    const watch = watches.get(streamName) ?? watchStream();
    watches.set(streamName, watch);
    return watch;
  };
  let first: string | undefined;
  const broken = (what: string): void => {
    first ??= what;
  };
  const strikes = (chance: number): boolean => world.phase === 1 && chance > 0 && random() < chance;
  const world: World = {
    time,
    trace,
    random,
    faults,
    figures: noFigures(),
    raw,
    store: watched(raw, watchOf, broken),
    watches,
    watchOf,
    strikes,
    latency: () => (strikes(faults.pause) ? faults.pauseMs : faults.latencyMs) * random(),
    note: (line) => trace.note(time.now(), line),
    broken,
    firstBroken: () => first,
    phase: 1,
  };
  return world;
};
