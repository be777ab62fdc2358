/** Builds what a merger is given from a saga's log: each waiting branch with its own base, and what the trunk did since. */
import * as E from 'fp-ts/lib/Either.js';
import type { ReadonlyNonEmptyArray } from 'fp-ts/lib/ReadonlyNonEmptyArray.js';
import { decodeTagged, type EncodeFailed } from '../codec.js';
import { deepFreezeWith } from '../json.js';
import {
  type AnyEvent,
  type Conflict,
  type ConflictBranch,
  mergeRefused,
  type MergeRefused,
} from '../merge/merge.js';
import { stateHash } from './reacting.js';
import type { Saga } from './saga.js';
import type { SagaLog } from './saga-log.js';
import type { PartlyMerged, PendingBranch } from './saga-view.js';
import type { StreamVersion } from '../stream.js';
import type { SagaMergeRefusedRecord } from './saga-records.js';

type RefusalCause = SagaMergeRefusedRecord['cause'];

/** Why there is no merge: what the merger said, or what kept it from being asked. */
export interface Refusal {
  readonly cause: RefusalCause;
  readonly refused: MergeRefused;
}

export const refuse = (
  cause: RefusalCause,
  reason: string,
  paths: ReadonlyArray<string> = [],
): E.Either<Refusal, never> => E.left({ cause, refused: mergeRefused(reason, paths) });

export const unusable = (problem: EncodeFailed): Refusal => ({
  cause: 'unusable',
  refused: mergeRefused(problem.message),
});

/** A conflict, and where its events come from. */
export interface BuiltConflict<S, Ev extends AnyEvent> {
  readonly pending: ReadonlyArray<PendingBranch>;
  readonly conflict: Conflict<S, Ev>;
  /** Which branch event each event object of the conflict is. */
  readonly origin: ReadonlyMap<Ev, { readonly branch: PendingBranch; readonly index: number }>;
}

/** What a branch began from. */
interface Base<S, Ev extends AnyEvent> {
  readonly state: S;
  readonly hash: string;
  readonly trunkEvents: ReadonlyArray<Ev>;
}

type BaseOf<S, Ev extends AnyEvent> = (version: number) => E.Either<Refusal, Base<S, Ev>>;

/** Many branches begin from few versions: each is looked at once. */
const basesOf = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
  since: StreamVersion,
): BaseOf<S, Ev> => {
  const laterCount = log.trunkSince(since).length;
  const trunkFrom = (version: number): ReadonlyArray<Ev> => {
    const all = log.trunkSince(version);
    return laterCount === 0 ? all : all.slice(0, -laterCount);
  };
  const known = new Map<number, E.Either<Refusal, Base<S, Ev>>>();
  const look = (version: number): E.Either<Refusal, Base<S, Ev>> => {
    const { state } = log.stateAt(version) as { readonly state: S };
    const hash = stateHash(saga, state);
    return E.isLeft(hash)
      ? E.left(unusable(hash.left))
      : E.right({ state, hash: hash.right, trunkEvents: trunkFrom(version) });
  };
  return (version) => {
    const base = known.get(version) ?? look(version);
    known.set(version, base);
    return base;
  };
};

const buildBranch = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  baseOf: BaseOf<S, Ev>,
  pending: PendingBranch,
  origin: Map<Ev, { readonly branch: PendingBranch; readonly index: number }>,
): E.Either<Refusal, ConflictBranch<S, Ev>> => {
  const found = baseOf(pending.base);
  if (E.isLeft(found)) return found;
  const { state: base, hash, trunkEvents } = found.right;
  if (hash !== pending.baseHash)
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
    trunkEvents,
  });
};

/**
 * The conflict of branches that wait; with `partly`, as it was before a first part of them was merged. Their bases, and where that
 * stood, must still be remembered by the log.
 */
export const buildConflict = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
  pending: ReadonlyArray<PendingBranch>,
  partly?: PartlyMerged,
): E.Either<Refusal, BuiltConflict<S, Ev>> => {
  const view = log.view();
  const { version, completed } = partly ?? view;
  const origin: Map<Ev, { readonly branch: PendingBranch; readonly index: number }> = new Map();
  const branches: Array<ConflictBranch<S, Ev>> = [];
  const baseOf = basesOf(saga, log, version);
  for (const one of pending) {
    const branch = buildBranch(saga, baseOf, one, origin);
    if (E.isLeft(branch)) return branch;
    branches.push(branch.right);
  }
  const released = log.released();
  const releasedThen = (): ReturnType<typeof released> => released().filter((one) => one.version <= version);
  const parts = {
    current: partly === undefined ? view.state : (log.stateAt(version) as { readonly state: S }).state,
    branches: branches as unknown as ReadonlyNonEmptyArray<ConflictBranch<S, Ev>>,
    completed,
  };
  const conflict: Conflict<S, Ev> = deepFreezeWith(
    parts,
    'released',
    partly === undefined ? released : releasedThen,
  );
  return E.right({ pending, conflict, origin });
};
