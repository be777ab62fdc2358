/** Does what one saga's stream owes: merges that nobody finished, and compensations. Safe to run anywhere, any number of times. */
import * as E from 'fp-ts/lib/Either.js';
import { thrownMessage } from '../../core/fault.js';
import type { EventData } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import type { Json } from '../../core/json.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { cancelRepeatedKeys, encodeMessages, type Instance } from '../../core/saga/reacting.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import type { OwedCompensation } from '../../core/saga/saga-view.js';
import type { OutgoingRecord } from '../../core/saga/saga-records.js';
import { exactly } from '../../core/stream.js';
import { delayAfter } from '../../core/retry.js';
import { oneAtATime } from '../one-at-a-time.js';
import type { ResolveConflict } from './resolve-conflict.js';
import type { ResolveError, SagaShell } from './saga-context.js';

/** An append of a record that keeps losing to others gives up after this many attempts, and stays owed. */
const recordAttemptsMax = 64;

type Outcome =
  | { readonly _tag: 'Applied'; readonly sends: ReadonlyArray<AnyEvent> }
  | { readonly _tag: 'Failed'; readonly error: string };

const runHook = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  owed: OwedCompensation,
): Promise<Outcome> => {
  const hook = Object.hasOwn(shell.saga.hooks, owed.hook) ? shell.saga.hooks[owed.hook] : undefined;
  if (hook === undefined) return { _tag: 'Failed', error: `the saga has no hook called ${owed.hook}` };
  try {
    const correlationId = owed.metadata?.correlationId;
    const info = {
      ...{ id: owed.id, sagaId: instance.sagaId, mergeId: owed.mergeId, attempt: owed.attempt },
      ...(correlationId !== undefined && { correlationId }),
    };
    const answer = await hook(owed.data, info);
    return { _tag: 'Applied', sends: answer?.send ?? [] };
  } catch (thrown) {
    return { _tag: 'Failed', error: thrownMessage(thrown) };
  }
};

const recordOf = (
  instance: Instance,
  owed: OwedCompensation,
  type: typeof recordTypes.compensationApplied | typeof recordTypes.compensationFailed,
  rest: Record<string, unknown>,
): EventData => {
  const { id: compensationId, mergeId, hook, attempt } = owed;
  const part = type === recordTypes.compensationApplied ? 'applied' : attempt;
  return {
    eventId: derivedId(instance.tenant, instance.streamName, compensationId, part),
    type,
    schemaVersion: 1,
    data: { compensationId, mergeId, hook, attempt, ...rest } as unknown as Json,
    metadata: { ...owed.metadata, causationId: mergeId },
  };
};

/** What the attempt came to, as a record on a log as it stands. */
const outcomeRecord = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  log: SagaLog<S, Ev>,
  owed: OwedCompensation,
  outcome: Outcome,
): EventData => {
  const failed = (error: string): EventData =>
    recordOf(instance, owed, recordTypes.compensationFailed, {
      error,
      parked: owed.attempt >= shell.retry.attemptsMax,
    });
  if (outcome._tag === 'Failed') return failed(outcome.error);
  const encoded = encodeMessages(shell.saga, [owed.id], outcome.sends);
  if (E.isLeft(encoded)) return failed(encoded.left.message);
  const sends: ReadonlyArray<OutgoingRecord> = cancelRepeatedKeys(encoded.right, log.isSent);
  return recordOf(instance, owed, recordTypes.compensationApplied, { sends });
};

/** Records the outcome at exactly the version it was seen at, unless somebody else has recorded one meanwhile. */
const recordOutcome = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
  owed: OwedCompensation,
  outcome: Outcome,
): Promise<E.Either<ResolveError, void>> => {
  const { streamName } = instance;
  for (let attempt = 1; attempt <= recordAttemptsMax; attempt += 1) {
    const loaded = await shell.loader.load(instance);
    if (E.isLeft(loaded)) return loaded;
    const log = loaded.right;
    const isStillOwed = log
      .owed()
      .compensations.some(({ id, attempt: next }) => id === owed.id && next === owed.attempt);
    if (!isStillOwed) return E.right(undefined);
    const version = log.version();
    const record = outcomeRecord(shell, instance, log, owed, outcome);
    const appended = await shell.loader.append(instance, exactly(version), [record]);
    if (E.isRight(appended)) {
      const failed = record.type === recordTypes.compensationFailed;
      const error = outcome._tag === 'Failed' ? { error: outcome.error } : {};
      const isParked = failed && owed.attempt >= shell.retry.attemptsMax ? { isParked: true } : {};
      const { id: compensationId, attempt: tried } = owed;
      shell.hooks.onCompensated?.({ streamName, compensationId, attempt: tried, ...error, ...isParked });
      return E.right(undefined);
    }
    if (appended.left._tag !== 'VersionConflict') return appended;
    await shell.environment.sleep(
      delayAfter({ ...shell.retry, delayMs: 1, delayMaxMs: 50 }, attempt, shell.environment.random),
    );
  }
  return E.right(undefined);
};

/** The compensations of one stream, one after another, each until it is applied or parked. */
const compensate = async <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  instance: Instance,
): Promise<E.Either<ResolveError, void>> => {
  // Ends: every round applies a compensation or uses up one of its attempts, and new ones come only with new merges.
  for (;;) {
    const loaded = await shell.loader.load(instance);
    if (E.isLeft(loaded)) return loaded;
    const next = loaded.right.owed().compensations[0];
    if (next === undefined) return E.right(undefined);
    if (next.attempt > 1)
      await shell.environment.sleep(delayAfter(shell.retry, next.attempt - 1, shell.environment.random));
    const recorded = await recordOutcome(shell, instance, next, await runHook(shell, instance, next));
    if (E.isLeft(recorded)) return recorded;
  }
};

export type DoOwed = (instance: Instance) => Promise<E.Either<ResolveError, void>>;

/** Merges first: a merge may ask for compensations. One at a time for each stream in this process. */
export const doOwed = <S, Ev extends AnyEvent>(shell: SagaShell<S, Ev>, resolve: ResolveConflict): DoOwed => {
  const queue = oneAtATime();
  const run = async (instance: Instance): Promise<E.Either<ResolveError, void>> => {
    // Ends: a lease that a dead process holds ends by itself, and every append that was lost took somebody else further. To give
    // up earlier would let a follower's checkpoint pass a merge that nobody is left to do.
    for (;;) {
      const resolved = await resolve(instance);
      if (E.isLeft(resolved)) return resolved;
      if (resolved.right._tag !== 'Contended') return compensate(shell, instance);
    }
  };
  return (instance) => queue(instance.key, () => run(instance));
};
