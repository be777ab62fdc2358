/** The fold of a saga's stream: state, pending branches, what was handled, sent and compensated, and what is owed. */
import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { decodeTagged, type DecodeFailed, decodeWith, problemsOf } from './codec.js';
import type { EventData, RecordedEvent } from './event.js';
import type { AnyEvent, ReleasedMessage } from './merge.js';
import { recordTypes, type Saga } from './saga.js';
import * as records from './saga-records.js';
import { noEvents, type StreamVersion } from './stream.js';

/** Work that lost its append and waits for the merge. */
export interface PendingBranch extends records.MergeSagaStateRecord {
  /** Version of its `MergeSagaState`. */
  readonly version: StreamVersion;
}

export interface OwedCompensation extends records.PlannedCompensation {
  readonly mergeId: string;
  /** The attempt that comes next; 1 is the first. */
  readonly attempt: number;
}

/** Why a saga waits for its user: a merge that was refused. */
export interface Parked extends records.SagaMergeRefusedRecord {
  readonly version: StreamVersion;
}

/** A saga as its stream stood at `version`. A value: later records do not change it. */
export interface SagaView<S = unknown> {
  readonly version: StreamVersion;
  readonly state: S;
  /** 1 is the first; a saga that is opened again after completion begins the next. */
  readonly epoch: number;
  readonly completed: boolean;
  /** Sorted by base, then id. */
  readonly pending: ReadonlyArray<PendingBranch>;
  readonly parked: Parked | undefined;
}

/** What a restarted process must do, and nothing else: a function of the stream alone. */
export interface Owed {
  /** Branches that wait for a merge. Empty where the merge was refused and the saga is parked. */
  readonly merges: ReadonlyArray<PendingBranch>;
  /** Messages that were released after `dispatchedThrough`. */
  readonly messages: ReadonlyArray<ReleasedMessage>;
  readonly compensations: ReadonlyArray<OwedCompensation>;
  /** Timeouts that sagas asked for. */
  readonly timeouts: ReadonlyArray<never>;
}

/** What a log needs of a recorded event: also what a writer knows of its own append, once it is acknowledged. */
export type LogEvent = EventData & Pick<RecordedEvent, 'streamName' | 'version'>;

export interface TrunkEvent<Ev> {
  readonly version: StreamVersion;
  readonly event: Ev;
}

/** A record of the stream that its codec does not accept. Nothing was written. See `problem`; the saga cannot be used until it fits. */
export interface SagaUnreadable {
  readonly _tag: 'SagaUnreadable';
  readonly streamName: string;
  readonly version: StreamVersion;
  readonly problem: DecodeFailed;
  readonly message: string;
}

/** How many of the last versions a log remembers the state of; an older base is folded anew. */
export const statesKept = 512;

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
  /** Messages that have left in this epoch, oldest first. */
  readonly released: () => ReadonlyArray<ReleasedMessage>;
  /** The state at a version; `undefined` where it is too long ago to be remembered. */
  readonly stateAt: (version: number) => { readonly state: S } | undefined;
  readonly trunkSince: (version: number) => ReadonlyArray<Ev>;
  readonly owed: (dispatchedThrough?: number) => Owed;
  /** Whether a branch has been merged. */
  readonly isMerged: (branchId: string) => boolean;
  readonly isCompensated: (compensationId: string) => boolean;
}

interface Compensation extends OwedCompensation {
  readonly parked: boolean;
}

const byBaseThenId = (a: PendingBranch, b: PendingBranch): number =>
  a.base !== b.base ? a.base - b.base : a.branchId < b.branchId ? -1 : 1;

/** Decodes a record of the engine's own. */
const read = <A>(event: LogEvent, codec: t.Type<A, unknown, unknown>): E.Either<DecodeFailed, A> => {
  const decoded = codec.decode(event.data);
  if (E.isRight(decoded)) return decoded;
  const problems = problemsOf(decoded.left);
  const first = problems[0];
  const message = `${event.type}: ${first?.path ?? '$'}: expected ${first?.expected ?? 'a record'}, found ${first?.found ?? '?'}`;
  return E.left({
    _tag: 'DecodeFailed',
    type: event.type,
    schemaVersion: event.schemaVersion,
    problems,
    message,
  });
};

/** An empty log of a saga. `keepStates` is how many last versions it remembers the state of. */
export const sagaLog = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  keepStates = statesKept,
): SagaLog<S, Ev> => {
  let version = noEvents;
  let state = saga.initialState;
  let epoch = 1;
  let completed = false;
  let parked: Parked | undefined;
  let pending: ReadonlyArray<PendingBranch> = [];
  let released: ReleasedMessage[] = [];
  let sentKeys = new Set<string>();
  const allReleased: ReleasedMessage[] = [];
  const handled = new Set<string>();
  const resolved = new Set<string>();
  const states = new Map<number, S>([[0, state]]);
  let trunk: Array<TrunkEvent<Ev>> = [];
  const compensations = new Map<string, Compensation>();
  const compensated = new Set<string>();

  const release = (messages: ReadonlyArray<records.OutgoingRecord>, at: StreamVersion): void => {
    for (const { cancelled, ...message } of messages) {
      if (cancelled !== undefined) continue;
      const left: ReleasedMessage = { ...message, version: at };
      released.push(left);
      allReleased.push(left);
      if (message.key !== undefined) sentKeys.add(message.key);
    }
  };

  const onOwnEvent = (event: LogEvent): E.Either<DecodeFailed, void> => {
    const decoded = decodeTagged(saga.events, event);
    if (E.isLeft(decoded)) return decoded;
    const header = records.headerOf(event.metadata);
    // Branch events stand in the append that merges them; the merged state comes whole, in `SagaMerged`.
    if (header?.branchId === undefined) state = saga.evolve(state, decoded.right as Ev);
    trunk.push({ version: event.version, event: decoded.right as Ev });
    if (header?.mergeId === undefined && event.metadata.causationId !== undefined)
      handle(event.metadata.causationId);
    release(header?.sends ?? [], event.version);
    return E.right(undefined);
  };

  /** A message is on the trunk: a branch of the same message is void. */
  const handle = (messageId: string): void => {
    handled.add(messageId);
    if (pending.some((branch) => branch.cause.messageId === messageId))
      pending = pending.filter((branch) => branch.cause.messageId !== messageId);
  };

  const onBranch = (event: LogEvent, branch: records.MergeSagaStateRecord): void => {
    const known = resolved.has(branch.branchId) || handled.has(branch.cause.messageId);
    const waits = pending.some(
      ({ branchId, cause }) => branchId === branch.branchId || cause.messageId === branch.cause.messageId,
    );
    if (known || waits) return;
    pending = [...pending, { ...branch, version: event.version }].sort(byBaseThenId);
    parked = undefined;
  };

  const onMerged = (event: LogEvent, merged: records.SagaMergedRecord, mergedState: S): void => {
    const branches = new Map(pending.map((branch) => [branch.branchId, branch]));
    if (merged.late === 'reopen') {
      epoch = merged.epoch;
      completed = false;
      released = [];
      sentKeys = new Set();
    }
    state = mergedState;
    for (const id of merged.resolves) resolved.add(id);
    for (const id of merged.handled) handled.add(id);
    pending = pending.filter(({ branchId }) => !resolved.has(branchId));
    parked = undefined;
    for (const fate of merged.messages) {
      const held = branches.get(fate.branchId)?.messages.find(({ id }) => id === fate.id);
      if (fate.fate === 'release' && held !== undefined) release([held], event.version);
      if (fate.fate === 'replace' && fate.replacement !== undefined)
        release([fate.replacement], event.version);
    }
    release(merged.sends, event.version);
    for (const planned of merged.compensations)
      compensations.set(planned.id, { ...planned, mergeId: merged.mergeId, attempt: 1, parked: false });
  };

  const onCompensationFailed = (failed: records.CompensationFailedRecord): void => {
    const planned = compensations.get(failed.compensationId);
    if (planned === undefined) return;
    compensations.set(failed.compensationId, {
      ...planned,
      attempt: failed.attempt + 1,
      parked: failed.parked,
    });
  };

  const step = (event: LogEvent): E.Either<DecodeFailed, void> => {
    const then = <A>(
      codec: t.Type<A, unknown, unknown>,
      change: (record: A) => void,
    ): E.Either<DecodeFailed, void> => {
      const record = read(event, codec);
      return E.isLeft(record) ? record : E.right(change(record.right));
    };
    switch (event.type) {
      case recordTypes.mergeSagaState:
        return then(records.mergeSagaState, (branch) => onBranch(event, branch));
      case recordTypes.sagaMerged: {
        const record = read(event, records.sagaMerged);
        if (E.isLeft(record)) return record;
        const merged = decodeWith('SagaMerged.state', saga.state, record.right.state);
        return E.isLeft(merged) ? merged : E.right(onMerged(event, record.right, merged.right));
      }
      case recordTypes.sagaMergeRefused:
        return then(records.sagaMergeRefused, (refused) => {
          parked = { ...refused, version: event.version };
        });
      case recordTypes.sagaCompleted:
        return then(records.sagaCompleted, () => {
          completed = true;
        });
      case recordTypes.compensationApplied:
        return then(records.compensationApplied, (applied) => {
          compensations.delete(applied.compensationId);
          compensated.add(applied.compensationId);
          release(applied.sends, event.version);
        });
      case recordTypes.compensationFailed:
        return then(records.compensationFailed, onCompensationFailed);
      case recordTypes.sagaMessageHandled: {
        if (event.metadata.causationId !== undefined) handle(event.metadata.causationId);
        release(records.headerOf(event.metadata)?.sends ?? [], event.version);
        return E.right(undefined);
      }
      default:
        return onOwnEvent(event);
    }
  };

  /** Forgets states too old to be a base of anything in flight. */
  const forget = (): void => {
    const oldest = version - keepStates;
    if (oldest > 0) states.delete(oldest);
    if (trunk.length > 2 * keepStates) trunk = trunk.slice(-keepStates);
  };

  const take = (event: LogEvent): E.Either<DecodeFailed, void> => {
    const stepped = step(event);
    if (E.isLeft(stepped)) return stepped;
    version = event.version;
    states.set(version, state);
    forget();
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
    view: () => ({ version, state, epoch, completed, pending, parked }),
    isHandled: (messageId) =>
      handled.has(messageId) || pending.some(({ cause }) => cause.messageId === messageId),
    isSent: (key) => sentKeys.has(key),
    released: () => released.slice(),
    stateAt: (at) => (states.has(at) ? { state: states.get(at) as S } : undefined),
    trunkSince: (since) => trunk.filter((entry) => entry.version > since).map(({ event }) => event),
    isMerged: (branchId) => resolved.has(branchId),
    isCompensated: (compensationId) => compensated.has(compensationId),
    owed: (dispatchedThrough = 0) => ({
      merges: parked !== undefined && parked.mergerVersion === saga.mergerVersion ? [] : pending,
      messages: allReleased.filter((message) => message.version > dispatchedThrough),
      compensations: [...compensations.values()].filter((compensation) => !compensation.parked),
      timeouts: [],
    }),
  };
};

const unreadable = (event: LogEvent, problem: DecodeFailed): SagaUnreadable => ({
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
