/** What is counted in a simulation: what never happens is not tested. */

/** What happened in a simulation, counted. */
export interface SimulationFigures {
  steps: number;
  processes: number;
  messages: number;
  deliveries: number;
  /** Deliveries that were answered `Duplicate`. */
  duplicates: number;
  crashes: number;
  unavailable: number;
  answersLost: number;
  /** Appends that hold the decisions of several messages, none of which was refused first. */
  jointAppends: number;
  conflicts: number;
  fastForwards: number;
  merges: number;
  /** Merges that left branches for another append, since one could not hold them all. */
  mergesInParts: number;
  branchesMerged: number;
  refusals: number;
  /** Appends under a lease, and those that were refused because the lease was lost. */
  leases: number;
  leasesLost: number;
  compensations: number;
  compensationsFailed: number;
  completions: number;
  dispatched: number;
  /** Times that a follower could not reach the store, and waited. */
  outages: number;
  /** Calls of queues that were carried out and answered as failures. */
  queueAnswersLost: number;
  /** Processes that were stopped for longer than their leases last. */
  stops: number;
  timeoutsAsked: number;
  timeoutsDelivered: number;
  timeoutsCancelled: number;
  timeoutsIgnored: number;
  /** Workers of the queue that were started, and those that were told to stop. */
  workers: number;
  workersLeft: number;
  enqueued: number;
  partitionsTaken: number;
  partitionsGivenBack: number;
  partitionsLost: number;
  messagesRetried: number;
  handlersTimedOut: number;
  /** Messages and timeouts that were parked, and what became of them. */
  parked: number;
  lettersRetried: number;
  lettersDiscarded: number;
}

export const noFigures = (): SimulationFigures => ({
  steps: 0,
  processes: 0,
  messages: 0,
  deliveries: 0,
  duplicates: 0,
  crashes: 0,
  unavailable: 0,
  answersLost: 0,
  jointAppends: 0,
  conflicts: 0,
  fastForwards: 0,
  merges: 0,
  mergesInParts: 0,
  branchesMerged: 0,
  refusals: 0,
  leases: 0,
  leasesLost: 0,
  compensations: 0,
  compensationsFailed: 0,
  completions: 0,
  dispatched: 0,
  outages: 0,
  queueAnswersLost: 0,
  stops: 0,
  timeoutsAsked: 0,
  timeoutsDelivered: 0,
  timeoutsCancelled: 0,
  timeoutsIgnored: 0,
  workers: 0,
  workersLeft: 0,
  enqueued: 0,
  partitionsTaken: 0,
  partitionsGivenBack: 0,
  partitionsLost: 0,
  messagesRetried: 0,
  handlersTimedOut: 0,
  parked: 0,
  lettersRetried: 0,
  lettersDiscarded: 0,
});
