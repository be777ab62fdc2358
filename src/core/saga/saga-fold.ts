/** The fold of a saga's stream, record by record: a mutable table that belongs to one log. */
import * as E from 'fp-ts/lib/Either.js';
import type * as t from 'io-ts';
import { decodeTagged, type DecodeFailed, decodeWith, problemsOf } from '../codec.js';
import { carriedOn } from '../conversation.js';
import type { EventMetadata } from '../event.js';
import type { AnyEvent, ReleasedMessage } from '../merge/merge.js';
import { addPending, dropPending, emptyPending, type PendingTable } from './pending-branches.js';
import { recordTypes, type Saga } from './saga.js';
import * as records from './saga-records.js';
import { thrownMessage } from '../fault.js';
import { deepFreeze } from '../json.js';
import {
  emptyTimeouts,
  endTimeout,
  takeMergedWishes,
  takeWishes,
  type TimeoutTable,
} from './saga-timeouts.js';
import type {
  EvolveFailed,
  LogEvent,
  OwedCompensation,
  Parked,
  PartlyMerged,
  PendingBranch,
  TrunkEvent,
} from './saga-view.js';
import type { StreamVersion } from '../stream.js';

export interface Compensation extends OwedCompensation {
  readonly parked: boolean;
}

/** Everything the records have said so far. */
export interface SagaFold<S, Ev extends AnyEvent> {
  readonly saga: Saga<S, Ev>;
  state: S;
  epoch: number;
  completed: boolean;
  parked: Parked | undefined;
  readonly pending: PendingTable;
  /** Undefined unless branches wait that an append of their merge could not hold. */
  partly: PartlyMerged | undefined;
  /** Messages that have left in this epoch, and their keys. */
  released: ReleasedMessage[];
  sentKeys: Set<string>;
  /** Messages that have left in all epochs. */
  readonly allReleased: ReleasedMessage[];
  /** Ids of messages that are on the trunk or in a merge. */
  readonly handled: Set<string>;
  /** Ids of branches that have been merged. */
  readonly merged: Set<string>;
  trunk: Array<TrunkEvent<Ev>>;
  /** Compensations that a merge has asked for and that are not applied. */
  readonly compensations: Map<string, Compensation>;
  readonly timeouts: TimeoutTable;
}

export const emptyFold = <S, Ev extends AnyEvent>(saga: Saga<S, Ev>): SagaFold<S, Ev> => ({
  saga,
  state: saga.initialState,
  epoch: 1,
  completed: false,
  parked: undefined,
  pending: emptyPending(),
  partly: undefined,
  released: [],
  sentKeys: new Set(),
  allReleased: [],
  handled: new Set(),
  merged: new Set(),
  trunk: [],
  compensations: new Map(),
  timeouts: emptyTimeouts(),
});

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

/** Why a record could not be taken in. */
export type StepFailed = DecodeFailed | EvolveFailed;

/** Any fold, where the types of state and events do not matter. */
type AnyFold = SagaFold<unknown, AnyEvent>;

const release = (
  fold: AnyFold,
  messages: ReadonlyArray<records.OutgoingRecord>,
  at: StreamVersion,
  metadata: EventMetadata,
): void => {
  for (const { cancelled, ...message } of messages) {
    if (cancelled !== undefined) continue;
    // Once here: mergers and hooks are given the list of all that has left, again and again.
    const left: ReleasedMessage = deepFreeze({ ...message, version: at, metadata });
    fold.released.push(left);
    fold.allReleased.push(left);
    if (message.key !== undefined) fold.sentKeys.add(message.key);
  }
};

/** What an event carries out, caused by the message that it was decided on. */
const releaseHeld = (
  fold: AnyFold,
  event: LogEvent,
  sends: ReadonlyArray<records.OutgoingRecord> | undefined,
): void => {
  if (sends !== undefined)
    release(
      fold,
      sends,
      event.version,
      carriedOn(event.metadata, event.metadata.causationId ?? event.eventId),
    );
};

/** A message is on the trunk: a branch of the same message is void. */
const handle = (fold: AnyFold, messageId: string, at: StreamVersion): void => {
  fold.handled.add(messageId);
  endTimeout(fold.timeouts, messageId, 'delivered', at);
  dropPending(fold.pending, fold.pending.byMessage.get(messageId));
};

const takeTimeouts = (fold: AnyFold, event: LogEvent, header: records.SagaHeader | undefined): void => {
  if (header?.timeouts === undefined && header?.cancelTimeouts === undefined) return;
  const metadata = carriedOn(event.metadata, event.metadata.causationId ?? event.eventId);
  takeWishes(fold.timeouts, header, { version: event.version, epoch: fold.epoch, metadata });
};

const onOwnEvent = (fold: AnyFold, event: LogEvent): E.Either<StepFailed, void> => {
  const decoded = decodeTagged(fold.saga.events, event);
  if (E.isLeft(decoded)) return decoded;
  const header = records.headerOf(event.metadata);
  // Branch events stand in the append that merges them; the merged state comes whole, in `SagaMerged`.
  if (header?.branchId === undefined)
    try {
      fold.state = fold.saga.evolve(fold.state, decoded.right);
    } catch (thrown) {
      const { type, schemaVersion } = event;
      const message = `evolve threw on ${type}: ${thrownMessage(thrown)}`;
      return E.left({ _tag: 'EvolveFailed', type, schemaVersion, message, thrown });
    }
  fold.trunk.push({ version: event.version, event: decoded.right });
  if (header?.mergeId === undefined && event.metadata.causationId !== undefined)
    handle(fold, event.metadata.causationId, event.version);
  releaseHeld(fold, event, header?.sends);
  takeTimeouts(fold, event, header);
  return E.right(undefined);
};

const onHandled = (fold: AnyFold, event: LogEvent): void => {
  if (event.metadata.causationId !== undefined) handle(fold, event.metadata.causationId, event.version);
  const header = records.headerOf(event.metadata);
  releaseHeld(fold, event, header?.sends);
  takeTimeouts(fold, event, header);
};

const onBranch = (fold: AnyFold, event: LogEvent, branch: records.MergeSagaStateRecord): void => {
  const { byId, byMessage } = fold.pending;
  const known = fold.merged.has(branch.branchId) || fold.handled.has(branch.cause.messageId);
  if (known || byId.has(branch.branchId) || byMessage.has(branch.cause.messageId)) return;
  const metadata = carriedOn(event.metadata, branch.cause.messageId);
  // The rest of a merge in parts may have become void: this is another conflict.
  if (byId.size === 0) fold.partly = undefined;
  addPending(fold.pending, { ...branch, version: event.version, metadata });
  fold.parked = undefined;
};

/** What is left of the merge that this record is a part of, once the branches that it resolves wait no more. */
const partlyMerged = (
  { partly, pending, completed }: AnyFold,
  event: LogEvent,
  { resolves, accepted, added, late }: records.SagaMergedRecord,
  branches: ReadonlyMap<string, PendingBranch>,
): PartlyMerged | undefined => {
  if (pending.byId.size === 0) return undefined;
  const resolved = resolves.flatMap((id) => branches.get(id) ?? []);
  const version = partly?.version ?? ((event.version - 1 - accepted.length - added) as StreamVersion);
  return {
    version,
    completed: partly?.completed ?? completed,
    branches: [...(partly?.branches ?? []), ...resolved],
    lowestBase: resolved.reduce((lowest, { base }) => Math.min(lowest, base), partly?.lowestBase ?? version),
    rejected: (partly?.rejected ?? true) && late === 'reject',
  };
};

const onMerged = (fold: AnyFold, event: LogEvent, merged: records.SagaMergedRecord, state: unknown): void => {
  const branches = new Map(fold.pending.byId);
  for (const id of merged.resolves) {
    fold.merged.add(id);
    dropPending(fold.pending, branches.get(id));
  }
  fold.partly = partlyMerged(fold, event, merged, branches);
  if (merged.late === 'reopen') {
    fold.epoch = merged.epoch;
    fold.completed = false;
    fold.released = [];
    fold.sentKeys = new Set();
    fold.timeouts.keys.clear();
  }
  fold.state = state;
  for (const id of merged.handled) {
    fold.handled.add(id);
    endTimeout(fold.timeouts, id, 'delivered', event.version);
  }
  fold.parked = undefined;
  const { mergeId } = merged;
  const metadata = carriedOn(event.metadata, mergeId);
  for (const fate of merged.messages) {
    const branch = branches.get(fate.branchId);
    const held = branch?.messages.find(({ id }) => id === fate.id);
    const from = branch?.metadata ?? metadata;
    if (fate.fate === 'release' && held !== undefined) release(fold, [held], event.version, from);
    if (fate.fate === 'replace' && fate.replacement !== undefined)
      release(fold, [fate.replacement], event.version, from);
  }
  release(fold, merged.sends, event.version, metadata);
  if (merged.timeouts !== undefined) {
    const asked = { version: event.version, epoch: fold.epoch, metadata };
    takeMergedWishes(fold.timeouts, merged.timeouts, branches, asked);
  }
  for (const planned of merged.compensations)
    fold.compensations.set(planned.id, { ...planned, mergeId, attempt: 1, parked: false, metadata });
};

const onCompensationFailed = (fold: AnyFold, failed: records.CompensationFailedRecord): void => {
  const planned = fold.compensations.get(failed.compensationId);
  if (planned === undefined) return;
  const { attempt, parked } = failed;
  fold.compensations.set(failed.compensationId, { ...planned, attempt: attempt + 1, parked });
};

const onSagaMerged = (fold: AnyFold, event: LogEvent): E.Either<StepFailed, void> => {
  const record = read(event, records.sagaMerged);
  if (E.isLeft(record)) return record;
  const state = decodeWith('SagaMerged.state', fold.saga.state, record.right.state);
  return E.isLeft(state) ? state : E.right(onMerged(fold, event, record.right, state.right));
};

const then = <A>(
  event: LogEvent,
  codec: t.Type<A, unknown, unknown>,
  change: (record: A) => void,
): E.Either<StepFailed, void> => {
  const record = read(event, codec);
  return E.isLeft(record) ? record : E.right(change(record.right));
};

/** Takes in the next record. On an error the fold is as it was. */
export const step = <S, Ev extends AnyEvent>(
  typed: SagaFold<S, Ev>,
  event: LogEvent,
): E.Either<StepFailed, void> => {
  // The records decide by their type what they are; the saga's own types are put back by the codecs.
  const fold = typed as unknown as AnyFold;
  switch (event.type) {
    case recordTypes.mergeSagaState:
      return then(event, records.mergeSagaState, (branch) => onBranch(fold, event, branch));
    case recordTypes.sagaMerged:
      return onSagaMerged(fold, event);
    case recordTypes.sagaMergeRefused:
      return then(event, records.sagaMergeRefused, (refused) => {
        fold.parked = { ...refused, version: event.version };
      });
    case recordTypes.sagaCompleted:
      return then(event, records.sagaCompleted, () => {
        fold.completed = true;
      });
    case recordTypes.sagaMessageHandled:
      return E.right(onHandled(fold, event));
    case recordTypes.sagaTimeoutIgnored:
      return then(event, records.sagaTimeoutIgnored, ({ timeoutId }) => {
        fold.handled.add(timeoutId);
        endTimeout(fold.timeouts, timeoutId, 'ignored', event.version);
      });
    case recordTypes.compensationApplied:
      return then(event, records.compensationApplied, (applied) => {
        fold.compensations.delete(applied.compensationId);
        release(fold, applied.sends, event.version, carriedOn(event.metadata, applied.compensationId));
      });
    case recordTypes.compensationFailed:
      return then(event, records.compensationFailed, (failed) => onCompensationFailed(fold, failed));
    default:
      return onOwnEvent(fold, event);
  }
};
