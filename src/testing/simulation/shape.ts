/** How the processes of a simulation are set up: drawn from the seed, so that no setting is only ever tried in one form. */

/** Attempts at a message of a queue, and at the appends of a saga. */
export const attemptsMax = 3;

/** How messages come to the saga through a durable queue. */
export interface WorkerShape {
  readonly partitions: number;
  readonly concurrency: number;
  readonly prefetch: number;
  readonly ttlMs: number;
  readonly pollMs: number;
  readonly handlerTimeMaxMs: number;
  /** `own`: the saga's own answer to conflict; `partitioned`: nobody else writes, since all of a saga has one key. */
  readonly conflict: 'own' | 'partitioned';
  /** 1 to 3: what is of one saga may lie in several lines. */
  readonly keysPerSaga: number;
  /** Share of the messages that are handed to a process all the same, 0 to 1. */
  readonly byHand: number;
  /** Chance that a worker is stopped and started again later; and that one is not there from the beginning. */
  readonly leaves: number;
}

export interface Shape {
  /** 1 to 4. */
  readonly processes: number;
  /** Share of the messages that come at the same moment as the one before, and to the same process, 0 to 1. */
  readonly together: number;
  /** Who follows the streams: one process, or all under names of their own, or all under one name. */
  readonly followers: 'one' | 'each' | 'shared';
  /** Which phases of a read are steps of their own; an append always is held before and after. */
  readonly heldReads: 'none' | 'answer' | 'both';
  readonly pollMs: number;
  readonly mergeAfterMs: number;
  readonly batchMax: number;
  readonly sagasKept: number;
  readonly leaseAfter: number;
  readonly checkDeterminism: boolean;
  /** How timeouts are given out. `isKept`: as on a store that has no queue. */
  readonly timeouts: {
    readonly pollMs: number;
    readonly partitions: number;
    readonly leaseMs: number;
    readonly isKept: boolean;
  };
  /** `undefined`: all messages are handed to the processes. */
  readonly worker: WorkerShape | undefined;
}

const oneOf = <A>(random: () => number, choices: readonly [A, ...A[]]): A =>
  choices[Math.floor(random() * choices.length)] as A;

/** Share of the seeds whose messages come through a queue. */
const workerShare = 0.12;

const drawWorker = (random: () => number): WorkerShape => {
  const keysPerSaga = oneOf(random, [1, 1, 2, 3]);
  const byHand = random() < 0.4 ? 0.5 * random() : 0;
  const mayPartition = keysPerSaga === 1 && byHand === 0;
  return {
    keysPerSaga,
    byHand,
    conflict: mayPartition && random() < 0.5 ? 'partitioned' : 'own',
    partitions: oneOf(random, [1, 2, 3, 4]),
    concurrency: oneOf(random, [1, 1, 2, 3]),
    prefetch: oneOf(random, [1, 2, 4]),
    ttlMs: 120 + Math.floor(400 * random()),
    pollMs: 20 + Math.floor(100 * random()),
    handlerTimeMaxMs: oneOf(random, [30_000, 150 + Math.floor(300 * random())]),
    leaves: random() < 0.5 ? 0 : 0.6 * random(),
  };
};

/** `hasQueue` undefined: the seed draws whether messages come through a queue. */
export const drawShape = (random: () => number, processes?: number, hasQueue?: boolean): Shape => ({
  processes: processes ?? oneOf(random, [1, 2, 2, 3, 3, 4]),
  together: random() < 0.6 ? 0 : random(),
  followers: oneOf(random, ['one', 'each', 'shared']),
  heldReads: oneOf(random, ['none', 'answer', 'both']),
  pollMs: 20 + Math.floor(180 * random()),
  mergeAfterMs: Math.floor(200 * random() * random()),
  batchMax: oneOf(random, [1, 2, 5, 512]),
  sagasKept: oneOf(random, [0, 1, 1_000, 1_000]),
  leaseAfter: oneOf(random, [0, 1, 8]),
  checkDeterminism: random() < 0.2,
  timeouts: {
    pollMs: 20 + Math.floor(130 * random()),
    partitions: oneOf(random, [1, 2, 3]),
    leaseMs: 150 + Math.floor(600 * random()),
    isKept: random() < 0.25,
  },
  worker: (random() < workerShare ? hasQueue !== false : hasQueue === true) ? drawWorker(random) : undefined,
});
