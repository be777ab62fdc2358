/**
 * Events of clients, kept so that they are given back byte for byte. What Watersmeet itself wrote is kept as an event of ours; of any
 * other event the raw parts stand in the header `eventstoredb`, beside the data as JSON where it is some.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData, EventMetadata } from '../core/event.js';
import { isOwnForm, metadataFormOf, readMetadataForm } from '../core/eventstoredb/event-form.js';
import { findJsonProblem, type Json, type JsonObject } from '../core/json.js';
import { checkName } from '../core/stream.js';
import { idBytesMax, metadataProblem } from '../store/checks.js';

/** An event as it travels. */
export interface WireEvent {
  readonly eventId: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export const jsonContentType = 'application/json';

// Strict, and a byte order mark stays: the text must become the same bytes again.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The bytes as text that every store keeps; `undefined` where they are none. */
const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    const text = decoder.decode(bytes);
    return text.includes('\u0000') ? undefined : text;
  } catch {
    return undefined;
  }
};

const parsed = (text: string | undefined): Json | undefined => {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
};

type RawPart = { readonly text: string } | { readonly base64: string };

const rawPartOf = (bytes: Uint8Array, text: string | undefined): RawPart =>
  text === undefined ? { base64: Buffer.from(bytes).toString('base64') } : { text };

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bytesOf = (part: Json | undefined): Uint8Array => {
  if (!isObject(part)) return new Uint8Array();
  if (typeof part['text'] === 'string') return encoder.encode(part['text']);
  return typeof part['base64'] === 'string'
    ? new Uint8Array(Buffer.from(part['base64'], 'base64'))
    : new Uint8Array();
};

/** The raw parts of an event that a client wrote; `undefined` for an event of ours. */
const rawOf = (metadata: EventMetadata): JsonObject | undefined => {
  const raw = metadata.headers?.['eventstoredb'];
  return isObject(raw) && typeof raw['contentType'] === 'string' ? raw : undefined;
};

/** The event as one of ours, where that loses nothing: the very texts must come back. */
const ownForm = (dataText: string, metadataText: string): Omit<EventData, 'eventId' | 'type'> | undefined => {
  const form = parsed(metadataText);
  if (!isOwnForm(form)) return undefined;
  const data = parsed(dataText);
  if (data === undefined || JSON.stringify(data) !== dataText || findJsonProblem(data) !== undefined)
    return undefined;
  const { schemaVersion, metadata } = readMetadataForm(form);
  const isSame = JSON.stringify(metadataFormOf({ schemaVersion, metadata })) === metadataText;
  // An event of ours whose header looks like raw parts would be taken for a client's.
  const isPlain = schemaVersion <= 32_767 && metadataProblem({ metadata }) === undefined && !rawOf(metadata);
  return isSame && isPlain ? { schemaVersion, data, metadata } : undefined;
};

const usable = (value: Json | undefined): value is string => E.isRight(checkName('id', value, idBytesMax));

/** How an event is stored whose raw parts are kept, whatever it looks like. */
export const rawFormOf = ({ eventId, type, contentType, data, metadata }: WireEvent): EventData => {
  const dataText = textOf(data);
  const metadataText = textOf(metadata);
  const body = contentType === jsonContentType ? parsed(dataText) : undefined;
  const form = parsed(metadataText);
  const correlationId = isObject(form) ? form['$correlationId'] : undefined;
  const causationId = isObject(form) ? form['$causationId'] : undefined;
  return {
    eventId,
    type,
    schemaVersion: 1,
    data: body === undefined || findJsonProblem(body) !== undefined ? null : body,
    metadata: {
      ...(usable(correlationId) && { correlationId }),
      ...(usable(causationId) && { causationId }),
      headers: {
        eventstoredb: {
          contentType,
          data: rawPartOf(data, dataText),
          metadata: rawPartOf(metadata, metadataText),
        },
      },
    },
  };
};

/** How an event of a client is stored. Its type and id are the store's to judge. */
export const storedFormOf = (event: WireEvent): EventData => {
  const { eventId, type } = event;
  const dataText = textOf(event.data);
  const metadataText = textOf(event.metadata);
  const isText =
    event.contentType === jsonContentType && dataText !== undefined && metadataText !== undefined;
  const own = isText ? ownForm(dataText, metadataText) : undefined;
  return own === undefined ? rawFormOf(event) : { eventId, type, ...own };
};

/** An event of the server's own, JSON as a client would write it, with marks that clients do not see. */
export const serverEventOf = (
  eventId: string,
  type: string,
  body: JsonObject,
  marks: JsonObject = {},
): EventData => ({
  eventId,
  type,
  schemaVersion: 1,
  data: body,
  metadata: {
    headers: {
      eventstoredb: {
        ...marks,
        contentType: jsonContentType,
        data: { text: JSON.stringify(body) },
        metadata: { text: '' },
      },
    },
  },
});

/** Adds a mark that clients do not see to an event that is about to be stored. */
export const withMark = (event: EventData, name: string, value: Json): EventData => {
  const raw = rawOf(event.metadata);
  if (raw === undefined) return event;
  const headers = { ...event.metadata.headers, eventstoredb: { ...raw, [name]: value } };
  return { ...event, metadata: { ...event.metadata, headers } };
};

/** A mark that the server left on an event. */
export const markOf = ({ metadata }: Pick<EventData, 'metadata'>, name: string): Json | undefined =>
  rawOf(metadata)?.[name];

/** An event of the store as clients see it: their own bytes, or an event of ours as JSON. */
export const wireFormOf = (
  event: Pick<EventData, 'schemaVersion' | 'data' | 'metadata'>,
): Pick<WireEvent, 'contentType' | 'data' | 'metadata'> => {
  const raw = rawOf(event.metadata);
  if (raw !== undefined)
    return {
      contentType: raw['contentType'] as string,
      data: bytesOf(raw['data']),
      metadata: bytesOf(raw['metadata']),
    };
  return {
    contentType: jsonContentType,
    data: encoder.encode(JSON.stringify(event.data)),
    metadata: encoder.encode(JSON.stringify(metadataFormOf(event))),
  };
};

/** The data as text, for those who read links and stream metadata; `undefined` where it is none. */
export const dataTextOf = (
  event: Pick<EventData, 'schemaVersion' | 'data' | 'metadata'>,
): string | undefined => textOf(wireFormOf(event).data);
