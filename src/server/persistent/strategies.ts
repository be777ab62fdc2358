/** Which consumer a message goes to. A strategy only chooses: slots are counted by the group. */
import type { StrategyName } from './settings.js';

/** What a strategy knows of a consumer. */
export interface Candidate {
  /** Messages that it may be handed now. */
  readonly free: () => number;
}

export interface Strategy<C extends Candidate> {
  readonly connected: (consumer: C) => void;
  readonly disconnected: (consumer: C) => void;
  /**
   * The consumer for a message that belongs to `pin`. `undefined`: none now, but perhaps for a message with another pin;
   * whether any consumer has room at all is the group's to ask.
   */
  readonly choose: (pin: string) => C | undefined;
}

/** From the consumer at `from` on, the first that has room; where it is in the line. */
const firstFree = <C extends Candidate>(line: ReadonlyArray<C>, from: number): number => {
  for (let step = 0; step < line.length; step += 1) {
    const index = (from + step) % line.length;
    if ((line[index]?.free() ?? 0) > 0) return index;
  }
  return -1;
};

/** `stays`: the same consumer until it has no room. Else the next one after each message. */
const inLine = <C extends Candidate>(stays: boolean): Strategy<C> => {
  const line: C[] = [];
  let from = 0;
  return {
    connected: (consumer) => void line.push(consumer),
    disconnected: (consumer) => {
      const index = line.indexOf(consumer);
      if (index < 0) return;
      line.splice(index, 1);
      if (index < from) from -= 1;
    },
    choose: () => {
      const index = firstFree(line, from);
      if (index < 0) return undefined;
      from = stays ? index : index + 1;
      return line[index];
    },
  };
};

// What was pinned is kept for each of so many buckets, not for each stream: there may be millions of streams.
const bucketCount = 1_024;

/** FNV-1a, 32 bits. */
const bucketOf = (pin: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < pin.length; index += 1)
    hash = Math.imul(hash ^ pin.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % bucketCount;
};

/** A bucket stays with the consumer that got its first message for as long as that one is connected, even while it has no room. */
const pinned = <C extends Candidate>(): Strategy<C> => {
  const buckets = new Map<number, C>();
  const counts = new Map<C, number>();
  const leastBusy = (): C | undefined => {
    let best: C | undefined;
    for (const [consumer, count] of counts)
      if (consumer.free() > 0 && (best === undefined || count < (counts.get(best) ?? 0))) best = consumer;
    return best;
  };
  return {
    connected: (consumer) => void counts.set(consumer, 0),
    disconnected: (consumer) => {
      counts.delete(consumer);
      for (const [bucket, owner] of buckets) if (owner === consumer) buckets.delete(bucket);
    },
    choose: (pin) => {
      const bucket = bucketOf(pin);
      const owner = buckets.get(bucket);
      if (owner !== undefined) return owner.free() > 0 ? owner : undefined;
      const best = leastBusy();
      if (best === undefined) return undefined;
      buckets.set(bucket, best);
      counts.set(best, (counts.get(best) ?? 0) + 1);
      return best;
    },
  };
};

export const strategyOf = <C extends Candidate>(name: StrategyName): Strategy<C> => {
  switch (name) {
    case 'RoundRobin':
      return inLine(false);
    case 'DispatchToSingle':
      return inLine(true);
    case 'Pinned':
    case 'PinnedByCorrelation':
      return pinned();
  }
};
