/** What a merger is asked, and its answer: once, or twice where it is to be seen whether it answers the same. */
import * as E from 'fp-ts/lib/Either.js';
import { thrownMessage } from '../fault.js';
import { encodeWith } from '../codec.js';
import { type BuiltConflict, buildConflict, type Refusal, refuse, unusable } from './conflict.js';
import { hashOf, type Json } from '../json.js';
import type { AnyEvent, Conflict, MergeAnswer } from '../merge/merge.js';
import { byBaseThenId } from './pending-branches.js';
import type { Saga } from './saga.js';
import type { SagaLog } from './saga-log.js';
import type { PendingBranch } from './saga-view.js';

export interface Asked<S, Ev extends AnyEvent> {
  /** What the merger is asked. */
  readonly built: BuiltConflict<S, Ev>;
  /** What is told to `onMerged` and `compensate`, with the parts that were merged before; undefined where others still wait. */
  readonly whole: Conflict<S, Ev> | undefined;
}

/** With the last part of a merge that one append could not hold, what follows is decided as if it had been one. */
export const askedOf = <S, Ev extends AnyEvent>(
  saga: Saga<S, Ev>,
  log: SagaLog<S, Ev>,
  pending: ReadonlyArray<PendingBranch>,
): E.Either<Refusal, Asked<S, Ev>> => {
  const built = buildConflict(saga, log, pending);
  if (E.isLeft(built)) return built;
  const { conflict } = built.right;
  const partly = log.partlyMerged();
  if (pending.length < log.view().pending.length) return E.right({ built: built.right, whole: undefined });
  if (partly === undefined) return E.right({ built: built.right, whole: conflict });
  const all = [...partly.branches, ...pending].sort(byBaseThenId);
  const whole = buildConflict(saga, log, all, partly);
  return E.isLeft(whole) ? whole : E.right({ built: built.right, whole: whole.right.conflict });
};

export interface Answered<S, Ev extends AnyEvent> {
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
export const askTwice = <S, Ev extends AnyEvent>(
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
