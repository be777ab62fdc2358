/** A clock that stands still until the simulation moves it to the next thing that is due. */

export interface VirtualTime {
  /** Milliseconds since the simulation began. */
  readonly now: () => number;
  /** `run` is due after `ms` milliseconds; the answer calls it off. What is due at the same time keeps its order. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Moves the clock to what is due next and runs it; false where nothing is. */
  readonly step: () => boolean;
}

interface Due {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

const isBefore = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap: the earliest is at index 0. */
const push = (heap: Due[], due: Due): void => {
  let index = heap.length;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as Due;
    if (!isBefore(due, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = due;
};

const pop = (heap: Due[]): Due | undefined => {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1;
    if (!isBefore(heap[child] as Due, last)) break;
    heap[index] = heap[child] as Due;
    index = child;
  }
  heap[index] = last;
  return first;
};

export const virtualTime = (): VirtualTime => {
  const heap: Due[] = [];
  let now = 0;
  let order = 0;
  return {
    now: () => now,
    after: (ms, run) => {
      const due: Due = { at: now + Math.max(0, ms), order, run };
      order += 1;
      push(heap, due);
      return () => {
        due.run = undefined;
      };
    },
    step: () => {
      // What was called off is passed over and does not move the clock.
      for (let due = pop(heap); due !== undefined; due = pop(heap)) {
        if (due.run === undefined) continue;
        now = due.at;
        due.run();
        return true;
      }
      return false;
    },
  };
};
