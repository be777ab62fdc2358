/**
 * Live events for all subscribers of a server: one subscription to the store, however many follow. Who keeps up is served from the
 * newest events in memory and costs the store no reads; who is behind reads pages until it has caught up.
 */
import type { Feed, FeedContext } from './feed-items.js';
import { followAll } from './follow-all.js';
import { followStream } from './follow-stream.js';
import { liveEvents } from './live-events.js';

export type {
  Feed,
  FeedContext,
  FeedItem,
  FollowAllOptions,
  FollowOptions,
  ServedEvent,
} from './feed-items.js';

/** Opens the feed of a server; rejects with a tagged error where the store cannot be read. */
export const openFeed = async (context: FeedContext): Promise<Feed> => {
  const live = await liveEvents(context);
  return {
    followStream: (streamId, afterRevision, options) =>
      followStream(context, live, streamId, afterRevision, options),
    followAll: (after, options) => followAll(context, live, after, options),
    nudge: live.nudge,
    epoch: live.epoch,
    hasShown: live.hasShown,
    waitForMore: live.waitForMore,
    close: live.close,
  };
};
