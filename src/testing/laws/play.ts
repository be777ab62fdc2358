/** A saga's trunk and the branches that have left it, merged by the engine itself in any order and grouping. */
import * as E from 'fp-ts/lib/Either.js';
import { type BuiltConflict, buildConflict } from '../../core/saga/conflict.js';
import type { EventData } from '../../core/event.js';
import { taggedError } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import {
  branchRecord,
  type Decision,
  type Instance,
  instanceOf,
  stateHash,
} from '../../core/saga/reacting.js';
import { resolvePending } from '../../core/saga/resolving.js';
import { recordTypes, type Saga } from '../../core/saga/saga.js';
import { type SagaLog, sagaLog } from '../../core/saga/saga-log.js';
import type { SagaMergedRecord, SagaMergeRefusedRecord } from '../../core/saga/saga-records.js';
import type { LogEvent, SagaView } from '../../core/saga/saga-view.js';
import { defaultTenant } from '../../core/stream.js';

/** A message or event, and how many steps of the trunk its writer has not seen. */
export interface Step {
  readonly type: string;
  readonly data: unknown;
  readonly behind: number;
}

/** One of a saga, before anything has happened to it; nothing is written anywhere. */
export const instanceOfCheck = (saga: Saga): Instance => instanceOf(saga, defaultTenant, 'checked');

/** Work that has left the trunk. */
export interface Fork {
  /** What was handled, and its place among the branches; 1 is the first. */
  readonly step: Step;
  readonly place: number;
  readonly stage: number;
  readonly base: SagaView;
  readonly decision: Decision;
  readonly record: EventData;
  /** The branch's tip. */
  readonly state: unknown;
  /** The engine would have made no branch of it: it commutes with what the trunk did since. */
  readonly commutes: boolean;
}

export interface TrunkStep {
  /** The stream's version after it. */
  readonly version: number;
  readonly step: Step;
  /** It was a branch from this version, and was merged. */
  readonly mergedFrom: number | undefined;
}

export interface Track {
  readonly saga: Saga;
  readonly records: ReadonlyArray<LogEvent>;
  readonly steps: ReadonlyArray<TrunkStep>;
  readonly tip: SagaView;
  readonly forks: ReadonlyArray<Fork>;
}

export const append = (
  saga: Saga,
  log: SagaLog,
  events: ReadonlyArray<EventData>,
): ReadonlyArray<LogEvent> => {
  const { streamName } = instanceOfCheck(saga);
  const before = log.version();
  const recorded = events.map((event, index) => ({
    ...event,
    streamName,
    version: (before + index + 1) as LogEvent['version'],
  }));
  const advanced = log.advance(recorded);
  if (E.isLeft(advanced)) throw taggedError(advanced.left);
  return recorded;
};

export const logOf = (saga: Saga, records: ReadonlyArray<LogEvent>): SagaLog => {
  const log = sagaLog(saga) as SagaLog;
  append(saga, log, records);
  return log;
};

export const isStorable = (saga: Saga, state: unknown): boolean => E.isRight(stateHash(saga, state));

/** The branch that a fork would be if its writer had decided nothing. */
export const emptied = ({ saga }: Track, fork: Fork): Fork => {
  const decision = { ...fork.decision, events: [], messages: [], completes: false };
  const record = branchRecord(saga, instanceOfCheck(saga), fork.base, decision);
  if (E.isLeft(record)) throw taggedError(record.left);
  return { ...fork, decision, record: record.right, state: fork.base.state };
};

/** The trunk as it was when the fork left it, with that fork alone. */
export const unmoved = (track: Track, fork: Fork): Track => ({
  ...track,
  records: track.records.slice(0, fork.base.version),
  steps: track.steps.filter(({ version }) => version <= fork.base.version),
  tip: fork.base,
  forks: [fork],
});

/** What the saga is once its branches are merged; or why they are not. */
export type Played =
  | {
      readonly kind: 'merged';
      readonly state: unknown;
      /** A branch came after completion, and was turned away or opened the saga again: then the order matters by intent. */
      readonly isLate: boolean;
    }
  | {
      readonly kind: 'refused';
      readonly cause: SagaMergeRefusedRecord['cause'];
      readonly reason: string;
    };

/** Merges group by group, as the engine does: branch records, then one append that merges them and finishes by `onMerged`. */
export const play = ({ saga, records }: Track, groups: ReadonlyArray<ReadonlyArray<Fork>>): Played => {
  const log = logOf(saga, records);
  let isLate = false;
  for (const group of groups) {
    append(
      saga,
      log,
      group.map(({ record }) => record),
    );
    const merged = resolvePending(saga, instanceOfCheck(saga), log);
    if (merged._tag === 'BaseForgotten') throw new Error('checkMerger: a base was forgotten');
    if (merged._tag === 'Refused') {
      const { cause } = merged.events[0]?.data as unknown as SagaMergeRefusedRecord;
      return { kind: 'refused', cause, reason: merged.reason };
    }
    append(saga, log, merged.events);
    const record = merged.events.find(({ type }) => type === recordTypes.sagaMerged);
    const { late } = record?.data as unknown as SagaMergedRecord;
    isLate ||= late === 'reject' || late === 'reopen';
  }
  return { kind: 'merged', state: log.view().state, isLate };
};

/** The very conflict that the merger would be given, frozen and sorted; `undefined` where it would not be asked. */
export const conflictOf = ({ saga, records, forks }: Track): BuiltConflict<unknown, AnyEvent> | undefined => {
  if (forks.length === 0) return undefined;
  const log = logOf(saga, records);
  append(
    saga,
    log,
    forks.map(({ record }) => record),
  );
  const built = buildConflict<unknown, AnyEvent>(saga, log, log.view().pending);
  return E.isLeft(built) ? undefined : built.right;
};
