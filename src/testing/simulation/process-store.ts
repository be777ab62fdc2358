/** The store as one simulated process sees it: every call takes time, may fail or die, and what was seen is remembered. */
import * as E from 'fp-ts/lib/Either.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { EventStore } from '../../store/event-store.js';
import type { TakenMessage } from '../../store/message-queue.js';
import { pollingSubscription } from '../../store/subscription.js';
import type { Timers } from '../../store/timers.js';
import { makeWake } from '../../store/wake.js';
import { type Held, type Stage, stagedStore } from '../stage.js';
import type { Gate } from './gate.js';
import { causeOf } from './holder-store.js';
import { stagedLeases, stagedQueue, type ToldOfLeases, toldOfLeases } from './process-queue.js';
import type { Shape } from './shape.js';
import type { WatchedStore, World } from './world.js';

/** Longer than any lease that is taken for a merge. */
const leaseLastsMs = 2_000;

const stageOf = (gate: Gate): Stage => ({
  enter: gate.enter,
  held: (): ReadonlyArray<Held> => [],
  settled: () => new Promise((resolve) => setImmediate(resolve)),
});

/** What a process has seen of the streams, as far as answers have told it. */
export interface Seen {
  readonly versions: Map<string, number>;
  /** Where each stream stood when the read began whose answer came last. */
  readonly readFrom: Map<string, number>;
  /** Where a timeout's stream stood when the queue gave it to this process. */
  readonly takenAt: Map<string, number>;
  /** Compensations whose success this process recorded, and knows that it did. */
  readonly applied: Set<string>;
  readonly leases: ToldOfLeases;
}

export const noneSeen = (world: World): Seen => ({
  versions: new Map(),
  readFrom: new Map(),
  takenAt: new Map(),
  applied: new Set(),
  leases: toldOfLeases(world),
});

export interface ProcessStoreOptions {
  readonly shape: Shape;
  readonly gate: Gate;
  readonly timers: Timers;
  readonly seen: Seen;
  /** What the calls of this process come to at last. */
  readonly store: WatchedStore;
  readonly hasQueue: boolean;
}

type Append = EventStore['append'];

/** An append that may come when its lease is over, and whose answer is remembered. */
const rememberedAppend =
  (world: World, append: Append, { shape, timers, seen }: ProcessStoreOptions, notify: () => void): Append =>
  (request) =>
  async () => {
    const isQueued = world.queues.find(causeOf(request.events) ?? '') !== undefined;
    if (isQueued || request.fence !== undefined) {
      world.figures.leases += 1;
      if (world.strikes(world.faults.leaseOutlasted)) {
        // Around the time at which another process takes the partition over, or well after any merge.
        const lastsMs = isQueued ? 0.7 * (shape.worker?.ttlMs ?? shape.timeouts.leaseMs) : leaseLastsMs;
        await new Promise<void>((resolve) => timers.after(lastsMs * (1 + world.random()), resolve));
      }
    }
    const answer = await append(request)();
    seen.leases.hear(answer);
    if (E.isLeft(answer)) {
      if (answer.left._tag === 'LeaseLost') world.figures.leasesLost += 1;
      return answer;
    }
    see(seen, request.streamName, answer.right.version);
    for (const event of request.events)
      if (event.type === recordTypes.compensationApplied)
        seen.applied.add((event.data as { compensationId: string }).compensationId);
    notify();
    return answer;
  };

const see = ({ versions }: Seen, streamName: string, version: number): void => {
  if (version > (versions.get(streamName) ?? 0)) versions.set(streamName, version);
};

export const processStore = (world: World, options: ProcessStoreOptions): EventStore => {
  const { shape, gate, timers, seen, store, hasQueue } = options;
  const { heldReads } = shape;
  const staged = stagedStore(store, stageOf(gate), gate.name, (operation, phase) => {
    // What an answer of these tells is not acted upon before the next call, so that one step is enough.
    if (operation === 'append') return true;
    if (world.phase !== 1) return false;
    if (operation.endsWith('Checkpoint')) return phase === 'call';
    return phase === 'answer' ? heldReads !== 'none' : heldReads === 'both';
  });
  const wake = makeWake(timers);
  const onTaken = (messages: ReadonlyArray<TakenMessage>): void => {
    for (const { id } of messages) seen.takenAt.set(id, world.timeoutOf(id)?.watch.version() ?? 0);
  };
  return {
    ...staged,
    queue: hasQueue ? stagedQueue(world, shape, gate, seen.leases, onTaken) : undefined,
    append: rememberedAppend(world, staged.append, options, wake.notify),
    readStream: (request) => async () => {
      const { streamName } = request;
      const began = world.watchOf(streamName).version();
      const answer = await staged.readStream(request)();
      if (E.isLeft(answer)) return answer;
      see(seen, streamName, answer.right.events.at(-1)?.version ?? 0);
      seen.readFrom.set(streamName, began);
      return answer;
    },
    subscribe: (request) =>
      pollingSubscription(
        { readAll: staged.readAll, epoch: world.raw.epoch, wake, isClosed: gate.isDead, timers },
        request,
      ),
    leases: stagedLeases(world, store.leases, gate, seen.leases),
  };
};
