/** A workload that changes: calm, a rush on a few hot keys, both at once, calm again; under a fixed strategy or an adaptive one. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  accept,
  adaptive,
  aggregate,
  type AdaptiveOptions,
  aggregateIs,
  always,
  commuting,
  type ConcurrencySettings,
  type EventStore,
  policies,
  type ConcurrencyStrategy,
  repository,
  toPromise,
  when,
} from 'watersmeet';
import { setTimeout as pause } from 'node:timers/promises';

/** `else` is for the aggregate that has no resolver. */
export const workloadStrategies = [
  ...['expectedVersion, giving up', 'expectedVersion, by hand', 'retry', 'pessimistic'],
  ...['merge, else retry', 'merge, else pessimistic', 'adaptive'],
] as const;
export type WorkloadStrategy = (typeof workloadStrategies)[number];

export interface Phase {
  readonly name: string;
  readonly writers: number;
  /** Share of the saves that go to hot keys, 0 to 1. */
  readonly hotShare: number;
  /** Hot keys of each aggregate. */
  readonly hotKeys: number;
  /** How long a writer works between its load and its save, in milliseconds, on a cold and on a hot key. */
  readonly workMs: { readonly cold: number; readonly hot: number };
}

const workMs = { cold: 2, hot: 5 };
export const phases: ReadonlyArray<Phase> = [
  { name: 'calm', writers: 16, hotShare: 0, hotKeys: 2, workMs },
  { name: 'rush', writers: 32, hotShare: 1, hotKeys: 2, workMs },
  { name: 'mixed', writers: 24, hotShare: 0.5, hotKeys: 2, workMs },
  { name: 'calm again', writers: 16, hotShare: 0, hotKeys: 2, workMs },
];

/** Cold keys of each aggregate: so many that two writers seldom meet on one. */
const coldKeys = 5_000;

/** What an adaptive strategy tells of a switch. */
export type Switch = Parameters<NonNullable<AdaptiveOptions['onSwitch']>>[0];

export interface PhaseResult {
  readonly phase: string;
  readonly ms: number;
  /** Operations whose save was written. */
  readonly useful: number;
  readonly failed: number;
  /** How often rules decided. */
  readonly decideRuns: number;
  /** Of useful operations, from the load to the answer, sorted. */
  readonly latencies: ReadonlyArray<number>;
  /** Saves by the strategy that they were made with. */
  readonly strategies: Readonly<Record<string, number>>;
}

/** Two aggregates that count what was saved: movements of stock can be merged, and the next seat cannot. */
const aggregatesOf = (onDecide: () => void) => {
  const moved = t.type({ by: t.number });
  const stock = aggregate({
    category: 'stock',
    commands: { Save: moved },
    events: { Moved: moved },
    state: t.type({ count: t.number }),
    initialState: { count: 0 },
    evolve: { Moved: ({ count }, { by }) => ({ count: count + by }) },
    decide: {
      Save: (_state, data) => {
        onDecide();
        return accept({ type: 'Moved', data });
      },
    },
  });
  const seats = aggregate({
    category: 'seats',
    commands: { Save: moved },
    events: { SeatTaken: t.type({ seat: t.number }) },
    state: t.type({ count: t.number }),
    initialState: { count: 0 },
    evolve: {
      SeatTaken: ({ count }, { seat }) => {
        if (seat !== count + 1) throw new Error(`seat ${seat} was taken after seat ${count}`);
        return { count: seat };
      },
    },
    decide: {
      Save: ({ count }) => {
        onDecide();
        return accept({ type: 'SeatTaken', data: { seat: count + 1 } });
      },
    },
  });
  return { stock, seats };
};

const settingsOf = (
  name: WorkloadStrategy,
  options: AdaptiveOptions,
): { readonly all: Partial<ConcurrencySettings>; readonly stock: Partial<ConcurrencySettings> } => {
  const resolver = commuting<{ readonly type: 'Moved'; readonly data: { readonly by: number } }>({
    Moved: { Moved: true },
  });
  switch (name) {
    case 'expectedVersion, giving up':
    case 'expectedVersion, by hand':
      return { all: { strategy: 'expectedVersion' }, stock: {} };
    case 'retry':
    case 'pessimistic':
      return { all: { strategy: name }, stock: {} };
    case 'merge, else retry':
      return { all: { strategy: 'retry' }, stock: { strategy: 'merge', resolver } };
    case 'merge, else pessimistic':
      return { all: { strategy: 'pessimistic' }, stock: { strategy: 'merge', resolver } };
    case 'adaptive':
      return { all: { strategy: 'adaptive', adaptive: adaptive(options) }, stock: { resolver } };
  }
};

interface Counter {
  readonly category: string;
  /** Loads, works, decides and saves; answers how it was saved, or that it was not. */
  readonly save: (key: string, spendMs: number) => Promise<ConcurrencyStrategy | undefined>;
  readonly countOf: (key: string) => Promise<number>;
  /** Confirmed saves by key. */
  readonly confirmed: Map<string, number>;
}

type Aggregates = ReturnType<typeof aggregatesOf>;

const counterOf = (
  rules: Aggregates['stock'] | Aggregates['seats'],
  context: Parameters<typeof repository>[0],
): Counter => {
  // Both are used in one and the same way. Hot keys have long streams: a load reads what is new.
  const repo = repository(context)(rules as Aggregates['stock'], {
    cache: { max: 2 * coldKeys, maxAgeMs: 600_000 },
  });
  return {
    category: rules.category,
    save: async (key, spendMs) => {
      const copy = await toPromise(repo.load(key));
      await pause(spendMs);
      const changed = repo.change(copy, { type: 'Save', data: { by: 1 } });
      if (E.isLeft(changed)) throw new Error(changed.left._tag);
      const saved = await repo.trySave(changed.right)();
      return E.isRight(saved) ? saved.right.strategy : undefined;
    },
    countOf: async (key) => (await toPromise(repo.load(key))).state.count,
    confirmed: new Map(),
  };
};

interface Tally {
  useful: number;
  failed: number;
  decideRuns: number;
  latencies: number[];
  strategies: Record<string, number>;
}

const emptyTally = (): Tally => ({ useful: 0, failed: 0, decideRuns: 0, latencies: [], strategies: {} });

/** Times that a caller by hand begins anew, with its work. As many as `retry` has attempts. */
const handsMax = 8;

const operate = async (
  { save, confirmed }: Counter,
  key: string,
  spendMs: number,
  triesMax: number,
  tally: Tally,
): Promise<void> => {
  const began = performance.now();
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const strategy = await save(key, spendMs);
    if (strategy === undefined) continue;
    tally.useful += 1;
    tally.latencies.push(performance.now() - began);
    tally.strategies[strategy] = (tally.strategies[strategy] ?? 0) + 1;
    confirmed.set(key, (confirmed.get(key) ?? 0) + 1);
    return;
  }
  tally.failed += 1;
};

/** Reads that go on at the same time. */
const readersMax = 32;

const wrongIn = async (counters: ReadonlyArray<Counter>): Promise<ReadonlyArray<string>> => {
  const wrong: string[] = [];
  for (const { countOf, category, confirmed } of counters) {
    const left = [...confirmed];
    const read = async (): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [key, count] = next;
        const found = await countOf(key);
        if (found !== count) wrong.push(`${category} ${key} holds ${found}, and ${count} were confirmed`);
      }
    };
    await Promise.all(Array.from({ length: readersMax }, read));
  }
  return wrong;
};

/** How long it goes on: so many milliseconds, or so many operations. */
export type Lasts = { readonly ms: number } | { readonly operations: number };

export interface WorkloadOptions {
  /** Of the keys, so that runs on one store do not meet. */
  readonly prefix: string;
  /** Numbers from 0 up to 1. */
  readonly random: () => number;
  readonly adaptive?: AdaptiveOptions;
}

/** One strategy at work; what it has learned stays with it. */
export interface Workload {
  readonly run: (phase: Phase, lasts: Lasts) => Promise<PhaseResult>;
  readonly switches: ReadonlyArray<Switch>;
  /** Where the streams do not hold what was confirmed. */
  readonly wrong: () => Promise<ReadonlyArray<string>>;
}

const goesOn = (lasts: Lasts, { useful, failed }: Tally, began: number): boolean =>
  'ms' in lasts ? performance.now() - began < lasts.ms : useful + failed < lasts.operations;

/** Puts a strategy to work on a store. */
export const workloadOn = (
  store: EventStore,
  name: WorkloadStrategy,
  { prefix, random, adaptive: given = {} }: WorkloadOptions,
): Workload => {
  let tally = emptyTally();
  const switches: Switch[] = [];
  const { stock, seats } = aggregatesOf(() => void (tally.decideRuns += 1));
  const settings = settingsOf(name, { ...given, onSwitch: (notice) => void switches.push(notice) });
  const context = {
    store,
    policies: policies(
      when(always, name).then(settings.all),
      when(aggregateIs(stock), `${name}, of stock`).then(settings.stock),
    ),
  };
  const counters = [counterOf(stock, context), counterOf(seats, context)];
  const triesMax = name === 'expectedVersion, by hand' ? handsMax : 1;
  const run = async (
    { name: phase, writers, hotShare, hotKeys, workMs: spend }: Phase,
    lasts: Lasts,
  ): Promise<PhaseResult> => {
    tally = emptyTally();
    const began = performance.now();
    const write = async (): Promise<void> => {
      while (goesOn(lasts, tally, began)) {
        const isHot = random() < hotShare;
        const key = isHot
          ? `${prefix}hot${Math.floor(random() * hotKeys)}`
          : `${prefix}${Math.floor(random() * coldKeys)}`;
        const counter = counters[Math.floor(random() * counters.length)] as Counter;
        await operate(counter, key, isHot ? spend.hot : spend.cold, triesMax, tally);
      }
    };
    await Promise.all(Array.from({ length: writers }, write));
    tally.latencies.sort((a, b) => a - b);
    return { phase, ms: performance.now() - began, ...tally };
  };
  return { run, switches, wrong: () => wrongIn(counters) };
};
