/** One who reads from a group: what it holds, what room it has, and its figures. */
import { type Measurement, type Measurements, openMeasurements } from './measurements.js';
import type { Candidate } from './strategies.js';

/** Figures of a consumer since it connected. */
export interface ConsumerFigures {
  readonly id: string;
  readonly totalItems: number;
  /** Since the figures were last asked for. */
  readonly itemsSince: number;
  readonly availableSlots: number;
  readonly inFlight: number;
  readonly measurements: ReadonlyArray<Measurement>;
}

export interface Consumer extends Candidate {
  readonly id: string;
  /** It was handed the message with this id. */
  readonly take: (id: string, nowMs: number) => void;
  /** It holds it no more. */
  readonly give: (id: string, nowMs: number) => void;
  readonly holds: (id: string) => boolean;
  /** So many answers to this id are still to come that are about a message which is settled. */
  readonly expectStale: (id: string, count: number) => void;
  /** Whether an answer is one of those; it is counted off then. */
  readonly isStale: (id: string) => boolean;
  /** Ids that it holds, oldest first. */
  readonly held: () => ReadonlyArray<string>;
  readonly figures: () => ConsumerFigures;
}

/** Ids of which late answers are remembered, for each consumer: they matter only where two messages have one id. */
const staleMax = 10_000;

const openStale = (): Pick<Consumer, 'expectStale' | 'isStale'> => {
  const stale = new Map<string, number>();
  return {
    expectStale: (id, count) => {
      stale.set(id, (stale.get(id) ?? 0) + count);
      const [oldest] = stale.keys();
      if (stale.size > staleMax && oldest !== undefined) stale.delete(oldest);
    },
    isStale: (id) => {
      const count = stale.get(id);
      if (count === undefined) return false;
      if (count > 1) stale.set(id, count - 1);
      else stale.delete(id);
      return true;
    },
  };
};

export const openConsumer = (id: string, bufferSize: number, isMeasured: boolean): Consumer => {
  const held = new Map<string, number>();
  const measurements: Measurements | undefined = isMeasured ? openMeasurements() : undefined;
  let total = 0;
  let toldTotal = 0;
  return {
    id,
    free: () => bufferSize - held.size,
    take: (message, nowMs) => {
      held.set(message, nowMs);
      total += 1;
    },
    give: (message, nowMs) => {
      const since = held.get(message);
      if (since !== undefined) measurements?.add(nowMs - since);
      held.delete(message);
    },
    holds: (message) => held.has(message),
    ...openStale(),
    held: () => [...held.keys()],
    figures: () => {
      const itemsSince = total - toldTotal;
      toldTotal = total;
      return {
        id,
        totalItems: total,
        itemsSince,
        availableSlots: bufferSize - held.size,
        inFlight: held.size,
        measurements: measurements?.told() ?? [],
      };
    },
  };
};
