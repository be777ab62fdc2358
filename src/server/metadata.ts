/**
 * What the metadata of a stream rules: how far back it is read, and whether it is deleted. It stands in a stream of its own, `$$order-42`
 * for `order-42`, and the newest record holds.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData, RecordedEvent } from '../core/event.js';
import type { Json, JsonObject } from '../core/json.js';
import { taggedError } from '../core/fault.js';
import { streamKeyOf } from '../core/eventstoredb/stream-id.js';
import { versionMax } from '../core/stream.js';
import type { EventStore } from '../store/event-store.js';
import { dataTextOf, markOf } from './stored-form.js';

export const metadataType = '$metadata';
/** The mark on a record of metadata that deleted the stream: the version that the stream had. Later records keep it. */
export const deletedMark = 'deletedAt';

export const isMetastream = (streamId: string): boolean => streamId.startsWith('$$');
export const metastreamOf = (streamId: string): string => `$$${streamId}`;
/** The stream whose metadata a stream holds; `undefined` where it holds none that rules anything. */
export const subjectOf = (streamId: string): string | undefined => {
  const subject = streamId.slice(2);
  return isMetastream(streamId) && subject !== '' && !isMetastream(subject) ? subject : undefined;
};

export interface StreamRules {
  /** The whole metadata as its writer gave it. */
  readonly metadata: JsonObject;
  /** Only so many of the newest events are read. */
  readonly maxCount: number | undefined;
  /** Only events that are no older are read, in milliseconds. */
  readonly maxAgeMs: number | undefined;
  /** Events before this revision are not read; it is also the version after which events are read. */
  readonly truncateBefore: number;
  /** The stream's version when it was deleted; `undefined` where it never was. */
  readonly deletedAt: number | undefined;
}

export const noRules: StreamRules = {
  metadata: {},
  maxCount: undefined,
  maxAgeMs: undefined,
  truncateBefore: 0,
  deletedAt: undefined,
};

/** Streams of metadata show their newest record only. */
const metastreamRules: StreamRules = { ...noRules, maxCount: 1 };

const countOf = (value: Json | undefined, min: number): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= min ? value : undefined;

const objectOf = (text: string | undefined): JsonObject => {
  try {
    const value = JSON.parse(text ?? '') as Json;
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  } catch {
    return {};
  }
};

/** Metadata that says that the stream is deleted, as clients write it by hand: no event is late enough to be read. */
const isDeletion = (metadata: JsonObject): boolean => (countOf(metadata['$tb'], 0) ?? 0) > versionMax;

export const deletesByHand = (
  event: Pick<EventData, 'type' | 'schemaVersion' | 'data' | 'metadata'>,
): boolean => event.type === metadataType && isDeletion(objectOf(dataTextOf(event)));

/** The rules of the newest record of metadata. What makes no sense in it rules nothing. */
export const rulesOf = (record: RecordedEvent | undefined): StreamRules => {
  if (record === undefined) return noRules;
  const metadata = record.type === metadataType ? objectOf(dataTextOf(record)) : {};
  const maxAgeSeconds = countOf(metadata['$maxAge'], 1);
  const deletedAt = countOf(markOf(record, deletedMark), 0);
  const truncated = isDeletion(metadata) && deletedAt !== undefined ? 0 : countOf(metadata['$tb'], 0);
  return {
    metadata,
    maxCount: countOf(metadata['$maxCount'], 1),
    maxAgeMs: maxAgeSeconds === undefined ? undefined : maxAgeSeconds * 1_000,
    truncateBefore: Math.max(truncated ?? 0, deletedAt ?? 0),
    deletedAt,
  };
};

/**
 * Deleted, and nothing was appended since. For rules that were read after the version: where they say more than it, the stream went on
 * before it was deleted.
 */
export const isDeleted = ({ deletedAt }: StreamRules, version: number): boolean =>
  version > 0 && deletedAt !== undefined && deletedAt >= version;

/** The first version that is read, of a stream at `version`. */
export const firstVisible = ({ maxCount, truncateBefore }: StreamRules, version: number): number =>
  Math.max(1, truncateBefore + 1, maxCount === undefined ? 1 : version - maxCount + 1);

export const isExpired = ({ maxAgeMs }: StreamRules, event: RecordedEvent, now: Date): boolean =>
  maxAgeMs !== undefined && Date.parse(event.recordedAt) < now.getTime() - maxAgeMs;

export interface Metastream {
  readonly rules: StreamRules;
  /** Version of the stream of metadata. */
  readonly version: number;
}

/** The newest metadata of a stream, read now: another process may have written it a moment ago. */
export const readMetastream = async (
  store: Pick<EventStore, 'readStream'>,
  streamId: string,
): Promise<Metastream> => {
  if (isMetastream(streamId)) return { rules: metastreamRules, version: 0 };
  const key = streamKeyOf(metastreamOf(streamId));
  // A name so long that its metadata has no place: it has none.
  if (E.isLeft(key)) return { rules: noRules, version: 0 };
  const page = await store.readStream({
    ...key.right,
    direction: 'backwards',
    maxCount: 1,
    includeArchived: true,
  })();
  if (E.isRight(page)) return { rules: rulesOf(page.right.events[0]), version: page.right.version };
  // Who tombstones the metadata leaves the stream without rules.
  if (page.left._tag === 'StreamTombstoned') return { rules: noRules, version: 0 };
  throw taggedError(page.left);
};
