/** The merge of a saga's pending branches as one append: pure, cheap, and thrown away when somebody else was first. */
import * as E from 'fp-ts/lib/Either.js';
import { thrownMessage } from '../fault.js';
import { codecOf, encodeTagged } from '../codec.js';
import { type Answered, type Asked, askedOf, askTwice } from './asking.js';
import { type Refusal, refuse, unusable } from './conflict.js';
import { conversationOf } from '../conversation.js';
import type { EventData, EventMetadata } from '../event.js';
import { derivedId } from '../ids.js';
import { deepFreeze, deepFreezeWith, hashOf, type Json } from '../json.js';
import type { AnyEvent, ReleasedMessage } from '../merge/merge.js';
import { decideFates, leavesBefore, planCompensations, sortEvents } from './merge-fates.js';
import { cancelRepeatedKeys, completedRecord, encodeMessages, type Instance } from './reacting.js';
import { type AnyTimeout, type MergedInfo, type Reaction, recordTypes, type Saga } from './saga.js';
import type { SagaLog } from './saga-log.js';
import type { PartlyMerged, PendingBranch } from './saga-view.js';
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

const followUp = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  info: MergedInfo<S, Ev>,
  wasTurnedAway: boolean,
): Reaction<Ev, AnyEvent, AnyTimeout> => (wasTurnedAway ? {} : (saga.onMerged ?? defaultOnMerged)(info));

const finish = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  { built, whole }: Asked<S, Ev>,
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
    conflict: whole ?? conflict,
    completed: conflict.completed && late !== 'reopen',
  };
  const info: MergedInfo<S, Ev> = deepFreezeWith(parts, 'released', () => [
    ...(late === 'reopen' ? [] : conflict.released),
    ...fates.right.released.map((message) => deepFreeze({ ...message, version: at })),
  ]);
  const wasTurnedAway = late === 'reject' && (log.partlyMerged()?.rejected ?? true);
  const reaction = whole === undefined ? {} : followUp(saga, info, wasTurnedAway);
  const sends = encodeMessages(saga, [mergeId], (reaction.send ?? []) as ReadonlyArray<AnyEvent>);
  if (E.isLeft(sends)) return E.left(unusable(sends.left));
  const wishes = encodeWishes(saga, [mergeId], reaction);
  if (E.isLeft(wishes)) return E.left(unusable(wishes.left));
  const timeouts = mergeWishes({ table: log.timeouts(), late }, pending, wishes.right);
  const compensations = whole === undefined ? E.right([]) : planCompensations(saga, info);
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
    const asked = askedOf(saga, log, pending);
    if (E.isLeft(asked)) return asked;
    const answered = askTwice(saga, asked.right.built.conflict, checkDeterminism);
    return E.isLeft(answered) ? answered : finish(saga, instance, log, asked.right, answered.right);
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
   * disagree: `onMerged` and `compensate` are not asked, and the saga does not complete. Default: all.
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

/** Versions whose states the merge needs. */
const versionsNeeded = (
  pending: ReadonlyArray<PendingBranch>,
  partly: PartlyMerged | undefined,
): ReadonlyArray<number> => [
  ...[...pending, ...(partly?.branches ?? [])].map(({ base }) => base),
  ...(partly === undefined ? [] : [partly.version]),
];

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
  const forgotten = versionsNeeded(pending, log.partlyMerged()).find(
    (base) => log.stateAt(base) === undefined,
  );
  if (forgotten !== undefined) return { _tag: 'BaseForgotten', base: forgotten };
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
