/**
 * Loads sagas and appends to them: keeps the fold of those used last, reads only what may have come since, and takes in
 * what this process writes itself. What is kept is never trusted with a write: every append names the version it was
 * decided on, and the store refuses it when others were first.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData, RecordedEvent } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import { sagaLog, type SagaLog } from '../../core/saga/saga-log.js';
import type { SagaTruncated, SagaUnreadable } from '../../core/saga/saga-view.js';
import type { ExpectedVersion, StreamName, StreamVersion } from '../../core/stream.js';
import type {
  AppendError,
  AppendResult,
  EventStore,
  ReadError,
  StreamPage,
} from '../../store/event-store.js';
import type { Fence } from '../../store/leases.js';
import { pageDefault, pageMax } from '../../store/limits.js';
import { usedLast } from '../used-last.js';

export type LoadError = ReadError | SagaUnreadable | SagaTruncated;

type Loaded<S, Ev extends AnyEvent> = E.Either<LoadError, SagaLog<S, Ev>>;

export interface SagaLoader<S, Ev extends AnyEvent> {
  /**
   * The saga, up to date as far as this process can tell: the stream is read unless nobody else has been seen writing to
   * it. A handler that decided on less than the tip is refused by the store, as after any slow load.
   */
  readonly load: (instance: Instance) => Promise<Loaded<S, Ev>>;
  /** The saga as its stream stands now: always read. */
  readonly loadNow: (instance: Instance) => Promise<Loaded<S, Ev>>;
  /** The saga with everything up to a version: read only where that is not there yet. */
  readonly loadUpTo: (instance: Instance, version: number) => Promise<Loaded<S, Ev>>;
  /** The whole stream folded anew with every state remembered, for a branch whose base is long ago. */
  readonly loadWhole: (instance: Instance) => Promise<Loaded<S, Ev>>;
  /** Appends, and keeps the fold up with what the answer tells. */
  readonly append: (
    instance: Instance,
    expected: ExpectedVersion,
    events: ReadonlyArray<EventData>,
    options?: { readonly tailMax?: number; readonly fence?: Fence | undefined },
  ) => Promise<E.Either<AppendError, AppendResult>>;
}

interface Kept<S, Ev extends AnyEvent> {
  readonly log: SagaLog<S, Ev>;
  /** Appends of this process that are on their way. */
  writing: number;
  /** Read before, so that what comes unexpectedly is somebody else's. */
  isWarm: boolean;
  /** Something was written that the fold does not hold yet. */
  isBehind: boolean;
  /** Reads on their way that are to bring what the fold does not hold yet. */
  catchingUp: number;
  /** Others write to this stream too. */
  isShared: boolean;
  /** A read that is not begun yet: whoever comes before it is may have its answer. */
  next: Promise<Loaded<S, Ev>> | undefined;
}

/** Takes in records that follow on what the log holds; says whether it now holds all of them. */
const follow = <S, Ev extends AnyEvent>(
  log: SagaLog<S, Ev>,
  events: ReadonlyArray<RecordedEvent>,
): boolean => {
  const first = events[0];
  if (first === undefined) return true;
  if (first.version > log.version() + 1) return false;
  return E.isRight(log.advance(events));
};

/** Whether the page leaves out what follows on `version`. */
const truncation = (page: StreamPage, version: number, streamName: StreamName): SagaTruncated | undefined => {
  const begins = page.events[0]?.version ?? (0 as StreamVersion);
  const isWhole = begins === version + 1 || (begins === 0 && page.version <= version);
  return isWhole
    ? undefined
    : {
        _tag: 'SagaTruncated',
        streamName,
        begins,
        message: `${streamName} has ${page.version} events, but those from version ${version + 1} on are gone; a saga is the fold of its whole stream`,
      };
};

const catchUp = async <S, Ev extends AnyEvent>(
  store: EventStore,
  { tenant, streamName }: Instance,
  log: SagaLog<S, Ev>,
): Promise<Loaded<S, Ev>> => {
  // Ends: each page moves the log forward, and a page without a next one is the last.
  for (let maxCount = pageDefault; ; maxCount = pageMax) {
    // A kept log is shared: another reader may have moved it on by the time the page is here.
    const version = log.version();
    const page = await store.readStream({ tenant, streamName, from: version + 1, maxCount })();
    if (E.isLeft(page)) return page;
    const truncated = truncation(page.right, version, streamName);
    if (truncated !== undefined) return E.left(truncated);
    const advanced = log.advance(page.right.events);
    if (E.isLeft(advanced)) return advanced;
    if (page.right.next === undefined) return E.right(log);
  }
};

const readKept = async <S, Ev extends AnyEvent>(
  store: EventStore,
  instance: Instance,
  kept: Kept<S, Ev>,
): Promise<Loaded<S, Ev>> => {
  const expectsNothing = kept.isWarm && !kept.isBehind && kept.writing === 0;
  const before = kept.log.version();
  // Until the answer is here nobody else may take the fold for up to date; and what is not answered is still missing.
  const wasBehind = kept.isBehind;
  kept.isBehind = false;
  if (wasBehind) kept.catchingUp += 1;
  const loaded = await catchUp(store, instance, kept.log);
  if (wasBehind) kept.catchingUp -= 1;
  if (E.isLeft(loaded)) {
    kept.isBehind ||= wasBehind;
    return loaded;
  }
  if (expectsNothing && kept.writing === 0 && kept.log.version() > before) kept.isShared = true;
  kept.isWarm = true;
  return loaded;
};

/** What an answer tells about the stream. */
const learn = <S, Ev extends AnyEvent>(
  kept: Kept<S, Ev>,
  instance: Instance,
  events: ReadonlyArray<EventData>,
  answer: E.Either<AppendError, AppendResult>,
): void => {
  const { log } = kept;
  if (E.isRight(answer)) {
    const before = answer.right.version - events.length;
    // An idempotent answer means that these ids stand there already, perhaps written from other code: read, do not assume.
    if (answer.right.idempotent || log.version() !== before)
      kept.isBehind ||= log.version() < answer.right.version;
    else {
      const { streamName } = instance;
      log.advance(
        events.map((event, index) => ({
          ...event,
          streamName,
          version: (before + index + 1) as StreamVersion,
        })),
      );
    }
    return;
  }
  if (answer.left._tag !== 'VersionConflict') {
    kept.isBehind = true;
    return;
  }
  const { tail, actual } = answer.left;
  if (kept.writing === 0 && !kept.isBehind && actual > log.version()) kept.isShared = true;
  if (tail !== undefined) follow(log, tail);
  kept.isBehind ||= log.version() < actual;
};

/** `sagasMax` is how many sagas are kept folded, 0 or more. */
export const sagaLoader = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  store: EventStore,
  sagasMax: number,
): SagaLoader<S, Ev> => {
  const all = usedLast<Kept<S, Ev>>(sagasMax);
  const touch = (instance: Instance): Kept<S, Ev> => {
    const key = instance.key;
    const kept = all.get(key) ?? {
      log: sagaLog(saga),
      writing: 0,
      isWarm: false,
      isBehind: false,
      catchingUp: 0,
      isShared: false,
      next: undefined,
    };
    all.set(key, kept);
    return kept;
  };
  /** What was learnt by a fold that has been dropped meanwhile, its successor must read: it may have looked before. */
  const tellSuccessor = (instance: Instance, kept: Kept<S, Ev>): void => {
    const current = all.get(instance.key);
    if (current !== undefined && current !== kept) current.isBehind = true;
  };
  const readOf = async (instance: Instance, kept: Kept<S, Ev>): Promise<Loaded<S, Ev>> => {
    const loaded = await readKept(store, instance, kept);
    tellSuccessor(instance, kept);
    return loaded;
  };
  const readSoon = async (instance: Instance, kept: Kept<S, Ev>): Promise<Loaded<S, Ev>> => {
    await Promise.resolve();
    kept.next = undefined;
    return readOf(instance, kept);
  };
  // Who retries or rejects wants as few conflicts as can be had; who merges need not ask before each message.
  const readsAlways = saga.onConflict !== 'merge';
  return {
    load: async (instance) => {
      const kept = touch(instance);
      const isCurrent = kept.isWarm && !kept.isBehind && kept.catchingUp === 0;
      const isFresh = isCurrent && !kept.isShared && !readsAlways;
      if (isFresh) return E.right(kept.log);
      return isCurrent && !readsAlways ? (kept.next ??= readSoon(instance, kept)) : readOf(instance, kept);
    },
    loadNow: (instance) => readOf(instance, touch(instance)),
    loadUpTo: async (instance, version) => {
      const kept = touch(instance);
      return kept.log.version() >= version ? E.right(kept.log) : readOf(instance, kept);
    },
    loadWhole: async (instance) => {
      const whole = await catchUp(store, instance, sagaLog(saga, Number.MAX_SAFE_INTEGER));
      const kept = touch(instance);
      if (E.isRight(whole) && whole.right.version() > kept.log.version()) kept.isBehind = true;
      return whole;
    },
    append: async (instance, expected, events, { tailMax = 0, fence } = {}) => {
      const kept = touch(instance);
      const { tenant, streamName } = instance;
      kept.writing += 1;
      const answer = await store
        .append({ tenant, streamName, expected, events, tailMax, ...(fence !== undefined && { fence }) })()
        .finally(() => {
          kept.writing -= 1;
        });
      learn(kept, instance, events, answer);
      tellSuccessor(instance, kept);
      return answer;
    },
  };
};
