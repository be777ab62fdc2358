/**
 * The subscription that does what is owed: it follows the sagas' streams, dispatches what was released, finishes merges
 * whose process died, and runs compensations. Its checkpoint moves only after the work is done, so a crash loses nothing.
 */
import type { AnyEvent } from '../core/merge.js';
import type { Instance } from '../core/reacting.js';
import { recordTypes } from '../core/saga.js';
import { type Position, startPosition } from '../core/stream.js';
import type { HeldBack, SubscriptionItem } from '../store/event-store.js';
import { makeWake } from '../store/wake.js';
import type { DoOwed } from './do-owed.js';
import {
  type Batch,
  type Dispatched,
  emptyBatch,
  note,
  orThrow,
  unlessClosed,
  unlessUnreadable,
  workOn,
} from './owed-batch.js';
import type { SagaShell } from './saga-context.js';

export type { Dispatched } from './owed-batch.js';

export interface FollowOptions {
  /** The name its checkpoint is kept under, one for each process that follows. Default: the saga's name. */
  readonly subscriber?: string;
  /** Hands a message to whoever should have it. Rejecting ends the subscription; the message is delivered again after a restart. Default: nobody. */
  readonly dispatch?: (message: Dispatched) => Promise<void> | void;
  /** How long a branch may wait for its own writer before it is merged here, in milliseconds. Default 200. */
  readonly mergeAfterMs?: number;
  /** Events taken in before the work on them is done and the checkpoint saved, 1 to 4,096. Default 512. */
  readonly batchMax?: number;
  readonly pollMs?: number;
  readonly onLag?: (heldBack: HeldBack) => void;
}

export interface Following {
  /** Resolves when nothing is recorded that has not been done: also what the doing itself has recorded. */
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
const take = (
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

export const followSaga = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  options: FollowOptions = {},
): Following => {
  const { saga, store } = shell;
  const { subscriber = saga.name, dispatch, mergeAfterMs = 200, batchMax = 512, pollMs = 50 } = options;
  const work = workOn(shell, doOwed, { dispatch, mergeAfterMs });
  const stopping = new AbortController();
  const progress = makeWake(shell.environment.timers);
  let done: Position | undefined;

  const finish = async (batch: Batch): Promise<void> => {
    const checkpoint = await work(batch);
    if (batch.checkpoint === undefined) return;
    if (batch.size > 0 && checkpoint !== undefined)
      orThrow(await store.checkpoints.save(subscriber, checkpoint)());
    done = batch.checkpoint.position;
    progress.notify();
  };

  const filter = { tenant: shell.instanceOf('').tenant, categories: [saga.name] };
  const instanceFor = (streamName: string): Instance =>
    shell.instanceOf(streamName.slice(saga.name.length + 1));
  const follow = async (): Promise<void> => {
    await retryParked(shell, doOwed, instanceFor, stopping.signal);
    const after = orThrow(await store.checkpoints.load(subscriber)());
    const items = store.subscribe({
      ...(after && { after }),
      filter,
      pollMs,
      maxCount: batchMax,
      signal: stopping.signal,
    });
    let batch = emptyBatch(after);
    for await (const item of items) {
      take(batch, item, instanceFor, options.onLag);
      if (item._tag === 'Lag' || (item._tag === 'Event' && batch.size < batchMax)) continue;
      await finish(batch);
      batch = emptyBatch(item.checkpoint);
    }
  };

  let isOver = false;
  const following = follow().finally(() => {
    isOver = true;
    progress.notify();
  });
  // Whoever asks for `done`, `caughtUp` or `stop` hears of a failure; it must not end the process before.
  following.catch(() => undefined);
  const isSilent = async (): Promise<boolean> => {
    if (done === undefined) return false;
    const page = orThrow(await store.readAll({ after: done, filter, maxCount: 1 })());
    return page.events.length === 0 && page.isEnd && page.heldBack === undefined;
  };
  return {
    done: following,
    caughtUp: async () => {
      // Ends when the sagas fall silent, or with the subscription.
      while (!isOver && !(await isSilent())) await progress.wait(pollMs);
      if (isOver) await following;
    },
    stop: async () => {
      stopping.abort();
      await following;
    },
  };
};
