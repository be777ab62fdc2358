/** How long one who waits for what another process holds lets pass between two looks at it. */

const lookMinMs = 2;
export const lookMaxMs = 250;

/**
 * An eighth of what was waited, within 2 to 250 ms: what is given back early does not lie idle for long, and many processes that wait
 * for long do not keep the store busy with their looks. Drawn at random, so that they do not all look at the same moments.
 */
export const lookPauseMs = (waitedMs: number, random: () => number): number =>
  Math.min(lookMaxMs, Math.max(lookMinMs, waitedMs / 8)) * (0.5 + random() / 2);
