/** Messages of the protocol from what the store answers, and back: ids, stream names, recorded events. */
import * as E from 'fp-ts/lib/Either.js';
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js';
import { type StreamKey, streamIdOf, streamKeyOf } from '../core/eventstoredb/stream-id.js';
import type { RecordedEvent } from '../core/event.js';
import { taggedError } from '../core/fault.js';
import type { Position } from '../core/stream.js';
import type { ServedEvent } from './feed-items.js';
import type { Modules } from './loading.js';
import { revisionOf, wirePositionOf } from './positions.js';
import { refuse } from './status.js';
import { wireFormOf } from './stored-form.js';

/** How a client wants ids: as text, or as two numbers. */
export type IdForm = 'string' | 'structured';

const unsigned = (bits: string): bigint => BigInt.asUintN(64, BigInt(bits));

/** An id as text in lower case; '' where the client sent none. */
export const idOf = (message: UUID | undefined): string => {
  const structured = message?.getStructured();
  if (structured === undefined) return (message?.getString() ?? '').toLowerCase();
  const high = unsigned(structured.getMostSignificantBits()).toString(16).padStart(16, '0');
  const low = unsigned(structured.getLeastSignificantBits()).toString(16).padStart(16, '0');
  return `${high.slice(0, 8)}-${high.slice(8, 12)}-${high.slice(12)}-${low.slice(0, 4)}-${low.slice(4)}`;
};

export const idMessageOf = ({ shared }: Modules, id: string, form: IdForm): UUID => {
  if (form === 'string') return new shared.UUID().setString(id);
  const digits = id.replaceAll('-', '');
  const signed = (part: string): string => BigInt.asIntN(64, BigInt(`0x${part}`)).toString();
  const structured = new shared.UUID.Structured()
    .setMostSignificantBits(signed(digits.slice(0, 16)))
    .setLeastSignificantBits(signed(digits.slice(16)));
  return new shared.UUID().setStructured(structured);
};

/** The stream's name there; refuses what is no text. */
export const streamIdFrom = (message: StreamIdentifier | undefined): string => {
  const bytes = message?.getStreamName_asU8() ?? new Uint8Array();
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse('INVALID_ARGUMENT', 'The stream name is not UTF-8.');
  }
};

export const streamMessageOf = ({ shared }: Modules, streamId: string): StreamIdentifier =>
  new shared.StreamIdentifier().setStreamName(Buffer.from(streamId, 'utf8'));

/** Our stream of a name there; throws a refusal where no store can hold it. */
export const keyOf = (streamId: string): StreamKey => {
  const key = streamKeyOf(streamId);
  if (E.isLeft(key)) throw taggedError(key.left);
  return key.right;
};

/** What the messages for recorded events of all services have in common. */
interface RecordedMessage {
  setId(id?: UUID): unknown;
  setStreamIdentifier(identifier?: StreamIdentifier): unknown;
  setStreamRevision(revision: string): unknown;
  setPreparePosition(position: string): unknown;
  setCommitPosition(position: string): unknown;
  getMetadataMap(): { set(key: string, value: string): unknown };
  setCustomMetadata(bytes: Uint8Array): unknown;
  setData(bytes: Uint8Array): unknown;
}

interface ReadEventMessage<R> {
  setEvent(event?: R): unknown;
  setLink(link?: R): unknown;
  setCommitPosition(position: string): unknown;
}

/** Ticks of 100 ns since 1970, which is how the protocol gives times. */
export const ticksOf = (recordedAt: string): string => (BigInt(Date.parse(recordedAt)) * 10_000n).toString();

/** Fills the message of a recorded event, whichever service it belongs to. */
export const fillRecorded = <R extends RecordedMessage>(
  modules: Modules,
  message: R,
  event: RecordedEvent,
  idForm: IdForm,
): R => {
  const { contentType, data, metadata } = wireFormOf(event);
  const { commit, prepare } = wirePositionOf(event.position);
  message.setId(idMessageOf(modules, event.eventId, idForm));
  message.setStreamIdentifier(streamMessageOf(modules, streamIdOf(event)));
  message.setStreamRevision(revisionOf(event.version));
  message.setCommitPosition(commit.toString());
  message.setPreparePosition(prepare.toString());
  const known = message.getMetadataMap();
  known.set('type', event.type);
  known.set('content-type', contentType);
  known.set('created', ticksOf(event.recordedAt));
  message.setData(data);
  message.setCustomMetadata(metadata);
  return message;
};

/** Fills an answer of a read: the event, its link where it has one, and the position of what was read. */
export const fillServed = <R extends RecordedMessage, M extends ReadEventMessage<R>>(
  modules: Modules,
  message: M,
  makeRecorded: () => R,
  { event, link }: ServedEvent,
  idForm: IdForm,
): M => {
  if (event !== undefined) message.setEvent(fillRecorded(modules, makeRecorded(), event, idForm));
  if (link !== undefined) message.setLink(fillRecorded(modules, makeRecorded(), link, idForm));
  const original = link ?? event;
  if (original !== undefined) message.setCommitPosition(wirePositionOf(original.position).commit.toString());
  return message;
};

/** Any message that carries a position. */
interface PositionMessage {
  setCommitPosition(position: string): unknown;
  setPreparePosition(position: string): unknown;
}

export const fillPosition = <M extends PositionMessage>(message: M, position: Position): M => {
  const { commit, prepare } = wirePositionOf(position);
  message.setCommitPosition(commit.toString());
  message.setPreparePosition(prepare.toString());
  return message;
};
