/** The public API: streams, aggregates, and sagas that merge. Stores with a driver are in `watersmeet/postgres` and `watersmeet/pglite`. */
export { memoryStore, type MemoryStore, type MemoryStoreOptions } from './adapters/memory/index.js';
export { decodeTagged, decodeWith, encodeTagged, encodeWith, versioned } from './core/codec.js';
export type {
  Codec,
  CodecProblem,
  DataOf,
  DecodeFailed,
  Definition,
  Definitions,
  Encoded,
  EncodeFailed,
  TaggedOf,
  Versioned,
} from './core/codec.js';
export type { EventData, EventMetadata, RecordedEvent } from './core/event.js';
export {
  describeTagged,
  type Tagged,
  taggedError,
  type TaggedError,
  taggedOf,
  toPromise,
} from './core/fault.js';
export { derivedId } from './core/ids.js';
export { canonicalJson, deepFreeze, hashOf, type Json, type JsonObject, strictJson } from './core/json.js';
export { mergeRefused, mergeStates, merger, threeWay } from './core/merge.js';
export type {
  AnyEvent,
  Conflict,
  ConflictBranch,
  Fate,
  FieldConflict,
  MergeAnswer,
  MergeRefused,
  Merger,
  OutgoingMessage,
  ReleasedMessage,
  ThreeWay,
} from './core/merge.js';
export {
  type HistoryInvalid,
  type HistoryVersion,
  type MergedHistory,
  mergeHistory,
} from './core/merge-history.js';
export { json3, jsonThreeWay, type JsonThreeWayOptions } from './core/merge-json.js';
export { type ItemId, listById, type ListByIdOptions } from './core/merge-list.js';
export {
  ListSequence,
  sequence,
  sequenceApply,
  sequenceDelete,
  type SequenceEdit,
  sequenceEdit,
  sequenceEmpty,
  sequenceInsert,
  type SequenceItems,
  sequenceItems,
  type SequenceState,
  sequenceText,
  TextSequence,
} from './core/merge-sequence.js';
export * from './core/mergers.js';
export type { MessageInvalid, ReactionFailed, SagaMessage } from './core/reacting.js';
export {
  type AnyTimeout,
  type CompensationHook,
  type CompensationRequest,
  type HookInfo,
  type MergedInfo,
  type MessageOfSaga,
  type ReactInfo,
  type Reaction,
  recordTypes,
  saga,
  type Saga,
  type StateOfSaga,
  type TimeoutOf,
} from './core/saga.js';
export { foldSaga, owed, type SagaLog } from './core/saga-log.js';
export type {
  EvolveFailed,
  Owed,
  OwedCompensation,
  OwedTimeout,
  PendingBranch,
  SagaTruncated,
  SagaUnreadable,
  SagaView,
} from './core/saga-view.js';
export {
  any,
  categoryOf,
  comparePositions,
  defaultTenant,
  escapeForDisplay,
  exactly,
  noStream,
  startPosition,
  streamExists,
  streamName,
  tenant,
} from './core/stream.js';
export type {
  ExpectedVersion,
  InvalidExpectedVersion,
  InvalidName,
  Position,
  StreamName,
  StreamVersion,
  Tenant,
} from './core/stream.js';
export { defaultRetry, type RetryPolicy } from './core/retry.js';
export { type Environment } from './runtime/environment.js';
export type { HandleOptions } from './runtime/handle-message.js';
export {
  type Accepted,
  type LocalAnswer,
  localPartitions,
  type LocalPartitions,
  type LocalPartitionsOptions,
  type LocalPartitionState,
  type MessageGivenUp,
  type PartitionsStopped,
} from './runtime/local-partitions.js';
export { mergeHooks } from './runtime/merge-hooks.js';
export type {
  AttemptsUsedUp,
  HandlerAnswer,
  HandlerMissing,
  HandlerThrew,
  HandlerTimedOut,
  LockTimeout,
  MessageFailure,
  MessageInfo,
  MessageOutcome,
  NextMessage,
  RequiredMissing,
} from './runtime/message-delivery.js';
export type { AggregateConflictAnswer } from './runtime/handle-on-aggregate.js';
export type { SagaConflictAnswer } from './runtime/handle-on-saga.js';
export {
  type HandlersByType,
  type MessageHandler,
  messageHandlers,
  type MessageHandlers,
  type MessageToSend,
  onAggregate,
  onBatch,
  onMessage,
  onSaga,
} from './runtime/message-handlers.js';
export { type TimeoutOptions, timeoutQueueOf } from './runtime/owed-timeouts.js';
export type { PartitionState } from './runtime/partition-work.js';
export { queueWorker, type QueueWorker, type WorkerState } from './runtime/queue-worker.js';
export { type Dispatch, toHandlers, toQueue, type Transport } from './runtime/saga-transport.js';
export {
  defaultMessageRetry,
  type HandlingOptions,
  type QueueWorkerOptions,
  type WorkerHooks,
} from './runtime/worker-options.js';
export type { Dispatched, Following, FollowOptions } from './runtime/owed-subscription.js';
export type {
  MessageConflict,
  ConflictNotice,
  DeliveryParkedNotice,
  Handled,
  HandleError,
  Resolved,
  ResolveError,
  SagaContext,
  SagaHooks,
  SagaParked,
  MessageRetryNotice,
} from './runtime/saga-context.js';
export { sagaRuntime, type SagaRuntime } from './runtime/saga-runtime.js';
export * from './store/event-store.js';
export { newId } from './store/ids.js';
export type {
  AcquireError,
  AcquireRequest,
  Fence,
  KeepError,
  Lease,
  LeaseHeld,
  LeaseLost,
  Leases,
  LeaseSummary,
  ListLeasesRequest,
} from './store/leases.js';
export { defaultLimits } from './store/limits.js';
export type { Snapshot, Snapshots } from './store/snapshots.js';
export type { Timers } from './store/timers.js';
export { type Case, program, type Program, type TimedMessage } from './runtime/program.js';
export { type DuplicateCase, runCases, type RunOptions, type RunProgress } from './runtime/run-cases.js';
export { isSameEnd, serialEnd, survey, type SagaEnd, type Survey } from './runtime/survey.js';
export { accept, aggregate, fold, reject } from './core/decider.js';
export type {
  Aggregate,
  CommandOf,
  Decision,
  EventOf,
  RejectionOf,
  SnapshotPolicy,
  StateOf,
} from './core/decider.js';
export { commandFrom, type CommandInput, type EventDecodeFailed } from './core/aggregate-codec.js';
export type {
  AggregateContext,
  AggregateHooks,
  CommandConflictNotice,
  RetryNotice,
} from './runtime/aggregate-context.js';
export type {
  CommandHandled,
  HandleCommandError,
  CommandRequest,
  Rejected,
} from './runtime/command-request.js';
export type { ConcurrencyConflict } from './runtime/concurrency-conflict.js';
export { handleCommand } from './runtime/handle-command.js';
export { loadAggregate } from './runtime/load-aggregate.js';
export { describeConflict } from './core/describe-conflict.js';
export { drawSaga } from './core/draw.js';
export { explainConflicts } from './core/explain.js';
export type { ConflictExplanation } from './core/explanation.js';
export type {
  DeadLetter,
  DeadLetterMissing,
  Enqueued,
  EnqueueOptions,
  FailedAttempt,
  FailedRequest,
  MessageQueue,
  Partition,
  PartitionDepth,
  QueuedMessage,
  QueueFull,
  TakenMessage,
  TakeRequest,
} from './store/message-queue.js';
