/**
 * Where in its source a group is: a revision of its stream, `5`, or a position in the order of all streams, `C:7340032/P:42`. As text,
 * which is how clients see places and how checkpoints are kept.
 */
import { streamIdOf } from '../../core/eventstoredb/stream-id.js';
import type { RecordedEvent } from '../../core/event.js';
import type { Position } from '../../core/stream.js';
import type { Feed, FeedItem, FollowOptions } from '../feed.js';
import type { AllFilter } from '../filter.js';
import { positionAt, revisionOf, wirePositionOf } from '../positions.js';

/** The name under which a group reads all streams. */
export const allStreams = '$all';

/** Before everything. */
export const beginning = '';

export const placeOfPosition = (position: Position): string => {
  const { commit, prepare } = wirePositionOf(position);
  return `C:${commit}/P:${prepare}`;
};

export const placeOf = (stream: string, event: RecordedEvent): string =>
  stream === allStreams ? placeOfPosition(event.position) : revisionOf(event.version);

const positionIn = (place: string): Position | undefined => {
  const [, commit, prepare] = /^C:(\d{1,20})\/P:(\d{1,20})$/.exec(place) ?? [];
  if (commit === undefined || prepare === undefined) return undefined;
  return positionAt({ commit: BigInt(commit), prepare: BigInt(prepare) });
};

/** Whether the text is a place in such a source. */
export const isPlace = (stream: string, place: string): boolean =>
  stream === allStreams ? positionIn(place) !== undefined : /^\d{1,10}$/.test(place);

// A group that is handed its own checkpoints would write one for each of them.
const isOwnStream = (streamId: string): boolean => /^(\$\$)?\$persistentsubscription-\$all::/.test(streamId);

// Each checkpoint is an event of its own, to be looked at again: there must be many events for one.
const checkpointEveryMin = 32;

/** What groups on all streams are handed: what their filter lets pass, and nothing that such groups write themselves. */
const withoutOwn = (filter: AllFilter | undefined): AllFilter => ({
  matches: (streamId, type) => !isOwnStream(streamId) && (filter?.matches(streamId, type) ?? true),
  checkpointEvery: Math.max(filter?.checkpointEvery ?? 0, checkpointEveryMin),
});

/** The source from `after` on, then live. */
export const follow = (
  feed: Feed,
  stream: string,
  after: string,
  filter: AllFilter | undefined,
  options: FollowOptions,
): AsyncIterable<FeedItem> => {
  if (stream !== allStreams)
    return feed.followStream(stream, after === beginning ? 'start' : Number(after), options);
  return feed.followAll(positionIn(after) ?? 'start', { ...options, filter: withoutOwn(filter) });
};

/** The stream that an event of a source comes from, for links the stream that they point into. */
export const sourceStreamOf = (event: RecordedEvent | undefined, linkData: string | undefined): string =>
  event === undefined ? (linkData ?? '').replace(/^\d+@/, '') : streamIdOf(event);
