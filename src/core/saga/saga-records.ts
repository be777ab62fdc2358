/** The records of a saga's stream besides its own events: their codecs, and what rides in the events' headers. */
import * as t from 'io-ts';
import type { EventMetadata } from '../event.js';
import type { Json, JsonObject } from '../json.js';
import type { OutgoingMessage } from '../merge/merge.js';

/** JSON as it came from a store: nothing to check. */
export const json = new t.Type<Json, Json, unknown>(
  'Json',
  (value): value is Json => value !== undefined,
  (value, context) => (value === undefined ? t.failure(value, context) : t.success(value as Json)),
  t.identity,
);

const strings = t.readonlyArray(t.string);
const encoded = t.readonly(t.type({ type: t.string, schemaVersion: t.number, data: json }));

/** A message decided with an event: released with the commit, or cancelled because its key has gone out already. */
const outgoing = t.readonly(
  t.intersection([
    t.type({ id: t.string, type: t.string, schemaVersion: t.number, data: json }),
    t.partial({ key: t.string, cancelled: t.string }),
  ]),
);

/** A message that the saga wants to be given later. */
const timeout = t.readonly(
  t.intersection([
    t.type({ id: t.string, type: t.string, schemaVersion: t.number, data: json, afterMs: t.number }),
    t.partial({ key: t.string }),
  ]),
);
export type TimeoutRecord = t.TypeOf<typeof timeout>;

/** What a handler asks for and cancels, as it rides in a header or in a branch; missing where there is none. */
const timeoutWishes = { timeouts: t.readonlyArray(timeout), cancelTimeouts: strings };
export interface TimeoutWishes {
  readonly timeouts?: ReadonlyArray<TimeoutRecord>;
  /** Keys. */
  readonly cancelTimeouts?: ReadonlyArray<string>;
}

export type OutgoingRecord = OutgoingMessage & {
  /** Why it does not leave; missing where it does. */
  readonly cancelled?: string;
};

/** A handler's append was refused: preserves the work, and is the request to merge. */
export const mergeSagaState = t.readonly(
  t.intersection([
    t.type({
      branchId: t.string,
      epoch: t.number,
      base: t.number,
      baseHash: t.string,
      events: t.readonlyArray(encoded),
      messages: t.readonlyArray(outgoing),
      completes: t.boolean,
      cause: t.readonly(t.type({ messageId: t.string, type: t.string, schemaVersion: t.number, data: json })),
    }),
    t.partial(timeoutWishes),
  ]),
);
export type MergeSagaStateRecord = t.TypeOf<typeof mergeSagaState>;

const messageFate = t.readonly(
  t.intersection([
    t.type({
      id: t.string,
      branchId: t.string,
      fate: t.union([t.literal('release'), t.literal('cancel'), t.literal('replace')]),
      by: t.string,
    }),
    t.partial({ replacement: outgoing }),
  ]),
);
export type MessageFate = t.TypeOf<typeof messageFate>;

const plannedCompensation = t.readonly(
  t.intersection([t.type({ id: t.string, hook: t.string, data: json }), t.partial({ of: t.string })]),
);
export type PlannedCompensation = t.TypeOf<typeof plannedCompensation>;

/** What becomes of the timeouts of a merge's branches, and which `onMerged` wants besides. */
const mergedTimeouts = t.readonly(
  t.type({
    fates: t.readonlyArray(
      t.readonly(
        t.type({
          id: t.string,
          branchId: t.string,
          fate: t.union([t.literal('release'), t.literal('cancel')]),
          by: t.string,
        }),
      ),
    ),
    /** Keys that branches cancelled: before what they asked for is released. */
    cancels: strings,
    /** What `onMerged` cancels and asks for, after that. */
    then: t.readonly(t.partial(timeoutWishes)),
  }),
);
export type MergedTimeouts = t.TypeOf<typeof mergedTimeouts>;

/** The merger answered. The merged state is stored: replay never calls a merger. */
export const sagaMerged = t.readonly(
  t.intersection([
    t.type({
      mergeId: t.string,
      epoch: t.number,
      /** The branches it answers, in the order in which the merger saw them. */
      resolves: strings,
      /** Ids of the messages whose handling those branches are. */
      handled: strings,
      state: json,
      /** Branch events that stand, and those that do not, as `<branchId>/<index>`. */
      accepted: strings,
      rejected: strings,
      /** How many events the merger added. */
      added: t.number,
      messages: t.readonlyArray(messageFate),
      /** What `onMerged` sends. */
      sends: t.readonlyArray(outgoing),
      compensations: t.readonlyArray(plannedCompensation),
      /** What was done with branches that came after completion; `none` where the saga had not completed. */
      late: t.union([t.literal('none'), t.literal('absorb'), t.literal('reopen'), t.literal('reject')]),
      mergerVersion: t.string,
      rule: t.string,
      /** Hash of what the merger was given. */
      inputHash: t.string,
    }),
    // Missing where neither a branch nor `onMerged` says anything of timeouts.
    t.partial({ timeouts: mergedTimeouts }),
  ]),
);
export type SagaMergedRecord = t.TypeOf<typeof sagaMerged>;

/** The merger said no, or threw. */
export const sagaMergeRefused = t.readonly(
  t.type({
    branches: strings,
    reason: t.string,
    paths: strings,
    cause: t.union([
      t.literal('refused'),
      t.literal('threw'),
      t.literal('tookTooLong'),
      t.literal('baseChanged'),
      t.literal('notDeterministic'),
      t.literal('unusable'),
    ]),
    mergerVersion: t.string,
  }),
);
export type SagaMergeRefusedRecord = t.TypeOf<typeof sagaMergeRefused>;

export const sagaCompleted = t.readonly(t.type({ epoch: t.number }));

/** A timeout came after its epoch was over: its handler did not run. Written once for each; changes no state. */
export const sagaTimeoutIgnored = t.readonly(
  t.type({ timeoutId: t.string, type: t.string, epoch: t.number }),
);

export const compensationApplied = t.readonly(
  t.type({
    compensationId: t.string,
    mergeId: t.string,
    hook: t.string,
    attempt: t.number,
    sends: t.readonlyArray(outgoing),
  }),
);
export const compensationFailed = t.readonly(
  t.type({
    compensationId: t.string,
    mergeId: t.string,
    hook: t.string,
    attempt: t.number,
    error: t.string,
    parked: t.boolean,
  }),
);
export type CompensationFailedRecord = t.TypeOf<typeof compensationFailed>;

/** What a saga's own events carry in `metadata.headers.saga`. */
export const sagaHeader = t.readonly(
  t.intersection([
    t.type({ epoch: t.number }),
    t.partial({
      /** Type of the message that was handled. */
      message: t.string,
      /** The message's outgoing messages, on the last record of its append. */
      sends: t.readonlyArray(outgoing),
      ...timeoutWishes,
      /** The branch that decided the event; missing where it was the trunk. */
      branchId: t.string,
      /** The merge that brought the event onto the trunk. */
      mergeId: t.string,
    }),
  ]),
);
export type SagaHeader = t.TypeOf<typeof sagaHeader>;

/** Most headers say only whose event it is; the codec is for those that carry more. */
const isShort = (header: Readonly<Record<string, unknown>>): boolean => {
  for (const key of Object.keys(header))
    if (
      key === 'epoch' ? typeof header[key] !== 'number' : key !== 'message' || typeof header[key] !== 'string'
    )
      return false;
  return Object.hasOwn(header, 'epoch');
};

/** The saga's part of an event's metadata; `undefined` on records that are none of its own. */
export const headerOf = (metadata: EventMetadata): SagaHeader | undefined => {
  const header = metadata.headers?.['saga'];
  if (typeof header !== 'object' || header === null) return undefined;
  return isShort(header as JsonObject) || sagaHeader.is(header)
    ? (header as unknown as SagaHeader)
    : undefined;
};

export const withHeader = (metadata: EventMetadata, header: SagaHeader): EventMetadata => ({
  ...metadata,
  headers: { ...metadata.headers, saga: header as unknown as JsonObject },
});
