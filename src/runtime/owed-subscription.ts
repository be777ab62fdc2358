/**
 * The subscription that does what is owed: it follows the sagas' streams, dispatches what was released, finishes merges
 * whose process died, and runs compensations. Its checkpoint moves only after the work is done, so a crash loses nothing.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../core/event.js';
import { taggedError } from '../core/fault.js';
import type { AnyEvent, ReleasedMessage } from '../core/merge.js';
import { type Instance, keyOf } from '../core/reacting.js';
import { recordTypes } from '../core/saga.js';
import { headerOf } from '../core/saga-records.js';
import { type Position, startPosition } from '../core/stream.js';
import type { Checkpoint, HeldBack, SubscriptionItem } from '../store/event-store.js';
import { makeWake } from '../store/wake.js';
import type { DoOwed } from './do-owed.js';
import type { SagaShell } from './saga-context.js';

/** A released message on its way out. Delivered at least once, in order per saga, always under the same id. */
export interface Dispatched extends ReleasedMessage {
  readonly sagaId: string;
  readonly streamName: string;
}

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

/** What a batch touched of one saga. */
interface Touched {
  readonly instance: Instance;
  readonly first: number;
  last: number;
  sends: boolean;
  merges: boolean;
  compensates: boolean;
}

interface Batch {
  readonly sagas: Map<string, Touched>;
  size: number;
  checkpoint: Checkpoint | undefined;
}

const emptyBatch = (): Batch => ({ sagas: new Map(), size: 0, checkpoint: undefined });

const note = (batch: Batch, instance: Instance, event: RecordedEvent): void => {
  const key = keyOf(instance);
  const touched = batch.sagas.get(key) ?? {
    instance,
    first: event.version,
    last: event.version,
    sends: false,
    merges: false,
    compensates: false,
  };
  batch.sagas.set(key, touched);
  touched.last = event.version;
  if (event.type === recordTypes.mergeSagaState) touched.merges = true;
  else if (event.type === recordTypes.sagaMerged) touched.sends = touched.compensates = true;
  else if (event.type === recordTypes.compensationApplied) touched.sends = true;
  else if (event.type === recordTypes.compensationFailed) touched.compensates = true;
  else if (headerOf(event.metadata)?.sends !== undefined) touched.sends = true;
};

const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

/** Closed streams owe nothing more: nobody may write to them. */
const closedTags: ReadonlySet<string> = new Set(['StreamArchived', 'StreamTombstoned']);

const unlessClosed = <L extends { readonly _tag: string }, A>(result: E.Either<L, A>): A | undefined =>
  E.isLeft(result) && closedTags.has(result.left._tag) ? undefined : orThrow(result);

export const followSaga = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  options: FollowOptions = {},
): Following => {
  const { saga, store, environment } = shell;
  const { subscriber = saga.name, dispatch, mergeAfterMs = 200, batchMax = 512, pollMs = 50 } = options;
  const stopping = new AbortController();
  const progress = makeWake();
  let done: Position | undefined;

  const dispatchReleased = async ({ instance, first, last }: Touched): Promise<void> => {
    if (dispatch === undefined) return;
    const log = unlessClosed(await shell.loader.loadUpTo(instance, last));
    for (const message of log?.owed(first - 1).messages ?? [])
      if (message.version <= last)
        await dispatch({ ...message, sagaId: instance.sagaId, streamName: instance.streamName });
  };

  /** Branches are merged by their own writers, who are at it now; only what is left after a while is taken up here. */
  const finishMerges = async (batch: Batch): Promise<void> => {
    const merging = [...batch.sagas.values()].filter(({ merges }) => merges);
    const waiting: Instance[] = [];
    for (const { instance, last } of merging) {
      const log = unlessClosed(await shell.loader.loadUpTo(instance, last));
      if (log !== undefined && log.owed().merges.length > 0) waiting.push(instance);
    }
    if (waiting.length === 0) return;
    await environment.sleep(mergeAfterMs);
    for (const instance of waiting) unlessClosed(await doOwed(instance));
  };

  const finish = async (batch: Batch): Promise<void> => {
    for (const touched of batch.sagas.values()) {
      if (touched.sends) await dispatchReleased(touched);
      if (touched.compensates) unlessClosed(await doOwed(touched.instance));
    }
    await finishMerges(batch);
    if (batch.checkpoint === undefined) return;
    if (batch.size > 0) orThrow(await store.checkpoints.save(subscriber, batch.checkpoint)());
    done = batch.checkpoint.position;
    progress.notify();
  };

  const onItem = async (batch: Batch, item: SubscriptionItem): Promise<Batch> => {
    switch (item._tag) {
      case 'Event': {
        note(batch, instanceFor(item.event.streamName), item.event);
        batch.size += 1;
        batch.checkpoint = item.checkpoint;
        if (batch.size < batchMax) return batch;
        await finish(batch);
        return emptyBatch();
      }
      case 'CaughtUp':
        batch.checkpoint = item.checkpoint;
        await finish(batch);
        return emptyBatch();
      case 'Lag':
        options.onLag?.(item.heldBack);
        return batch;
    }
  };

  const filter = { tenant: shell.instanceOf('').tenant, categories: [saga.name] };
  /** A merger that was mended since: sagas parked under another version are tried again, once, at the start. */
  const retryParked = async (): Promise<void> => {
    const parkedOnce = { ...filter, types: [recordTypes.sagaMergeRefused] };
    const tried = new Set<string>();
    let after: Position = startPosition;
    for (;;) {
      const page = orThrow(await store.readAll({ after, filter: parkedOnce, maxCount: batchMax })());
      for (const { streamName } of page.events) {
        if (tried.has(streamName) || stopping.signal.aborted) continue;
        tried.add(streamName);
        unlessClosed(await doOwed(instanceFor(streamName)));
      }
      if (page.isEnd) return;
      after = page.last;
    }
  };
  const instanceFor = (streamName: string): Instance =>
    shell.instanceOf(streamName.slice(saga.name.length + 1));
  const follow = async (): Promise<void> => {
    await retryParked();
    const after = orThrow(await store.checkpoints.load(subscriber)());
    const items = store.subscribe({
      ...(after && { after }),
      filter,
      pollMs,
      maxCount: batchMax,
      signal: stopping.signal,
    });
    let batch = emptyBatch();
    for await (const item of items) batch = await onItem(batch, item);
  };

  const following = follow();
  // Whoever asks for `done` or `stop` hears of a failure; it must not end the process before.
  following.catch(() => undefined);
  const failed = following.then(() => undefined);
  failed.catch(() => undefined);
  return {
    done: following,
    caughtUp: async () => {
      // Ends when the subscription does, or when the sagas fall silent.
      for (;;) {
        if (done !== undefined) {
          const page = orThrow(await store.readAll({ after: done, filter, maxCount: 1 })());
          if (page.events.length === 0 && page.isEnd && page.heldBack === undefined) return;
        }
        await Promise.race([progress.wait(pollMs), failed]);
      }
    },
    stop: async () => {
      stopping.abort();
      await following;
    },
  };
};
