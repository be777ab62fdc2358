/** The messages that a group has handed out and that are not done: in flight, waiting to be handed out again, or being parked. */
import type { Consumer } from './consumers.js';
import type { GroupSettings } from './settings.js';

/** A message that a group is given. `E` is what consumers are handed; nobody here looks at it. */
export interface GroupMessage<E> {
  /** What consumers answer by: the event's id, or its link's. */
  readonly id: string;
  /** What pinned strategies keep together. */
  readonly pin: string;
  readonly event: E;
}

export interface Item<E> extends GroupMessage<E> {
  /** Its number in the order of the source, or in the parked stream. */
  readonly number: number;
  readonly isReplay: boolean;
  retryCount: number;
  holder: Consumer | undefined;
  isParking: boolean;
  dueMs: number;
}

export const itemOf = <E>(message: GroupMessage<E>, number: number, isReplay: boolean): Item<E> => ({
  ...message,
  number,
  isReplay,
  retryCount: 0,
  holder: undefined,
  isParking: false,
  dueMs: Infinity,
});

export interface Table<E> {
  /** The message with this id, unless it is being parked: that is decided. */
  readonly find: (id: string) => Item<E> | undefined;
  readonly has: (id: string) => boolean;
  readonly handOut: (item: Item<E>, consumer: Consumer) => void;
  /** It waits to be handed out, before whatever is fresh. */
  readonly wait: (item: Item<E>) => void;
  /** It is done. */
  readonly settle: (item: Item<E>) => void;
  /** It was not done: once more, or put aside where that was tried often enough. */
  readonly again: (item: Item<E>) => void;
  readonly park: (item: Item<E>, reason: string) => void;
  /** It is put aside, hence done; nothing where it is not on the way. */
  readonly parked: (id: string) => void;
  /** What waits, in order; `keep` says what stays after some was handed out. */
  readonly waiting: () => ReadonlyArray<Item<E>>;
  readonly keep: (waiting: ReadonlyArray<Item<E>>) => void;
  /** Takes back what was not answered in time. */
  readonly takeBackLate: () => void;
  /** When the next one is late. */
  readonly lateMs: () => number;
  readonly counts: () => {
    readonly waiting: number;
    readonly inFlight: number;
    readonly outstanding: number;
  };
}

export interface TableTerms<E> {
  readonly settings: Pick<GroupSettings, 'maxRetryCount' | 'messageTimeoutMs'>;
  readonly now: () => number;
  readonly onPark: (item: Item<E>, reason: string) => void;
  readonly onSettled: (item: Item<E>) => void;
}

/** In the order of the source; replayed ones after all others, whatever their numbers. */
const isBefore = <E>(a: Item<E>, b: Item<E>): boolean =>
  a.isReplay === b.isReplay ? a.number < b.number : b.isReplay;

export const openTable = <E>({ settings, now, onPark, onSettled }: TableTerms<E>): Table<E> => {
  const { maxRetryCount, messageTimeoutMs } = settings;
  const all = new Map<string, Item<E>>();
  /** The one that is late first at the front: all have the same time. */
  const inFlight = new Set<Item<E>>();
  let waiting: ReadonlyArray<Item<E>> = [];

  const takeBack = (item: Item<E>): void => {
    item.holder?.give(item.id, now());
    item.holder = undefined;
    inFlight.delete(item);
    if (waiting.includes(item)) waiting = waiting.filter((other) => other !== item);
  };
  const settle = (item: Item<E>): void => {
    takeBack(item);
    all.delete(item.id);
    onSettled(item);
  };
  const park = (item: Item<E>, reason: string): void => {
    takeBack(item);
    item.isParking = true;
    onPark(item, reason);
  };
  const wait = (item: Item<E>): void => {
    all.set(item.id, item);
    const index = waiting.findIndex((other) => isBefore(item, other));
    waiting = index < 0 ? [...waiting, item] : waiting.toSpliced(index, 0, item);
  };
  const again = (item: Item<E>): void => {
    if (item.retryCount >= maxRetryCount) return park(item, `Reached retry count of ${maxRetryCount}`);
    takeBack(item);
    item.retryCount += 1;
    wait(item);
  };
  return {
    find: (id) => {
      const item = all.get(id);
      return item?.isParking === false ? item : undefined;
    },
    has: (id) => all.has(id),
    handOut: (item, consumer) => {
      consumer.take(item.id, now());
      item.holder = consumer;
      item.dueMs = messageTimeoutMs === 0 ? Infinity : now() + messageTimeoutMs;
      all.set(item.id, item);
      inFlight.add(item);
    },
    wait,
    settle,
    again,
    park,
    parked: (id) => {
      const item = all.get(id);
      if (item?.isParking === true) settle(item);
    },
    waiting: () => waiting,
    keep: (next) => {
      waiting = next;
    },
    takeBackLate: () => {
      const nowMs = now();
      for (const item of inFlight) {
        if (item.dueMs > nowMs) return;
        again(item);
      }
    },
    lateMs: () => inFlight.values().next().value?.dueMs ?? Infinity,
    counts: () => ({ waiting: waiting.length, inFlight: inFlight.size, outstanding: all.size }),
  };
};
