/** Folds a history event by event, whatever it is of: a saga with its branches and messages, or an aggregate. */
import * as E from 'fp-ts/lib/Either.js';
import { decodeEvent } from '../../core/aggregate-codec.js';
import { type Codec, codecOf, type Definitions } from '../../core/codec.js';
import { findJsonProblem, type Json, type JsonObject } from '../../core/json.js';
import type { ReleasedMessage } from '../../core/merge/merge.js';
import type { Saga } from '../../core/saga/saga.js';
import { listPending } from '../../core/saga/pending-branches.js';
import { type Compensation, emptyFold, type SagaFold, step } from '../../core/saga/saga-fold.js';
import { waitingTimeouts } from '../../core/saga/saga-timeouts.js';
import type { LogEvent, Owed, Parked, PendingBranch } from '../../core/saga/saga-view.js';
import type { StreamName } from '../../core/stream.js';

/** What is needed of an aggregate to fold it. */
export interface AggregateRules<S> {
  readonly category: string;
  readonly events: Definitions;
  readonly state: Codec<S>;
  readonly initialState: S;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- an aggregate's own union of events, whatever it is
  readonly evolve: (state: S, event: any) => S;
}

/** A saga or an aggregate, as code that a history can be folded with. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- histories are folded whatever a saga's types
export type Rules<S = any> = Saga<S> | AggregateRules<S>;

/** A saga's part of what is known after an event. */
export interface ReplayedSaga {
  readonly epoch: number;
  readonly completed: boolean;
  /** Branches that wait for their merge. */
  readonly pending: ReadonlyArray<PendingBranch>;
  readonly parked: Parked | undefined;
  /** Messages that left with this event. */
  readonly sent: ReadonlyArray<ReleasedMessage>;
  /** Compensations that are asked for and not done. */
  readonly compensations: ReadonlyArray<Compensation>;
  /** What a process that starts here must do; `messages` are all that have left so far. */
  readonly owed: () => Owed;
}

/** What is known after an event. */
export interface ReplayStep<S = unknown> {
  /** 0 is before the first event. */
  readonly version: number;
  /** `undefined` at version 0. */
  readonly eventType: string | undefined;
  readonly state: S;
  /** `undefined` for an aggregate. */
  readonly saga: ReplayedSaga | undefined;
}

/** An event that the code cannot fold: its codec does not accept it, or `evolve` threw. The fold stands before it. */
export interface ReplayStopped {
  readonly version: number;
  readonly eventType: string;
  readonly message: string;
}

export interface Folder<S> {
  readonly now: () => ReplayStep<S>;
  readonly take: (event: LogEvent) => ReplayStopped | undefined;
}

export const isSaga = <S>(rules: Rules<S>): rules is Saga<S> => 'react' in rules;
export const categoryOfRules = (rules: Rules): string => (isSaga(rules) ? rules.name : rules.category);

const folding = <S>(
  at: () => ReplayStep<S>,
  change: (event: LogEvent) => E.Either<{ readonly message?: string }, unknown>,
): Folder<S> => ({
  now: at,
  take: (event) => {
    const stopped = (message: string) => ({ version: event.version, eventType: event.type, message });
    try {
      const changed = change(event);
      return E.isLeft(changed) ? stopped(changed.left.message ?? 'it cannot be read') : undefined;
    } catch (thrown) {
      return stopped(`evolve threw: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  },
});

const sagaPart = (fold: SagaFold<never, never>, sentBefore: number): ReplayedSaga => {
  const { saga, epoch, completed, parked, allReleased } = fold as unknown as SagaFold<unknown, never>;
  const pending = listPending(fold.pending);
  const compensations = [...fold.compensations.values()];
  const sentCount = allReleased.length;
  const timeouts = waitingTimeouts(fold.timeouts, fold.pending);
  return {
    epoch,
    completed,
    pending,
    parked,
    sent: allReleased.slice(sentBefore, sentCount),
    compensations,
    owed: () => ({
      merges: parked?.mergerVersion === saga.mergerVersion ? [] : pending,
      messages: allReleased.slice(0, sentCount),
      compensations: compensations.filter((compensation) => !compensation.parked),
      timeouts,
    }),
  };
};

const sagaFolder = <S>(saga: Saga<S>): Folder<S> => {
  const fold = emptyFold(saga);
  const part = (sentBefore: number): ReplayedSaga =>
    sagaPart(fold as unknown as SagaFold<never, never>, sentBefore);
  let now: ReplayStep<S> = { version: 0, eventType: undefined, state: fold.state, saga: part(0) };
  return folding(
    () => now,
    (event) => {
      const sentBefore = fold.allReleased.length;
      const stepped = step(fold, event);
      if (E.isRight(stepped))
        now = { version: event.version, eventType: event.type, state: fold.state, saga: part(sentBefore) };
      return stepped;
    },
  );
};

const aggregateFolder = <S>(rules: AggregateRules<S>): Folder<S> => {
  let now: ReplayStep<S> = { version: 0, eventType: undefined, state: rules.initialState, saga: undefined };
  return folding(
    () => now,
    (event) => {
      const decoded = decodeEvent(rules.events, { ...event, streamName: event.streamName as StreamName });
      if (E.isRight(decoded)) {
        const state = rules.evolve(now.state, decoded.right);
        now = { version: event.version, eventType: event.type, state, saga: undefined };
      }
      return decoded;
    },
  );
};

/** Begins before the first event. */
export const folder = <S>(rules: Rules<S>): Folder<S> =>
  isSaga(rules) ? sagaFolder(rules) : aggregateFolder(rules);

/** A value that JSON cannot say, as something that at least shows and compares. */
const shownValue = (_key: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value instanceof Map) return [...(value as ReadonlyMap<unknown, unknown>)];
  if (value instanceof Set) return [...(value as ReadonlySet<unknown>)];
  return value;
};

/** A state as its codec writes it. Aggregates without snapshots need not have a state that JSON can say. */
export const stateJson = <S>(rules: Rules<S>, state: S): Json => {
  const encoded: unknown = codecOf(rules.state).encode(state);
  if (findJsonProblem(encoded) === undefined) return encoded as Json;
  return JSON.parse(JSON.stringify(encoded, shownValue) ?? 'null') as Json;
};

const byId = <A extends { readonly [P in K]: string }, K extends string>(
  items: ReadonlyArray<A>,
  key: K,
  shown: (item: A) => Json,
): JsonObject => Object.fromEntries(items.map((item) => [item[key], shown(item)]));

const whenAny = (name: string, value: Json): JsonObject =>
  Object.keys(value as object).length === 0 ? {} : { [name]: value };

/**
 * All that is known after an event as JSON, to be compared: `state`, and of a saga `epoch`, `completed`, `pending` by branch
 * id, `parked`, `compensations` by id, and what was `sent` with the event; parts that say nothing are left out.
 */
export const viewOf = <S>(rules: Rules<S>, { state, saga }: ReplayStep<S>): JsonObject => ({
  state: stateJson(rules, state),
  ...(saga && {
    ...(saga.epoch !== 1 && { epoch: saga.epoch }),
    ...(saga.completed && { completed: true }),
    ...whenAny(
      'pending',
      byId(saga.pending, 'branchId', ({ base, version }) => ({ base, version })),
    ),
    ...(saga.parked && { parked: { version: saga.parked.version, reason: saga.parked.reason } }),
    ...whenAny(
      'compensations',
      byId(saga.compensations, 'id', ({ hook, attempt, parked }) => ({
        hook,
        attempt,
        ...(parked && { parked }),
      })),
    ),
    ...whenAny(
      'sent',
      saga.sent.map(({ id, type, schemaVersion, data, key }) => ({
        ...{ id, type, schemaVersion, data },
        ...(key !== undefined && { key }),
      })),
    ),
  }),
});

/** The view without what left with this one event: what two versions are compared by. */
export const standingView = ({ sent: _sent, ...view }: JsonObject): JsonObject => view;
