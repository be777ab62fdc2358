/** A saga's log: the fold of its stream as it grows, and the questions it answers. */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent, ReleasedMessage } from '../merge/merge.js';
import { type Passed, passedOf } from './fast-forward.js';
import { listPending, lowestBase } from './pending-branches.js';
import type { Saga } from './saga.js';
import { emptyFold, type SagaFold, step, type StepFailed } from './saga-fold.js';
import { type TimeoutEntry, type TimeoutTable, waitingTimeouts } from './saga-timeouts.js';
import type { LogEvent, Owed, PartlyMerged, SagaUnreadable, SagaView } from './saga-view.js';
import { noEvents, type StreamVersion } from '../stream.js';

/** How many of the last versions a log remembers the state of; an older base is folded anew. */
export const statesKept = 512;

/** Of how many of the last records a log remembers what a decision needs that moves past them; at most twice as many are held. */
const passedKept = 256;

/** A log that grows record by record. Its views are values; the log itself belongs to one reader. */
export interface SagaLog<S = unknown, Ev extends AnyEvent = AnyEvent> {
  /** Takes the next records, in order. On an error the log stands before the record that is named. */
  readonly advance: (events: ReadonlyArray<LogEvent>) => E.Either<SagaUnreadable, void>;
  readonly version: () => StreamVersion;
  readonly view: () => SagaView<S>;
  /** Whether a message is on the trunk, in a merge, or in a branch that waits. */
  readonly isHandled: (messageId: string) => boolean;
  /** Whether a message of this key has left in this epoch. */
  readonly isSent: (key: string) => boolean;
  /** Messages that have left in this epoch, oldest first, as of now; listed when the answer is called, since they grow without end. */
  readonly released: () => () => ReadonlyArray<ReleasedMessage>;
  /** The state at a version; `undefined` where it is too long ago to be remembered. */
  readonly stateAt: (version: number) => { readonly state: S } | undefined;
  readonly trunkSince: (version: number) => ReadonlyArray<Ev>;
  /** A merge that is not done yet, because one append could not hold it. */
  readonly partlyMerged: () => PartlyMerged | undefined;
  /** Somebody decides on this version, which the log holds: it remembers what that takes until the answer is called. */
  readonly hold: (version: number) => () => void;
  /** What a decision on this version would move past; `undefined` where that is too long ago to be remembered. */
  readonly passedSince: (version: number) => ReadonlyArray<Passed> | undefined;
  readonly owed: (dispatchedThrough?: number) => Owed;
  /** What has become of the timeout of this id; `undefined` where it is none that has been released. */
  readonly timeout: (id: string) => TimeoutEntry | undefined;
  /** The table itself: only to be read, and only until the log grows. */
  readonly timeouts: () => TimeoutTable;
}

/** What came after a version, of a list in the order of versions: what is asked for is mostly its end. */
const after = <A extends { readonly version: number }>(
  all: ReadonlyArray<A>,
  version: number,
): ReadonlyArray<A> => {
  let from = all.length;
  while (from > 0 && (all[from - 1] as A).version > version) from -= 1;
  return all.slice(from);
};

/** What a log remembers of versions that may be the base of something in flight. */
const memory = <S, Ev extends AnyEvent>(fold: SagaFold<S, Ev>, keepStates: number) => {
  const states = new Map<number, S>([[0, fold.state]]);
  /** The last of what the stream recorded. */
  let passed: Passed[] = [];
  /** Versions that are decided on, and by how many. */
  const held = new Map<number, number>();
  let forgottenThrough = 0;
  let trunkMax = 2 * keepStates;

  const forget = (version: number): void => {
    const bases = [...held.keys(), lowestBase(fold.pending), fold.partly?.lowestBase ?? Infinity];
    const through = Math.min(version - keepStates, ...bases.map((base) => base - 1));
    for (; forgottenThrough < through; forgottenThrough += 1) states.delete(forgottenThrough + 1);
    if (fold.trunk.length > trunkMax) {
      fold.trunk = fold.trunk.filter((event) => event.version > forgottenThrough);
      trunkMax = 2 * Math.max(keepStates, fold.trunk.length);
    }
    if (passed.length > 2 * passedKept) passed = passed.slice(-passedKept);
  };

  return {
    take: (event: LogEvent): void => {
      states.set(event.version, fold.state);
      passed.push(passedOf(event));
      forget(event.version);
    },
    stateAt: (at: number) => (states.has(at) ? { state: states.get(at) as S } : undefined),
    /** The last `count` that passed. */
    passed: (count: number) => (count > passed.length ? undefined : passed.slice(passed.length - count)),
    hold: (at: number) => {
      held.set(at, (held.get(at) ?? 0) + 1);
      return () => {
        const others = (held.get(at) ?? 1) - 1;
        if (others > 0) held.set(at, others);
        else held.delete(at);
      };
    },
  };
};

/** An empty log of a saga. `keepStates` is how many last versions it remembers the state of. */
export const sagaLog = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  keepStates = statesKept,
): SagaLog<S, Ev> => {
  const fold = emptyFold(saga);
  const remembered = memory(fold, keepStates);
  let version = noEvents;

  const take = (event: LogEvent): E.Either<StepFailed, void> => {
    const stepped = step(fold, event);
    if (E.isLeft(stepped)) return stepped;
    version = event.version;
    remembered.take(event);
    return stepped;
  };

  return {
    advance: (events) => {
      for (const event of events) {
        if (event.version <= version) continue;
        if (event.version !== version + 1)
          throw new Error(
            `saga log of ${event.streamName}: expected version ${version + 1}, was given ${event.version}`,
          );
        const taken = take(event);
        if (E.isLeft(taken)) return E.left(unreadable(event, taken.left));
      }
      return E.right(undefined);
    },
    version: () => version,
    view: () => {
      const { state, epoch, completed, pending, parked } = fold;
      return { version, state, epoch, completed, pending: listPending(pending), parked };
    },
    isHandled: (messageId) => fold.handled.has(messageId) || fold.pending.byMessage.has(messageId),
    isSent: (key) => fold.sentKeys.has(key),
    released: () => {
      // The list only grows, until another epoch begins with a list of its own.
      const { released } = fold;
      const count = released.length;
      return () => released.slice(0, count);
    },
    stateAt: remembered.stateAt,
    partlyMerged: () => fold.partly,
    trunkSince: (since) => after(fold.trunk, since).map(({ event }) => event),
    hold: remembered.hold,
    passedSince: (since) => remembered.passed(version - since),
    owed: (dispatchedThrough = 0) => ({
      merges: fold.parked?.mergerVersion === saga.mergerVersion ? [] : listPending(fold.pending),
      messages: after(fold.allReleased, dispatchedThrough),
      compensations: [...fold.compensations.values()].filter((compensation) => !compensation.parked),
      timeouts: waitingTimeouts(fold.timeouts, fold.pending),
    }),
    timeout: (id) => fold.timeouts.byId.get(id),
    timeouts: () => fold.timeouts,
  };
};

const unreadable = (event: LogEvent, problem: StepFailed): SagaUnreadable => ({
  _tag: 'SagaUnreadable',
  streamName: event.streamName,
  version: event.version,
  problem,
  message: `version ${event.version} of ${event.streamName}: ${problem.message}`,
});

/** Folds a whole stream at once. */
export const foldSaga = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  events: ReadonlyArray<LogEvent>,
): E.Either<SagaUnreadable, SagaLog<S, Ev>> => {
  const log = sagaLog(saga, Number.MAX_SAFE_INTEGER);
  const advanced = log.advance(events);
  return E.isLeft(advanced) ? advanced : E.right(log);
};

/** What is owed for a stream, as a pure function of it. */
export const owed = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  events: ReadonlyArray<LogEvent>,
  dispatchedThrough = 0,
): E.Either<SagaUnreadable, Owed> => {
  const log = foldSaga(saga, events);
  return E.isLeft(log) ? log : E.right(log.right.owed(dispatchedThrough));
};
