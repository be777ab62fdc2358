/** Appends what a handler decided, at the version it decided on, and moves past records that do not matter to it. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { fastForwards, passedOf } from '../../core/saga/fast-forward.js';
import { type Decision, type Instance, type SagaMessage, trunkEvents } from '../../core/saga/reacting.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import { headerOf, mergeSagaState } from '../../core/saga/saga-records.js';
import type { SagaView } from '../../core/saga/saga-view.js';
import { exactly, type StreamVersion } from '../../core/stream.js';
import type { VersionConflict } from '../../store/event-store.js';
import type { Fence } from '../../store/leases.js';
import type { ConflictNotice, Handled, HandleError, SagaShell } from './saga-context.js';

/** An append that keeps losing to harmless records becomes a branch after this many moves. */
const fastForwardsMax = 32;
/** More records than this in between are not looked at one by one. */
export const tailMax = 256;

/** A message at work. */
export interface Work<S, Ev extends AnyEvent> {
  readonly shell: SagaShell<S, Ev>;
  readonly instance: Instance;
  readonly message: SagaMessage;
  readonly fence: Fence | undefined;
}

/** Whether the records hold this message already: on the trunk, or in a branch. */
export const holdsMessage = (tail: ReadonlyArray<RecordedEvent>, messageId: string): boolean =>
  tail.some((event) => {
    if (event.type === recordTypes.mergeSagaState)
      return mergeSagaState.is(event.data) && event.data.cause.messageId === messageId;
    return event.metadata.causationId === messageId && headerOf(event.metadata)?.mergeId === undefined;
  });

/** Where an append was refused; or, without a tail, where another decision was ready before it. */
export type Lost = Pick<VersionConflict, 'actual'> & Partial<Pick<VersionConflict, 'tail'>>;

/** What an append came to: an answer, or the conflict that the saga must answer. */
export type Attempted =
  | { readonly _tag: 'Done'; readonly handled: Handled }
  | { readonly _tag: 'Lost'; readonly conflict: VersionConflict }
  /** It was ready beside others, and is recorded as a branch. */
  | {
      readonly _tag: 'Recorded';
      readonly branchId: string;
      readonly lost: Lost;
      /** Of the stream, with the branch in it. */
      readonly version: StreamVersion;
    };

const isWhole = (conflict: VersionConflict, after: number): boolean =>
  conflict.tail !== undefined && conflict.actual - after === conflict.tail.length;

export const notify = <S, Ev extends AnyEvent>(
  { shell, instance, message }: Work<S, Ev>,
  view: SagaView<S>,
  { actual, tail = [] }: Lost,
  answer: ConflictNotice['answer'],
): void =>
  shell.hooks.onConflict?.({
    streamName: instance.streamName,
    messageId: message.id,
    base: view.version,
    actual,
    theirs: tail,
    answer,
  });

/** A decision that is ready to be appended. */
export interface Ready<S, Ev extends AnyEvent> {
  readonly work: Work<S, Ev>;
  /** What it was decided on, and the log that this was a view of. */
  readonly view: SagaView<S>;
  readonly log: SagaLog<S, Ev>;
  readonly decision: Decision;
  /** 1 is the first. */
  readonly attempt: number;
}

export type AppendReady<S, Ev extends AnyEvent> = (
  ready: Ready<S, Ev>,
) => Promise<E.Either<HandleError, Attempted>>;

/** Appends at the version decided on, and moves forward past records that the decision does not depend on. */
export const appendDecision = async <S, Ev extends AnyEvent>({
  work,
  view,
  log,
  decision,
  attempt,
}: Ready<S, Ev>): Promise<E.Either<HandleError, Attempted>> => {
  const { shell, instance, fence } = work;
  let version = view.version;
  // Ends: `fastForwardsMax` moves, then the conflict is answered as any other.
  for (let moves = 0; ; moves += 1) {
    const events = trunkEvents(instance, decision, log.isSent);
    const appended = await shell.loader.append(instance, exactly(version), events, { tailMax, fence });
    if (E.isRight(appended)) {
      if (appended.right.idempotent) return E.right({ _tag: 'Done', handled: { _tag: 'Duplicate' } });
      return E.right({
        _tag: 'Done',
        handled: {
          _tag: 'Appended',
          version: appended.right.version,
          fastForwards: moves,
          attempts: attempt,
        },
      });
    }
    if (appended.left._tag !== 'VersionConflict') return appended;
    const conflict = appended.left;
    if (holdsMessage(conflict.tail ?? [], decision.messageId))
      return E.right({ _tag: 'Done', handled: { _tag: 'Duplicate' } });
    const mayMove = moves < fastForwardsMax && isWhole(conflict, version);
    if (!mayMove || !fastForwards(shell.saga, decision, (conflict.tail ?? []).map(passedOf)))
      return E.right({ _tag: 'Lost', conflict });
    // A key that left meanwhile must be known to have left; the loader may have dropped this log.
    if (E.isLeft(log.advance(conflict.tail ?? []))) return E.right({ _tag: 'Lost', conflict });
    notify(work, view, conflict, 'fastForward');
    version = conflict.actual;
  }
};
