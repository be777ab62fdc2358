/** How large a round of each kind is, and how many faults strike it. */
import type { Kind } from './faults.js';
import { poisons } from './poisons.js';
import type { WorkerSetup } from './words.js';
import type { Size } from './workload.js';

export interface Plan
  extends Pick<WorkerSetup, 'lease' | 'pollMs' | 'isFenced' | 'slowMs' | 'handling' | 'isWatched'> {
  readonly workers: number;
  readonly size: Size;
  /** Faults of a round; of a round of cuts, at each place. */
  readonly faults: number;
  /** Messages in the hands of one worker at once. */
  readonly handsMax: number;
  /** What a worker has not answered after so long is delivered to another one as well. */
  readonly againAfterMs: number;
  readonly heapMaxMb?: number;
}

const usual = {
  workers: 3,
  size: { keys: 6, messages: 16, kinds: ['saga', 'command', 'queue'] },
  handsMax: 6,
  againAfterMs: 3_000,
  lease: { ttlMs: 700, partitions: 4 },
  pollMs: 20,
  isFenced: false,
  slowMs: 0,
  isWatched: false,
  // A process that dies costs the messages in its hands an attempt, and here many die.
  handling: { attemptsMax: 100, timeMaxMs: 30_000 },
} as const;

/** Leases run out under workers that write under them. */
const fenced = {
  ...usual,
  size: { keys: 8, messages: 20, kinds: ['saga', 'queue'] },
  handsMax: 4,
  againAfterMs: 250,
  lease: { ttlMs: 400, partitions: 6 },
  isFenced: true,
  slowMs: 50,
} as const;

const plans: Record<Kind, Plan> = {
  kill: { ...usual, faults: 14 },
  restart: { ...usual, faults: 4 },
  cut: { ...usual, size: { ...usual.size, messages: 28 }, faults: 60 },
  stop: { ...fenced, faults: 10 },
  clock: { ...fenced, faults: 20 },
  poison: {
    ...usual,
    size: { keys: 4, messages: 10, kinds: usual.size.kinds, poisons },
    faults: 0,
    lease: { ttlMs: 1_500, partitions: 6 },
    handling: { attemptsMax: 4, timeMaxMs: 800 },
    isWatched: true,
    heapMaxMb: 96,
  },
  pglite: {
    ...usual,
    workers: 1,
    size: { ...usual.size, keys: 3, messages: 10 },
    faults: 6,
    againAfterMs: 60_000,
    // One connection serves all of them: asked too often it does little else.
    lease: { ttlMs: 700, partitions: 2 },
    pollMs: 100,
  },
};

/** Faults of a short round. */
const fewFaults: Record<Kind, number> = {
  kill: 2,
  restart: 1,
  cut: 5,
  stop: 2,
  clock: 4,
  poison: 0,
  pglite: 1,
};

/** A short round, for every test run. */
const shortened = (plan: Plan, kind: Kind): Plan => ({
  ...plan,
  workers: Math.min(2, plan.workers),
  size: {
    ...plan.size,
    keys: Math.min(4, plan.size.keys),
    messages: 8,
    // Each that is seized is waited for.
    ...(plan.size.poisons && { poisons: plan.size.poisons.filter((poison) => poison !== 'seizes') }),
  },
  faults: fewFaults[kind],
});

export const planOf = (kind: Kind, isShort: boolean): Plan =>
  isShort ? shortened(plans[kind], kind) : plans[kind];
