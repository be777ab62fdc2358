/** Who reads from a group. */
import { taggedError } from '../../core/fault.js';
import type { ServerContext } from '../context.js';
import type { ServedEvent } from '../feed.js';
import type { Refused } from '../status.js';
import type { GroupEntry } from './config.js';
import { subscribersReached } from './refusals.js';

/** A message on its way to who reads. */
export interface Delivery {
  /** What it is answered by. */
  readonly id: string;
  readonly event: ServedEvent;
  readonly retryCount: number;
}

/** One who reads from the group. */
export interface Subscriber {
  readonly id: string;
  readonly bufferSize: number;
  /** Address, user and name of its connection, for people. */
  readonly from: string;
  readonly userName: string;
  readonly connectionName: string;
  readonly deliver: (delivery: Delivery) => void;
  /** It need not be sent any more. Answers whether it had not been. */
  readonly takeBack: (id: string) => boolean;
  readonly end: (refusal: Refused) => void;
}

export interface Subscribers {
  readonly all: () => ReadonlyArray<Subscriber>;
  readonly get: (id: string) => Subscriber | undefined;
  /** Throws a refusal where there are as many as may be. */
  readonly add: (subscriber: Subscriber) => void;
  /** Whether nobody is left. */
  readonly remove: (id: string) => boolean;
  /** How long nobody has read, in milliseconds. */
  readonly idleMs: () => number;
}

export const openSubscribers = (
  { timers }: ServerContext,
  { settings, ...entry }: GroupEntry,
): Subscribers => {
  const all = new Map<string, Subscriber>();
  const { subscribersMax } = settings;
  let idleSinceMs = timers.now();
  return {
    all: () => [...all.values()],
    get: (id) => all.get(id),
    add: (subscriber) => {
      if (subscribersMax > 0 && all.size >= subscribersMax) throw taggedError(subscribersReached(entry));
      all.set(subscriber.id, subscriber);
    },
    remove: (id) => {
      all.delete(id);
      if (all.size === 0) idleSinceMs = timers.now();
      return all.size === 0;
    },
    idleMs: () => (all.size > 0 ? 0 : timers.now() - idleSinceMs),
  };
};
