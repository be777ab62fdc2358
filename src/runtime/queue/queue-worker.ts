/** A worker of a durable queue: owns its share of the partitions, and handles their messages in order, at least once, with one effect. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { PartitionDepth } from '../../store/message-queue.js';
import type { BadRequest, Unreachable } from '../../store/store-errors.js';
import { messageRunner } from './message-runner.js';
import { partitionOwner } from './partition-owner.js';
import type { PartitionState } from './partition-work.js';
import { handlerContext, type QueueWorkerOptions, workerContext } from './worker-options.js';

export interface WorkerState {
  readonly workerId: string;
  readonly queue: string;
  readonly isStopping: boolean;
  /** Workers of this queue when they were last counted, with this one. */
  readonly members: number;
  /** Partitions that are this worker's share. */
  readonly share: number;
  /** Partitions that it gives back as soon as their message in hand is over. */
  readonly ending: number;
  /** Partitions that it owns, by index. */
  readonly partitions: ReadonlyArray<PartitionState>;
}

export interface QueueWorker {
  /** What it owns, has in hand and waits for, now. Reads nothing. */
  readonly state: () => WorkerState;
  /** Depth, oldest age and hottest keys of each partition, from the store. */
  readonly depths: () => TaskEither<BadRequest | Unreachable, ReadonlyArray<PartitionDepth>>;
  /** Looks for messages at once, for whoever has enqueued some in the same process. Others are found by looking every `pollMs`. */
  readonly wake: () => void;
  /** Finishes what is in hand within `withinMs` (default 30,000), drops what is not finished then, and gives everything back. */
  readonly stop: (withinMs?: number) => Promise<void>;
  /** Resolves when it was stopped; rejects with what cannot be: a hook that throws, a store that was closed under it. */
  readonly done: Promise<void>;
}

/**
 * Starts a worker. Any number of them, in any number of processes, share a queue: partitions are leased, and every write is
 * fenced with the lease, so that a worker which has lost one without knowing it writes nothing.
 *
 * ```ts
 * const worker = queueWorker({ store, handlers, queue: 'inventory', partitions: 8 });
 * ...
 * await worker.stop();
 * ```
 * A handler that outlasts `handlerTimeMaxMs` is told to stop; no append of its begins any more; and before the failure is
 * recorded the partition's lease is given back and taken again, so that whatever is on its way carries an old token and is
 * refused. Where a write did get there before, the next attempt finds the message's id in the stream and ends as `Duplicate`.
 * Throws a TypeError on options that cannot work, and on a store without leases or a queue.
 */
export const queueWorker = (options: QueueWorkerOptions): QueueWorker => {
  const { store, handlers } = options;
  const { leases, queue } = store;
  if (leases === undefined || queue === undefined)
    throw new TypeError(
      `${store.name} has no ${queue === undefined ? 'queue' : 'leases'}, which a worker needs`,
    );
  let bug: { readonly thrown: unknown } | undefined;
  let isStopping = false;
  const stopNow = (withinMs: number): void => {
    isStopping = true;
    owner.stop(withinMs);
  };
  const context = workerContext(options, (thrown) => {
    bug ??= { thrown };
    stopNow(0);
  });
  const handling = handlerContext(options, store, { holder: context.workerId, enqueues: 'withAppend' });
  const owner = partitionOwner(context, leases, queue, messageRunner(handlers, handling));
  const run = async (): Promise<void> => {
    try {
      await owner.run();
    } catch (thrown) {
      bug ??= { thrown };
      for (const work of owner.works()) work.drop();
    }
    if (bug !== undefined) throw bug.thrown;
  };
  const done = run();
  // Whoever asks for `done` or `stop` hears of a failure; it must not end the process before.
  done.catch(() => undefined);
  return {
    done,
    stop: async (withinMs = 30_000) => {
      if (!isStopping) stopNow(withinMs);
      await done;
    },
    wake: () => owner.works().forEach((work) => work.wake()),
    depths: () => queue.depths(context.queue, context.partitions),
    state: () => ({
      workerId: context.workerId,
      queue: context.queue,
      isStopping,
      members: owner.members(),
      share: owner.share(),
      ending: owner.ending(),
      partitions: owner
        .works()
        .map((work) => work.state())
        .sort((one, other) => one.index - other.index),
    }),
  };
};
