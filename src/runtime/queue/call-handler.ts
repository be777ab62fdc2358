/** Calls what a user has written: what it throws is a failed attempt, and what never pauses is broken off. */
import * as E from 'fp-ts/lib/Either.js';
import { encodeEvent } from '../../core/aggregate-codec.js';
import type { Definitions, EncodeFailed } from '../../core/codec.js';
import { carriedOn } from '../../core/conversation.js';
import type { EventData } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import type { StreamName } from '../../core/stream.js';
import type { QueuedMessage, TakenMessage } from '../../store/message-queue.js';
import {
  type Delivery,
  type HandlerContext,
  type HandlerThrew,
  handlerThrew,
  type HandlerTimedOut,
  type MessageInfo,
  type NextMessage,
  timedOut,
} from './message-delivery.js';

export const infoOf = ({ message, signal }: Delivery): MessageInfo => {
  const { id, key, tenant, attempt, metadata } = message;
  return { id, key, tenant, attempt, metadata, signal };
};

/** What `call` answers. The time limit for what is asynchronous is kept by whoever waits for the whole attempt. */
export const callHandler = async <A>(
  { limit, handlerTimeMaxMs }: HandlerContext,
  delivery: Delivery,
  call: () => A | Promise<A>,
): Promise<E.Either<HandlerThrew | HandlerTimedOut, A>> => {
  try {
    const called = limit === undefined ? { value: call() } : limit.run(call);
    if (called === undefined) return E.left(timedOut(delivery.message.type, handlerTimeMaxMs));
    return E.right(await called.value);
  } catch (thrown) {
    return E.left(handlerThrew(delivery.message.type, thrown));
  }
};

/** The same for what takes no time, such as an id or a fold: watching it would cost more than doing it. */
export const callPlain = <A>(delivery: Delivery, call: () => A): E.Either<HandlerThrew, A> => {
  try {
    return E.right(call());
  } catch (thrown) {
    return E.left(handlerThrew(delivery.message.type, thrown));
  }
};

/** Next messages as they go into a queue: with stable ids, and with the message in hand as their cause. */
export const queuedFrom = (
  message: TakenMessage,
  next: ReadonlyArray<NextMessage>,
): ReadonlyArray<QueuedMessage> =>
  next.map((one, index) => ({
    tenant: message.tenant,
    queue: one.queue ?? message.queue,
    id: one.id ?? derivedId(message.tenant, message.queue, message.id, 'next', index),
    key: one.key,
    type: one.type,
    schemaVersion: one.schemaVersion ?? 1,
    data: one.data,
    metadata: carriedOn(message.metadata, message.id),
    ...(one.delayMs !== undefined && { delayMs: one.delayMs }),
  }));

/** Id of the event at `index` that a message came to on a stream: the same on every delivery. */
export const eventIdOf = (message: TakenMessage, streamName: StreamName, index: number): string =>
  derivedId(message.tenant, streamName, message.id, index);

/** Events as they are written, and as they will be read. */
export const encodeAnswer = <Event>(
  definitions: Definitions,
  message: TakenMessage,
  streamName: StreamName,
  events: ReadonlyArray<{ readonly type: string; readonly data: unknown }>,
): E.Either<
  EncodeFailed,
  { readonly events: ReadonlyArray<Event>; readonly written: ReadonlyArray<EventData> }
> => {
  const read: Event[] = [];
  const written: EventData[] = [];
  for (const [index, event] of events.entries()) {
    const encoded = encodeEvent(definitions, event);
    if (E.isLeft(encoded)) return encoded;
    read.push(encoded.right.event as Event);
    written.push({
      eventId: eventIdOf(message, streamName, index),
      ...encoded.right.encoded,
      metadata: { correlationId: message.id, ...message.metadata, causationId: message.id },
    });
  }
  return E.right({ events: read, written });
};
