/** The merge of a saga's pending branches as one append: pure, cheap, and thrown away when somebody else was first. */
import * as E from 'fp-ts/lib/Either.js';
import { thrownMessage } from '../fault.js';
import { codecOf, encodeTagged, encodeWith } from '../codec.js';
import { type BuiltConflict, buildConflict, type Refusal, refuse, unusable } from './conflict.js';
import { conversationOf } from '../conversation.js';
import type { EventData, EventMetadata } from '../event.js';
import { derivedId } from '../ids.js';
import { deepFreeze, deepFreezeWith, hashOf, type Json } from '../json.js';
import type { AnyEvent, Conflict, MergeAnswer, ReleasedMessage } from '../merge/merge.js';
import { decideFates, leavesBefore, planCompensations, sortEvents } from './merge-fates.js';
import { cancelRepeatedKeys, completedRecord, encodeMessages, type Instance } from './reacting.js';
import { type AnyTimeout, type MergedInfo, type Reaction, recordTypes, type Saga } from './saga.js';
import type { SagaLog } from './saga-log.js';
import type { PendingBranch } from './saga-view.js';
import { type SagaMergedRecord, type SagaMergeRefusedRecord, withHeader } from './saga-records.js';
import { encodeWishes, mergeWishes } from './saga-timeouts.js';
import type { StreamVersion } from '../stream.js';

interface Computed {
  /** The version it was computed on. The log may move on before the append: the append must be at exactly this one. */
  readonly version: StreamVersion;
  readonly branchIds: ReadonlyArray<string>;
  readonly events: ReadonlyArray<EventData>;
}

/** What the merge of pending branches comes to. */
export type Resolution =
  | (Computed & { readonly _tag: 'Merged'; readonly mergeId: string })
  | (Computed & { readonly _tag: 'Refused'; readonly reason: string; readonly paths: ReadonlyArray<string> })
  /** The state at this base is no longer remembered: fold the stream anew, keeping all states. */
  | { readonly _tag: 'BaseForgotten'; readonly base: number };

interface Answered<S, Ev extends AnyEvent> {
  readonly answer: MergeAnswer<S, Ev>;
  readonly state: Json;
}

/** Asks the merger; a throw, a refusal and a state that cannot be stored are all refusals. */
const ask = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  conflict: Conflict<S, Ev>,
): E.Either<Refusal, Answered<S, Ev>> => {
  if (saga.merger === undefined)
    return refuse('refused', `saga ${saga.name} has no merger, yet its stream holds branches`);
  try {
    const merged = saga.merger.merge(conflict);
    if (E.isLeft(merged)) return E.left({ cause: 'refused', refused: merged.left });
    const answer = merged.right;
    const isTurnedAway = conflict.completed && answer.late === 'reject';
    const state = encodeWith(
      `${saga.name} state`,
      saga.state,
      isTurnedAway ? conflict.current : answer.state,
    );
    return E.isLeft(state) ? E.left(unusable(state.left)) : E.right({ answer, state: state.right });
  } catch (thrown) {
    return refuse('threw', `the merger threw: ${thrownMessage(thrown)}`);
  }
};

/** Asks twice where that is wanted: a merger that answers differently uses a clock, random numbers or a global. */
const askTwice = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  conflict: Conflict<S, Ev>,
  checkDeterminism: boolean,
): E.Either<Refusal, Answered<S, Ev>> => {
  const first = ask(saga, conflict);
  if (!checkDeterminism || E.isLeft(first)) return first;
  const second = ask(saga, conflict);
  const isSame = E.isRight(second) && hashOf(second.right.state) === hashOf(first.right.state);
  return isSame
    ? first
    : refuse(
        'notDeterministic',
        'the merger answered the same conflict differently the second time; it must be a pure function',
      );
};

interface Finished {
  readonly record: SagaMergedRecord;
  readonly accepted: ReadonlyArray<EventData>;
  readonly after: ReadonlyArray<EventData>;
  readonly conversation: EventMetadata;
  readonly completes: boolean;
}

const defaultOnMerged = <S, Ev extends AnyEvent>(info: MergedInfo<S, Ev>): Reaction<Ev, AnyEvent> => ({
  complete: info.conflict.branches.some((branch) => branch.completes),
});

const finishOf = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
): ((info: MergedInfo<S, Ev>) => Reaction<Ev, AnyEvent, AnyTimeout>) => saga.onMerged ?? defaultOnMerged;

const finish = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  built: BuiltConflict<S, Ev>,
  { answer, state }: Answered<S, Ev>,
): E.Either<Refusal, Finished> => {
  const { conflict, pending } = built;
  const branchIds = pending.map(({ branchId }) => branchId);
  const view = log.view();
  const late = conflict.completed ? (answer.late ?? 'absorb') : 'none';
  const epoch = late === 'reopen' ? view.epoch + 1 : view.epoch;
  const mergeId = derivedId(instance.tenant, instance.streamName, epoch, 'merge', ...branchIds);
  const fates = decideFates(saga, log, conflict, answer);
  if (E.isLeft(fates)) return fates;
  const standing = sortEvents(saga, built, answer, mergeId, epoch);
  if (E.isLeft(standing)) return standing;
  // What a codec writes is what later readers see: hooks are given that, not the merger's own object.
  const mergedState = codecOf(saga.state).decode(state);
  if (E.isLeft(mergedState))
    return refuse('unusable', 'the merged state does not decode with the codec that encoded it');
  const at = (log.version() + standing.right.events.length + 1) as ReleasedMessage['version'];
  const parts = {
    state: mergedState.right as S,
    mergeId,
    sagaId: instance.sagaId,
    epoch,
    conflict,
    completed: conflict.completed && late !== 'reopen',
  };
  const info: MergedInfo<S, Ev> = deepFreezeWith(parts, 'released', () => [
    ...(late === 'reopen' ? [] : conflict.released),
    ...fates.right.released.map((message) => deepFreeze({ ...message, version: at })),
  ]);
  const finishes = late !== 'reject' && pending.length === view.pending.length;
  const reaction: Reaction<Ev, AnyEvent, AnyTimeout> = finishes ? finishOf(saga)(info) : {};
  const sends = encodeMessages(saga, [mergeId], (reaction.send ?? []) as ReadonlyArray<AnyEvent>);
  if (E.isLeft(sends)) return E.left(unusable(sends.left));
  const wishes = encodeWishes(saga, [mergeId], reaction);
  if (E.isLeft(wishes)) return E.left(unusable(wishes.left));
  const timeouts = mergeWishes({ table: log.timeouts(), late }, pending, wishes.right);
  const compensations = planCompensations(saga, info);
  if (E.isLeft(compensations)) return compensations;
  const conversation = conversationOf(pending);
  const after = encodeAfter(saga, mergeId, epoch, reaction.events ?? [], conversation);
  if (E.isLeft(after)) return after;
  return E.right({
    record: {
      mergeId,
      epoch,
      resolves: branchIds,
      handled: pending.map(({ cause }) => cause.messageId),
      state,
      accepted: standing.right.accepted,
      rejected: standing.right.rejected,
      added: standing.right.added,
      messages: fates.right.fates,
      sends: cancelRepeatedKeys(sends.right, leavesBefore(log, late, fates.right)),
      compensations: compensations.right,
      ...(timeouts !== undefined && { timeouts }),
      late,
      mergerVersion: saga.mergerVersion,
      rule: answer.rule ?? saga.merger?.description ?? '',
      inputHash: hashOf([view.version, ...pending.map(({ branchId, baseHash }) => [branchId, baseHash])]),
    },
    accepted: standing.right.events,
    after: after.right,
    conversation,
    completes: reaction.complete === true && !info.completed,
  });
};

const encodeAfter = (
  saga: Saga,
  mergeId: string,
  epoch: number,
  events: ReadonlyArray<AnyEvent>,
  conversation: EventMetadata,
): E.Either<Refusal, ReadonlyArray<EventData>> => {
  const encoded: EventData[] = [];
  for (const [index, event] of events.entries()) {
    const one = encodeTagged(saga.events, event);
    if (E.isLeft(one)) return E.left(unusable(one.left));
    const metadata = withHeader({ ...conversation, causationId: mergeId }, { epoch, mergeId });
    encoded.push({ ...one.right, eventId: derivedId(mergeId, 'onMerged', index), metadata });
  }
  return E.right(encoded);
};

const refusedRecord = (
  saga: Saga,
  instance: Instance,
  branchIds: ReadonlyArray<string>,
  version: number,
  conversation: EventMetadata,
  { cause, refused }: Refusal,
): EventData => {
  const record: SagaMergeRefusedRecord = {
    branches: branchIds,
    reason: refused.reason,
    paths: refused.paths,
    cause,
    mergerVersion: saga.mergerVersion,
  };
  return {
    eventId: derivedId(instance.tenant, instance.streamName, 'refused', version, ...branchIds),
    type: recordTypes.sagaMergeRefused,
    schemaVersion: 1,
    data: record as unknown as Json,
    metadata: conversation,
  };
};

const mergedEvents = (
  instance: Instance,
  { record, accepted, after, conversation, completes }: Finished,
): ReadonlyArray<EventData> => {
  const header = { epoch: record.epoch, mergeId: record.mergeId };
  const merged: EventData = {
    eventId: record.mergeId,
    type: recordTypes.sagaMerged,
    schemaVersion: 1,
    data: record as unknown as Json,
    metadata: withHeader(conversation, header),
  };
  const completed = completes
    ? [
        completedRecord(
          instance,
          record.epoch,
          withHeader({ ...conversation, causationId: record.mergeId }, header),
        ),
      ]
    : [];
  return [...accepted, merged, ...after, ...completed];
};

const attempt = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  pending: ReadonlyArray<PendingBranch>,
  checkDeterminism: boolean,
): E.Either<Refusal, Finished> => {
  try {
    const built = buildConflict(saga, log, pending);
    if (E.isLeft(built)) return built;
    const answered = askTwice(saga, built.right.conflict, checkDeterminism);
    return E.isLeft(answered) ? answered : finish(saga, instance, log, built.right, answered.right);
  } catch (thrown) {
    // A bug of the saga's must not keep the saga from being seen as parked.
    return refuse(
      'threw',
      `evolve, onMerged, compensate or the rule for held messages threw: ${thrownMessage(thrown)}`,
    );
  }
};

export interface ResolveOptions {
  /**
   * Only these of the branches that wait, where one append cannot hold them all. Until the others are merged too, the versions still
   * disagree: `onMerged` is not asked, and the saga does not complete. Default: all.
   */
  readonly branchIds?: ReadonlyArray<string> | undefined;
  /** Ask the merger twice, and refuse where the answers differ. Default false. */
  readonly checkDeterminism?: boolean;
  /** Breaks off what takes longer than `ms` milliseconds; then the merge is refused. Default: no limit. */
  readonly timeLimit?:
    | { readonly ms: number; readonly run: <A>(compute: () => A) => { readonly value: A } | undefined }
    | undefined;
}

const tookTooLong = (ms = 0): string =>
  `the merge took longer than ${ms} ms; a merger is a small calculation, without loops that may not end`;

/** The branches to be merged first where one append cannot hold all: those that complete the saga last, so that the last merge sees one. */
export const firstBranches = (pending: ReadonlyArray<PendingBranch>, count: number): ReadonlyArray<string> =>
  [...pending]
    .sort((a, b) => Number(a.completes) - Number(b.completes))
    .slice(0, count)
    .map(({ branchId }) => branchId);

/** Merges branches that wait on the log's view. The events of the answer are one append at exactly that view's version. */
export const resolvePending = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  { branchIds: wanted, checkDeterminism = false, timeLimit }: ResolveOptions = {},
): Resolution => {
  const { pending: all, version } = log.view();
  const only = wanted && new Set(wanted);
  const pending = only === undefined ? all : all.filter(({ branchId }) => only.has(branchId));
  const forgotten = pending.find(({ base }) => log.stateAt(base) === undefined);
  if (forgotten !== undefined) return { _tag: 'BaseForgotten', base: forgotten.base };
  const branchIds = pending.map(({ branchId }) => branchId);
  const compute = (): E.Either<Refusal, Finished> => attempt(saga, instance, log, pending, checkDeterminism);
  const inTime = timeLimit === undefined ? { value: compute() } : timeLimit.run(compute);
  const finished = inTime?.value ?? refuse('tookTooLong', tookTooLong(timeLimit?.ms));
  if (E.isLeft(finished)) {
    const { reason, paths } = finished.left.refused;
    return {
      _tag: 'Refused',
      version,
      branchIds,
      reason,
      paths,
      events: [refusedRecord(saga, instance, branchIds, version, conversationOf(pending), finished.left)],
    };
  }
  return {
    _tag: 'Merged',
    version,
    mergeId: finished.right.record.mergeId,
    branchIds,
    events: mergedEvents(instance, finished.right),
  };
};
