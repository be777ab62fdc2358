/** Walks through a saga's stream and gathers what its conflicts are explained from; needs no saga's code. */
import type { RecordedEvent } from '../event.js';
import type { Refusal } from './explanation.js';
import type { OutgoingMessage } from '../merge/merge.js';
import { recordTypes, reservedTypes } from './saga.js';
import * as records from './saga-records.js';
import type { StreamVersion } from '../stream.js';

/** A `MergeSagaState` and what the records after it say of it. */
export interface Draft {
  readonly event: RecordedEvent;
  readonly branch: records.MergeSagaStateRecord;
  readonly refusals: Refusal[];
  merge: Merge | undefined;
  voided: { readonly why: 'onTrunk' | 'repeat'; readonly version: StreamVersion } | undefined;
}

export interface Merge {
  readonly mergeId: string;
  record: records.SagaMergedRecord | undefined;
  version: StreamVersion;
  /** Version of the first record of its append. */
  first: StreamVersion;
  readonly before: RecordedEvent[];
  readonly after: RecordedEvent[];
}

interface Told {
  readonly version: StreamVersion;
  readonly attempts: number;
  readonly fate: 'applied' | 'failing' | 'parked';
  readonly error: string | undefined;
  readonly sends: ReadonlyArray<records.OutgoingRecord>;
}

/** What explanations need of a stream, gathered in one pass. It follows the same rules as the fold of `saga-log`. */
export interface Walk {
  readonly drafts: Draft[];
  readonly merges: Map<string, Merge>;
  /** Message id to the version where it was handled. */
  readonly handled: Map<string, StreamVersion>;
  readonly compensations: Map<string, Told>;
  readonly messages: Map<string, OutgoingMessage>;
  readonly trunk: RecordedEvent[];
  parked: Refusal | undefined;
}

const isWaiting = ({ merge, voided }: Draft): boolean => merge === undefined && voided === undefined;

const mergeOf = (walk: Walk, mergeId: string, version: StreamVersion): Merge => {
  const known = walk.merges.get(mergeId);
  if (known !== undefined) return known;
  const fresh: Merge = { mergeId, record: undefined, version, first: version, before: [], after: [] };
  walk.merges.set(mergeId, fresh);
  return fresh;
};

const handle = (walk: Walk, event: RecordedEvent): void => {
  const messageId = event.metadata.causationId;
  if (messageId === undefined) return;
  walk.handled.set(messageId, walk.handled.get(messageId) ?? event.version);
  for (const draft of walk.drafts)
    if (isWaiting(draft) && draft.branch.cause.messageId === messageId)
      draft.voided = { why: 'onTrunk', version: event.version };
};

const onBranch = (walk: Walk, event: RecordedEvent, branch: records.MergeSagaStateRecord): void => {
  const twin = walk.drafts.find(
    (other) =>
      (other.branch.branchId === branch.branchId && other.voided === undefined) ||
      (isWaiting(other) && other.branch.cause.messageId === branch.cause.messageId),
  );
  const onTrunk = walk.handled.get(branch.cause.messageId);
  const voided: Draft['voided'] =
    twin !== undefined
      ? { why: 'repeat', version: twin.event.version }
      : onTrunk !== undefined
        ? { why: 'onTrunk', version: onTrunk }
        : undefined;
  walk.drafts.push({ event, branch, refusals: [], merge: undefined, voided });
  for (const message of branch.messages) walk.messages.set(message.id, message);
  if (voided === undefined) walk.parked = undefined;
};

const onMerged = (walk: Walk, event: RecordedEvent, record: records.SagaMergedRecord): void => {
  const merge = mergeOf(walk, record.mergeId, event.version);
  merge.record = record;
  merge.version = event.version;
  const resolved = new Set(record.resolves);
  for (const draft of walk.drafts)
    if (isWaiting(draft) && resolved.has(draft.branch.branchId)) draft.merge = merge;
  for (const messageId of record.handled)
    walk.handled.set(messageId, walk.handled.get(messageId) ?? event.version);
  walk.parked = undefined;
  for (const message of record.sends) walk.messages.set(message.id, message);
  for (const { replacement } of record.messages)
    if (replacement !== undefined) walk.messages.set(replacement.id, replacement);
};

const onRefused = (walk: Walk, event: RecordedEvent, record: records.SagaMergeRefusedRecord): void => {
  const refusal: Refusal = { ...record, version: event.version };
  walk.parked = refusal;
  const branches = new Set(record.branches);
  for (const draft of walk.drafts)
    if (isWaiting(draft) && branches.has(draft.branch.branchId)) draft.refusals.push(refusal);
};

const onTrunkEvent = (walk: Walk, event: RecordedEvent): void => {
  const header = records.headerOf(event.metadata);
  for (const message of header?.sends ?? []) walk.messages.set(message.id, message);
  if (event.type !== recordTypes.sagaMessageHandled) walk.trunk.push(event);
  if (header?.mergeId === undefined) {
    if (event.type !== recordTypes.sagaCompleted) handle(walk, event);
    return;
  }
  const merge = mergeOf(walk, header.mergeId, event.version);
  (merge.record === undefined ? merge.before : merge.after).push(event);
};

const step = (walk: Walk, event: RecordedEvent): void => {
  const { data, version } = event;
  if (event.type === recordTypes.mergeSagaState && records.mergeSagaState.is(data))
    onBranch(walk, event, data);
  else if (event.type === recordTypes.sagaMerged && records.sagaMerged.is(data)) {
    onMerged(walk, event, data);
    walk.trunk.push(event);
  } else if (event.type === recordTypes.sagaMergeRefused && records.sagaMergeRefused.is(data))
    onRefused(walk, event, data);
  else if (event.type === recordTypes.compensationApplied && records.compensationApplied.is(data)) {
    const { attempt: attempts, sends } = data;
    walk.compensations.set(data.compensationId, {
      version,
      attempts,
      fate: 'applied',
      error: undefined,
      sends,
    });
    for (const message of sends) walk.messages.set(message.id, message);
  } else if (event.type === recordTypes.compensationFailed && records.compensationFailed.is(data)) {
    const fate = data.parked ? 'parked' : 'failing';
    walk.compensations.set(data.compensationId, {
      version,
      attempts: data.attempt,
      fate,
      error: data.error,
      sends: [],
    });
  } else if (
    !reservedTypes.has(event.type) ||
    event.type === recordTypes.sagaMessageHandled ||
    event.type === recordTypes.sagaCompleted
  )
    onTrunkEvent(walk, event);
};

export const walkThrough = (events: ReadonlyArray<RecordedEvent>): Walk => {
  const walk: Walk = {
    drafts: [],
    merges: new Map(),
    handled: new Map(),
    compensations: new Map(),
    messages: new Map(),
    trunk: [],
    parked: undefined,
  };
  for (const event of events) step(walk, event);
  return walk;
};
