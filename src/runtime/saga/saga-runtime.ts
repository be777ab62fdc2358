/** A saga at work on a store: handles messages, merges, and follows its streams to do what is owed. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { type Instance, instanceOf, type SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import type { Owed, SagaView } from '../../core/saga/saga-view.js';
import { defaultTenant, type StreamName } from '../../core/stream.js';
import { defaultRetry } from '../../core/retry.js';
import { realEnvironment } from '../environment.js';
import { oneAtATime } from '../one-at-a-time.js';
import { doOwed } from './do-owed.js';
import { handleMessage, type HandleOptions } from './handle-message.js';
import { type Following, type FollowOptions, followSaga } from './owed-subscription.js';
import type { HandleOwn } from './owed-timeouts.js';
import { jointAppends } from './joint-append.js';
import { resolveConflict } from './resolve-conflict.js';
import type { Handled, HandleError, Resolved, ResolveError, SagaContext, SagaShell } from './saga-context.js';
import { type LoadError, sagaLoader } from './saga-loader.js';
import { type TimeLimit, timeLimit } from './time-limit.js';

const mergeLimitOf = ({ mergeTimeMaxMs, store }: SagaContext): TimeLimit | undefined => {
  const ms = mergeTimeMaxMs ?? (store.capabilities.durable ? 5_000 : Infinity);
  if (!(ms >= 1)) throw new TypeError(`mergeTimeMaxMs must be 1 or more, found ${ms}`);
  return ms === Infinity ? undefined : timeLimit(Math.ceil(ms));
};

export interface SagaRuntime<S, M extends AnyEvent> {
  /** Handles one message. A right answer acknowledges it; after a left one deliver it again, unless the error says that this does not help. */
  readonly handle: (message: SagaMessage<M>, options?: HandleOptions) => TaskEither<HandleError, Handled>;
  /** Merges what waits. `force` asks the same merger version again after a refusal. */
  readonly resolve: (
    sagaId: string,
    options?: { readonly force?: boolean },
  ) => TaskEither<ResolveError, Resolved>;
  readonly load: (sagaId: string) => TaskEither<LoadError, SagaView<S>>;
  /** What the saga owes now. */
  readonly owed: (sagaId: string, dispatchedThrough?: number) => TaskEither<LoadError, Owed>;
  /** Does it, once: merges and compensations. Messages are dispatched, and timeouts given out, by `follow`. */
  readonly doOwed: (sagaId: string) => TaskEither<ResolveError, void>;
  /** Starts the subscription that does what is owed, for all instances. */
  readonly follow: (options?: FollowOptions) => Following;
  readonly streamNameOf: (sagaId: string) => StreamName;
}

/** Puts a saga to work. Any number of processes may do so on one store: only expected-version appends coordinate them. */
export const sagaRuntime = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  context: SagaContext,
): SagaRuntime<S, M> => {
  const tenant = context.tenant ?? defaultTenant;
  const instance = (sagaId: string): Instance => instanceOf(saga, tenant, sagaId);
  const shell: SagaShell<S, Ev> = {
    saga: saga as unknown as Saga<S, Ev>,
    store: context.store,
    loader: sagaLoader(saga as unknown as Saga<S, Ev>, context.store, context.sagasKept ?? 1_000),
    environment: context.environment ?? realEnvironment,
    retry: { ...defaultRetry, ...context.retry },
    hooks: context.hooks ?? {},
    checkDeterminism: context.checkDeterminism ?? false,
    leaseAfter: context.leaseAfter ?? 8,
    mergeLimit: mergeLimitOf(context),
    holder: context.holder ?? 'saga runtime',
    instanceOf: instance,
  };
  // Merges and joint appends of a saga, one after another.
  const line = oneAtATime();
  const resolve = resolveConflict(shell, line);
  const answers = { resolve, joint: jointAppends(shell, line) };
  // In a line of its own: an append of a handler that never ends must not hold up a follower, and with it all other sagas.
  const owedOf = doOwed(shell, resolveConflict(shell, oneAtATime()));
  const handle: HandleOwn = (message, options) => handleMessage(shell, answers, message, options);
  const read =
    <A>(sagaId: string, look: (log: SagaLog<S, Ev>) => A): TaskEither<LoadError, A> =>
    async () => {
      const loaded = await shell.loader.loadNow(instance(sagaId));
      return E.isLeft(loaded) ? loaded : E.right(look(loaded.right));
    };
  return {
    handle: (message, options) => () => handle(message, options),
    resolve: (sagaId, options) => () => resolve(instance(sagaId), options),
    load: (sagaId) => read(sagaId, (log) => log.view()),
    owed: (sagaId, dispatchedThrough) => read(sagaId, (log) => log.owed(dispatchedThrough)),
    doOwed: (sagaId) => async () => {
      const loaded = await shell.loader.loadNow(instance(sagaId));
      return E.isLeft(loaded) ? loaded : owedOf(instance(sagaId));
    },
    follow: (options) => followSaga(shell, owedOf, handle, options),
    streamNameOf: (sagaId) => instance(sagaId).streamName,
  };
};
