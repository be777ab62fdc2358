/** Where a saga's messages go: handlers of this process, a transport, or a durable queue. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { ReleasedMessage } from '../../core/merge/merge.js';
import type { Tenant } from '../../core/stream.js';
import type { MessageQueue } from '../../store/message-queue.js';

/** A released message on its way out. Delivered at least once, in order per saga, always under the same id. */
export interface Dispatched extends ReleasedMessage {
  readonly tenant: Tenant;
  readonly sagaId: string;
  readonly streamName: string;
}

/** Takes messages away from a saga. One that rejects, or takes too long, is asked again with the same message. */
export interface Transport {
  /** Resolves when the message is safe with whoever should have it. */
  readonly deliver: (message: Dispatched) => Promise<void>;
}

/** A transport, or a handler in this process. */
export type Dispatch = Transport | ((message: Dispatched) => Promise<void> | void);

export const deliverWith = (dispatch: Dispatch): Transport['deliver'] =>
  typeof dispatch === 'function' ? async (message) => dispatch(message) : dispatch.deliver;

/** Handlers in this process, by type of message. A message that has none is not delivered, and tried again like any that fails. */
export const toHandlers = (
  handlers: Readonly<Record<string, (message: Dispatched) => Promise<void> | void>>,
): Transport => ({
  deliver: async (message) => {
    const handler = Object.hasOwn(handlers, message.type) ? handlers[message.type] : undefined;
    if (handler === undefined) throw new Error(`no handler for ${message.type}`);
    await handler(message);
  },
});

/**
 * Puts messages into a durable queue, which takes each id once: a message that is delivered again is not there twice. `keyOf`
 * says what is handled one after another; default: the saga. `depthMax` holds the saga's messages back while the queue is full.
 */
export const toQueue = (
  queue: MessageQueue,
  name: string,
  keyOf: (message: Dispatched) => string = ({ streamName }) => streamName,
  options: { readonly depthMax?: number } = {},
): Transport => ({
  deliver: async (message) => {
    const { tenant, id, type, schemaVersion, data, metadata } = message;
    const queued = { tenant, queue: name, id, key: keyOf(message), type, schemaVersion, data };
    const enqueued = await queue.enqueue([{ ...queued, ...(metadata && { metadata }) }], options)();
    if (E.isLeft(enqueued)) throw taggedError(enqueued.left);
  },
});
