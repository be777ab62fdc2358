/** The newest events of a store, in global order, as many as fit: what followers that keep up are served from. Pure but for its own state. */
import type { RecordedEvent } from '../core/event.js';
import { type Json, jsonBytesBound } from '../core/json.js';
import { comparePositions, type Position } from '../core/stream.js';

export interface Ring {
  /** Adds the newest event; the oldest make room. */
  readonly push: (event: RecordedEvent) => void;
  /** Forgets all; what follows begins after `position`. */
  readonly reset: (position: Position) => void;
  /** Everything recorded after this is here. */
  readonly start: () => Position;
  /** The number of the oldest event here, and one more than that of the newest. Numbers count on for ever. */
  readonly first: () => number;
  readonly end: () => number;
  /** The event of a number; `undefined` where it is not here. */
  readonly at: (number: number) => RecordedEvent | undefined;
  /** The number of the first event after a position that the ring reaches back to. */
  readonly numberAfter: (position: Position) => number;
}

export interface RingLimits {
  readonly events: number;
  /** At most about so many bytes of data and metadata. */
  readonly bytes: number;
}

interface Slot {
  readonly event: RecordedEvent;
  readonly bytes: number;
}

export const makeRing = (limits: RingLimits, begin: Position): Ring => {
  // A queue whose head moves on; the array is cut now and then.
  let slots: Slot[] = [];
  let head = 0;
  let first = 0;
  let start = begin;
  let bytesHeld = 0;
  const dropOldest = (): void => {
    const slot = slots[head] as Slot;
    start = slot.event.position;
    bytesHeld -= slot.bytes;
    head += 1;
    first += 1;
  };
  const size = (): number => slots.length - head;
  const at = (number: number): RecordedEvent | undefined =>
    number < first ? undefined : slots[head + number - first]?.event;
  return {
    push: (event) => {
      const bytes = jsonBytesBound(event.data) + jsonBytesBound(event.metadata as Json);
      slots.push({ event, bytes });
      bytesHeld += bytes;
      while (size() > limits.events || (bytesHeld > limits.bytes && size() > 1)) dropOldest();
      if (head > limits.events) {
        slots = slots.slice(head);
        head = 0;
      }
    },
    reset: (position) => {
      // One more, so that those who have read to the end notice as well.
      first += size() + 1;
      slots = [];
      head = 0;
      bytesHeld = 0;
      start = position;
    },
    start: () => start,
    first: () => first,
    end: () => first + size(),
    at,
    numberAfter: (position) => {
      let [low, high] = [first, first + size()];
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const isAfter = comparePositions((at(middle) as RecordedEvent).position, position) > 0;
        if (isAfter) high = middle;
        else low = middle + 1;
      }
      return low;
    },
  };
};
