/** The work that a batch of records asks for: what to dispatch, what to merge, what to compensate. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../core/event.js';
import { taggedError, taggedOf } from '../core/fault.js';
import type { AnyEvent, ReleasedMessage } from '../core/merge.js';
import type { Instance } from '../core/reacting.js';
import { recordTypes } from '../core/saga.js';
import { headerOf } from '../core/saga-records.js';
import type { Checkpoint } from '../store/event-store.js';
import type { DoOwed } from './do-owed.js';
import type { SagaHooks, SagaShell } from './saga-context.js';

/** A released message on its way out. Delivered at least once, in order per saga, always under the same id. */
export interface Dispatched extends ReleasedMessage {
  readonly sagaId: string;
  readonly streamName: string;
}

/** What a batch touched of one saga. */
interface Touched {
  readonly instance: Instance;
  /** Where the subscription stood before the first of these records. */
  readonly before: Checkpoint | undefined;
  readonly first: number;
  last: number;
  sends: boolean;
  merges: boolean;
  compensates: boolean;
}

export interface Batch {
  /** Where the subscription stood when it began. */
  readonly before: Checkpoint | undefined;
  readonly sagas: Map<string, Touched>;
  size: number;
  checkpoint: Checkpoint | undefined;
}

export const emptyBatch = (before: Checkpoint | undefined): Batch => ({
  before,
  sagas: new Map(),
  size: 0,
  checkpoint: undefined,
});

/** Remembers what a record asks for. */
export const note = (
  batch: Batch,
  instance: Instance,
  event: RecordedEvent,
  before: Checkpoint | undefined,
): void => {
  const key = instance.key;
  const touched = batch.sagas.get(key) ?? {
    instance,
    before,
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

export const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

/** Closed streams owe nothing more: nobody may write to them. */
const closedTags: ReadonlySet<string> = new Set(['StreamArchived', 'StreamTombstoned']);

export const unlessClosed = <L extends { readonly _tag: string }, A>(
  result: E.Either<L, A>,
): A | undefined => (E.isLeft(result) && closedTags.has(result.left._tag) ? undefined : orThrow(result));

type UnreadableSaga = Parameters<NonNullable<SagaHooks['onUnreadable']>>[0]['error'];

/** These are about one saga alone, and stay until its code or its stream is mended. */
const unreadableTags: ReadonlySet<string> = new Set(['SagaUnreadable', 'SagaTruncated']);

/** Does work on one saga. Answers why the saga cannot be read, if so; whatever else is thrown goes on. */
export const unlessUnreadable = async (work: () => Promise<void>): Promise<UnreadableSaga | undefined> => {
  try {
    return await work().then(() => undefined);
  } catch (thrown) {
    const error = taggedOf(thrown);
    if (error === undefined || !unreadableTags.has(error._tag)) throw thrown;
    return error as UnreadableSaga;
  }
};

export interface BatchOptions {
  /** Hands a message to whoever should have it. */
  readonly dispatch: ((message: Dispatched) => Promise<void> | void) | undefined;
  /** How long a branch may wait for its own writer before it is merged here, in milliseconds. */
  readonly mergeAfterMs: number;
}

/** Work on a saga that could not be done, to be tried again with the next batch. */
const merged = (held: Touched, more: Touched): Touched => ({
  ...held,
  last: Math.max(held.last, more.last),
  sends: held.sends || more.sends,
  merges: held.merges || more.merges,
  compensates: held.compensates || more.compensates,
});

/**
 * Does what a batch asks for. Resolves to the checkpoint that is true then: that of the batch; or, where a saga could not be
 * read, the one before its records, so that they come again after a restart. The other sagas go on.
 */
export const workOn = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  { dispatch, mergeAfterMs }: BatchOptions,
): ((batch: Batch) => Promise<Checkpoint | undefined>) => {
  const poisoned = new Map<string, Touched>();
  /** Those that have been told of. */
  let known: ReadonlySet<string> = new Set();

  /** Does one part of the work on a saga, unless the saga cannot be used: then all of it is kept for later. */
  const attempt = async (touched: Touched, work: () => Promise<void>): Promise<void> => {
    const error = await unlessUnreadable(work);
    if (error === undefined) return;
    const { key, streamName } = touched.instance;
    if (!known.has(key) && !poisoned.has(key)) shell.hooks.onUnreadable?.({ streamName, error });
    poisoned.set(key, touched);
  };

  const dispatchReleased = async ({ instance, first, last }: Touched): Promise<void> => {
    if (dispatch === undefined) return;
    const log = unlessClosed(await shell.loader.loadUpTo(instance, last));
    for (const message of log?.owed(first - 1).messages ?? [])
      if (message.version <= last)
        await dispatch({ ...message, sagaId: instance.sagaId, streamName: instance.streamName });
  };

  const waitsForMerge = async ({ instance, last }: Touched): Promise<boolean> => {
    const log = unlessClosed(await shell.loader.loadUpTo(instance, last));
    return log !== undefined && log.owed().merges.length > 0;
  };

  /** Branches are merged by their own writers, who are at it now; only what is left after a while is taken up here. */
  const finishMerges = async (merging: ReadonlyArray<Touched>): Promise<void> => {
    const waiting: Touched[] = [];
    for (const touched of merging)
      await attempt(touched, async () => {
        if (await waitsForMerge(touched)) waiting.push(touched);
      });
    if (waiting.length === 0) return;
    await shell.environment.sleep(mergeAfterMs);
    for (const touched of waiting)
      await attempt(touched, async () => void unlessClosed(await doOwed(touched.instance)));
  };

  return async (batch) => {
    known = new Set(poisoned.keys());
    // Those held from before come first, so that the oldest of them stays the first.
    const sagas = new Map(poisoned);
    poisoned.clear();
    for (const [key, touched] of batch.sagas) {
      const held = sagas.get(key);
      sagas.set(key, held === undefined ? touched : merged(held, touched));
    }
    for (const touched of sagas.values())
      await attempt(touched, async () => {
        if (touched.sends) await dispatchReleased(touched);
        if (touched.compensates) unlessClosed(await doOwed(touched.instance));
      });
    await finishMerges([...sagas.values()].filter(({ merges }) => merges));
    const [oldest] = poisoned.values();
    return oldest === undefined ? batch.checkpoint : oldest.before;
  };
};
