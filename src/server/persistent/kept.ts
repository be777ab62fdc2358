/** What a group keeps in the store beside its settings: its checkpoint, and the messages it has put aside, as links. */
import { streamIdOf } from '../../core/eventstoredb/stream-id.js';
import { toPromise } from '../../core/fault.js';
import { any } from '../../core/stream.js';
import type { EventData } from '../../core/event.js';
import { newId } from '../../store/ids.js';
import type { Fence } from '../../store/leases.js';
import type { ServerContext } from '../context.js';
import type { ServedEvent } from '../feed.js';
import { linkType, served } from '../links.js';
import { deletedMark, metadataType, metastreamOf, readMetastream } from '../metadata.js';
import { readVisible } from '../reading.js';
import {
  dataTextOf,
  jsonContentType,
  serverEventOf,
  storedFormOf,
  wireFormOf,
  withMark,
} from '../stored-form.js';
import { keyOf } from '../wire.js';
import { type GroupEntry, keyOfGroup } from './config.js';
import { isPlace } from './places.js';

type Kept = Pick<GroupEntry, 'stream' | 'group' | 'id'>;

const streamFor = (entry: Pick<GroupEntry, 'stream' | 'group'>, what: string): string =>
  `$persistentsubscription-${keyOfGroup(entry)}-${what}`;
const checkpointStreamOf = (entry: Pick<GroupEntry, 'stream' | 'group'>): string =>
  streamFor(entry, 'checkpoint');
const parkedStreamOf = (entry: Pick<GroupEntry, 'stream' | 'group'>): string => streamFor(entry, 'parked');

/** Throws a refusal where the names of a group's streams are more than a store takes. */
export const checkNames = (entry: Pick<GroupEntry, 'stream' | 'group'>): void => {
  for (const stream of [checkpointStreamOf(entry), parkedStreamOf(entry)]) {
    keyOf(stream);
    keyOf(metastreamOf(stream));
  }
};

const append = async (
  { store }: ServerContext,
  streamId: string,
  event: EventData,
  fence: Fence | undefined,
): Promise<void> => {
  const request = { ...keyOf(streamId), expected: any, events: [event] };
  await toPromise(store.append(fence === undefined ? request : { ...request, fence }));
};

const encoder = new TextEncoder();
const jsonEvent = (type: string, data: string, metadata: string, contentType = jsonContentType): EventData =>
  storedFormOf({
    eventId: newId(),
    type,
    contentType,
    data: encoder.encode(data),
    metadata: encoder.encode(metadata),
  });

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The place after which the group goes on; undefined where it has none yet. */
export const loadCheckpoint = async (context: ServerContext, entry: Kept): Promise<string | undefined> => {
  const page = await readVisible(context, checkpointStreamOf(entry), { direction: 'backwards', maxCount: 1 });
  const [record] = page.events;
  if (record === undefined) return undefined;
  const { data, metadata } = wireFormOf(record);
  const place = parsed(Buffer.from(data).toString());
  const life = parsed(Buffer.from(metadata).toString()) as { readonly subscription?: unknown } | undefined;
  // Of a former group with the same name: written late, by a server that did not know of the end of it.
  if (life?.subscription !== entry.id) return undefined;
  return typeof place === 'string' && isPlace(entry.stream, place) ? place : undefined;
};

export const saveCheckpoint = (
  context: ServerContext,
  entry: Kept,
  place: string,
  fence: Fence | undefined,
): Promise<void> =>
  append(
    context,
    checkpointStreamOf(entry),
    jsonEvent('$SubscriptionCheckpoint', JSON.stringify(place), JSON.stringify({ subscription: entry.id })),
    fence,
  );

/** Characters of the reason why a message was put aside: it is for people. */
const reasonMax = 4_096;

/** The link by which a message is put aside. Made once, so that a repeat of the append is recognised. */
export const parkedLink = (
  context: ServerContext,
  { event, link }: ServedEvent,
  reason: string,
): EventData => {
  const original = link ?? event;
  const target = event === undefined ? link && dataTextOf(link) : `${event.version - 1}@${streamIdOf(event)}`;
  const metadata = {
    added: context.now().toISOString(),
    reason: reason.slice(0, reasonMax).toWellFormed(),
    subscriptionEventNumber: (original?.version ?? 0) - 1,
  };
  return jsonEvent(linkType, target ?? '', JSON.stringify(metadata), 'application/octet-stream');
};

export const park = (
  context: ServerContext,
  entry: Kept,
  link: EventData,
  fence: Fence | undefined,
): Promise<void> => append(context, parkedStreamOf(entry), link, fence);

/** Messages that are put aside: their numbers in the stream, from `first` up to before `end`. */
export interface ParkedRange {
  readonly first: number;
  readonly end: number;
}

export const parkedRange = async (
  context: ServerContext,
  entry: Pick<GroupEntry, 'stream' | 'group'>,
): Promise<ParkedRange> => {
  const page = await readVisible(context, parkedStreamOf(entry), { direction: 'backwards', maxCount: 1 });
  return page.exists
    ? { first: page.first - 1, end: page.version }
    : { first: page.version, end: page.version };
};

export interface ParkedMessage {
  readonly number: number;
  /** Undefined where the event is gone. */
  readonly served: ServedEvent | undefined;
}

const pageSize = 20;

/** The messages put aside with numbers from `first` up to before `end`, oldest first. */
export async function* readParked(
  context: ServerContext,
  entry: Pick<GroupEntry, 'stream' | 'group'>,
  { first, end }: ParkedRange,
): AsyncGenerator<ParkedMessage, void, void> {
  for (let from: number | undefined = first + 1; from !== undefined && from <= end; ) {
    const page = await readVisible(context, parkedStreamOf(entry), {
      direction: 'forwards',
      from,
      maxCount: Math.min(pageSize, end - from + 1),
    });
    for (const event of page.events) {
      const message = await served(context, event, true);
      yield { number: event.version - 1, served: message.event === undefined ? undefined : message };
    }
    from = page.next;
  }
}

/** The messages put aside with numbers before this one are done with. */
export const unpark = async (
  context: ServerContext,
  entry: Pick<GroupEntry, 'stream' | 'group'>,
  before: number,
  fence: Fence | undefined,
): Promise<void> => {
  const { rules } = await readMetastream(context.store, parkedStreamOf(entry));
  const metadata = { ...rules.metadata, $tb: before };
  await append(
    context,
    metastreamOf(parkedStreamOf(entry)),
    serverEventOf(newId(), metadataType, metadata),
    fence,
  );
};

/** The group is deleted: so are the streams it kept. */
export const forget = async (
  context: ServerContext,
  entry: Pick<GroupEntry, 'stream' | 'group'>,
): Promise<void> => {
  for (const stream of [checkpointStreamOf(entry), parkedStreamOf(entry)]) {
    const { version, exists } = await readVisible(context, stream, { direction: 'backwards', maxCount: 1 });
    if (!exists) continue;
    const record = serverEventOf(newId(), metadataType, { $tb: version });
    await append(context, metastreamOf(stream), withMark(record, deletedMark, version), undefined);
  }
};
