/** The work that a batch of records asks for: what to dispatch, what to merge, what to compensate. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../core/event.js';
import { taggedError } from '../core/fault.js';
import type { AnyEvent, ReleasedMessage } from '../core/merge.js';
import type { Instance } from '../core/reacting.js';
import { recordTypes } from '../core/saga.js';
import { headerOf } from '../core/saga-records.js';
import type { Checkpoint } from '../store/event-store.js';
import type { DoOwed } from './do-owed.js';
import type { SagaShell } from './saga-context.js';

/** A released message on its way out. Delivered at least once, in order per saga, always under the same id. */
export interface Dispatched extends ReleasedMessage {
  readonly sagaId: string;
  readonly streamName: string;
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

export interface Batch {
  readonly sagas: Map<string, Touched>;
  size: number;
  checkpoint: Checkpoint | undefined;
}

export const emptyBatch = (): Batch => ({ sagas: new Map(), size: 0, checkpoint: undefined });

/** Remembers what a record asks for. */
export const note = (batch: Batch, instance: Instance, event: RecordedEvent): void => {
  const key = instance.key;
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

export const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

/** Closed streams owe nothing more: nobody may write to them. */
const closedTags: ReadonlySet<string> = new Set(['StreamArchived', 'StreamTombstoned']);

export const unlessClosed = <L extends { readonly _tag: string }, A>(
  result: E.Either<L, A>,
): A | undefined => (E.isLeft(result) && closedTags.has(result.left._tag) ? undefined : orThrow(result));

export interface BatchOptions {
  /** Hands a message to whoever should have it. */
  readonly dispatch: ((message: Dispatched) => Promise<void> | void) | undefined;
  /** How long a branch may wait for its own writer before it is merged here, in milliseconds. */
  readonly mergeAfterMs: number;
}

/** Does what a batch asks for; when it resolves, a checkpoint after the batch is true. */
export const workOn = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  { dispatch, mergeAfterMs }: BatchOptions,
): ((batch: Batch) => Promise<void>) => {
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
    await shell.environment.sleep(mergeAfterMs);
    for (const instance of waiting) unlessClosed(await doOwed(instance));
  };

  return async (batch) => {
    for (const touched of batch.sagas.values()) {
      if (touched.sends) await dispatchReleased(touched);
      if (touched.compensates) unlessClosed(await doOwed(touched.instance));
    }
    await finishMerges(batch);
  };
};
