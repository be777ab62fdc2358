/** Handlers that go wrong in every way that one can: what a poison message does to the worker that handles it. */

export const poisons = ['throws', 'hangs', 'spins', 'seizes', 'exits', 'memory'] as const;
export type Poison = (typeof poisons)[number];

/** With which code the process ends that is told to exit. */
export const poisonExit = 77;

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const spin = (): never => {
  for (let turns = 0; ; turns += 1) if (turns < 0) throw new Error('it has turned round');
};

/**
 * - `throws`: every time.
 * - `hangs`: answers never; the process goes on.
 * - `spins`: calculates for ever, which the time limit breaks off.
 * - `seizes`: the same behind a pause, where no time limit reaches it: the process hears and does nothing any more.
 * - `exits`: ends the process.
 * - `memory`: takes memory until the process is ended for it.
 */
export const misbehave: Record<Poison, () => Promise<never>> = {
  throws: () => {
    throw new Error('this message is poison');
  },
  hangs: () => new Promise(() => undefined),
  spins: () => spin(),
  seizes: async () => {
    await soon();
    return spin();
  },
  exits: async () => {
    await soon();
    process.exit(poisonExit);
  },
  memory: async () => {
    await soon();
    const kept: unknown[] = [];
    for (;;) kept.push(new Array<number>(100_000).fill(kept.length));
  },
};

/** Poisons that end their process, or have it ended; so nobody is left to note what was wrong. */
export const deadly: ReadonlySet<Poison> = new Set(['seizes', 'exits', 'memory']);
