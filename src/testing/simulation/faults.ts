/** What goes wrong in a simulation, and how often: drawn from the seed, or given. */

/** Chances are from 0 to 1. A simulation with everything at 0 still runs its processes in an order of its own. */
export interface Faults {
  /** Of a message that is delivered: that it is delivered once more, at any time. */
  readonly duplicate: number;
  /** Of a message that was acknowledged: that the acknowledgement is lost, so that it comes again. */
  readonly acknowledgementLost: number;
  /** Of a held step: that its process dies there. */
  readonly crash: number;
  /** Of a call of the store: that it is refused before it does anything. */
  readonly unavailable: number;
  /** Of an append or a call of a queue: that it is carried out and answered as a failure. */
  readonly answerLost: number;
  /** Of a step: that it takes up to `pauseMs` and not up to `latencyMs`. */
  readonly pause: number;
  /** Of an append under a lease: that its process stands still before it for longer than the lease lasts. */
  readonly leaseOutlasted: number;
  /** Of a step, where queues are at work: that its process is stopped there, for longer than its leases last, and then goes on. */
  readonly stop: number;
  /** Of a message on its way out: that handing it over fails. */
  readonly dispatchFails: number;
  /** Of a run of a compensation hook: that it fails, before or after its work. Also when other faults are over. */
  readonly hookFails: number;
  /** In milliseconds of virtual time. */
  readonly latencyMs: number;
  readonly pauseMs: number;
  /** All messages are first delivered within so many milliseconds. */
  readonly spreadMs: number;
  /** After so many steps nothing fails any more, and what is owed must be done. */
  readonly steps: number;
}

export const noFaults: Faults = {
  duplicate: 0,
  acknowledgementLost: 0,
  crash: 0,
  unavailable: 0,
  answerLost: 0,
  pause: 0,
  leaseOutlasted: 0,
  stop: 0,
  dispatchFails: 0,
  hookFails: 0,
  latencyMs: 5,
  pauseMs: 500,
  spreadMs: 20,
  steps: 0,
};

/**
 * Each kind of fault is absent from half of the seeds: what only shows when another fault is missing is found as well as what
 * only shows when several meet.
 */
export const drawFaults = (random: () => number): Faults => {
  const chance = (max: number): number => (random() < 0.5 ? 0 : max * random());
  return {
    duplicate: chance(0.4),
    acknowledgementLost: chance(0.2),
    crash: chance(0.04),
    unavailable: chance(0.06),
    answerLost: chance(0.15),
    pause: chance(0.1),
    leaseOutlasted: chance(0.6),
    dispatchFails: chance(0.15),
    hookFails: chance(0.9),
    latencyMs: 1 + 12 * random() * random(),
    pauseMs: 600 * random(),
    spreadMs: random() < 0.3 ? 2 : 60 * random(),
    steps: 40 + Math.floor(160 * random()),
    stop: chance(0.06),
  };
};
