/**
 * Every conflict of a saga's stream, explained from the records alone: what the trunk did, what the branch did, which
 * rule decided, and what became of each message. Any store can be asked, with or without the saga's code.
 */
import type { RecordedEvent } from '../event.js';
import { type Draft, type Walk, walkThrough } from './explain-walk.js';
import type {
  BranchEvent,
  ConflictExplanation,
  ConflictOutcome,
  ExplainedCompensation,
  HeldMessage,
  HeldTimeout,
  SentMessage,
  TrunkChange,
} from './explanation.js';
import { fastForwards, passedOf } from './fast-forward.js';
import type { Decision } from './reacting.js';
import { recordTypes, reservedTypes, type Saga } from './saga.js';
import * as records from './saga-records.js';

const changeOf = (event: RecordedEvent, inTheWay?: boolean): TrunkChange => ({
  version: event.version,
  type: event.type,
  data: reservedTypes.has(event.type) ? null : event.data,
  message: records.headerOf(event.metadata)?.message,
  inTheWay,
});

const wishesOf = ({ timeouts, cancelTimeouts }: records.TimeoutWishes): records.TimeoutWishes => ({
  ...(timeouts && { timeouts }),
  ...(cancelTimeouts && { cancelTimeouts }),
});

const decisionOf = ({ branch }: Draft): Decision => {
  const { messageId, ...message } = branch.cause;
  const { epoch, events, messages, completes } = branch;
  const wishes = wishesOf(branch);
  return {
    messageId,
    messageType: message.type,
    message,
    epoch,
    events,
    messages,
    wishes,
    completes,
    metadata: {},
  };
};

const trunkOf = (walk: Walk, saga: Saga | undefined, draft: Draft): ReadonlyArray<TrunkChange> => {
  const until = draft.voided !== undefined ? draft.event.version : (draft.merge?.first ?? Infinity);
  const wanted = decisionOf(draft);
  const isInTheWay = (event: RecordedEvent): boolean | undefined => {
    if (event.version > draft.event.version) return false;
    return saga === undefined ? undefined : !fastForwards(saga, wanted, [passedOf(event)]);
  };
  return walk.trunk
    .filter(({ version }) => version > draft.branch.base && version < until)
    .map((event) => changeOf(event, isInTheWay(event)));
};

const eventsOf = ({ branch, merge, voided }: Draft): ReadonlyArray<BranchEvent> => {
  const accepted = new Set(merge?.record?.accepted ?? []);
  const fateOf = (index: number): BranchEvent['fate'] => {
    if (voided !== undefined) return 'void';
    if (merge === undefined) return 'waits';
    return accepted.has(`${branch.branchId}/${index}`) ? 'accepted' : 'rejected';
  };
  return branch.events.map(({ type, data }, index) => ({ type, data, fate: fateOf(index) }));
};

const heldOf = ({ branch, merge, voided }: Draft): ReadonlyArray<HeldMessage> =>
  branch.messages.map(({ id, type, data, key }) => {
    const told = merge?.record?.messages.find((fate) => fate.id === id && fate.branchId === branch.branchId);
    return {
      id,
      type,
      data,
      key,
      fate: told?.fate ?? (voided === undefined ? 'waits' : 'void'),
      by: told?.by ?? '',
      replacement: told?.replacement,
    };
  });

const timeoutsOf = ({ branch, merge, voided }: Draft): ReadonlyArray<HeldTimeout> =>
  (branch.timeouts ?? []).map(({ id, type, data, key, afterMs }) => {
    const told = merge?.record?.timeouts?.fates.find(
      (fate) => fate.id === id && fate.branchId === branch.branchId,
    );
    const fate = told?.fate ?? (voided === undefined ? 'waits' : 'void');
    return { id, type, data, key, afterMs, fate, by: told?.by ?? '' };
  });

const sentOf = (messages: ReadonlyArray<records.OutgoingRecord>): ReadonlyArray<SentMessage> =>
  messages.map(({ id, type, data, cancelled }) => ({ id, type, data, cancelled }));

const outcomeOf = (walk: Walk, saga: Saga | undefined, draft: Draft): ConflictOutcome => {
  if (draft.voided !== undefined) return { _tag: 'Void', ...draft.voided };
  const record = draft.merge?.record;
  if (draft.merge !== undefined && record !== undefined) {
    const { before, after, mergeId, version } = draft.merge;
    const { rule, mergerVersion, late } = record;
    const isAdded = (event: RecordedEvent): boolean =>
      records.headerOf(event.metadata)?.branchId === undefined;
    return {
      _tag: 'Merged',
      version,
      mergeId,
      rule,
      mergerVersion,
      together: record.resolves.length - 1,
      late,
      added: before.filter(isAdded).map((event) => changeOf(event)),
      after: after.filter(({ type }) => !reservedTypes.has(type)).map((event) => changeOf(event)),
      sends: sentOf(record.sends),
      timeouts: record.timeouts?.then.timeouts ?? [],
      cancelTimeouts: record.timeouts?.then.cancelTimeouts ?? [],
      completes: after.some(({ type }) => type === recordTypes.sagaCompleted),
    };
  }
  if (walk.parked === undefined) return { _tag: 'Pending' };
  const willRetry = saga === undefined ? undefined : saga.mergerVersion !== walk.parked.mergerVersion;
  return { _tag: 'Parked', refusal: walk.parked, willRetry };
};

const compensationsOf = (walk: Walk, { merge }: Draft): ReadonlyArray<ExplainedCompensation> =>
  (merge?.record?.compensations ?? []).map(({ id, hook, data, of }) => {
    const told = walk.compensations.get(id);
    const message = of === undefined ? undefined : walk.messages.get(of);
    return {
      id,
      hook,
      data,
      of: message && { id: message.id, type: message.type, data: message.data },
      fate: told?.fate ?? 'planned',
      version: told?.version,
      attempts: told?.attempts ?? 0,
      error: told?.error,
      sends: sentOf(told?.sends ?? []),
    };
  });

/**
 * One explanation for each `MergeSagaState` of a stream, in its order. `events` is the whole stream from version 1. With
 * the saga's code it is also known which of the trunk's events were in the way, and whether a refused merge will be tried
 * again. Streams of anything else have none.
 */
export const explainConflicts = (
  saga: Saga | undefined,
  events: ReadonlyArray<RecordedEvent>,
): ReadonlyArray<ConflictExplanation> => {
  const walk = walkThrough(events);
  return walk.drafts.map((draft) => {
    const { branchId, base, epoch, cause, completes } = draft.branch;
    const { messageId, type, data } = cause;
    return {
      tenant: draft.event.tenant,
      streamName: draft.event.streamName,
      branchId,
      version: draft.event.version,
      base,
      epoch,
      cause: { messageId, type, data },
      trunk: trunkOf(walk, saga, draft),
      events: eventsOf(draft),
      messages: heldOf(draft),
      timeouts: timeoutsOf(draft),
      cancelTimeouts: draft.branch.cancelTimeouts ?? [],
      completes,
      outcome: outcomeOf(walk, saga, draft),
      refusals: draft.refusals,
      compensations: compensationsOf(walk, draft),
    };
  });
};
