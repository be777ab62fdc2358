/** Where messages are handed out: the consumers of a group, and to which of them each message goes. */
import { type Consumer, type ConsumerFigures, openConsumer } from './consumers.js';
import type { GroupSettings } from './settings.js';
import { strategyOf } from './strategies.js';
import type { Item, Table } from './table.js';

interface HandingOut<E> {
  readonly room: number;
  /** Pins of which something stays: nothing goes past it. */
  readonly held: Set<string>;
  /** False where it must stay. */
  readonly handOut: (item: Item<E>) => boolean;
}

/** Hands out what can go; answers what stays. */
const handOutFrom = <E>(
  queue: ReadonlyArray<Item<E>>,
  { room, held, handOut }: HandingOut<E>,
): ReadonlyArray<Item<E>> => {
  const staying: Item<E>[] = [];
  let left = room;
  let index = 0;
  for (; index < queue.length && left > 0; index += 1) {
    const item = queue[index] as Item<E>;
    if (!held.has(item.pin) && handOut(item)) left -= 1;
    else {
      held.add(item.pin);
      staying.push(item);
    }
  }
  return index === 0 ? queue : [...staying, ...queue.slice(index)];
};

export interface Counter<E> {
  readonly get: (id: string) => Consumer | undefined;
  readonly connect: (id: string, bufferSize: number) => void;
  /** What it holds is to be handed out again. */
  readonly disconnect: (id: string) => void;
  /** Hands out what waits, then what is fresh; answers what stays of the latter. */
  readonly handOutAll: (fresh: ReadonlyArray<Item<E>>) => ReadonlyArray<Item<E>>;
  readonly figures: () => ReadonlyArray<ConsumerFigures>;
}

export const openCounter = <E>(
  settings: GroupSettings,
  table: Table<E>,
  onHandedOut: (item: Item<E>, consumer: Consumer) => void,
): Counter<E> => {
  const strategy = strategyOf<Consumer>(settings.strategy);
  const consumers = new Map<string, Consumer>();
  const handOut = (item: Item<E>): boolean => {
    // Of two messages with one id the second waits: an answer could not tell them apart.
    const isAlone = !table.has(item.id) || table.find(item.id) === item;
    const consumer = isAlone ? strategy.choose(item.pin) : undefined;
    if (consumer === undefined) return false;
    table.handOut(item, consumer);
    onHandedOut(item, consumer);
    return true;
  };
  const room = (): number => [...consumers.values()].reduce((sum, consumer) => sum + consumer.free(), 0);
  return {
    get: (id) => consumers.get(id),
    connect: (id, bufferSize) => {
      const consumer = openConsumer(id, bufferSize, settings.extraStatistics);
      consumers.set(id, consumer);
      strategy.connected(consumer);
    },
    disconnect: (id) => {
      const consumer = consumers.get(id);
      if (consumer === undefined) return;
      consumers.delete(id);
      strategy.disconnected(consumer);
      for (const held of consumer.held()) {
        const item = table.find(held);
        if (item !== undefined) table.again(item, consumer);
      }
    },
    handOutAll: (fresh) => {
      const held = new Set<string>();
      table.keep(handOutFrom(table.waiting(), { room: room(), held, handOut }));
      return handOutFrom(fresh, { room: room(), held, handOut });
    },
    figures: () => [...consumers.values()].map((each) => each.figures()),
  };
};
