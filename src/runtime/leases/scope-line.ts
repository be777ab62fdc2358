/** The line of those in one process who share a lease: who excludes somebody earlier in it waits, all others go on. */
import { excludesEachOther } from '../../store/lease-scopes.js';
import type { Timers } from '../../store/timers.js';

interface Turn {
  readonly name: string;
  /** Lets it in; `undefined` once it is. */
  go: (() => void) | undefined;
}

/** Let in: until `leave`. */
export interface Entered {
  readonly leave: () => void;
}

/** Not let in within the limit, or before the signal aborted. */
export interface KeptOut {
  /** The scope in the way. */
  readonly inTheWay: string;
}

export interface ScopeLine {
  /** Those who exclude each other come in the order in which they asked. */
  readonly enter: (name: string, waitMaxMs: number, signal: AbortSignal) => Promise<Entered | KeptOut>;
}

export const scopeLine = (timers: Timers): ScopeLine => {
  const line: Turn[] = [];
  /** Also one that waits itself, so that what needs much for itself is not passed by all that need little. */
  const blockerOf = (turn: Turn): Turn | undefined =>
    line.slice(0, line.indexOf(turn)).find(({ name }) => excludesEachOther(name, turn.name));
  const leave = (turn: Turn): void => {
    line.splice(line.indexOf(turn), 1);
    for (const other of [...line])
      if (
        other.go !== undefined &&
        excludesEachOther(other.name, turn.name) &&
        blockerOf(other) === undefined
      )
        other.go();
  };
  return {
    enter: (name, waitMaxMs, signal) => {
      const turn: Turn = { name, go: undefined };
      line.push(turn);
      const entered: Entered = { leave: () => leave(turn) };
      const first = blockerOf(turn);
      if (first === undefined) return Promise.resolve(entered);
      return new Promise((resolve) => {
        const settle = (answer: Entered | KeptOut): void => {
          turn.go = undefined;
          callOff();
          signal.removeEventListener('abort', giveUp);
          resolve(answer);
        };
        const giveUp = (): void => {
          settle({ inTheWay: (blockerOf(turn) ?? first).name });
          leave(turn);
        };
        const callOff = timers.after(waitMaxMs, giveUp);
        signal.addEventListener('abort', giveUp, { once: true });
        turn.go = () => settle(entered);
        if (signal.aborted) giveUp();
      });
    },
  };
};
