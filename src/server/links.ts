/** Links: events of type `$>` whose data names another event, as `42@order-7`. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../core/event.js';
import { taggedError } from '../core/fault.js';
import { streamKeyOf } from '../core/eventstoredb/stream-id.js';
import { versionMax } from '../core/stream.js';
import type { ServedEvent } from './feed-items.js';
import { firstVisible, isDeleted, isExpired, readMetastream } from './metadata.js';
import type { ReadingContext } from './reading.js';
import { dataTextOf } from './stored-form.js';

export const linkType = '$>';

export interface LinkTarget {
  readonly streamId: string;
  /** Version of the event in its stream here. */
  readonly version: number;
}

/** Where a link points; `undefined` where its data is no link. */
export const linkTarget = (data: string | undefined): LinkTarget | undefined => {
  const parts = /^(\d{1,10})@(.+)$/s.exec(data ?? '');
  if (parts === null) return undefined;
  const version = Number(parts[1]) + 1;
  return version > versionMax ? undefined : { version, streamId: parts[2] as string };
};

/** The event that a link points at, where it can still be read. */
const targetEvent = async (
  { store, now }: ReadingContext,
  { streamId, version }: LinkTarget,
): Promise<RecordedEvent | undefined> => {
  const key = streamKeyOf(streamId);
  if (E.isLeft(key)) return undefined;
  const request = { ...key.right, from: version, maxCount: 1, includeArchived: true };
  const page = await store.readStream(request)();
  if (E.isLeft(page)) {
    if (page.left._tag === 'StreamTombstoned') return undefined;
    throw taggedError(page.left);
  }
  const { rules } = await readMetastream(store, streamId);
  const event = page.right.events[0];
  const stands = page.right.version;
  if (event === undefined || isDeleted(rules, stands) || version < firstVisible(rules, stands))
    return undefined;
  return isExpired(rules, event, now()) ? undefined : event;
};

/** The event as it is served: a link with what it points at, where links are resolved. */
export const served = async (
  context: ReadingContext,
  event: RecordedEvent,
  resolveLinks: boolean,
): Promise<ServedEvent> => {
  if (!resolveLinks || event.type !== linkType) return { event, link: undefined };
  const target = linkTarget(dataTextOf(event));
  const found = target === undefined ? undefined : await targetEvent(context, target);
  return { event: found, link: event };
};
