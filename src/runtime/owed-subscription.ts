/**
 * The subscription that does what is owed: it follows the sagas' streams, dispatches what was released, gives out timeouts, finishes merges
 * whose process died, and runs compensations. Its checkpoint moves only after the work is done, so a crash loses nothing.
 */
import type { AnyEvent } from '../core/merge.js';
import type { Instance } from '../core/reacting.js';
import { recordTypes } from '../core/saga.js';
import { type Position, startPosition } from '../core/stream.js';
import type { Checkpoint, EventStore, HeldBack, SubscriptionItem } from '../store/event-store.js';
import { makeWake } from '../store/wake.js';
import { realTimers } from '../store/timers.js';
import type { DoOwed } from './do-owed.js';
import { type Batch, emptyBatch, note, workOn } from './owed-batch.js';
import { orThrow, unlessClosed, unlessUnreadable } from './owed-closed.js';
import { dispatchLanes } from './owed-dispatch.js';
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
   * this process. What is parked is tried once more, and not waited for any longer.
   */
  readonly caughtUp: () => Promise<void>;
  /** Ends it; resolves when the work in hand is done. */
  readonly stop: () => Promise<void>;
  /** Rejects when the subscription fails, with the store's tagged error; resolves when it was stopped. */
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
  finish: (batch: Batch) => Promise<void>,
): Promise<void> => {
  const { saga, store } = shell;
  const instanceFor = (streamName: string): Instance =>
    shell.instanceOf(streamName.slice(saga.name.length + 1));
  await retryParked(shell, doOwed, instanceFor, signal);
  const after = orThrow(await store.checkpoints.load(subscriber)());
  const filter = filterOf(shell);
  const items = store.subscribe({ ...(after && { after }), filter, pollMs, maxCount: batchMax, signal });
  let batch = emptyBatch(after);
  for await (const item of items) {
    takeItem(batch, item, instanceFor, onLag);
    if (item._tag === 'Lag' || (item._tag === 'Event' && batch.size < batchMax)) continue;
    await finish(batch);
    batch = emptyBatch(item.checkpoint);
  }
};

const filterOf = <S, Ev extends AnyEvent>({ saga, instanceOf }: SagaShell<S, Ev>) => ({
  tenant: instanceOf('').tenant,
  categories: [saga.name],
});

/** Saves how far the work has come. `reached` says what is true when everything up to a checkpoint has been taken in. */
const checkpointSaver = (
  store: EventStore,
  subscriber: string,
  reached: (seen: Checkpoint | undefined) => Checkpoint | undefined,
) => {
  let seen: Checkpoint | undefined;
  let saved: Position | undefined;
  let saving = Promise.resolve();
  const save = async (): Promise<void> => {
    const checkpoint = reached(seen);
    if (checkpoint === undefined || checkpoint.position === saved) return;
    orThrow(await store.checkpoints.save(subscriber, checkpoint)());
    saved = checkpoint.position;
  };
  return {
    seen: () => seen,
    see: (checkpoint: Checkpoint): void => void (seen = checkpoint),
    /** One after another, so that what is saved last is what was true last. */
    save: (): Promise<void> => {
      const mine = saving.then(save);
      saving = mine.catch(() => undefined);
      return mine;
    },
    settled: (): Promise<void> => saving,
  };
};

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

export const followSaga = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  handle: HandleOwn,
  options: FollowOptions = {},
): Following => {
  const { saga, store } = shell;
  const { subscriber = saga.name, dispatch, mergeAfterMs = 200, pollMs = 50 } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const progress = makeWake(shell.environment.timers ?? realTimers);
  let failure: { readonly thrown: unknown } | undefined;
  const fail = (thrown: unknown): void => {
    failure ??= { thrown };
    stopping.abort();
  };
  const onProgress = (): void => {
    if (lanes?.isIdle() === true) void saver.save().catch(fail);
    progress.notify();
  };
  const lanes =
    dispatch &&
    dispatchLanes(shell, { ...laneOptions(dispatch, options), signal, onProgress, onFailure: fail });
  const timeouts = keeperOf(shell, handle, options.timeouts ?? {}, signal);
  const { work, checkpoint } = workOn(shell, doOwed, { lanes, timeouts, mergeAfterMs });

  const saver = checkpointSaver(store, subscriber, checkpoint);
  const finish = async (batch: Batch): Promise<void> => {
    await work(batch);
    if (batch.checkpoint === undefined) return;
    saver.see(batch.checkpoint);
    if (batch.size > 0) await saver.save();
    progress.notify();
  };

  const follow = async (): Promise<void> => {
    const giving = timeouts.run().catch(fail);
    await takeIn(shell, doOwed, options, signal, finish).catch(fail);
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
  const isSilent = async (): Promise<boolean> => {
    const seen = saver.seen();
    if (seen === undefined || lanes?.isIdle() === false) return false;
    if (!(await timeouts.isQuiet())) return false;
    const ask = { after: seen.position, filter: filterOf(shell), maxCount: 1 };
    const page = orThrow(await store.readAll(ask)());
    return page.events.length === 0 && page.isEnd && page.heldBack === undefined && lanes?.isIdle() !== false;
  };
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
