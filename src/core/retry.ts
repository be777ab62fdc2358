/** How often to try again, and how long to wait before: a rule; the waiting itself is the runtime's. */

export interface RetryPolicy {
  /** Attempts in all, the first included; 1 or more. */
  readonly attemptsMax: number;
  /** Wait before the second attempt, in milliseconds. */
  readonly delayMs: number;
  /** No wait is longer than this, in milliseconds. */
  readonly delayMaxMs: number;
  /** Each wait is this times the one before. */
  readonly multiplier: number;
  /** Share of the wait that is drawn at random, 0 to 1, so that writers who met once do not meet again. */
  readonly jitter: number;
}

export const defaultRetry: RetryPolicy = {
  attemptsMax: 8,
  delayMs: 5,
  delayMaxMs: 1_000,
  multiplier: 2,
  jitter: 0.5,
};

/** The wait after `attempt` (1 is the first) has failed, in milliseconds. */
export const delayAfter = (policy: RetryPolicy, attempt: number, random: () => number): number => {
  const full = Math.min(policy.delayMaxMs, policy.delayMs * policy.multiplier ** (attempt - 1));
  return full * (1 - policy.jitter) + full * policy.jitter * random();
};
