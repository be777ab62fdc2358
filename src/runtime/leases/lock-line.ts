/** The line of those in one process who wait for one lock, first come, first served: only the one at its head asks the store. */
import { realTimers, type Timers } from '../../store/timers.js';

/** What the one before leaves to the next in the line; `undefined` where that one has to ask the store itself. */
export interface Turn<A> {
  readonly left: A | undefined;
}

export interface LockLine<A> {
  /** Resolves with the turn, or with `undefined` where it did not come within `waitMaxMs`, or before the signal aborted. */
  readonly enter: (waitMaxMs: number, signal: AbortSignal, timers?: Timers) => Promise<Turn<A> | undefined>;
  /** Ends the turn. The next in the line is handed `left`; where nobody waits it goes to nobody. */
  readonly leave: (left?: A) => void;
  /** Whether somebody waits behind the one whose turn it is. */
  readonly isWaitedFor: () => boolean;
  /** Who holds the lock, as far as this process knows; for people. */
  holder: string;
}

const newLine = <A>(holder: string, onEmpty: () => void): LockLine<A> => {
  const waiting: Array<(turn: Turn<A>) => void> = [];
  let isTaken = false;
  return {
    holder,
    isWaitedFor: () => waiting.length > 0,
    enter: (waitMaxMs, signal, timers = realTimers) => {
      if (!isTaken) {
        isTaken = true;
        return Promise.resolve({ left: undefined });
      }
      if (waitMaxMs <= 0 || signal.aborted) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const end = (turn: Turn<A> | undefined): void => {
          callOff();
          signal.removeEventListener('abort', giveUp);
          resolve(turn);
        };
        const giveUp = (): void => {
          waiting.splice(waiting.indexOf(end), 1);
          end(undefined);
        };
        const callOff = timers.after(waitMaxMs, giveUp);
        signal.addEventListener('abort', giveUp, { once: true });
        waiting.push(end);
      });
    },
    leave: (left) => {
      const next = waiting.shift();
      if (next !== undefined) return next({ left });
      isTaken = false;
      onEmpty();
    },
  };
};

/**
 * The lines of a process. Those of one `place`, an object such as the leases of a store, are told apart by the lock's name, and
 * kept as long as somebody stands in them.
 */
export const lockLines = <A>() => {
  const places = new WeakMap<object, Map<string, LockLine<A>>>();
  return (place: object, name: string, holder: string): LockLine<A> => {
    const lines = places.get(place) ?? new Map<string, LockLine<A>>();
    places.set(place, lines);
    const known = lines.get(name);
    if (known !== undefined) return known;
    const line = newLine<A>(holder, () => lines.delete(name));
    lines.set(name, line);
    return line;
  };
};
