/** The names of everything that is measured: those of the semantic conventions where there are such, else `watersmeet.*`. */

/** Attributes. Those of metrics take few values; names of streams, ids of messages and payloads are never among them. */
export const attribute = {
  dbSystem: 'db.system.name',
  dbOperation: 'db.operation.name',
  /** How many streams an `appendMany` writes to. */
  dbBatchSize: 'db.operation.batch.size',
  errorType: 'error.type',
  messagingSystem: 'messaging.system',
  messagingOperation: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingDestination: 'messaging.destination.name',
  messagingMessageId: 'messaging.message.id',
  messagingConversation: 'messaging.message.conversation_id',
  messagingBatchCount: 'messaging.batch.message_count',
  category: 'watersmeet.stream.category',
  streamName: 'watersmeet.stream.name',
  tenant: 'watersmeet.tenant',
  expectedVersion: 'watersmeet.version.expected',
  actualVersion: 'watersmeet.version.actual',
  version: 'watersmeet.version',
  eventsCount: 'watersmeet.events.count',
  idempotent: 'watersmeet.idempotent',
  answer: 'watersmeet.conflict.answer',
  outcome: 'watersmeet.outcome',
  /** What is parked: `merge`, `message` or `timeout`. */
  parkedKind: 'watersmeet.parked.kind',
  attempts: 'watersmeet.attempts',
  attempt: 'watersmeet.attempt',
  messageType: 'watersmeet.message.type',
  saga: 'watersmeet.saga.name',
  hook: 'watersmeet.compensation.hook',
  branches: 'watersmeet.branches.count',
  lease: 'watersmeet.lease.name',
  partition: 'watersmeet.queue.partition',
  subscriber: 'watersmeet.subscriber',
  strategy: 'watersmeet.save.strategy',
  strategyBefore: 'watersmeet.save.strategy.before',
  systemWork: 'watersmeet.save.system_work',
  /** What an adaptive strategy moved for: a `key`, or the keys of a `type`. */
  adaptiveOf: 'watersmeet.adaptive.of',
} as const;

export const metric = {
  dbDuration: 'db.client.operation.duration',
  messagingDuration: 'messaging.client.operation.duration',
  processDuration: 'messaging.process.duration',
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
  appended: 'watersmeet.events.appended',
  read: 'watersmeet.events.read',
  delivered: 'watersmeet.events.delivered',
  deliveryLag: 'watersmeet.delivery.lag',
  heldBack: 'watersmeet.delivery.held_back',
  appendConflicts: 'watersmeet.append.conflicts',
  conflicts: 'watersmeet.conflicts',
  retries: 'watersmeet.retries',
  reactions: 'watersmeet.reactions',
  merges: 'watersmeet.merges',
  mergeDuration: 'watersmeet.merge.duration',
  mergedBranches: 'watersmeet.merged_branches',
  parked: 'watersmeet.parked',
  compensations: 'watersmeet.compensations',
  compensationDuration: 'watersmeet.compensation.duration',
  unreadable: 'watersmeet.unreadable',
  queueRetries: 'watersmeet.queue.retries',
  queueParkings: 'watersmeet.queue.parkings',
  queueDepth: 'watersmeet.queue.depth',
  queueOldest: 'watersmeet.queue.oldest_age',
  queueParked: 'watersmeet.queue.parked',
  subscriberLag: 'watersmeet.subscriber.lag',
  saves: 'watersmeet.saves',
  savesContended: 'watersmeet.saves.contended',
  saveConflicts: 'watersmeet.save.conflicts',
  saveAttempts: 'watersmeet.save.attempts',
  lockWait: 'watersmeet.save.lock_wait',
  saveAppends: 'watersmeet.save.append_time',
  adaptiveSwitches: 'watersmeet.adaptive.switches',
} as const;

/** What `messaging.system` says. */
export const messagingSystem = 'watersmeet';

/** What `db.system.name` says, from a store's name. */
export const systemOf = (storeName: string): string => {
  const scheme = /^[a-z]+/.exec(storeName)?.[0] ?? 'other';
  // PGlite is PostgreSQL in the process.
  return ['postgres', 'postgresql', 'pglite'].includes(scheme) ? 'postgresql' : scheme;
};
