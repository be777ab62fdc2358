/** The merge of a saga's pending branches as one append: pure, cheap, and thrown away when somebody else was first. */
import * as E from 'fp-ts/lib/Either.js';
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js';
import { codecOf, decodeTagged, encodeTagged, type EncodeFailed, encodeWith } from './codec.js';
import type { EventData } from './event.js';
import { derivedId } from './ids.js';
import { deepFreeze, hashOf, type Json, strictJson } from './json.js';
import {
  type AnyEvent,
  type Conflict,
  type ConflictBranch,
  type Fate,
  type MergeAnswer,
  mergeRefused,
  type MergeRefused,
  type OutgoingMessage,
  type ReleasedMessage,
} from './merge.js';
import { completedRecord, encodeMessages, type Instance, stateHash, thrownMessage } from './reacting.js';
import { type MergedInfo, type Reaction, recordTypes, type Saga } from './saga.js';
import type { PendingBranch, SagaLog } from './saga-log.js';
import {
  type MessageFate,
  type OutgoingRecord,
  type PlannedCompensation,
  type SagaMergedRecord,
  type SagaMergeRefusedRecord,
  withHeader,
} from './saga-records.js';
import type { StreamVersion } from './stream.js';

type RefusalCause = SagaMergeRefusedRecord['cause'];

interface Computed {
  /** The version it was computed on. The log may move on before the append: the append must be at exactly this one. */
  readonly version: StreamVersion;
  readonly branchIds: ReadonlyArray<string>;
  readonly events: ReadonlyArray<EventData>;
}

/** What the merge of all pending branches comes to. */
export type Resolution =
  | (Computed & { readonly _tag: 'Merged'; readonly mergeId: string })
  | (Computed & { readonly _tag: 'Refused'; readonly reason: string; readonly paths: ReadonlyArray<string> })
  /** The state at this base is no longer remembered: fold the stream anew, keeping all states. */
  | { readonly _tag: 'BaseForgotten'; readonly base: number };

interface Refusal {
  readonly cause: RefusalCause;
  readonly refused: MergeRefused;
}

const refuse = (
  cause: RefusalCause,
  reason: string,
  paths: ReadonlyArray<string> = [],
): E.Either<Refusal, never> => E.left({ cause, refused: mergeRefused(reason, paths) });

const unusable = (problem: EncodeFailed): Refusal => ({
  cause: 'unusable',
  refused: mergeRefused(problem.message),
});

interface Built<S, Ev extends AnyEvent> {
  readonly pending: ReadonlyArray<PendingBranch>;
  readonly conflict: Conflict<S, Ev>;
  /** Which branch event each event object of the conflict is. */
  readonly origin: ReadonlyMap<Ev, { readonly branch: PendingBranch; readonly index: number }>;
}

const buildBranch = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
  pending: PendingBranch,
  origin: Map<Ev, { readonly branch: PendingBranch; readonly index: number }>,
): E.Either<Refusal, ConflictBranch<S, Ev>> => {
  const base = (log.stateAt(pending.base) as { readonly state: S }).state;
  const hash = stateHash(saga, base);
  if (E.isLeft(hash)) return E.left(unusable(hash.left));
  if (hash.right !== pending.baseHash)
    return refuse(
      'baseChanged',
      `the state at version ${pending.base} is not what branch ${pending.branchId} began from: a codec or evolve has changed since`,
    );
  const events: Ev[] = [];
  let state = base;
  for (const [index, encoded] of pending.events.entries()) {
    const decoded = decodeTagged(saga.events, encoded);
    if (E.isLeft(decoded)) return refuse('unusable', decoded.left.message);
    const event = decoded.right as Ev;
    origin.set(event, { branch: pending, index });
    events.push(event);
    state = saga.evolve(state, event);
  }
  const { messageId, type, data } = pending.cause;
  return E.right({
    id: pending.branchId,
    baseVersion: pending.base as ConflictBranch<S, Ev>['baseVersion'],
    base,
    state,
    events,
    messages: pending.messages,
    cause: { messageId, type, data },
    completes: pending.completes,
    trunkEvents: log.trunkSince(pending.base),
  });
};

const build = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
): E.Either<Refusal, Built<S, Ev>> => {
  const view = log.view();
  const origin: Map<Ev, { readonly branch: PendingBranch; readonly index: number }> = new Map();
  const branches: Array<ConflictBranch<S, Ev>> = [];
  for (const pending of view.pending) {
    const branch = buildBranch(saga, log, pending, origin);
    if (E.isLeft(branch)) return branch;
    branches.push(branch.right);
  }
  const conflict: Conflict<S, Ev> = deepFreeze({
    current: view.state,
    branches: branches as unknown as ReadonlyNonEmptyArray<ConflictBranch<S, Ev>>,
    completed: view.completed,
    released: log.released(),
  });
  return E.right({ pending: view.pending, conflict, origin });
};

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

interface Fates {
  readonly fates: ReadonlyArray<MessageFate>;
  readonly released: ReadonlyArray<OutgoingMessage>;
}

const replacement = (
  saga: Saga,
  held: OutgoingMessage,
  fate: Exclude<Fate, string>,
): E.Either<Refusal, OutgoingRecord> => {
  const encoded = encodeMessages(saga, [held.id, 'replacement'], [fate.replaceWith]);
  return E.isLeft(encoded) ? E.left(unusable(encoded.left)) : E.right(encoded.right[0] as OutgoingRecord);
};

/** Decides for each held message: the merger's word first, then the rule of the key. */
const decideFates = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
  conflict: Conflict<S, Ev>,
  answer: MergeAnswer<S, Ev>,
): E.Either<Refusal, Fates> => {
  const fates: MessageFate[] = [];
  const released: OutgoingMessage[] = [];
  const isTurnedAway = conflict.completed && answer.late === 'reject';
  const isKeyUsed = (key: string | undefined): boolean =>
    key !== undefined &&
    ((answer.late !== 'reopen' && log.isSent(key)) || released.some((message) => message.key === key));
  for (const branch of conflict.branches)
    for (const held of branch.messages) {
      const at = { id: held.id, branchId: branch.id };
      const wanted = isTurnedAway ? 'cancel' : answer.messages?.(held, branch);
      const by = wanted === undefined ? 'rule' : 'merger';
      if (typeof wanted === 'object') {
        const other = replacement(saga, held, wanted);
        if (E.isLeft(other)) return other;
        if (isKeyUsed(other.right.key))
          fates.push({ ...at, fate: 'cancel', by: `its key ${String(other.right.key)} has left already` });
        else {
          fates.push({ ...at, fate: 'replace', by, replacement: other.right });
          released.push(other.right);
        }
      } else if (wanted === 'cancel') fates.push({ ...at, fate: 'cancel', by });
      else if (isKeyUsed(held.key))
        fates.push({ ...at, fate: 'cancel', by: `its key ${String(held.key)} has left already` });
      else {
        fates.push({ ...at, fate: 'release', by });
        released.push(held);
      }
    }
  return E.right({ fates, released });
};

/** In reverse order of release, and only for messages that have left; requests that name no message come first, last asked first. */
const planCompensations = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  info: MergedInfo<S, Ev>,
): E.Either<Refusal, ReadonlyArray<PlannedCompensation>> => {
  const requests = saga.compensate?.(info) ?? [];
  const order = new Map(info.released.map(({ id }, index) => [id, index]));
  const placed = requests
    .map((request, index) => ({
      request,
      index,
      place: request.of === undefined ? Infinity : (order.get(request.of) ?? -1),
    }))
    .filter(({ place }) => place >= 0)
    .sort((a, b) => (b.place === a.place ? b.index - a.index : b.place - a.place));
  const planned: PlannedCompensation[] = [];
  for (const [n, { request }] of placed.entries()) {
    if (!Object.hasOwn(saga.hooks, request.hook))
      return refuse('unusable', `compensate asks for the hook ${request.hook}, which the saga does not have`);
    const data = strictJson(request.data);
    if (E.isLeft(data))
      return refuse(
        'unusable',
        `data of the compensation ${request.hook}: ${data.left.path}: found ${data.left.found}`,
      );
    const id = `comp:${info.mergeId}:${request.hook}:${n}`;
    planned.push({
      id,
      hook: request.hook,
      data: data.right,
      ...(request.of !== undefined && { of: request.of }),
    });
  }
  return E.right(planned);
};

interface Finished {
  readonly record: SagaMergedRecord;
  readonly accepted: ReadonlyArray<EventData>;
  readonly after: ReadonlyArray<EventData>;
  readonly completes: boolean;
}

/** Sorts the events that stand: those of branches by identity, the rest is new. */
const sortEvents = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  built: Built<S, Ev>,
  answer: MergeAnswer<S, Ev>,
  mergeId: string,
  epoch: number,
) => {
  const all = built.conflict.branches.flatMap((branch) => branch.events);
  const isTurnedAway = built.conflict.completed && answer.late === 'reject';
  const standing = isTurnedAway ? [] : (answer.events ?? all);
  const accepted: string[] = [];
  const events: EventData[] = [];
  let added = 0;
  for (const event of standing) {
    const from = built.origin.get(event);
    const encoded =
      from === undefined
        ? encodeTagged(saga.events, event)
        : E.right(from.branch.events[from.index] as { type: string; schemaVersion: number; data: Json });
    if (E.isLeft(encoded)) return E.left(unusable(encoded.left));
    const eventId =
      from === undefined
        ? derivedId(mergeId, 'added', added)
        : derivedId(from.branch.branchId, 'event', from.index);
    const header = {
      epoch,
      mergeId,
      ...(from && { branchId: from.branch.branchId, message: from.branch.cause.type }),
    };
    const metadata = withHeader(
      { causationId: from === undefined ? mergeId : from.branch.cause.messageId },
      header,
    );
    if (from === undefined) added += 1;
    else accepted.push(`${from.branch.branchId}/${from.index}`);
    events.push({ ...encoded.right, eventId, metadata });
  }
  const standingIds = new Set(accepted);
  const rejected = built.pending
    .flatMap(({ branchId, events: own }) => own.map((_, index) => `${branchId}/${index}`))
    .filter((id) => !standingIds.has(id));
  return E.right({ events, accepted, rejected, added });
};

const defaultOnMerged = <S, Ev extends AnyEvent>(info: MergedInfo<S, Ev>): Reaction<Ev, AnyEvent> => ({
  complete: info.conflict.branches.some((branch) => branch.completes),
});

const finish = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  built: Built<S, Ev>,
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
  const before = late === 'reopen' ? [] : conflict.released;
  const info: MergedInfo<S, Ev> = deepFreeze({
    state: mergedState.right as S,
    mergeId,
    sagaId: instance.sagaId,
    epoch,
    conflict,
    released: [...before, ...fates.right.released.map((message) => ({ ...message, version: at }))],
    completed: conflict.completed && late !== 'reopen',
  });
  const reaction: Reaction<Ev, AnyEvent> = late === 'reject' ? {} : (saga.onMerged ?? defaultOnMerged)(info);
  const keys = new Set(info.released.map(({ key }) => key));
  const sends = encodeMessages(saga, [mergeId], (reaction.send ?? []) as ReadonlyArray<AnyEvent>);
  if (E.isLeft(sends)) return E.left(unusable(sends.left));
  const compensations = planCompensations(saga, info);
  if (E.isLeft(compensations)) return compensations;
  const after = encodeAfter(saga, mergeId, epoch, reaction.events ?? []);
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
      sends: cancelUsedKeys(sends.right, keys),
      compensations: compensations.right,
      late,
      mergerVersion: saga.mergerVersion,
      rule: answer.rule ?? saga.merger?.description ?? '',
      inputHash: hashOf([view.version, ...pending.map(({ branchId, baseHash }) => [branchId, baseHash])]),
    },
    accepted: standing.right.events,
    after: after.right,
    completes: reaction.complete === true && !info.completed,
  });
};

const cancelUsedKeys = (
  messages: ReadonlyArray<OutgoingRecord>,
  used: ReadonlySet<string | undefined>,
): ReadonlyArray<OutgoingRecord> => {
  const taken = new Set(used);
  return messages.map((message) => {
    const { key } = message;
    if (key !== undefined && taken.has(key))
      return { ...message, cancelled: `a message with the key ${key} has left already` };
    taken.add(key);
    return message;
  });
};

const encodeAfter = (
  saga: Saga,
  mergeId: string,
  epoch: number,
  events: ReadonlyArray<AnyEvent>,
): E.Either<Refusal, ReadonlyArray<EventData>> => {
  const encoded: EventData[] = [];
  for (const [index, event] of events.entries()) {
    const one = encodeTagged(saga.events, event);
    if (E.isLeft(one)) return E.left(unusable(one.left));
    const metadata = withHeader({ causationId: mergeId }, { epoch, mergeId });
    encoded.push({ ...one.right, eventId: derivedId(mergeId, 'onMerged', index), metadata });
  }
  return E.right(encoded);
};

const refusedRecord = (
  saga: Saga,
  instance: Instance,
  branchIds: ReadonlyArray<string>,
  version: number,
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
    metadata: {},
  };
};

const mergedEvents = (
  instance: Instance,
  { record, accepted, after, completes }: Finished,
): ReadonlyArray<EventData> => {
  const header = { epoch: record.epoch, mergeId: record.mergeId };
  const merged: EventData = {
    eventId: record.mergeId,
    type: recordTypes.sagaMerged,
    schemaVersion: 1,
    data: record as unknown as Json,
    metadata: withHeader({}, header),
  };
  const completed = completes
    ? [completedRecord(instance, record.epoch, withHeader({ causationId: record.mergeId }, header))]
    : [];
  return [...accepted, merged, ...after, ...completed];
};

const attempt = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  checkDeterminism: boolean,
): E.Either<Refusal, Finished> => {
  const built = build(saga, log);
  if (E.isLeft(built)) return built;
  const answered = askTwice(saga, built.right.conflict, checkDeterminism);
  if (E.isLeft(answered)) return answered;
  try {
    return finish(saga, instance, log, built.right, answered.right);
  } catch (thrown) {
    return refuse(
      'threw',
      `onMerged, compensate or the rule for held messages threw: ${thrownMessage(thrown)}`,
    );
  }
};

/** Merges all branches that wait on the log's view. The events of the answer are one append at exactly that view's version. */
export const resolvePending = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  options: { readonly checkDeterminism?: boolean } = {},
): Resolution => {
  const { pending, version } = log.view();
  const forgotten = pending.find(({ base }) => log.stateAt(base) === undefined);
  if (forgotten !== undefined) return { _tag: 'BaseForgotten', base: forgotten.base };
  const branchIds = pending.map(({ branchId }) => branchId);
  const finished = attempt(saga, instance, log, options.checkDeterminism ?? false);
  if (E.isLeft(finished)) {
    const { reason, paths } = finished.left.refused;
    return {
      _tag: 'Refused',
      version,
      branchIds,
      reason,
      paths,
      events: [refusedRecord(saga, instance, branchIds, version, finished.left)],
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
