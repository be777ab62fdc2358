/**
 * What a persistent subscription does, as a machine without promise or store, on a clock that it is given: messages and answers go
 * in, and what is to be done comes out of `drain`.
 *
 *     source ---> fresh ---> in flight ---> done
 *                              |   ^  \
 *                              v   |   v
 *                            waiting   parking ---> parked
 *                              ^
 *     parked stream -----------+   (replayed)
 *
 * What waits to be handed out again goes before what is fresh, in the order of the source; replayed messages after it.
 */
import type { Consumer, ConsumerFigures } from './consumers.js';
import { type Counter, openCounter } from './counter.js';
import { openProgress } from './progress.js';
import { openReplays } from './replays.js';
import type { GroupSettings } from './settings.js';
import { type GroupMessage, type Item, itemOf, openTable, type Table } from './table.js';

export type { GroupMessage } from './table.js';

/** What a consumer can say instead of that a message is done. */
export type NackAction = 'unknown' | 'park' | 'retry' | 'skip' | 'stop';

export type Effect<E, P> =
  | {
      readonly _tag: 'Deliver';
      readonly consumer: string;
      readonly id: string;
      readonly event: E;
      readonly retryCount: number;
    }
  /** The consumer has not answered in time, or another has: what was not sent yet need not be. */
  | { readonly _tag: 'TakeBack'; readonly consumer: string; readonly id: string }
  /** Put it aside, then say so with `parked`. Until then it counts as not done. */
  | { readonly _tag: 'Park'; readonly id: string; readonly event: E; readonly reason: string }
  /** End the consumer's connection: it asked for it. */
  | { readonly _tag: 'Stop'; readonly consumer: string }
  | { readonly _tag: 'Checkpoint'; readonly place: P }
  /** Parked messages before this one are done with. */
  | { readonly _tag: 'Unpark'; readonly before: number };

export interface GroupFigures {
  /** Messages handed out, repeats included. */
  readonly totalItems: number;
  /** Since the figures were last asked for. */
  readonly itemsSince: number;
  readonly fresh: number;
  readonly waiting: number;
  readonly inFlight: number;
  /** In flight, waiting or on the way to be parked. */
  readonly outstanding: number;
  readonly consumers: ReadonlyArray<ConsumerFigures>;
}

export interface Group<E, P> {
  /** Whether less than `size` messages are held ready; else they are to be handed out before more is offered. */
  readonly hasRoom: (size: number) => boolean;
  readonly offer: (place: P, message: GroupMessage<E>) => void;
  /** The source was read up to here, and nothing in between is the group's. */
  readonly pass: (place: P) => void;
  /** A message that was parked, by its number in the parked stream; in rising order. `undefined`: what it pointed at is gone. */
  readonly replay: (number: number, message: GroupMessage<E> | undefined) => void;
  readonly connect: (consumer: string, bufferSize: number) => void;
  /** What it holds is handed out again, and that counts as a retry: perhaps it broke off because of it. */
  readonly disconnect: (consumer: string) => void;
  readonly ack: (consumer: string, ids: ReadonlyArray<string>) => void;
  readonly nack: (consumer: string, ids: ReadonlyArray<string>, action: NackAction, reason: string) => void;
  /** A message of a `TakeBack` had not been sent: no answer will come. */
  readonly unsent: (consumer: string, id: string) => void;
  /** A message of a `Park` is put aside. */
  readonly parked: (id: string) => void;
  /** What is to be done now, in order. `byClock`: asked because of `askAtMs`. */
  readonly drain: (byClock: boolean) => ReadonlyArray<Effect<E, P>>;
  /** When `drain` is to be asked by the clock; undefined: not before something happens. */
  readonly askAtMs: () => number | undefined;
  /** The checkpoint to write because the group rests or ends; undefined where the last one says it all. */
  readonly last: () => P | undefined;
  readonly figures: () => GroupFigures;
}

const refuse = <E>(
  table: Table<E>,
  item: Item<E>,
  consumer: Consumer | undefined,
  action: NackAction,
  reason: string,
): void => {
  switch (action) {
    case 'park':
      return table.park(item, `Client explicitly NAK'ed message.\n${reason}`, consumer);
    case 'skip':
      return table.settle(item, consumer);
    case 'unknown':
    case 'retry':
    case 'stop':
      // Else it was taken back already, and waits or is another's.
      return item.holder !== undefined && item.holder === consumer ? table.again(item, consumer) : undefined;
  }
};

/** What consumers answer. */
const answersOf = <E>(
  table: Table<E>,
  counter: Counter<E>,
  onStop: (consumer: string) => void,
): Pick<Group<E, never>, 'ack' | 'nack' | 'unsent'> => ({
  ack: (id, ids) => {
    const consumer = counter.get(id);
    for (const message of ids) {
      const item = table.answered(message, consumer);
      if (item !== undefined) table.settle(item, consumer);
    }
  },
  nack: (id, ids, action, reason) => {
    const consumer = counter.get(id);
    for (const message of ids) {
      const item = table.answered(message, consumer);
      if (item !== undefined) refuse(table, item, consumer, action, reason);
    }
    if (action !== 'stop' || consumer === undefined) return;
    counter.disconnect(id);
    onStop(id);
  },
  unsent: (id, message) => void table.answered(message, counter.get(id)),
});

/** Counts what was handed out, in all and since it was asked last. */
const openTotal = () => {
  let total = 0;
  let told = 0;
  return {
    add: (): void => {
      total += 1;
    },
    tell: () => {
      const itemsSince = total - told;
      told = total;
      return { totalItems: total, itemsSince };
    },
  };
};

/** `now` is the clock that `askAtMs` speaks of, in milliseconds. */
export const openGroup = <E, P>(settings: GroupSettings, now: () => number): Group<E, P> => {
  const progress = openProgress<P>(settings, now());
  const replays = openReplays();
  const total = openTotal();
  let effects: Effect<E, P>[] = [];
  let fresh: ReadonlyArray<Item<E>> = [];
  const arrived: Item<E>[] = [];
  const table = openTable<E>({
    settings,
    now,
    onPark: ({ id, event }, reason) => void effects.push({ _tag: 'Park', id, event, reason }),
    onSettled: ({ isReplay, number }) => (isReplay ? replays : progress).settle(number),
    onTakenBack: ({ id }, consumer) => void effects.push({ _tag: 'TakeBack', consumer: consumer.id, id }),
  });
  const counter = openCounter(settings, table, ({ id, event, retryCount }, consumer) => {
    total.add();
    effects.push({ _tag: 'Deliver', consumer: consumer.id, id, event, retryCount });
  });
  const freshCount = (): number => fresh.length + arrived.length;
  const handOutAll = (): void => {
    if (arrived.length > 0) fresh = [...fresh, ...arrived.splice(0)];
    fresh = counter.handOutAll(fresh);
  };
  return {
    hasRoom: (size) => {
      const { outstanding, inFlight } = table.counts();
      return freshCount() + outstanding - inFlight < size;
    },
    offer: (place, message) => void arrived.push(itemOf(message, progress.begin(place), false)),
    pass: progress.pass,
    replay: (number, message) => {
      // By the id of its link, which cannot be here twice.
      if (message === undefined || table.has(message.id)) return replays.pass(number);
      replays.begin(number);
      table.wait(itemOf(message, number, true));
    },
    connect: counter.connect,
    disconnect: counter.disconnect,
    ...answersOf(table, counter, (consumer) => void effects.push({ _tag: 'Stop', consumer })),
    parked: table.parked,
    drain: (byClock) => {
      table.takeBackLate();
      handOutAll();
      const before = replays.doneBefore();
      if (before !== undefined) effects.push({ _tag: 'Unpark', before });
      const place = progress.due(now(), byClock);
      if (place !== undefined) effects.push({ _tag: 'Checkpoint', place });
      const drained = effects;
      effects = [];
      return drained;
    },
    askAtMs: () => {
      const atMs = Math.min(table.lateMs(), progress.askAtMs() ?? Infinity);
      return atMs === Infinity ? undefined : atMs;
    },
    last: progress.last,
    figures: () => ({
      ...total.tell(),
      fresh: freshCount(),
      ...table.counts(),
      consumers: counter.figures(),
    }),
  };
};
