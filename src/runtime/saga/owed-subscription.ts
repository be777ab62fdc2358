/**
 * The subscription that does what is owed: it follows the sagas' streams, dispatches what was released, gives out timeouts, finishes merges
 * whose process died, and runs compensations. Its checkpoint moves only after the work is done, so a crash loses nothing.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import { recordTypes } from '../../core/saga/saga.js';
import { type Position, startPosition } from '../../core/stream.js';
import type { Checkpoint, HeldBack, SubscriptionItem } from '../../store/event-store.js';
import { makeWake } from '../../store/wake.js';
import { realTimers } from '../../store/timers.js';
import type { DoOwed } from './do-owed.js';
import { type Batch, emptyBatch, note, workOn } from './owed-batch.js';
import { isOutage, outageOf, patience, type Patience } from '../outage.js';
import { orThrow, unlessClosed, unlessUnreadable } from './owed-closed.js';
import { checkpointSaver } from './owed-checkpoint.js';
import { dispatchLanes, type Lanes } from './owed-dispatch.js';
import { type HandleOwn, queuedTimeouts, type TimeoutKeeper, type TimeoutOptions } from './owed-timeouts.js';
import { keptTimeouts } from './owed-timeouts-kept.js';
import type { SagaShell } from './saga-context.js';
import { type Dispatch, deliverWith } from './saga-transport.js';

export type { Dispatched } from './saga-transport.js';

export interface FollowOptions {
  /** The name its checkpoint is kept under, one for each process that follows. Default: the saga's name. */
  readonly subscriber?: string;
  /**
   * Hands a message to whoever should have it: a transport, or a handler in this process. At least once, in order per saga, under
   * a stable id. A message that is refused is delivered again under the context's `retry`; the saga's later ones wait behind it,
   * and other sagas go on. After the last attempt it is parked: told by `onDeliveryParked`, tried again every `parkedRetryMs`, and
   * after a restart, since the checkpoint waits for it. Default: nobody.
   */
  readonly dispatch?: Dispatch;
  /** Messages on their way at once, of different sagas, 1 or more. Default 16. */
  readonly dispatchConcurrency?: number;
  /** Sagas whose messages may be on their way, parked ones included, 1 or more; beyond that the subscription waits. Default 1,024. */
  readonly dispatchAheadMax?: number;
  /** A delivery that takes longer counts as refused, in milliseconds; it may arrive all the same. Default 30,000. */
  readonly deliverTimeMaxMs?: number;
  /** How long a parked message waits before it is tried once more, in milliseconds. Default 60,000. */
  readonly parkedRetryMs?: number;
  /** How the saga's timeouts are given out, where the store has a queue; where it has none, only `pollMs` counts. */
  readonly timeouts?: TimeoutOptions;
  /** How long a branch may wait for its own writer before it is merged here, in milliseconds. Default 200. */
  readonly mergeAfterMs?: number;
  /** Events taken in before the work on them is done and the checkpoint saved, 1 to 4,096. Default 512. */
  readonly batchMax?: number;
  readonly pollMs?: number;
  readonly onLag?: (heldBack: HeldBack) => void;
}

export interface Following {
  /**
   * Resolves when nothing is recorded that has not been done, also what the doing itself has recorded, and no timeout is due for
   * this process. What is parked is tried once more, and not waited for any longer. While the store is away it waits.
   */
  readonly caughtUp: () => Promise<void>;
  /** Ends it; resolves when the work in hand is done, or the store is away: what its checkpoint has not reached comes again. */
  readonly stop: () => Promise<void>;
  /**
   * Resolves when it was stopped, or the store was closed under it. An outage of the store ends nothing: the hook `onOutage` is
   * told, and it goes on where it was. Rejects with any other error of the store, for example `EpochChanged`, and with what a
   * hook throws.
   */
  readonly done: Promise<void>;
}

/** A merger that was mended since: sagas parked under another version are tried again, once, at the start. */
const retryParked = async <S, Ev extends AnyEvent>(
  { saga, store, hooks, instanceOf }: SagaShell<S, Ev>,
  doOwed: DoOwed,
  instanceFor: (streamName: string) => Instance,
  signal: AbortSignal,
): Promise<void> => {
  const filter = {
    tenant: instanceOf('').tenant,
    categories: [saga.name],
    types: [recordTypes.sagaMergeRefused],
  };
  const tried = new Set<string>();
  let after: Position = startPosition;
  for (;;) {
    const page = orThrow(await store.readAll({ after, filter })());
    for (const { streamName } of page.events) {
      if (tried.has(streamName) || signal.aborted) continue;
      tried.add(streamName);
      const instance = instanceFor(streamName);
      const error = await unlessUnreadable(async () => void unlessClosed(await doOwed(instance)));
      if (error !== undefined) hooks.onUnreadable?.({ streamName, error });
    }
    if (page.isEnd) return;
    after = page.last;
  }
};

/** Takes one item into the batch. */
const takeItem = (
  batch: Batch,
  item: SubscriptionItem,
  instanceFor: (streamName: string) => Instance,
  onLag: FollowOptions['onLag'],
): void => {
  if (item._tag === 'Lag') return onLag?.(item.heldBack);
  if (item._tag === 'Event')
    note(batch, instanceFor(item.event.streamName), item.event, batch.checkpoint ?? batch.before);
  batch.checkpoint = item.checkpoint;
  if (item._tag === 'CaughtUp') return;
  batch.size += 1;
};

const laneOptions = (
  dispatch: Dispatch,
  {
    dispatchConcurrency = 16,
    dispatchAheadMax = 1_024,
    deliverTimeMaxMs = 30_000,
    parkedRetryMs = 60_000,
  }: FollowOptions,
) => ({
  deliver: deliverWith(dispatch),
  concurrency: dispatchConcurrency,
  aheadMax: dispatchAheadMax,
  deliverTimeMaxMs,
  parkedRetryMs,
});

/** Hands the records of the saga's streams over in batches, from the checkpoint on, until the signal. */
const takeIn = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  { subscriber = shell.saga.name, batchMax = 512, pollMs = 50, onLag }: FollowOptions,
  signal: AbortSignal,
  { through, back }: Patience,
  finish: (batch: Batch) => Promise<void>,
): Promise<void> => {
  const { saga, store } = shell;
  const instanceFor = (streamName: string): Instance =>
    shell.instanceOf(streamName.slice(saga.name.length + 1));
  await through(() => retryParked(shell, doOwed, instanceFor, signal));
  const filter = filterOf(shell);
  let batch = emptyBatch(await through(async () => orThrow(await store.checkpoints.load(subscriber)())));
  // Again after each outage, from where it has come to: what was taken in is still in hand.
  await through(async () => {
    const after = batch.checkpoint ?? batch.before;
    const items = store.subscribe({ ...(after && { after }), filter, pollMs, maxCount: batchMax, signal });
    for await (const item of items) {
      back();
      takeItem(batch, item, instanceFor, onLag);
      if (item._tag === 'Lag' || (item._tag === 'Event' && batch.size < batchMax)) continue;
      await finish(batch);
      batch = emptyBatch(item.checkpoint);
    }
  });
};

const filterOf = <S, Ev extends AnyEvent>({ saga, instanceOf }: SagaShell<S, Ev>) => ({
  tenant: instanceOf('').tenant,
  categories: [saga.name],
});

const keeperOf = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  handle: HandleOwn,
  options: TimeoutOptions,
  signal: AbortSignal,
): TimeoutKeeper => {
  const { queue } = shell.store;
  return queue === undefined
    ? keptTimeouts(shell, handle, options, signal)
    : queuedTimeouts(shell, queue, handle, options, signal);
};

/** Looks whether nothing is recorded, on its way or due that has not been done; while the store is away nobody knows. */
const silence =
  <S, Ev extends AnyEvent>(
    shell: SagaShell<S, Ev>,
    seenNow: () => Checkpoint | undefined,
    lanes: Lanes | undefined,
    timeouts: TimeoutKeeper,
  ) =>
  async (): Promise<boolean> => {
    const seen = seenNow();
    if (seen === undefined || lanes?.isIdle() === false) return false;
    if (!(await timeouts.isQuiet())) return false;
    const ask = { after: seen.position, filter: filterOf(shell), maxCount: 1 };
    const read = await shell.store.readAll(ask)();
    if (E.isLeft(read) && isOutage(read.left)) return false;
    const page = orThrow(read);
    return page.events.length === 0 && page.isEnd && page.heldBack === undefined && lanes?.isIdle() !== false;
  };

export const followSaga = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  handle: HandleOwn,
  options: FollowOptions = {},
): Following => {
  const { saga, store, environment, hooks } = shell;
  const { subscriber = saga.name, dispatch, mergeAfterMs = 200, pollMs = 50 } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const progress = makeWake(environment.timers ?? realTimers);
  let failure: { readonly thrown: unknown } | undefined;
  const fail = (thrown: unknown): void => {
    // Stopped while the store is away: the work is left for the next start.
    if (signal.aborted && outageOf(thrown) !== undefined) return;
    failure ??= { thrown };
    stopping.abort();
  };
  // What was parked because the store was away need not wait any longer.
  const onBack = (): void => lanes?.retryParked();
  const patient = patience({ environment, signal, onOutage: hooks.onOutage, onBack });
  const onProgress = (): void => {
    if (lanes?.isIdle() === true) void saver.save().catch(fail);
    progress.notify();
  };
  const lanes =
    dispatch &&
    dispatchLanes(shell, {
      ...laneOptions(dispatch, options),
      patience: patient,
      ...{ signal, onProgress, onFailure: fail },
    });
  const timeouts = keeperOf(shell, handle, options.timeouts ?? {}, signal);
  const { work, checkpoint } = workOn(shell, doOwed, { lanes, timeouts, patience: patient, mergeAfterMs });

  const saver = checkpointSaver(store, subscriber, patient, checkpoint);
  const finish = async (batch: Batch): Promise<void> => {
    await work(batch);
    if (batch.checkpoint === undefined) return;
    saver.see(batch.checkpoint);
    if (batch.size > 0) await saver.save();
    progress.notify();
  };

  const follow = async (): Promise<void> => {
    const giving = timeouts.run().catch(fail);
    await takeIn(shell, doOwed, options, signal, patient, finish).catch(fail);
    stopping.abort();
    await Promise.all([giving, lanes?.settled()]);
    await saver.save().catch(fail);
    if (failure !== undefined) throw failure.thrown;
  };
  let isOver = false;
  const following = follow().finally(() => {
    isOver = true;
    progress.notify();
  });
  // Whoever asks for `done`, `caughtUp` or `stop` hears of a failure; it must not end the process before.
  following.catch(() => undefined);
  const isSilent = silence(shell, saver.seen, lanes, timeouts);
  return {
    done: following,
    caughtUp: async () => {
      lanes?.retryParked();
      // Ends when the sagas fall silent, or with the subscription.
      while (!isOver && !(await isSilent())) await progress.wait(pollMs);
      if (isOver) await following;
      else await saver.settled();
    },
    stop: async () => {
      stopping.abort();
      await following;
    },
  };
};
