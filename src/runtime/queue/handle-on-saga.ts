/** One message on its way to a saga: validated against its state where that is asked for, then handled by the saga's runtime. */
import * as E from 'fp-ts/lib/Either.js';
import { deepFreeze } from '../../core/json.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { instanceOf } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import type { Tenant } from '../../core/stream.js';
import type { Fence } from '../../store/leases.js';
import { callHandler, callPlain } from './call-handler.js';
import {
  type Delivery,
  type HandlerContext,
  type MessageFailure,
  type MessageOutcome,
  type Ran,
  timedOut,
} from './message-delivery.js';
import { sagaLoader, type SagaLoader } from '../saga/saga-loader.js';
import { sagaRuntime, type SagaRuntime } from '../saga/saga-runtime.js';
import { withLock } from '../leases/stream-lock.js';

/** Tenants whose sagas are kept folded. */
const tenantsMax = 64;

export type SagaConflictAnswer = 'merge' | 'retry' | 'lock' | 'partitioned';

export interface OnInstance<Data, State> {
  readonly id: (data: Data) => string;
  readonly load: 'required' | 'created';
  readonly conflict: SagaConflictAnswer;
  readonly lockWaitMaxMs: number;
  readonly validate: ((data: Data, state: State) => ReadonlyArray<string>) | undefined;
  /** Type of the saga's message. */
  readonly type: string;
}

interface AtWork<S, Ev extends AnyEvent, M extends AnyEvent> {
  readonly runtime: SagaRuntime<S, M>;
  /** A fold for a look before the handler: it can tell a repeat from a message that is invalid now. */
  readonly loader: SagaLoader<S, Ev>;
}

type Result = E.Either<MessageFailure, Ran>;

const ended = (outcome: MessageOutcome): Result => E.right({ outcome, next: [] });

const runtimes = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  { store, environment, saga: options }: HandlerContext,
) => {
  const all = new Map<Tenant, AtWork<S, Ev, M>>();
  return (tenant: Tenant): AtWork<S, Ev, M> => {
    const known = all.get(tenant);
    if (known !== undefined) return known;
    const made = {
      runtime: sagaRuntime(saga, { ...options, store, tenant, environment }),
      loader: sagaLoader(saga as unknown as Saga<S, Ev>, store, options.sagasKept ?? 1_000),
    };
    all.set(tenant, made);
    if (all.size > tenantsMax) all.delete(all.keys().next().value as Tenant);
    return made;
  };
};

/** Handles messages of one type for a saga. Called once for each worker: what the saga's runtime keeps is shared by its partitions. */
export const handleOnSaga = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent, Data>(
  context: HandlerContext,
  saga: Saga<S, Ev, M, Out>,
  on: OnInstance<Data, S>,
) => {
  const { conflict } = on;
  // Under a lock and in a partition nobody else writes; whoever does so all the same is a conflict like any other.
  const onConflict = conflict === 'lock' ? 'retry' : conflict === 'partitioned' ? 'reject' : conflict;
  const at = runtimes({ ...saga, onConflict }, context);
  const looksFirst = on.validate !== undefined || on.load === 'required';

  /** The end of the message before its handler has run, where it ends so. */
  const look = async (sagaId: string, data: Data, delivery: Delivery): Promise<Result | undefined> => {
    const { message } = delivery;
    const instance = instanceOf(saga, message.tenant, sagaId);
    const loaded = await at(message.tenant).loader.loadNow(instance);
    if (E.isLeft(loaded)) return loaded;
    if (loaded.right.isHandled(message.id)) return ended({ _tag: 'Duplicate' });
    const view = loaded.right.view();
    const { streamName } = instance;
    if (on.load === 'required' && view.version === 0)
      return E.left({
        ...{ _tag: 'RequiredMissing', streamName },
        message: `${streamName} must be there and has no events`,
      });
    if (view.completed || on.validate === undefined) return undefined;
    const { validate } = on;
    const problems = await callHandler(context, delivery, () => validate(data, deepFreeze(view.state)));
    if (E.isLeft(problems)) return problems;
    return problems.right.length > 0 ? ended({ _tag: 'Invalid', problems: problems.right }) : undefined;
  };

  const run = async (
    sagaId: string,
    data: Data,
    delivery: Delivery,
    fence: Fence | undefined,
  ): Promise<Result> => {
    const { message, signal } = delivery;
    const end = looksFirst ? await look(sagaId, data, delivery) : undefined;
    if (end !== undefined) return end;
    if (signal.aborted) return E.left(timedOut(message.type, context.handlerTimeMaxMs));
    const { id, data: json, schemaVersion } = message;
    const { causationId: _, ...metadata } = message.metadata;
    const handled = await at(message.tenant).runtime.handle(
      // As it was stored: the saga's own codec decodes it.
      { id, sagaId, type: on.type, data: json as M['data'], schemaVersion, metadata },
      { ...(fence !== undefined && { fence }) },
    )();
    return E.isLeft(handled) ? handled : ended(handled.right);
  };

  return async (data: Data, delivery: Delivery): Promise<Result> => {
    const id = callPlain(delivery, () => on.id(data));
    if (E.isLeft(id)) return id;
    if (conflict !== 'lock') return run(id.right, data, delivery, delivery.fence);
    const { tenant } = delivery.message;
    const { streamName } = instanceOf(saga, tenant, id.right);
    const request = { tenant, streamName, waitMaxMs: on.lockWaitMaxMs, signal: delivery.signal };
    return withLock(context, request, (fence) => run(id.right, data, delivery, fence));
  };
};
