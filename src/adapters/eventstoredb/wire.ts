/** Messages of the protocol, both ways: read requests and proposed events going out, events coming in. */
import * as E from 'fp-ts/lib/Either.js';
import type { ReadResp as GroupReadResp } from '@eventstore/db-client/generated/persistent_pb.js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { EventData, RecordedEvent } from '../../core/event.js';
import { metadataFormOf, readMetadataForm } from '../../core/eventstoredb/event-form.js';
import { type StreamKey, streamKeyOf } from '../../core/eventstoredb/stream-id.js';
import type { Json, JsonObject } from '../../core/json.js';
import {
  type Position,
  positionOf,
  positionParts,
  startPosition,
  type StreamVersion,
} from '../../core/stream.js';
import type { Driver } from './driver.js';

/** An event as it stands there. */
export interface RawEvent {
  readonly streamId: string;
  readonly eventId: string;
  readonly version: StreamVersion;
  readonly type: string;
  readonly isJson: boolean;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
  /** In 100 nanoseconds since 1970. */
  readonly createdTicks: bigint;
  /** `undefined` where the server does not say: reads of streams by servers before 22.6. */
  readonly position: Position | undefined;
}

/** An event as it is sent. */
export interface ProposedEvent {
  readonly eventId: string;
  readonly type: string;
  readonly data: Buffer;
  readonly metadata: Buffer;
}

export const proposed = (event: EventData): ProposedEvent => ({
  eventId: event.eventId,
  type: event.type,
  data: Buffer.from(JSON.stringify(event.data)),
  metadata: Buffer.from(JSON.stringify(metadataFormOf(event))),
});

/** Bytes of an event as the server counts them against its largest append. */
export const proposedBytes = ({ type, data, metadata }: ProposedEvent): number =>
  data.length + metadata.length + 2 * type.length;

/** Which events the server lets pass: by the stream's name or by the event's type. */
export interface ServerFilter {
  readonly on: 'streamName' | 'eventType';
  readonly regex: string;
}

export interface RawRead {
  /** `$all` where none is named. */
  readonly streamId?: string;
  readonly backwards: boolean;
  /** A version of a stream, a position of `$all`, or one of the ends. */
  readonly from: StreamVersion | Position | 'start' | 'end';
  /** At most so many events; none is a subscription. */
  readonly count?: number;
  readonly filter?: ServerFilter;
}

/** Events that the server looks at before it says how far it is. */
const filterWindow = 1_000;

type Options = ReadReq.Options;

const setFilter = ({ shared, streams }: Driver, options: Options, filter: ServerFilter | undefined): void => {
  if (filter === undefined) return options.setNoFilter(new shared.Empty()) as unknown as void;
  const { FilterOptions } = streams.ReadReq.Options;
  const [filterOptions, expression] = [new FilterOptions(), new FilterOptions.Expression()];
  expression.setRegex(filter.regex);
  if (filter.on === 'streamName') filterOptions.setStreamIdentifier(expression);
  else filterOptions.setEventType(expression);
  filterOptions.setMax(filterWindow);
  filterOptions.setCheckpointintervalmultiplier(1);
  options.setFilter(filterOptions);
};

const identifierOf = ({ shared }: Driver, streamId: string) => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(streamId));
  return identifier;
};

const setStart = (driver: Driver, options: Options, { streamId, from }: RawRead): void => {
  const { shared, streams } = driver;
  const { AllOptions, Position: AllPosition, StreamOptions } = streams.ReadReq.Options;
  const place = streamId === undefined ? new AllOptions() : new StreamOptions();
  if (from === 'start') place.setStart(new shared.Empty());
  else if (from === 'end') place.setEnd(new shared.Empty());
  else if (streamId !== undefined)
    (place as InstanceType<typeof StreamOptions>).setRevision(String((from as number) - 1));
  else {
    const [commit, prepare] = positionParts(from as Position);
    const position = new AllPosition();
    position.setCommitPosition(String(commit));
    position.setPreparePosition(String(prepare));
    (place as InstanceType<typeof AllOptions>).setPosition(position);
  }
  if (streamId === undefined) return void options.setAll(place as InstanceType<typeof AllOptions>);
  const stream = place as InstanceType<typeof StreamOptions>;
  stream.setStreamIdentifier(identifierOf(driver, streamId));
  options.setStream(stream);
};

export const readRequest = (driver: Driver, read: RawRead): ReadReq => {
  const { shared, streams } = driver;
  const [request, options] = [new streams.ReadReq(), new streams.ReadReq.Options()];
  const uuids = new streams.ReadReq.Options.UUIDOption();
  uuids.setString(new shared.Empty());
  options.setUuidOption(uuids);
  options.setResolveLinks(false);
  options.setReadDirection(read.backwards ? 1 : 0);
  if (read.count === undefined) options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions());
  else options.setCount(String(read.count));
  setStart(driver, options, read);
  setFilter(driver, options, read.filter);
  request.setOptions(options);
  return request;
};

/** What a writer requires there: the version that the stream stands at, or one of the words. */
export type RawExpected = StreamVersion | 'any' | 'noStream' | 'streamExists';

/** The messages of one append: what is required, then event after event. */
export const appendMessages = (
  driver: Driver,
  streamId: string,
  expected: RawExpected,
  events: ReadonlyArray<ProposedEvent>,
) => {
  const { shared, streams } = driver;
  const [header, options] = [new streams.AppendReq(), new streams.AppendReq.Options()];
  options.setStreamIdentifier(identifierOf(driver, streamId));
  if (expected === 'any') options.setAny(new shared.Empty());
  else if (expected === 'streamExists') options.setStreamExists(new shared.Empty());
  else if (expected === 'noStream' || expected === 0) options.setNoStream(new shared.Empty());
  else options.setRevision(String(expected - 1));
  header.setOptions(options);
  const messages = events.map(({ eventId, type, data, metadata }) => {
    const [entry, message] = [new streams.AppendReq(), new streams.AppendReq.ProposedMessage()];
    const id = new shared.UUID();
    id.setString(eventId);
    message.setId(id);
    message.getMetadataMap().set('type', type).set('content-type', 'application/json');
    message.setData(data);
    message.setCustomMetadata(metadata);
    entry.setProposedMessage(message);
    return entry;
  });
  return [header, ...messages];
};

const unknownPosition = 2n ** 64n - 1n;

const positionIn = (commit: string | number, prepare: string | number): Position | undefined =>
  BigInt(commit) === unknownPosition || BigInt(prepare) === unknownPosition
    ? undefined
    : positionOf(commit, prepare);

/** A recorded event in a message, whichever service it belongs to. */
type RecordMessage = ReadResp.ReadEvent.RecordedEvent | GroupReadResp.ReadEvent.RecordedEvent;

export const rawRecordOf = (record: RecordMessage | undefined): RawEvent | undefined => {
  const identifier = record?.getStreamIdentifier();
  const id = record?.getId();
  if (record === undefined || identifier === undefined || id === undefined) return undefined;
  const system = record.getMetadataMap();
  return {
    streamId: Buffer.from(identifier.getStreamName_asU8()).toString(),
    eventId: id.getString().toLowerCase(),
    version: (Number(record.getStreamRevision()) + 1) as StreamVersion,
    type: system.get('type') ?? '',
    isJson: system.get('content-type') === 'application/json',
    data: record.getData_asU8(),
    metadata: record.getCustomMetadata_asU8(),
    createdTicks: BigInt(system.get('created') ?? 0),
    position: positionIn(record.getCommitPosition(), record.getPreparePosition()),
  };
};

const parsed = (bytes: Uint8Array): Json | undefined => {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as Json;
  } catch {
    return undefined;
  }
};

const base64 = (bytes: Uint8Array): JsonObject => ({ base64: Buffer.from(bytes).toString('base64') });

/** The event itself, or the link where it is one: links are not followed. */
export const rawEventOf = (read: ReadResp.ReadEvent): RawEvent | undefined =>
  rawRecordOf(read.getLink() ?? read.getEvent());

/** Data that is no JSON is kept whole under `headers.eventstoredb`, and so is such metadata. */
const contentOf = ({ data, isJson, metadata }: RawEvent) => {
  const json = isJson ? parsed(data) : undefined;
  const form = metadata.length === 0 ? undefined : parsed(metadata);
  const { schemaVersion, metadata: read } = readMetadataForm(form);
  const strange = {
    ...(json === undefined && { data: base64(data) }),
    ...(form === undefined && metadata.length > 0 && { metadata: base64(metadata) }),
  };
  if (Object.keys(strange).length === 0) return { schemaVersion, data: json as Json, metadata: read };
  const known = read.headers?.['eventstoredb'] as JsonObject | undefined;
  const headers = { ...read.headers, eventstoredb: { ...known, ...strange } };
  return { schemaVersion, data: json ?? null, metadata: { ...read, headers } };
};

/** `key`: whose it is, where that is known already. Undefined where its stream has no name of ours. */
export const recordedOf = (raw: RawEvent, key?: StreamKey): RecordedEvent | undefined => {
  const owner = key ?? E.getOrElse((): StreamKey | undefined => undefined)(streamKeyOf(raw.streamId));
  if (owner === undefined) return undefined;
  return {
    eventId: raw.eventId,
    type: raw.type,
    ...contentOf(raw),
    ...owner,
    version: raw.version,
    position: raw.position ?? startPosition,
    recordedAt: new Date(Number(raw.createdTicks / 10_000n)).toISOString(),
  };
};
