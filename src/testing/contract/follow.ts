/** A consumer of a subscription for tests: pulls items until a condition holds, with a time limit. */
import type { RecordedEvent } from '../../core/event.js';
import type { EventStore, SubscribeRequest, SubscriptionItem } from '../../store/event-store.js';
import { within } from './support.js';

export const eventsOf = (items: ReadonlyArray<SubscriptionItem>): ReadonlyArray<RecordedEvent> =>
  items.flatMap((item) => (item._tag === 'Event' ? [item.event] : []));

type Until = (items: ReadonlyArray<SubscriptionItem>) => boolean;

export const untilEvents =
  (count: number): Until =>
  (items) =>
    eventsOf(items).length >= count;

/** Caught up behind at least `count` events: before that, some may still be held back. */
export const untilCaughtUp =
  (count: number): Until =>
  (items) =>
    eventsOf(items).length >= count && items.at(-1)?._tag === 'CaughtUp';

export interface Follower {
  /** Pulls items until `condition` holds for those pulled by this call. */
  readonly until: (condition: Until) => Promise<ReadonlyArray<SubscriptionItem>>;
  /** Pulls items to the end of the subscription. */
  readonly untilDone: () => Promise<ReadonlyArray<SubscriptionItem>>;
  readonly abort: () => void;
  readonly end: () => Promise<void>;
}

const patienceMs = 15_000;

export const follow = (store: EventStore, request: SubscribeRequest): Follower => {
  const controller = new AbortController();
  const iterator = store.subscribe({ ...request, signal: controller.signal })[Symbol.asyncIterator]();
  const pull = async (
    condition: Until,
    ended: 'fails' | 'is good',
  ): Promise<ReadonlyArray<SubscriptionItem>> => {
    const items: SubscriptionItem[] = [];
    while (!condition(items)) {
      const step = await within(patienceMs, `the item after ${items.length} others`, iterator.next());
      if (step.done !== true) items.push(step.value);
      else if (ended === 'is good') return items;
      else throw new Error(`the subscription ended after ${items.length} items`);
    }
    return items;
  };
  return {
    until: (condition) => pull(condition, 'fails'),
    untilDone: () => pull(() => false, 'is good'),
    abort: () => controller.abort(),
    end: async () => {
      controller.abort();
      await within(patienceMs, 'the end of the subscription', Promise.resolve(iterator.return?.()));
    },
  };
};
