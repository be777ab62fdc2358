/** One message against one view of a saga: what the handler decided, as the events of an append or as a branch. */
import * as E from 'fp-ts/lib/Either.js';
import {
  decodeTagged,
  type DecodeFailed,
  type Encoded,
  encodeTagged,
  type EncodeFailed,
  encodeWith,
} from '../codec.js';
import type { EventData, EventMetadata } from '../event.js';
import { thrownMessage } from '../fault.js';
import { derivedId } from '../ids.js';
import { hashOf, type Json } from '../json.js';
import type { AnyEvent } from '../merge/merge.js';
import { type AnyTimeout, type Reaction, recordTypes, type Saga } from './saga.js';
import type { SagaView } from './saga-view.js';
import {
  type MergeSagaStateRecord,
  type OutgoingRecord,
  type TimeoutWishes,
  withHeader,
} from './saga-records.js';
import { encodeWishes, hasWishes } from './saga-timeouts.js';
import type { StreamName, Tenant } from '../stream.js';

/** A message on its way to a saga. */
export interface SagaMessage<M extends AnyEvent = AnyEvent> {
  /** The same for every delivery; makes a repeat known. 1 to 512 bytes. */
  readonly id: string;
  /** Which instance. */
  readonly sagaId: string;
  readonly type: M['type'];
  readonly data: M['data'];
  /** Which schema version wrote `data`; 1 is the first and the default. */
  readonly schemaVersion?: number;
  /** Goes to each record of its handling. Without a `correlationId` the message begins a conversation, under its own id. */
  readonly metadata?: Omit<EventMetadata, 'causationId'>;
}

/** The instance that a message belongs to. */
export interface Instance {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly sagaId: string;
  /** One text for tenant and stream: stream names of two tenants may be the same. No name holds a NUL. */
  readonly key: string;
}

export const instanceOf = (saga: Pick<Saga, 'name'>, tenant: Tenant, sagaId: string): Instance => {
  const streamName = `${saga.name}-${sagaId}` as StreamName;
  return { tenant, sagaId, streamName, key: `${tenant}\u0000${streamName}` };
};

/** What a handler decided on a view, encoded; the handler need not run again whatever happens to it. */
export interface Decision {
  readonly messageId: string;
  readonly messageType: string;
  readonly message: Encoded;
  readonly epoch: number;
  readonly events: ReadonlyArray<Encoded>;
  readonly messages: ReadonlyArray<OutgoingRecord>;
  /** Timeouts that it asks for and cancels. */
  readonly wishes: TimeoutWishes;
  readonly completes: boolean;
  readonly metadata: EventMetadata;
}

/** The handler threw. Nothing was written. Mend the handler and deliver the message again. */
export interface ReactionFailed {
  readonly _tag: 'ReactionFailed';
  readonly streamName: string;
  readonly messageId: string;
  readonly messageType: string;
  readonly message: string;
  /** What was thrown. */
  readonly thrown: unknown;
}

/** A message its codec does not accept. Nothing was written. Mend the message; delivering it again does not help. */
export interface MessageInvalid {
  readonly _tag: 'MessageInvalid';
  readonly streamName: string;
  readonly messageId: string;
  readonly problem: DecodeFailed;
  readonly message: string;
}

export type ReactError = ReactionFailed | MessageInvalid | EncodeFailed;

const encodeAll = (
  definitions: Saga['events'],
  values: ReadonlyArray<AnyEvent>,
): E.Either<EncodeFailed, ReadonlyArray<Encoded>> => {
  const encoded: Encoded[] = [];
  for (const value of values) {
    const one = encodeTagged(definitions, value);
    if (E.isLeft(one)) return one;
    encoded.push(one.right);
  }
  return E.right(encoded);
};

/** Encodes what is sent, with stable ids; `source` is what the ids derive from. */
export const encodeMessages = (
  saga: Saga,
  source: ReadonlyArray<string | number>,
  sends: ReadonlyArray<AnyEvent & { readonly key?: string }>,
): E.Either<EncodeFailed, ReadonlyArray<OutgoingRecord>> => {
  const encoded = encodeAll(saga.sends, sends);
  if (E.isLeft(encoded)) return encoded;
  return E.right(
    encoded.right.map((message, index) => {
      const key = sends[index]?.key;
      return { id: derivedId(...source, 'message', index), ...message, ...(key !== undefined && { key }) };
    }),
  );
};

/** At most one message of a key leaves per epoch: later ones are kept in the record, cancelled, with the reason. */
export const cancelRepeatedKeys = (
  messages: ReadonlyArray<OutgoingRecord>,
  isSent: (key: string) => boolean,
): ReadonlyArray<OutgoingRecord> => {
  const now = new Set<string>();
  return messages.map((message) => {
    const { key } = message;
    if (key === undefined) return message;
    if (isSent(key) || now.has(key))
      return { ...message, cancelled: `a message with the key ${key} has left already` };
    now.add(key);
    return message;
  });
};

const runHandler = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  instance: Instance,
  view: SagaView<S>,
  message: SagaMessage,
  decoded: AnyEvent,
): E.Either<ReactionFailed, Reaction<Ev, Out, AnyTimeout>> => {
  try {
    const info = { sagaId: instance.sagaId, messageId: message.id, epoch: view.epoch };
    return E.right(saga.react(view.state, decoded as M, info));
  } catch (thrown) {
    const failed = { _tag: 'ReactionFailed', messageId: message.id, messageType: message.type } as const;
    return E.left({ ...failed, streamName: instance.streamName, message: thrownMessage(thrown), thrown });
  }
};

/** Runs the handler once. */
export const decide = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  instance: Instance,
  view: SagaView<S>,
  message: SagaMessage,
): E.Either<ReactError, Decision> => {
  const { streamName, tenant } = instance;
  const encodedMessage: Encoded = {
    type: message.type,
    schemaVersion: message.schemaVersion ?? 1,
    data: message.data as Json,
  };
  const decoded = decodeTagged(saga.messages, encodedMessage);
  if (E.isLeft(decoded))
    return E.left({
      _tag: 'MessageInvalid',
      streamName,
      messageId: message.id,
      problem: decoded.left,
      message: decoded.left.message,
    });
  const reaction = runHandler(saga, instance, view, message, decoded.right);
  if (E.isLeft(reaction)) return reaction;
  const { events = [], send = [], complete = false } = reaction.right;
  const encodedEvents = encodeAll(saga.events, events);
  if (E.isLeft(encodedEvents)) return encodedEvents;
  const source = [tenant, streamName, view.epoch, message.id, message.type];
  const messages = encodeMessages(saga, source, send as ReadonlyArray<AnyEvent>);
  if (E.isLeft(messages)) return messages;
  const wishes = encodeWishes(saga, source, reaction.right);
  if (E.isLeft(wishes)) return wishes;
  return E.right({
    messageId: message.id,
    messageType: message.type,
    message: encodedMessage,
    epoch: view.epoch,
    events: encodedEvents.right,
    messages: messages.right,
    wishes: wishes.right,
    completes: complete,
    metadata: { correlationId: message.id, ...message.metadata, causationId: message.id },
  });
};

/** Whether there is anything to write. */
export const isEmpty = (decision: Decision): boolean =>
  decision.events.length === 0 &&
  decision.messages.length === 0 &&
  !hasWishes(decision.wishes) &&
  !decision.completes;

const idFor = (instance: Instance, decision: Decision, part: string, index = 0): string =>
  derivedId(
    instance.tenant,
    instance.streamName,
    decision.epoch,
    decision.messageId,
    decision.messageType,
    part,
    index,
  );

export const completedRecord = (instance: Instance, epoch: number, metadata: EventMetadata): EventData => ({
  eventId: derivedId(instance.tenant, instance.streamName, 'completed', epoch),
  type: recordTypes.sagaCompleted,
  schemaVersion: 1,
  data: { epoch },
  metadata,
});

/** The append of a decision onto the trunk: its events, what it sends and its timeouts riding on the last, and the completion. */
export const trunkEvents = (
  instance: Instance,
  decision: Decision,
  isSent: (key: string) => boolean,
): ReadonlyArray<EventData> => {
  const sends = cancelRepeatedKeys(decision.messages, isSent);
  const last = decision.events.length - 1;
  const header = { epoch: decision.epoch, message: decision.messageType };
  const lastHeader = { ...header, ...(sends.length > 0 && { sends }), ...decision.wishes };
  const events: EventData[] = decision.events.map((event, index) => ({
    ...event,
    eventId: idFor(instance, decision, 'event', index),
    metadata: withHeader(decision.metadata, index === last ? lastHeader : header),
  }));
  if (last < 0)
    events.push({
      eventId: idFor(instance, decision, 'handled'),
      type: recordTypes.sagaMessageHandled,
      schemaVersion: 1,
      data: {},
      metadata: withHeader(decision.metadata, lastHeader),
    });
  if (decision.completes)
    events.push(completedRecord(instance, decision.epoch, withHeader(decision.metadata, header)));
  return events;
};

// A state is a value: the branch that forks from it and the merge that meets it again hash the very same object.
const stateHashes = new WeakMap<object, WeakMap<object, string>>();

/** Hash of a state as its codec writes it; what a branch remembers of its base. */
export const stateHash = <S>(saga: Saga<S>, state: S): E.Either<EncodeFailed, string> => {
  const ofSaga = stateHashes.get(saga) ?? new WeakMap<object, string>();
  stateHashes.set(saga, ofSaga);
  const isObject = typeof state === 'object' && state !== null;
  const known = isObject ? ofSaga.get(state) : undefined;
  if (known !== undefined) return E.right(known);
  const encoded = encodeWith(`${saga.name} state`, saga.state, state);
  if (E.isLeft(encoded)) return encoded;
  const hash = hashOf(encoded.right);
  if (isObject) ofSaga.set(state, hash);
  return E.right(hash);
};

/** The record of a decision that lost its append: its work, and the request to merge it. Its id is the branch's. */
export const branchRecord = <S>(
  saga: Saga<S>,
  instance: Instance,
  view: SagaView<S>,
  decision: Decision,
): E.Either<EncodeFailed, EventData> => {
  const baseHash = stateHash(saga, view.state);
  if (E.isLeft(baseHash)) return baseHash;
  const branchId = idFor(instance, decision, 'branch');
  const record: MergeSagaStateRecord = {
    branchId,
    epoch: decision.epoch,
    base: view.version,
    baseHash: baseHash.right,
    events: decision.events,
    messages: decision.messages,
    ...decision.wishes,
    completes: decision.completes,
    cause: { messageId: decision.messageId, ...decision.message },
  };
  const metadata = withHeader(decision.metadata, { epoch: decision.epoch, message: decision.messageType });
  return E.right({
    eventId: branchId,
    type: recordTypes.mergeSagaState,
    schemaVersion: 1,
    data: record as unknown as Json,
    metadata,
  });
};
