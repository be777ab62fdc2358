/**
 * How far a group has come: everything up to its checkpoint is done with. What is done beyond a message that is not is
 * remembered here only, so that after a restart it may be handed out again, and nothing is left out.
 */
import type { GroupSettings } from './settings.js';

export interface Progress<P> {
  /** A message of the source, in its order. Answers the number by which it is settled. */
  readonly begin: (place: P) => number;
  /** The source was read up to here, and nothing in between is the group's. */
  readonly pass: (place: P) => void;
  /** The message needs nothing more. */
  readonly settle: (number: number) => void;
  /** The checkpoint to write now, if the settings want one; it counts as written. */
  readonly due: (nowMs: number, byClock: boolean) => P | undefined;
  /** The checkpoint to write because the group ends. */
  readonly last: () => P | undefined;
  /** When the clock is to ask `due` again; undefined while there is nothing to write. */
  readonly askAtMs: () => number | undefined;
}

type Rules = Pick<GroupSettings, 'checkpointAfterMs' | 'checkpointCountMin' | 'checkpointCountMax'>;

export const openProgress = <P>(rules: Rules, openedMs: number): Progress<P> => {
  const { checkpointAfterMs, checkpointCountMin, checkpointCountMax } = rules;
  const atLeast = Math.max(checkpointCountMin, 1);
  /** Of each message not yet settled, by number: the place before it. In the order of the source. */
  const open = new Map<number, P | undefined>();
  let count = 0;
  let place: P | undefined;
  let writtenCount = 0;
  let writtenMs = openedMs;

  const doneCount = (): number => (open.keys().next().value ?? count + 1) - 1;
  const donePlace = (): P | undefined => (open.size === 0 ? place : open.values().next().value);
  const write = (nowMs: number): P | undefined => {
    writtenCount = doneCount();
    writtenMs = nowMs;
    return donePlace();
  };

  return {
    begin: (next) => {
      count += 1;
      open.set(count, place);
      place = next;
      return count;
    },
    pass: (next) => {
      count += 1;
      place = next;
    },
    settle: (number) => void open.delete(number),
    due: (nowMs, byClock) => {
      const done = doneCount() - writtenCount;
      const isFull = checkpointCountMax > 0 && done >= checkpointCountMax;
      const isTime = byClock && done >= atLeast && nowMs - writtenMs >= checkpointAfterMs;
      return isFull || isTime ? write(nowMs) : undefined;
    },
    last: () => (doneCount() > writtenCount ? write(writtenMs) : undefined),
    askAtMs: () => (doneCount() - writtenCount >= atLeast ? writtenMs + checkpointAfterMs : undefined),
  };
};
