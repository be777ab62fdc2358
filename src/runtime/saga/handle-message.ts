/** Handles one message of a saga: load, react once, append; and where the append is refused, the saga's answer to conflict. */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import {
  branchRecord,
  decide,
  type Decision,
  type Instance,
  isEmpty,
  type SagaMessage,
} from '../../core/saga/reacting.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import type { SagaView } from '../../core/saga/saga-view.js';
import { isIdle, type TimeoutEntry, timeoutIgnoredRecord } from '../../core/saga/saga-timeouts.js';
import {
  any,
  checkName,
  exactly,
  streamName as checkStreamName,
  type StreamVersion,
} from '../../core/stream.js';
import type { VersionConflict } from '../../store/event-store.js';
import type { Fence } from '../../store/leases.js';
import { delayAfter } from '../../core/retry.js';
import { appendDecision, type AppendReady, notify, type Work } from './append-decision.js';
import type { JointAppends } from './joint-append.js';
import type { ResolveConflict, ResolveWishes } from './resolve-conflict.js';
import { concurrencyConflict } from '../aggregate/concurrency-conflict.js';
import type { Handled, HandleError, MessageConflict, SagaParked, SagaShell } from './saga-context.js';

type Result = E.Either<HandleError, Handled>;

export interface HandleOptions {
  /**
   * The lease that the caller works under: appends of this message are refused with `LeaseLost` once it is another's, however
   * long the handler took.
   */
  readonly fence?: Fence;
  /** The message came by another way than the saga's stream may have been seen to go: read the stream before it is looked at. Default false. */
  readonly readsFirst?: boolean;
}

interface Handling<S, Ev extends AnyEvent> extends Work<S, Ev> {
  readonly resolve: ResolveConflict;
  readonly append: AppendReady<S, Ev>;
  readonly readsFirst: boolean;
}

/** Records the work as a branch, which also asks for the merge, and merges. */
const diverge = async <S, Ev extends AnyEvent>(
  work: Handling<S, Ev>,
  view: SagaView<S>,
  decision: Decision,
): Promise<Result> => {
  const { shell, instance, fence } = work;
  const record = branchRecord(shell.saga, instance, view, decision);
  if (E.isLeft(record)) return record;
  // The only append without a check: the fold voids a repeat, and a branch whose message is on the trunk.
  const appended = await shell.loader.append(instance, any, [record.right], { fence });
  if (E.isLeft(appended)) return appended;
  return merged(work, record.right.eventId);
};

/** Whether the branch waits; of a merge in parts, the first may have taken it in before another was refused. */
const isWaiting = async <S, Ev extends AnyEvent>(
  { loader }: SagaShell<S, Ev>,
  instance: Instance,
  branchId: string,
): Promise<boolean> => {
  const loaded = await loader.load(instance);
  return E.isLeft(loaded) || loaded.right.view().pending.some((branch) => branch.branchId === branchId);
};

/** The branch is recorded: merges, unless somebody else does. */
const merged = async <S, Ev extends AnyEvent>(
  { shell, instance, resolve }: Handling<S, Ev>,
  branchId: string,
  wishes: ResolveWishes = {},
): Promise<Result> => {
  const resolved = await resolve(instance, wishes);
  // The work is safe whatever happened to the merge: it is owed, and the message is acknowledged.
  if (E.isLeft(resolved) || resolved.right._tag === 'Contended')
    return E.right({ _tag: 'Branched', branchId, isParked: false });
  if (resolved.right._tag === 'Parked' && (await isWaiting(shell, instance, branchId)))
    return E.right({ _tag: 'Branched', branchId, isParked: true });
  return E.right({ _tag: 'Merged', branchId });
};

const messageConflict = (
  decision: Decision,
  view: SagaView,
  conflict: VersionConflict,
  attempts: number,
): MessageConflict => {
  const { streamName, actual } = conflict;
  const ours = decision.events.map(({ type }) => type);
  const theirs = (conflict.tail ?? []).map(({ type }) => type);
  const facts = { streamName, expected: exactly(view.version), actual, attempts, ours, theirs };
  const advice = 'Nothing was written. Deliver the message again, or let the saga merge.';
  return { ...concurrencyConflict(facts, advice), messageId: decision.messageId };
};

const parked = (instance: Instance, branchIds: ReadonlyArray<string>, reason: string): SagaParked => ({
  _tag: 'SagaParked',
  streamName: instance.streamName,
  branchIds,
  reason,
  message: `${instance.streamName} is parked: the merge of ${branchIds.length === 1 ? 'a branch' : `${branchIds.length} branches`} was refused (${reason}). Mend the merger, change mergerVersion, and deliver the message again.`,
});

/** Merges what waits, so that no more branches wait than handlers are in flight. `undefined` where handling may go on. */
const clearPending = async <S, Ev extends AnyEvent>({
  instance,
  resolve,
}: Handling<S, Ev>): Promise<E.Either<HandleError, undefined>> => {
  const resolved = await resolve(instance);
  if (E.isLeft(resolved)) return resolved;
  return resolved.right._tag === 'Parked'
    ? E.left(parked(instance, resolved.right.branchIds, resolved.right.reason))
    : E.right(undefined);
};

/**
 * A timeout that has been cancelled needs no word: the cancel is on the stream. One whose epoch is over is ignored with a
 * record, at exactly the version that says so. `undefined` where somebody else was first, and it must be looked at again.
 */
const ignoreTimeout = async <S, Ev extends AnyEvent>(
  { shell, instance, fence }: Work<S, Ev>,
  version: StreamVersion,
  timeout: TimeoutEntry,
): Promise<E.Either<HandleError, Handled | undefined>> => {
  if (timeout.fate === 'cancelled') return E.right({ _tag: 'TimeoutIgnored', why: 'cancelled' });
  const record = timeoutIgnoredRecord(instance, timeout);
  const appended = await shell.loader.append(instance, exactly(version), [record], { fence });
  if (E.isRight(appended)) return E.right({ _tag: 'TimeoutIgnored', why: 'completed' });
  return appended.left._tag === 'VersionConflict' ? E.right(undefined) : appended;
};

/** Lets the handler decide on a view, and appends what it came to. `undefined` asks for another attempt, under the `retry` answer. */
const decideOn = async <S, Ev extends AnyEvent>(
  work: Handling<S, Ev>,
  log: SagaLog<S, Ev>,
  view: SagaView<S>,
  attempt: number,
): Promise<E.Either<HandleError, Handled | undefined>> => {
  const { shell, instance, message } = work;
  const { saga, retry, hooks } = shell;
  const isTimeout = log.timeout(message.id) !== undefined;
  await hooks.onReacted?.({ streamName: instance.streamName, messageId: message.id, attempt });
  const decision = decide(saga, instance, view, message);
  if (E.isLeft(decision)) return decision;
  // A timeout leaves a record also where its handler decides nothing: it is delivered once.
  if (isEmpty(decision.right) && !isTimeout) return E.right({ _tag: 'Nothing' });
  // Others merge at the same time and branches still wait: a completion must be decided with them.
  if (decision.right.completes && view.pending.length > 0 && saga.onConflict === 'merge')
    return diverge(work, view, decision.right);
  const attempted = await work.append({ work, log, view, decision: decision.right, attempt });
  if (E.isLeft(attempted)) return attempted;
  if (attempted.right._tag === 'Done') return E.right(attempted.right.handled);
  if (attempted.right._tag === 'Recorded') {
    notify(work, view, attempted.right.lost, 'branch');
    const { branchId, version: atLeast } = attempted.right;
    return merged(work, branchId, { atLeast });
  }
  const { conflict } = attempted.right;
  if (saga.onConflict === 'merge') {
    notify(work, view, conflict, 'branch');
    return diverge(work, view, decision.right);
  }
  const isLast = saga.onConflict === 'reject' || attempt >= retry.attemptsMax;
  notify(work, view, conflict, isLast ? 'reject' : 'retry');
  return isLast ? E.left(messageConflict(decision.right, view, conflict, attempt)) : E.right(undefined);
};

/** One attempt. `undefined` asks for another one: after a conflict under the `retry` answer, or where a timeout could not be ignored yet. */
const attemptOnce = async <S, Ev extends AnyEvent>(
  work: Handling<S, Ev>,
  attempt: number,
): Promise<E.Either<HandleError, Handled | undefined>> => {
  const { shell, instance, message } = work;
  const loaded = await (work.readsFirst ? shell.loader.loadNow(instance) : shell.loader.load(instance));
  if (E.isLeft(loaded)) return loaded;
  let log = loaded.right;
  if (log.isHandled(message.id)) return E.right({ _tag: 'Duplicate' });
  if (log.view().pending.length > 0) {
    const cleared = await clearPending(work);
    if (E.isLeft(cleared)) return cleared;
    // Somebody else may have merged them: then this process has yet to read what came of it.
    const again = await shell.loader.load(instance);
    if (E.isLeft(again)) return again;
    log = again.right;
    if (log.isHandled(message.id)) return E.right({ _tag: 'Duplicate' });
  }
  const view = log.view();
  const timeout = log.timeout(message.id);
  if (timeout !== undefined && isIdle(timeout, view)) return ignoreTimeout(work, view.version, timeout);
  if (view.completed) return E.right({ _tag: 'Completed' });
  // What it is decided on is the base of a branch, however many are merged before that.
  const release = log.hold(view.version);
  try {
    return await decideOn(work, log, view, attempt);
  } finally {
    release();
  }
};

const handleToEnd = async <S, Ev extends AnyEvent>(work: Handling<S, Ev>): Promise<Result> => {
  const { shell, instance, message } = work;
  // Ends: the `retry` answer asks for no other attempt after its last; a timeout is ignored as soon as nobody else writes.
  for (let attempt = 1; ; attempt += 1) {
    const handled = await attemptOnce(work, attempt);
    if (E.isLeft(handled)) return handled;
    if (handled.right !== undefined) return E.right(handled.right);
    const delayMs = delayAfter(shell.retry, attempt, shell.environment.random);
    shell.hooks.onRetry?.({ streamName: instance.streamName, messageId: message.id, attempt, delayMs });
    await shell.environment.sleep(delayMs);
  }
};

/** Handles a message to its end. */
export const handleMessage = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  { resolve, joint }: { readonly resolve: ResolveConflict; readonly joint: JointAppends<S, Ev> },
  message: SagaMessage,
  { fence, readsFirst = false }: HandleOptions = {},
): Promise<Result> => {
  const id = checkName('messageId', message.id, 512);
  if (E.isLeft(id)) return id;
  const instance = shell.instanceOf(message.sagaId);
  const name = checkStreamName(instance.streamName);
  if (E.isLeft(name)) return name;
  // Under a fence each append must be refused by itself; who retries or rejects wants to lose before others write.
  const isJoint = shell.saga.onConflict === 'merge' && fence === undefined;
  const append = isJoint ? joint.append : appendDecision;
  const end = isJoint ? joint.begin(instance) : undefined;
  try {
    return await handleToEnd({ shell, instance, message, fence, resolve, append, readsFirst });
  } finally {
    end?.();
  }
};
