/**
 * Watches the appends to one saga's stream and holds them against the promises: a reading of the records that shares
 * nothing with the engine's fold, so that the two can be compared.
 */
import type { EventData } from '../../core/event.js';
import { hashOf, type Json } from '../../core/json.js';
import { recordTypes } from '../../core/saga/saga.js';
import type {
  CompensationFailedRecord,
  MergeSagaStateRecord,
  OutgoingRecord,
  SagaHeader,
  SagaMergedRecord,
} from '../../core/saga/saga-records.js';
import { brokenPromise, must } from './promises.js';
import { type TimeoutWatch, watchTimeouts } from './timeout-watch.js';

export interface ReleasedAt {
  readonly version: number;
  readonly epoch: number;
  readonly key: string | undefined;
}

export interface WatchedCompensation {
  failures: number;
  appliedAt: number | undefined;
  isParked: boolean;
}

export interface StreamWatch {
  /** Holds the records of one append against the promises; `before` is the stream's version before it. Answers what is broken. */
  readonly appended: (events: ReadonlyArray<EventData>, before: number) => string | undefined;
  readonly version: () => number;
  readonly epoch: () => number;
  readonly isCompleted: () => boolean;
  readonly completions: () => number;
  /** Branches that are not void and not merged, by id. */
  readonly pending: ReadonlyMap<string, MergeSagaStateRecord>;
  /** Where a message's effect stands: on the trunk or in a merge. */
  readonly handledAt: ReadonlyMap<string, number>;
  /** Whether a message's effect is on the stream, or waits in a branch. */
  readonly holds: (messageId: string) => boolean;
  readonly released: ReadonlyMap<string, ReleasedAt>;
  readonly compensations: ReadonlyMap<string, WatchedCompensation>;
  readonly knowsBranch: (branchId: string) => boolean;
  readonly timeouts: Pick<TimeoutWatch, 'all' | 'waiting'>;
}

const headerOf = (event: EventData): Partial<SagaHeader> =>
  (event.metadata.headers?.['saga'] ?? {}) as Partial<SagaHeader>;

/** The records of an append, by the decisions they are of; each branch is one. */
const byDecision = (events: ReadonlyArray<EventData>): ReadonlyArray<ReadonlyArray<EventData>> => {
  const parts: EventData[][] = [];
  for (const event of events) {
    const part = parts.at(-1);
    const last = part?.at(-1);
    const isSame =
      event.type !== recordTypes.mergeSagaState &&
      last?.type !== recordTypes.mergeSagaState &&
      event.metadata.causationId === last?.metadata.causationId;
    if (part !== undefined && isSame) part.push(event);
    else parts.push([event]);
  }
  return parts;
};

const short = (id: string): string => (id.length > 12 ? id.slice(0, 8) : id);

/** `now` is the clock that timeouts are due by. */
export const watchStream = (now: () => number = () => 0): StreamWatch => {
  const timeouts = watchTimeouts(now);
  const pending = new Map<string, MergeSagaStateRecord>();
  const branchIds = new Set<string>();
  const eventIds = new Set<string>();
  const handledAt = new Map<string, number>();
  const released = new Map<string, ReleasedAt>();
  const compensations = new Map<string, WatchedCompensation>();
  let keys = new Set<string>();
  let version = 0;
  let epoch = 1;
  let isCompleted = false;
  let completions = 0;

  const handle = (messageId: string, at: number): void => {
    must(!handledAt.has(messageId), () => `message ${messageId} took effect twice`);
    handledAt.set(messageId, at);
    timeouts.handled(messageId, at);
  };

  const release = (message: OutgoingRecord, at: number): void => {
    if (message.cancelled !== undefined) return;
    must(!released.has(message.id), () => `message ${short(message.id)} was released twice`);
    released.set(message.id, { version: at, epoch, key: message.key });
    if (message.key === undefined) return;
    const { key } = message;
    must(!keys.has(key), () => `a second message of the key ${key} was released in epoch ${epoch}`);
    keys.add(key);
  };

  const complete = (event: EventData): void => {
    const of = (event.data as { epoch: number }).epoch;
    must(of === epoch, () => `epoch ${of} was completed in epoch ${epoch}`);
    must(!isCompleted, () => `epoch ${epoch} was completed twice`);
    must(pending.size === 0, () => `the saga completed while ${pending.size} branches waited`);
    isCompleted = true;
    completions += 1;
  };

  const onTrunk = (events: ReadonlyArray<EventData>, before: number): void => {
    const messageId = events[0]?.metadata.causationId ?? '';
    must(!isCompleted, () => `message ${messageId} went onto the trunk after completion`);
    for (const [index, event] of events.entries()) {
      must(event.metadata.causationId === messageId, () => 'an append to the trunk of two messages');
      must(headerOf(event).epoch === epoch, () => `an event of another epoch than ${epoch} on the trunk`);
      for (const message of headerOf(event).sends ?? []) release(message, before + index + 1);
    }
    handle(messageId, before + events.length);
    for (const [index, event] of events.entries()) timeouts.said(headerOf(event), before + index + 1, epoch);
    for (const [id, branch] of pending) if (branch.cause.messageId === messageId) pending.delete(id);
    const last = events[events.length - 1];
    if (last?.type === recordTypes.sagaCompleted) complete(last);
  };

  const onBranch = (branch: MergeSagaStateRecord, before: number): void => {
    must(branch.base <= before, () => `branch ${short(branch.branchId)} began in the future`);
    const isWaiting = [...pending.values()].some(({ cause }) => cause.messageId === branch.cause.messageId);
    const isVoid = branchIds.has(branch.branchId) || handledAt.has(branch.cause.messageId) || isWaiting;
    branchIds.add(branch.branchId);
    if (!isVoid) pending.set(branch.branchId, branch);
  };

  /** One decision, or several that were ready at the same time. */
  const onDecisions = (events: ReadonlyArray<EventData>, before: number): void => {
    const parts = byDecision(events);
    const isBranch = parts.map(([event]) => event?.type === recordTypes.mergeSagaState);
    must(
      !isBranch.some((is, index) => is && isBranch[index + 1] === false),
      () => 'an append holds a branch before what is on the trunk',
    );
    must(
      parts.length === 1 || events.every(({ type }) => type !== recordTypes.sagaCompleted),
      () => 'the saga completed beside decisions that nobody had seen',
    );
    let at = before;
    for (const [index, part] of parts.entries()) {
      if (isBranch[index] === true) onBranch(part[0]?.data as unknown as MergeSagaStateRecord, at);
      else onTrunk(part, at);
      at += part.length;
    }
  };

  const takeBranches = (merged: SagaMergedRecord, at: number): ReadonlyArray<MergeSagaStateRecord> => {
    const taken = merged.resolves.map((id) => {
      const branch = pending.get(id);
      must(branch !== undefined, () => `branch ${short(id)} was merged, and it does not wait`);
      pending.delete(id);
      return branch as MergeSagaStateRecord;
    });
    must(taken.length > 0, () => 'a merge of no branch');
    const order = taken.map(({ base, branchId }) => `${String(base).padStart(10, '0')} ${branchId}`);
    must(
      order.join() === [...order].sort().join(),
      () => 'a merge saw its branches in another order than by base and id',
    );
    const causes = taken.map(({ cause }) => cause.messageId);
    must(causes.join() === merged.handled.join(), () => 'a merge names other messages than its branches');
    for (const messageId of causes) handle(messageId, at);
    return taken;
  };

  const checkEvents = (
    merged: SagaMergedRecord,
    taken: ReadonlyArray<MergeSagaStateRecord>,
    accepted: ReadonlyArray<EventData>,
  ): void => {
    const all = taken.flatMap(({ branchId, events }) => events.map((_, index) => `${branchId}/${index}`));
    const said = [...merged.accepted, ...merged.rejected];
    must(said.length === all.length && all.every((id) => said.includes(id)), () => 'a merge forgot an event');
    const standing = accepted.filter((event) => headerOf(event).branchId !== undefined).length;
    must(standing === merged.accepted.length, () => 'a merge recorded other events than it accepted');
    must(accepted.length === standing + merged.added, () => 'a merge recorded other events than it added');
    must(
      merged.late !== 'reject' || accepted.length === 0,
      () => 'a branch was turned away and its events stand',
    );
  };

  const onMerge = (events: ReadonlyArray<EventData>, before: number): void => {
    const place = events.findIndex(({ type }) => type === recordTypes.sagaMerged);
    const merged = events[place]?.data as unknown as SagaMergedRecord;
    const at = before + place + 1;
    const taken = takeBranches(merged, at);
    const input = [before, ...taken.map(({ branchId, baseHash }) => [branchId, baseHash])];
    must(
      hashOf(input as Json) === merged.inputHash,
      () => `a merge stands at version ${before} that was computed on another`,
    );
    must(
      isCompleted === (merged.late !== 'none'),
      () => `a merge says ${merged.late} of a saga that has ${isCompleted ? '' : 'not '}completed`,
    );
    if (merged.late === 'reopen') {
      epoch += 1;
      isCompleted = false;
      keys = new Set();
    }
    must(merged.epoch === epoch, () => `a merge of epoch ${merged.epoch} in epoch ${epoch}`);
    checkEvents(merged, taken, events.slice(0, place));
    const held = taken.flatMap(({ branchId, messages }) =>
      messages.map((message) => [branchId, message] as const),
    );
    must(held.length === merged.messages.length, () => 'a merge forgot the fate of a held message');
    for (const fate of merged.messages) {
      const message = held.find(([branchId, { id }]) => branchId === fate.branchId && id === fate.id)?.[1];
      must(message !== undefined, () => `a merge decided on message ${short(fate.id)}, which was not held`);
      if (fate.fate === 'release') release(message as OutgoingRecord, at);
      if (fate.fate === 'replace') release(fate.replacement as OutgoingRecord, at);
    }
    for (const message of merged.sends) release(message, at);
    timeouts.merged(merged, taken, at, epoch);
    for (const { id } of merged.compensations) {
      must(!compensations.has(id), () => `compensation ${id} was planned twice`);
      compensations.set(id, { failures: 0, appliedAt: undefined, isParked: false });
    }
    const isFollowedUp =
      merged.sends.length > 0 || merged.compensations.length > 0 || place < events.length - 1;
    must(
      pending.size === 0 || !isFollowedUp,
      () => 'a merge was followed up while branches of it still waited',
    );
    const last = events[events.length - 1];
    if (last?.type === recordTypes.sagaCompleted) complete(last);
  };

  const onCompensation = (event: EventData, before: number): void => {
    const record = event.data as unknown as CompensationFailedRecord & {
      sends?: ReadonlyArray<OutgoingRecord>;
    };
    const planned = compensations.get(record.compensationId);
    must(planned !== undefined, () => `compensation ${record.compensationId} ran unplanned`);
    const known = planned as WatchedCompensation;
    must(!known.isParked, () => `compensation ${record.compensationId} ran on after it was parked`);
    must(
      known.appliedAt === undefined,
      () => `compensation ${record.compensationId} was recorded after its success`,
    );
    must(
      record.attempt === known.failures + 1,
      () =>
        `compensation ${record.compensationId}: attempt ${record.attempt} after ${known.failures} failures`,
    );
    if (event.type === recordTypes.compensationFailed) {
      known.failures += 1;
      known.isParked = record.parked;
      return;
    }
    known.appliedAt = before + 1;
    for (const message of record.sends ?? []) release(message, before + 1);
  };

  const sort = (events: ReadonlyArray<EventData>, before: number): void => {
    must(before === version, () => `an append at version ${before}, and the stream stood at ${version}`);
    version = before + events.length;
    for (const { eventId } of events) {
      must(!eventIds.has(eventId), () => `event ${short(eventId)} was recorded twice`);
      eventIds.add(eventId);
    }
    const first = events[0];
    if (first === undefined) return;
    if (events.some(({ type }) => type === recordTypes.sagaMerged)) return onMerge(events, before);
    if (first.type === recordTypes.compensationApplied || first.type === recordTypes.compensationFailed)
      return onCompensation(first, before);
    if (first.type === recordTypes.sagaTimeoutIgnored)
      return timeouts.ignored((first.data as { timeoutId: string }).timeoutId, version, epoch, isCompleted);
    if (first.type !== recordTypes.sagaMergeRefused) onDecisions(events, before);
  };

  return {
    appended: (events, before) => {
      try {
        sort(events, before);
        return undefined;
      } catch (thrown) {
        return brokenPromise(thrown);
      }
    },
    version: () => version,
    epoch: () => epoch,
    isCompleted: () => isCompleted,
    completions: () => completions,
    pending,
    handledAt,
    holds: (messageId) =>
      handledAt.has(messageId) || [...pending.values()].some(({ cause }) => cause.messageId === messageId),
    released,
    compensations,
    knowsBranch: (branchId) => branchIds.has(branchId),
    timeouts,
  };
};
