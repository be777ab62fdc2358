/** Loads sagas: folds what a stream has beyond the part that is already folded, which is kept for the sagas used last. */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData } from '../core/event.js';
import { type Instance, keyOf } from '../core/reacting.js';
import type { AnyEvent } from '../core/merge.js';
import type { Saga } from '../core/saga.js';
import { sagaLog, type SagaLog, type SagaUnreadable } from '../core/saga-log.js';
import type { StreamVersion } from '../core/stream.js';
import type { EventStore, ReadError } from '../store/event-store.js';
import { pageMax } from '../store/limits.js';

export type LoadError = ReadError | SagaUnreadable;

export interface SagaLoader<S, Ev extends AnyEvent> {
  /** The saga as its stream stands now: what is kept is only a beginning, the rest is always read. */
  readonly load: (instance: Instance) => Promise<E.Either<LoadError, SagaLog<S, Ev>>>;
  /** The whole stream folded anew with every state remembered, for a branch whose base is long ago. */
  readonly loadWhole: (instance: Instance) => Promise<E.Either<LoadError, SagaLog<S, Ev>>>;
  /** Takes in an append that was acknowledged, so that it need not be read. */
  readonly appended: (
    log: SagaLog<S, Ev>,
    instance: Instance,
    after: StreamVersion,
    events: ReadonlyArray<EventData>,
  ) => void;
  readonly forget: (instance: Instance) => void;
}

const catchUp = async <S, Ev extends AnyEvent>(
  store: EventStore,
  instance: Instance,
  log: SagaLog<S, Ev>,
): Promise<E.Either<LoadError, SagaLog<S, Ev>>> => {
  const { tenant, streamName } = instance;
  // Ends: each page moves the log forward, and a page without a next one is the last.
  for (;;) {
    const page = await store.readStream({ tenant, streamName, from: log.version() + 1, maxCount: pageMax })();
    if (E.isLeft(page)) return page;
    const advanced = log.advance(page.right.events);
    if (E.isLeft(advanced)) return advanced;
    if (page.right.next === undefined) return E.right(log);
  }
};

/** `sagasMax` is how many sagas are kept folded, 0 or more. */
export const sagaLoader = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  store: EventStore,
  sagasMax: number,
): SagaLoader<S, Ev> => {
  // A Map keeps the order of insertion: the first key is the one not used for longest.
  const kept = new Map<string, SagaLog<S, Ev>>();
  const touch = (instance: Instance): SagaLog<S, Ev> => {
    const key = keyOf(instance);
    const log = kept.get(key) ?? sagaLog(saga);
    kept.delete(key);
    kept.set(key, log);
    if (kept.size > sagasMax) kept.delete(kept.keys().next().value as string);
    return log;
  };
  return {
    load: (instance) => catchUp(store, instance, touch(instance)),
    loadWhole: (instance) => catchUp(store, instance, sagaLog(saga, Number.MAX_SAFE_INTEGER)),
    appended: (log, { streamName }, after, events) => {
      // Somebody else's load may have been quicker, or further: then there is nothing to add.
      if (log.version() !== after) return;
      log.advance(
        events.map((event, index) => ({
          ...event,
          streamName,
          version: (after + index + 1) as StreamVersion,
        })),
      );
    },
    forget: (instance) => void kept.delete(keyOf(instance)),
  };
};
