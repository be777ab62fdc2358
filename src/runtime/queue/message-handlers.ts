/** Handlers of messages as values: for each type its codec, its key, the stream it works on, and what should happen. */
import * as E from 'fp-ts/lib/Either.js';
import type { CommandInput } from '../../core/aggregate-codec.js';
import { decodeCommand } from '../../core/aggregate-codec.js';
import {
  type DataOf,
  type DecodeFailed,
  decodeTagged,
  type Definition,
  type Definitions,
  type EncodeFailed,
  encodeTagged,
  type TaggedOf,
} from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import { taggedError } from '../../core/fault.js';
import type { EventMetadata } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Saga } from '../../core/saga/saga.js';
import type { Tenant } from '../../core/stream.js';
import type { QueuedMessage, TakenMessage } from '../../store/message-queue.js';
import { callHandler, infoOf, queuedFrom } from './call-handler.js';
import { type AggregateConflictAnswer, handleOnAggregate } from './handle-on-aggregate.js';
import { handleOnSaga, type SagaConflictAnswer } from './handle-on-saga.js';
import {
  type Delivery,
  type HandlerAnswer,
  type HandlerContext,
  type HandlerMissing,
  type HandlerThrew,
  handlerThrew,
  type MessageFailure,
  type MessageInfo,
  type NextMessage,
  type Ran,
  timedOut,
} from './message-delivery.js';

/** How long a handler waits for a lock unless it says otherwise, in milliseconds. */
const lockWaitMaxMsDefault = 5_000;

export type RunMessage<Data> = (data: Data, delivery: Delivery) => Promise<E.Either<MessageFailure, Ran>>;
/** All of them or none are handled: after a left one each is delivered by itself. */
export type RunBatch<Data> = (
  batch: ReadonlyArray<{ readonly data: Data; readonly delivery: Delivery }>,
) => Promise<E.Either<MessageFailure, Ran>>;

/** How messages of one type are handled. Made by `onAggregate`, `onSaga`, `onMessage` or `onBatch`. */
export interface MessageHandler<Data> {
  readonly definition: Definition;
  /** Messages of one key are handled one after another. */
  readonly key: (data: Data) => string;
  /** Messages in one call at most; 1 where each is handled by itself. */
  readonly batchMax: number;
  readonly open: (context: HandlerContext) => {
    readonly run: RunMessage<Data>;
    readonly batch?: RunBatch<Data>;
  };
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a set holds handlers of any data
export type HandlersByType = Readonly<Record<string, MessageHandler<any>>>;
type DataOfHandler<H> = H extends { readonly key: (data: infer Data) => string } ? Data : never;

interface OnStreamOptions<D extends Definition, State, Answer> {
  /** The message's codec. */
  readonly data: D;
  /** Which stream: the part of its name after the category. */
  readonly id: (data: DataOf<D>) => string;
  /** The partition key. Default: `id`. */
  readonly key?: (data: DataOf<D>) => string;
  /** `required`: the stream must have events, else `RequiredMissing`; `created`: it begins with the initial state. Default `created`. */
  readonly load?: 'required' | 'created';
  /** Problems; where there are any, the handler does not run and the message ends as `Invalid`. Pure. */
  readonly validate?: (data: DataOf<D>, state: State) => ReadonlyArray<string>;
  /**
   * When others write to the stream at the same time: `retry` decides anew on the state as it is then; `lock` waits for the
   * stream's lease first; `partitioned` relies on the key, so that it never happens, and keeps the state in hand. Default `retry`.
   */
  readonly conflict?: Answer;
  /** How long `lock` waits, in milliseconds, 0 or more; then `LockTimeout`. Default 5,000. */
  readonly lockWaitMaxMs?: number;
}

type AnswerOf<Event> = HandlerAnswer<Event> | Promise<HandlerAnswer<Event>>;

/**
 * Handles a message on an aggregate's stream. The answer's events and messages are written in one append, whose event ids
 * derive from the message's id: however often it is delivered, its effect happens once.
 *
 * ```ts
 * ReserveInventory: onAggregate(item, {
 *   data: t.type({ itemId: t.string, orderId: t.string, quantity: t.number }),
 *   id: ({ itemId }) => itemId,
 *   load: 'required',
 *   validate: ({ quantity }, { available }) => (quantity > available ? ['insufficient inventory'] : []),
 *   handle: ({ orderId, quantity }) => ({ events: [{ type: 'Reserved', data: { orderId, quantity } }] }),
 *   conflict: 'partitioned',
 * })
 * ```
 * With `command` in place of `handle` the message becomes a command of the aggregate, and a rejection ends it as `Rejected`.
 * `validate` and `handle` may run several times for one message.
 */
export const onAggregate = <
  D extends Definition,
  Commands extends Definitions,
  Events extends Definitions,
  State,
  Rejection,
>(
  rules: Aggregate<Commands, Events, State, Rejection>,
  options: OnStreamOptions<D, State, AggregateConflictAnswer> &
    (
      | {
          readonly handle: (
            data: DataOf<D>,
            state: State,
            info: MessageInfo,
          ) => AnswerOf<TaggedOf<NoInfer<Events>>>;
          readonly command?: never;
        }
      | {
          readonly command: (data: DataOf<D>) => CommandInput<NoInfer<Commands>>;
          readonly handle?: never;
        }
    ),
): MessageHandler<DataOf<D>> => {
  type Data = DataOf<D>;
  const { data: definition, id, key = id, load = 'created', validate, conflict = 'retry' } = options;
  const { lockWaitMaxMs = lockWaitMaxMsDefault } = options;
  const asCommand = (data: Data, state: State) => {
    const decoded = decodeCommand(rules.commands, (options.command as (data: Data) => never)(data));
    // Thrown, because the message has been decoded already: it is the handler that made a command of it that is none.
    if (E.isLeft(decoded)) throw taggedError(decoded.left);
    const decision = rules.decide(state, decoded.right);
    return E.isLeft(decision)
      ? ({ _tag: 'Rejected', rejection: decision.left } as const)
      : { events: decision.right };
  };
  const handle = options.handle ?? asCommand;
  const on = { id, load, validate, conflict, lockWaitMaxMs, handle } as never;
  return {
    ...{ definition, key, batchMax: 1 },
    open: (context) => ({ run: handleOnAggregate<Data, State>(context, rules, on) }),
  };
};

type DataOfType<M extends AnyEvent, K> = Extract<M, { readonly type: K }>['data'];

/**
 * Hands a message to a saga: `onSaga(loan, 'MoneyReceived', { id: ({ loanId }) => loanId })`. What it does then is the saga's
 * business, also what it sends. `conflict` is the saga's own answer by default; `lock` and `partitioned` never diverge.
 */
export const onSaga = <
  S,
  Ev extends AnyEvent,
  M extends AnyEvent,
  Out extends AnyEvent,
  const K extends M['type'],
>(
  saga: Saga<S, Ev, M, Out>,
  type: K,
  options: Omit<OnStreamOptions<Definition, S, SagaConflictAnswer>, 'data' | 'id' | 'key' | 'validate'> & {
    readonly id: (data: DataOfType<M, K>) => string;
    readonly key?: (data: DataOfType<M, K>) => string;
    readonly validate?: (data: DataOfType<M, K>, state: S) => ReadonlyArray<string>;
  },
): MessageHandler<DataOfType<M, K>> => {
  const definition = Object.hasOwn(saga.messages, type) ? saga.messages[type] : undefined;
  if (definition === undefined) throw new TypeError(`onSaga: ${saga.name} has no message ${type}`);
  const { id, key = id, load = 'created', validate, lockWaitMaxMs = lockWaitMaxMsDefault } = options;
  const conflict = options.conflict ?? (saga.onConflict === 'merge' ? 'merge' : 'retry');
  if (conflict === 'merge' && saga.merger === undefined)
    throw new TypeError(
      `onSaga: ${saga.name} has no merger, so that ${type} cannot answer conflict with merge`,
    );
  const on = { id, load, conflict, lockWaitMaxMs, validate, type };
  return {
    ...{ definition, key, batchMax: 1 },
    open: (context) => ({ run: handleOnSaga(context, saga, on) }),
  };
};

const enqueueBy =
  (context: HandlerContext, delivery: Delivery) =>
  async (next: ReadonlyArray<QueuedMessage>): Promise<E.Either<MessageFailure, Ran>> => {
    const { signal, message } = delivery;
    if (signal.aborted) return E.left(timedOut(message.type, context.handlerTimeMaxMs));
    if (context.enqueues === 'byCaller') return E.right({ outcome: { _tag: 'Ran' }, next });
    if (next.length > 0) {
      const { queue } = context.store;
      if (queue === undefined) throw new TypeError(`${context.store.name} has no queue to enqueue to`);
      const enqueued = await queue.enqueue(next)();
      if (E.isLeft(enqueued)) return enqueued;
    }
    return E.right({ outcome: { _tag: 'Ran' }, next: [] });
  };

/**
 * Handles a message that has no stream, such as a call to another system: at least once, so do it under `info.id`. What it
 * answers is enqueued, once.
 */
export const onMessage = <D extends Definition>(options: {
  readonly data: D;
  readonly key: (data: DataOf<D>) => string;
  readonly validate?: (data: DataOf<D>) => ReadonlyArray<string>;
  readonly handle: (
    data: DataOf<D>,
    info: MessageInfo,
  ) => void | Pick<HandlerAnswer, 'enqueue'> | Promise<void | Pick<HandlerAnswer, 'enqueue'>>;
}): MessageHandler<DataOf<D>> => {
  const { data: definition, key, validate, handle } = options;
  const open = (context: HandlerContext) => ({
    run: async (data: DataOf<D>, delivery: Delivery): Promise<E.Either<MessageFailure, Ran>> => {
      const problems = await callHandler(context, delivery, () => validate?.(data) ?? []);
      if (E.isLeft(problems)) return problems;
      if (problems.right.length > 0)
        return E.right({ outcome: { _tag: 'Invalid', problems: problems.right }, next: [] });
      const answer = await callHandler(context, delivery, () => handle(data, infoOf(delivery)));
      if (E.isLeft(answer)) return answer;
      const next = queuedFrom(delivery.message, answer.right?.enqueue ?? []);
      return enqueueBy(context, delivery)(next);
    },
  });
  return { definition, key, batchMax: 1, open };
};

/**
 * Handles several consecutive messages of one partition in one call, `batchMax` at most (2 to 1,024), each of another key. Where
 * it throws, each is delivered by itself, so that only the one at fault is parked.
 */
export const onBatch = <D extends Definition>(options: {
  readonly data: D;
  readonly key: (data: DataOf<D>) => string;
  readonly batchMax: number;
  readonly handle: (
    batch: ReadonlyArray<{ readonly data: DataOf<D>; readonly info: MessageInfo }>,
  ) => void | Promise<void>;
}): MessageHandler<DataOf<D>> => {
  const { data: definition, key, batchMax, handle } = options;
  if (!Number.isInteger(batchMax) || batchMax < 2 || batchMax > 1_024)
    throw new TypeError(`onBatch: batchMax must be a whole number from 2 to 1,024, found ${batchMax}`);
  const open = (context: HandlerContext) => {
    const batch: RunBatch<DataOf<D>> = async (all) => {
      const [first] = all;
      if (first === undefined) return E.right({ outcome: { _tag: 'Ran' }, next: [] });
      const told = all.map(({ data, delivery }) => ({ data, info: infoOf(delivery) }));
      const answer = await callHandler(context, first.delivery, () => handle(told));
      return E.isLeft(answer) ? answer : E.right({ outcome: { _tag: 'Ran' }, next: [] });
    };
    return { batch, run: (data: DataOf<D>, delivery: Delivery) => batch([{ data, delivery }]) };
  };
  return { definition, key, batchMax, open };
};

/** A message on its way into a queue, as its sender writes it. */
export interface MessageToSend<K, Data> {
  readonly queue: string;
  readonly type: K;
  readonly data: Data;
  /** The same each time it is sent. 1 to 512 bytes. */
  readonly id: string;
  readonly tenant?: Tenant;
  readonly metadata?: EventMetadata;
  readonly delayMs?: number;
}

export interface MessageHandlers<H extends HandlersByType = HandlersByType> {
  readonly handlers: H;
  /** A message for `store.queue.enqueue`: encoded by its codec, with its key. What `key` throws is a bug, and is thrown. */
  readonly message: <K extends keyof H & string>(
    message: MessageToSend<K, DataOfHandler<H[K]>>,
  ) => E.Either<EncodeFailed, QueuedMessage>;
  /** A message for the `enqueue` of a handler's answer. Throws what cannot be encoded, which is that handler's failure. */
  readonly next: <K extends keyof H & string>(
    type: K,
    data: DataOfHandler<H[K]>,
    more?: Pick<NextMessage, 'queue' | 'id' | 'delayMs'>,
  ) => NextMessage;
  readonly decode: (
    message: Pick<TakenMessage, 'type' | 'schemaVersion' | 'data'>,
  ) => E.Either<HandlerMissing | HandlerThrew | DecodeFailed, unknown>;
}

/** A set of handlers by message type, for `queueWorker` and `localPartitions`. */
export const messageHandlers = <const H extends HandlersByType>(handlers: H): MessageHandlers<H> => {
  const definitions = Object.fromEntries(
    Object.entries(handlers).map(([type, { definition }]) => [type, definition]),
  );
  const encode = (type: string, data: unknown) => {
    const encoded = encodeTagged(definitions, { type, data });
    if (E.isLeft(encoded)) return encoded;
    const handler = handlers[type] as HandlersByType[string];
    return E.right({ ...encoded.right, key: handler.key(data) });
  };
  return {
    handlers,
    message: ({ data, ...rest }) => {
      const encoded = encode(rest.type, data);
      return E.isLeft(encoded) ? encoded : E.right({ ...rest, ...encoded.right });
    },
    next: (type, data, more = {}) => {
      const encoded = encode(type, data);
      if (E.isLeft(encoded)) throw taggedError(encoded.left);
      return { ...more, ...encoded.right };
    },
    decode: ({ type, schemaVersion, data }) => {
      if (!Object.hasOwn(handlers, type))
        return E.left({ _tag: 'HandlerMissing', type, message: `there is no handler of ${type}` });
      try {
        const decoded = decodeTagged(definitions, { type, schemaVersion, data });
        return E.isLeft(decoded) ? decoded : E.right(decoded.right.data);
      } catch (thrown) {
        // An upcast is the user's code as well.
        return E.left(handlerThrew(type, thrown));
      }
    },
  };
};
