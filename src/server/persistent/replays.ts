/** Parked messages that are handed out again: which are done with, so that their places can be given up. */

export interface Replays {
  /** The message with this number in the parked stream is handed out again; numbers rise. */
  readonly begin: (number: number) => void;
  /** There is nothing to hand out at this number any more. */
  readonly pass: (number: number) => void;
  readonly settle: (number: number) => void;
  /** Everything before the answer is done with; undefined where nothing was since it was asked last. */
  readonly doneBefore: () => number | undefined;
}

export const openReplays = (): Replays => {
  const open = new Set<number>();
  let end = 0;
  let told = 0;
  return {
    begin: (number) => {
      end = number + 1;
      open.add(number);
    },
    pass: (number) => {
      end = number + 1;
    },
    settle: (number) => void open.delete(number),
    doneBefore: () => {
      const [first = end] = open;
      if (first <= told) return undefined;
      told = first;
      return first;
    },
  };
};
