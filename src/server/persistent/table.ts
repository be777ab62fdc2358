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
  /** How often it was handed to each consumer that has not answered that. */
  readonly unanswered: Map<Consumer, number>;
}

export const itemOf = <E>(message: GroupMessage<E>, number: number, isReplay: boolean): Item<E> => ({
  ...message,
  number,
  isReplay,
  retryCount: 0,
  holder: undefined,
  isParking: false,
  dueMs: Infinity,
  unanswered: new Map(),
});

export interface Table<E> {
  /** The message with this id, unless it is being parked: that is decided. */
  readonly find: (id: string) => Item<E> | undefined;
  readonly has: (id: string) => boolean;
  /**
   * The message that an answer of a consumer is about: the one with this id, unless it is being parked, or the answer comes late and is
   * about another one with this id that is settled. Counts the answer off.
   */
  readonly answered: (id: string, consumer: Consumer | undefined) => Item<E> | undefined;
  readonly handOut: (item: Item<E>, consumer: Consumer) => void;
  /** It waits to be handed out, before whatever is fresh. */
  readonly wait: (item: Item<E>) => void;
  /** It is done. `by`: who said so; another who holds it is told that it is taken back, here and below. */
  readonly settle: (item: Item<E>, by?: Consumer) => void;
  /** It was not done: once more, or put aside where that was tried often enough. */
  readonly again: (item: Item<E>, by?: Consumer) => void;
  readonly park: (item: Item<E>, reason: string, by?: Consumer) => void;
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
  /** Its holder has not answered, and holds it no more. */
  readonly onTakenBack: (item: Item<E>, holder: Consumer) => void;
}

/** In the order of the source; replayed ones after all others, whatever their numbers. */
const isBefore = <E>(a: Item<E>, b: Item<E>): boolean =>
  a.isReplay === b.isReplay ? a.number < b.number : b.isReplay;

/** What waits, in order. */
const openWaiting = <E>() => {
  let waiting: ReadonlyArray<Item<E>> = [];
  return {
    all: () => waiting,
    add: (item: Item<E>): void => {
      const index = waiting.findIndex((other) => isBefore(item, other));
      waiting = index < 0 ? [...waiting, item] : waiting.toSpliced(index, 0, item);
    },
    remove: (item: Item<E>): void => {
      if (waiting.includes(item)) waiting = waiting.filter((other) => other !== item);
    },
    keep: (next: ReadonlyArray<Item<E>>): void => {
      waiting = next;
    },
  };
};

/** What is handed out, the one that is late first at the front: all have the same time. */
const openInFlight = <E>(messageTimeoutMs: number, now: () => number) => {
  const items = new Set<Item<E>>();
  return {
    add: (item: Item<E>): void => {
      item.dueMs = messageTimeoutMs === 0 ? Infinity : now() + messageTimeoutMs;
      items.add(item);
    },
    remove: (item: Item<E>): void => void items.delete(item),
    late: (): ReadonlyArray<Item<E>> => {
      const late: Item<E>[] = [];
      const nowMs = now();
      for (const item of items) {
        if (item.dueMs > nowMs) break;
        late.push(item);
      }
      return late;
    },
    lateMs: () => items.values().next().value?.dueMs ?? Infinity,
    size: () => items.size,
  };
};

/** Notes what a consumer was handed, `by` 1, or has answered, `by` -1. */
const countUnanswered = <E>({ unanswered }: Item<E>, consumer: Consumer, by: 1 | -1): void => {
  const count = (unanswered.get(consumer) ?? 0) + by;
  if (count > 0) unanswered.set(consumer, count);
  else unanswered.delete(consumer);
};

export const openTable = <E>({ settings, now, onPark, onSettled, onTakenBack }: TableTerms<E>): Table<E> => {
  const { maxRetryCount } = settings;
  const all = new Map<string, Item<E>>();
  const inFlight = openInFlight<E>(settings.messageTimeoutMs, now);
  const waiting = openWaiting<E>();

  const takeBack = (item: Item<E>, by: Consumer | undefined): void => {
    const { holder } = item;
    holder?.give(item.id, now());
    if (holder !== undefined && holder !== by) onTakenBack(item, holder);
    item.holder = undefined;
    inFlight.remove(item);
    waiting.remove(item);
  };
  const settle = (item: Item<E>, by?: Consumer): void => {
    takeBack(item, by);
    all.delete(item.id);
    for (const [consumer, count] of item.unanswered) consumer.expectStale(item.id, count);
    onSettled(item);
  };
  const park = (item: Item<E>, reason: string, by?: Consumer): void => {
    takeBack(item, by);
    item.isParking = true;
    onPark(item, reason);
  };
  const wait = (item: Item<E>): void => {
    all.set(item.id, item);
    waiting.add(item);
  };
  const again = (item: Item<E>, by?: Consumer): void => {
    if (item.retryCount >= maxRetryCount) return park(item, `Reached retry count of ${maxRetryCount}`, by);
    takeBack(item, by);
    item.retryCount += 1;
    wait(item);
  };
  const find = (id: string): Item<E> | undefined => {
    const item = all.get(id);
    return item?.isParking === false ? item : undefined;
  };
  return {
    find,
    answered: (id, consumer) => {
      if (consumer?.isStale(id) === true) return undefined;
      const item = all.get(id);
      if (item !== undefined && consumer !== undefined) countUnanswered(item, consumer, -1);
      return find(id);
    },
    has: (id) => all.has(id),
    handOut: (item, consumer) => {
      consumer.take(item.id, now());
      item.holder = consumer;
      countUnanswered(item, consumer, 1);
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
    waiting: waiting.all,
    keep: waiting.keep,
    takeBackLate: () => inFlight.late().forEach((item) => again(item)),
    lateMs: inFlight.lateMs,
    counts: () => ({ waiting: waiting.all().length, inFlight: inFlight.size(), outstanding: all.size }),
  };
};
