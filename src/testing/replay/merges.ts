/** Asks today's merger what it would answer to each merge of a history. Nothing is written and the history is not changed. */
import { isJsonEqual, type Json, type JsonObject } from '../../core/json.js';
import { instanceOf } from '../../core/saga/reacting.js';
import { resolvePending } from '../../core/saga/resolving.js';
import { recordTypes, type Saga } from '../../core/saga/saga.js';
import { sagaLog } from '../../core/saga/saga-log.js';
import { headerOf, sagaMergeRefused, sagaMerged } from '../../core/saga/saga-records.js';
import type { LogEvent } from '../../core/saga/saga-view.js';
import { type EventData } from '../../core/event.js';
import { defaultTenant, type Tenant } from '../../core/stream.js';
import * as E from 'fp-ts/lib/Either.js';
import { textDiff } from './diff.js';

/** What today's merger says to a merge of then. */
export interface MergeCheck {
  readonly streamName: string;
  /** Version of the `SagaMerged` or `SagaMergeRefused`. */
  readonly version: number;
  /** How many branches there were. */
  readonly branches: number;
  readonly recorded: 'merged' | 'refused';
  /** `same`: it answers all of it alike. `refused`: it refuses, whatever was recorded; `reason` says why. */
  readonly verdict: 'same' | 'different' | 'refused';
  readonly reason: string | undefined;
  /** From the recorded answer to today's; empty where it is the same, or there is none. */
  readonly diff: string;
}

/** What a merge came to, without ids of its own, the merger's version and its words: those may change freely. */
const answerOf = (events: ReadonlyArray<EventData>): JsonObject | undefined => {
  const merged = events.find(({ type }) => type === recordTypes.sagaMerged);
  if (merged === undefined || !sagaMerged.is(merged.data)) return undefined;
  const { state, accepted, rejected, messages, sends, compensations, late } = merged.data;
  const at = events.indexOf(merged);
  const plain = (event: EventData): Json => ({ type: event.type, data: event.data });
  const isAdded = ({ metadata }: EventData): boolean => headerOf(metadata)?.branchId === undefined;
  const answer = {
    ...{ state, accepted, rejected, messages, sends, compensations, late },
    added: events.slice(0, at).filter(isAdded).map(plain),
    after: events.slice(at + 1).map(plain),
  };
  return JSON.parse(JSON.stringify(answer)) as JsonObject;
};

interface Append {
  readonly first: number;
  readonly last: number;
}

const mergeIdOf = (event: LogEvent | undefined): string | undefined =>
  event === undefined ? undefined : headerOf(event.metadata)?.mergeId;

/** The versions of the append that a `SagaMerged` stands in. */
const appendAround = (events: ReadonlyArray<LogEvent>, version: number): Append => {
  const mergeId = mergeIdOf(events[version - 1]);
  let [first, last] = [version, version];
  while (first > 1 && mergeId !== undefined && mergeIdOf(events[first - 2]) === mergeId) first -= 1;
  while (mergeId !== undefined && mergeIdOf(events[last]) === mergeId) last += 1;
  return { first, last };
};

type Asked = Pick<MergeCheck, 'verdict' | 'reason' | 'diff'>;

const compare = (recorded: JsonObject | undefined, now: JsonObject | undefined): Asked => {
  if (recorded === undefined || now === undefined)
    return {
      verdict: 'different',
      reason: recorded === undefined ? 'it was refused then, and is answered now' : undefined,
      diff: '',
    };
  return isJsonEqual(recorded, now)
    ? { verdict: 'same', reason: undefined, diff: '' }
    : { verdict: 'different', reason: undefined, diff: textDiff(recorded, now, ['recorded', 'today']) };
};

const branchesOf = ({ type, data }: LogEvent): ReadonlyArray<string> | undefined => {
  if (type === recordTypes.sagaMerged && sagaMerged.is(data)) return data.resolves;
  return type === recordTypes.sagaMergeRefused && sagaMergeRefused.is(data) ? data.branches : undefined;
};

/** `events` is one whole stream from version 1. Ends where today's code cannot fold it. */
export const checkMerges = (
  saga: Saga,
  events: ReadonlyArray<LogEvent & { readonly tenant?: string }>,
): ReadonlyArray<MergeCheck> => {
  const log = sagaLog(saga, Number.MAX_SAFE_INTEGER);
  const checks: MergeCheck[] = [];
  const advance = (to: number): boolean => {
    try {
      return E.isRight(log.advance(events.slice(log.version(), to)));
    } catch {
      return false;
    }
  };
  for (const event of events) {
    const branches = branchesOf(event);
    if (branches === undefined) continue;
    const isMerged = event.type === recordTypes.sagaMerged;
    const { first, last } = isMerged
      ? appendAround(events, event.version)
      : { first: event.version, last: event.version };
    if (!advance(first - 1)) break;
    const { streamName, tenant = defaultTenant, version } = event;
    const instance = instanceOf(saga, tenant as Tenant, streamName.slice(saga.name.length + 1));
    const resolution = resolvePending(saga, instance, log, { branchIds: branches });
    const recorded = isMerged ? answerOf(events.slice(first - 1, last)) : undefined;
    const asked: Asked =
      resolution._tag === 'Merged'
        ? compare(recorded, answerOf(resolution.events))
        : {
            verdict: 'refused',
            reason: resolution._tag === 'Refused' ? resolution.reason : 'a base is not known any more',
            diff: '',
          };
    checks.push({
      streamName,
      version,
      branches: branches.length,
      recorded: isMerged ? 'merged' : 'refused',
      ...asked,
    });
  }
  return checks;
};
