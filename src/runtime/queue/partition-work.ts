/** The work of one partition while its lease is held: take, run in order, tell the queue; and stop at once when it is lost. */
import { fenceOf, type Lease } from '../../store/leases.js';
import type { MessageQueue, Partition } from '../../store/message-queue.js';
import { realTimers } from '../../store/timers.js';
import { makeWake, type Wake } from '../../store/wake.js';
import type { MessageRunner } from './message-runner.js';
import { handKey, type InHand, type PartitionShared, persist, tellFailed } from './partition-hand.js';
import { type PartitionRun, partitionRun } from './partition-run.js';
import { type StartingRoom, startingRoom, startingTurn } from './partition-start.js';
import type { Semaphore } from '../semaphore.js';
import type { WorkerContext } from './worker-options.js';

export interface PartitionWork {
  readonly state: () => PartitionState;
  /** Takes no more; resolves when what runs has ended. What waits for its turn is left to the next owner. */
  readonly finish: () => Promise<void>;
  /** Drops everything at once: handlers are told to stop, and nothing more is written. */
  readonly drop: () => void;
  /** Resolves when it has ended; false where it was lost or dropped. */
  readonly ended: Promise<boolean>;
  readonly lease: () => Lease;
  /** Looks for messages at once. */
  readonly wake: () => void;
}

export interface PartitionState {
  readonly index: number;
  readonly token: number;
  readonly inHand: ReadonlyArray<{
    readonly id: string;
    readonly key: string;
    readonly type: string;
    readonly attempt: number;
    readonly phase: InHand['phase'];
    readonly sinceMs: number;
  }>;
  /** What the partition waits for: messages to come, its turn among those that begin, room in hand, a hung handler to be fenced off, its end; or nothing, it takes. */
  readonly waitsFor: 'messages' | 'turn' | 'room' | 'fence' | 'end' | 'nothing';
}

export interface PartitionTools {
  readonly context: WorkerContext;
  readonly queue: MessageQueue;
  readonly runner: MessageRunner;
  readonly partition: Partition;
  /** One at a time of the worker's partitions that begin. */
  readonly starting: Semaphore;
  /** Gives the lease back and takes it again under the next token; `undefined` where another was quicker. */
  readonly renewToken: (lease: Lease) => Promise<Lease | undefined>;
}

const idleMs = 60_000;

/** How many it took; 0 where nothing is due. */
const take = async (
  { context, partition }: PartitionTools,
  shared: PartitionShared,
  { waiting }: PartitionRun,
  room: StartingRoom,
): Promise<number> => {
  const { queue, inHand } = shared;
  const { now } = context.environment.timers ?? realTimers;
  const except = [...inHand.values()].map(({ message: { tenant, key } }) => ({ tenant, key }));
  const maxCount = room.size() - inHand.size;
  const taken = await persist(shared, () =>
    queue.take({ partition, maxCount, except, fence: fenceOf(shared.lease) })(),
  );
  if (taken._tag === 'Over') return 0;
  for (const message of taken.value) {
    const hand: InHand = { message, takenAt: now(), phase: 'waits' };
    inHand.set(handKey(message), hand);
    waiting.push(hand);
  }
  room.learn(taken.value.map(({ attempt }) => attempt));
  return taken.value.length;
};

/** Fences off handlers that hang: whatever they still come to carries a token that is no longer ours. */
const fenceOff = async (
  tools: PartitionTools,
  shared: PartitionShared,
  { hung }: PartitionRun,
): Promise<void> => {
  const next = await tools.renewToken(shared.lease);
  if (next === undefined) return shared.lose();
  shared.lease = next;
  shared.kept = new Map();
  for (const { hand, error } of hung.splice(0)) await tellFailed(shared, hand, error);
};

interface Progress {
  waitsFor: PartitionState['waitsFor'];
  isFinishing: boolean;
  /** Something has ended, or may have come, since it was looked last. */
  isNews: boolean;
}

const loop = async (
  tools: PartitionTools,
  shared: PartitionShared,
  progress: Progress,
  news: Wake,
): Promise<void> => {
  const { inHand, over, wake } = shared;
  const { prefetch, pollMs, ttlMs } = tools.context;
  const run = partitionRun(shared, tools.runner);
  const room = startingRoom(prefetch);
  const turn = startingTurn(tools.starting, tools.context.environment.timers ?? realTimers, ttlMs, wake);
  over.signal.addEventListener('abort', turn.close, { once: true });
  // It has its turn for a message that was begun before.
  let isAlone = false;
  const wait = async (what: PartitionState['waitsFor'], ms: number): Promise<void> => {
    progress.waitsFor = what;
    if (!progress.isNews) await news.wait(ms, over.signal);
    progress.isNews = false;
    progress.waitsFor = 'nothing';
  };
  // Ends: with the lease, or when it finishes and nothing runs any more.
  while (!over.signal.aborted) {
    const { isFinishing } = progress;
    const isHung = run.hung.length > 0;
    if (!isFinishing && !isHung) run.start();
    // Of those that hung the queue is told under the next token; of all others it must have heard before.
    const ending = [...inHand.values()].filter(({ phase }) => phase === 'ends').length - run.hung.length;
    const isQuiet = run.running() === 0 && ending === 0;
    if (isAlone && inHand.size === 0) {
      isAlone = false;
      turn.end();
    }
    if (isHung && isQuiet) await fenceOff(tools, shared, run);
    else if (isFinishing && isQuiet) return;
    else if (isFinishing || isHung) await wait(isFinishing ? 'end' : 'fence', idleMs);
    else if (inHand.size >= room.size()) await wait('room', idleMs);
    else if (room.isStarting() && !turn.isMine()) {
      turn.ask();
      await wait('turn', idleMs);
    } else {
      progress.isNews = false;
      const count = await take(tools, shared, run, room);
      isAlone = count > 0 && room.isSuspect();
      if (!isAlone) turn.end();
      if (count === 0 && !over.signal.aborted) await wait('messages', pollMs);
    }
  }
};

export const workOnPartition = (tools: PartitionTools, lease: Lease): PartitionWork => {
  const { context, queue, partition } = tools;
  const { timers = realTimers } = context.environment;
  const news = makeWake(timers);
  const progress: Progress = { waitsFor: 'nothing', isFinishing: false, isNews: false };
  const over = new AbortController();
  let isLost = false;
  const wake = (): void => {
    progress.isNews = true;
    news.notify();
  };
  const lose = (): void => {
    isLost = true;
    over.abort();
  };
  const shared: PartitionShared = {
    ...{ context, queue, over, wake, lose, lease },
    inHand: new Map(),
    kept: new Map(),
  };
  const work = async (): Promise<boolean> => {
    try {
      await loop(tools, shared, progress, news);
    } catch (thrown) {
      context.onBug(thrown);
      lose();
    }
    const isOurs = !isLost;
    over.abort();
    return isOurs;
  };
  const ended = work();
  return {
    lease: () => shared.lease,
    ended,
    drop: lose,
    wake,
    finish: async () => {
      progress.isFinishing = true;
      wake();
      await ended;
    },
    state: () => ({
      index: partition.index,
      token: shared.lease.token,
      waitsFor: progress.waitsFor,
      inHand: [...shared.inHand.values()].map(({ message, phase, takenAt }) => {
        const { id, key, type, attempt } = message;
        return { ...{ id, key, type, attempt, phase }, sinceMs: timers.now() - takenAt };
      }),
    }),
  };
};
