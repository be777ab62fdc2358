/**
 * How a partition begins that may have changed hands because a message killed its process: its first messages are taken one by
 * one, and one that was begun before has the worker's other beginners wait, so that the message at fault is counted alone.
 */
import type { Timers } from '../../store/timers.js';
import type { Semaphore } from '../semaphore.js';

export interface StartingRoom {
  /** How many may be in hand. */
  readonly size: () => number;
  readonly isStarting: () => boolean;
  /** What was taken last was begun before, and not by this owner. */
  readonly isSuspect: () => boolean;
  /** Attempts of the messages that were taken. */
  readonly learn: (attempts: ReadonlyArray<number>) => void;
}

/** Room for one at first; for twice as many after each that was never begun before. Where nothing is due, nothing was in hand either. */
export const startingRoom = (max: number): StartingRoom => {
  let room = 1;
  let isStarting = true;
  let isSuspect = false;
  return {
    size: () => Math.min(room, max),
    isStarting: () => isStarting,
    isSuspect: () => isSuspect,
    learn: (attempts) => {
      if (!isStarting) return;
      isSuspect = attempts.some((attempt) => attempt > 1);
      if (isSuspect) room = 1;
      else room = attempts.length === 0 ? max : room * 2;
      isStarting = room < max;
    },
  };
};

export interface Turn {
  readonly isMine: () => boolean;
  /** Calls `wake` when it comes. It ends by itself after a while: one who hangs does not hold up the others for ever. */
  readonly ask: () => void;
  readonly end: () => void;
  /** It is not wanted any more. */
  readonly close: () => void;
}

/** The turn of a partition among those of its worker that begin. */
export const startingTurn = (line: Semaphore, timers: Timers, longestMs: number, wake: () => void): Turn => {
  let isAsked = false;
  let isClosed = false;
  let end: (() => void) | undefined;
  const have = (): Promise<void> =>
    new Promise((resolve) => {
      if (isClosed) return resolve();
      const callOff = timers.after(longestMs, () => end?.());
      end = () => {
        end = undefined;
        isAsked = false;
        callOff();
        resolve();
      };
      wake();
    });
  return {
    isMine: () => end !== undefined,
    ask: () => {
      if (isAsked) return;
      isAsked = true;
      void line.use(have);
    },
    end: () => end?.(),
    close: () => {
      isClosed = true;
      end?.();
    },
  };
};
