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
export { mergeRefused, mergeStates, merger, threeWay } from './core/merge/merge.js';
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
} from './core/merge/merge.js';
export {
  type HistoryInvalid,
  type HistoryVersion,
  type MergedHistory,
  mergeHistory,
} from './core/merge/merge-history.js';
export { json3, jsonThreeWay, type JsonThreeWayOptions } from './core/merge/merge-json.js';
export { type ItemId, listById, type ListByIdOptions } from './core/merge/merge-list.js';
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
} from './core/merge/merge-sequence.js';
export * from './core/merge/mergers.js';
export type { MessageInvalid, ReactionFailed, SagaMessage } from './core/saga/reacting.js';
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
} from './core/saga/saga.js';
export { foldSaga, owed, type SagaLog } from './core/saga/saga-log.js';
export type {
  EvolveFailed,
  Owed,
  OwedCompensation,
  OwedTimeout,
  PendingBranch,
  SagaTruncated,
  SagaUnreadable,
  SagaView,
} from './core/saga/saga-view.js';
export {
  any,
  categoryOf,
  comparePositions,
  defaultTenant,
  escapeForDisplay,
  exactly,
  noStream,
  endPosition,
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
export type { HandleOptions } from './runtime/saga/handle-message.js';
export {
  type Accepted,
  type LocalAnswer,
  localPartitions,
  type LocalPartitions,
  type LocalPartitionsOptions,
  type LocalPartitionState,
  type MessageGivenUp,
  type PartitionsStopped,
} from './runtime/queue/local-partitions.js';
export { mergeHooks } from './runtime/saga/merge-hooks.js';
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
} from './runtime/queue/message-delivery.js';
export type { AggregateConflictAnswer } from './runtime/queue/handle-on-aggregate.js';
export type { SagaConflictAnswer } from './runtime/queue/handle-on-saga.js';
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
} from './runtime/queue/message-handlers.js';
export { type TimeoutOptions, timeoutQueueOf } from './runtime/saga/owed-timeouts.js';
export type { PartitionState } from './runtime/queue/partition-work.js';
export { queueWorker, type QueueWorker, type WorkerState } from './runtime/queue/queue-worker.js';
export { type Dispatch, toHandlers, toQueue, type Transport } from './runtime/saga/saga-transport.js';
export {
  defaultMessageRetry,
  type HandlingOptions,
  type QueueWorkerOptions,
  type WorkerHooks,
} from './runtime/queue/worker-options.js';
export type { Dispatched, Following, FollowOptions } from './runtime/saga/owed-subscription.js';
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
} from './runtime/saga/saga-context.js';
export { sagaRuntime, type SagaRuntime } from './runtime/saga/saga-runtime.js';
export * from './store/event-store.js';
export type {
  AppendCondition,
  ConditionFailed,
  EventQuery,
  MatchingPage,
  QueryItem,
  ReadMatchingRequest,
  Seen,
} from './store/conditions.js';
export { newId } from './store/ids.js';
export type {
  AcquiredLease,
  AcquireError,
  AcquireNamed,
  AcquireRequest,
  AcquireScoped,
  Fence,
  KeepError,
  Lease,
  LeaseHeld,
  LeaseLost,
  Leases,
  LeaseSummary,
  ListLeasesRequest,
  RecoveredLease,
} from './store/leases.js';
export { defaultLimits } from './store/limits.js';
export type { Snapshot, Snapshots } from './store/snapshots.js';
export type { Timers } from './store/timers.js';
export { type Case, program, type Program, type TimedMessage } from './runtime/saga/program.js';
export { type DuplicateCase, runCases, type RunOptions, type RunProgress } from './runtime/saga/run-cases.js';
export { isSameEnd, serialEnd, survey, type SagaEnd, type Survey } from './runtime/saga/survey.js';
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
} from './runtime/aggregate/aggregate-context.js';
export type {
  CommandHandled,
  HandleCommandError,
  CommandRequest,
  Rejected,
} from './runtime/aggregate/command-request.js';
export type { ConcurrencyConflict } from './runtime/aggregate/concurrency-conflict.js';
export {
  decideAcross,
  type AcrossContext,
  type AcrossRequest,
  type DecideAcrossError,
  type DecidedAcross,
  type DecisionOutrun,
  type Placed,
} from './runtime/aggregate/decide-across.js';
export { handleCommand } from './runtime/aggregate/handle-command.js';
export { loadAggregate } from './runtime/aggregate/load-aggregate.js';
export { describeConflict } from './core/saga/describe-conflict.js';
export { drawSaga } from './core/saga/draw.js';
export { explainConflicts } from './core/saga/explain.js';
export type { ConflictExplanation } from './core/saga/explanation.js';
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
export {
  repository,
  type Repository,
  type ResolvedConflict,
} from './runtime/repository/repository.js';
export type {
  ConcurrencyCheck,
  ConditionNotMet,
  LoadOptions,
  RepositoryContext,
  RepositoryOptions,
  Saved,
  SaveError,
  SaveOptions,
} from './runtime/repository/context.js';
export type { AggregateCopy, Changed } from './runtime/repository/copy.js';
export type {
  HistoryPage,
  HistoryPlace,
  HistoryRequest,
  Operation,
  Revision,
} from './runtime/repository/history.js';
export type { SaveAllConflict, SaveAllError, SaveItem } from './runtime/repository/save-all.js';
export type { About } from './core/concurrency/about.js';
export { saveHeaderOf, type SaveHeader } from './core/concurrency/save-header.js';
export {
  explainPolicy,
  policies,
  type Policies,
  type PolicyExplanation,
  type PolicyFailed,
  type PolicyOverride,
  type PolicyRule,
  type ResolvedPolicy,
  type RuleExplanation,
  when,
} from './core/concurrency/policy.js';
export * from './core/concurrency/policy-predicates.js';
export { type ConcurrencySettings, defaultSettings } from './core/concurrency/concurrency-settings.js';
export { concurrencyStrategies, type ConcurrencyStrategy } from './core/concurrency/concurrency-strategy.js';
export { resolverRefused } from './core/concurrency/resolver.js';
export type {
  Resolver,
  ResolverAnswer,
  ResolverClaim,
  ResolverConflict,
  ResolverRefused,
  ResolverRules,
} from './core/concurrency/resolver.js';
export {
  type Commutes,
  commuting,
  type CommutingTable,
  firstOf,
  firstWriteWins,
  lastWriteWins,
  resolver,
} from './core/concurrency/resolvers.js';
export { additive, type AdditiveOptions } from './core/concurrency/additive.js';
export {
  type MergeThree,
  threeWayResolver,
  type ThreeWayResolverOptions,
} from './core/concurrency/three-way-resolver.js';
export {
  checkActor,
  checkTouched,
  checkWrite,
  contested,
  disjoint,
  fieldsOf,
  type FieldNotOwned,
  groupsOf,
  ownership,
  type Ownership,
  type OwnershipDefinition,
  ownerOf,
  type SharedStrategy,
  touched,
  type UndeclaredField,
} from './core/concurrency/ownership.js';
export { settleFields, type Settlement, type SkippedWrite } from './core/concurrency/ownership-settle.js';
export {
  makeToken,
  readToken,
  type TokenNotMine,
  type TokenSecret,
  type TokenStale,
  type TokenSubject,
} from './core/concurrency/token.js';
export { currentSystemWork, systemWork, type SystemWork } from './runtime/concurrency/system-work.js';
export {
  concurrencyStats,
  type ConcurrencySnapshot,
  type ConcurrencyStats,
  type ConcurrencyStatsOptions,
  type KeyStats,
  type RateNow,
  type SaveNotice,
  type TypeStats,
} from './runtime/concurrency/concurrency-stats.js';
export type {
  AdaptiveChoice,
  AdaptiveDecision,
  AdaptiveExplanation,
  AdaptiveObservation,
  AdaptiveQuestion,
  AdaptiveRow,
  AdaptiveRule,
  AdaptiveStrategy,
} from './core/concurrency/adaptive.js';
export { adaptiveTable } from './core/concurrency/adaptive.js';
export { adaptive, type AdaptiveOptions, type AdaptiveSwitch } from './runtime/concurrency/adaptive.js';
export { countedCommands } from './runtime/concurrency/counted-commands.js';
export {
  type LeaseContext,
  type LeaseHooks,
  type LeaseNotice,
  type LeaseRequest,
  withLease,
  type WithLeaseError,
} from './runtime/leases/lease-work.js';
export type { HeldLease, WithinError, WithinOptions } from './runtime/leases/lease-held.js';
export type { LeaseAborted, LeaseTimeout } from './runtime/leases/lease-wait.js';
export { leaseScopeOf, scopeLeaseName, type LeaseScope } from './store/lease-scopes.js';
export {
  idempotentApi,
  type IdempotentRequest,
  type IdempotentRequestError,
  type IdempotentResponse,
} from './runtime/idempotency/idempotent-api.js';
export type {
  IdempotencyContext,
  IdempotentAttempt,
  IdempotentWork,
} from './runtime/idempotency/idempotent-attempt.js';
export {
  idempotentJob,
  type IdempotentJob,
  type IdempotentJobError,
  type JobAnswer,
} from './runtime/idempotency/idempotent-job.js';
export { businessKey } from './core/business-key.js';
export type {
  Acquired,
  BeginError,
  BeginRequest,
  Begun,
  CompleteRequest,
  Completed,
  Completion,
  FailedEarlier,
  FailRequest,
  HeldKey,
  IdempotencyEntry,
  IdempotencyKey,
  IdempotencyLost,
  IdempotencyState,
  IdempotencyStore,
  IdempotencySummary,
  InProgress,
  KeyReused,
  ListIdempotencyRequest,
  SettleError,
} from './store/idempotency.js';
export type { Outage, OutageNotice } from './runtime/outage.js';
export { compareStores, copyStore } from './runtime/copy/copy-store.js';
export type {
  CompareError,
  CompareOptions,
  CopyError,
  CopyOptions,
  CopyProgress,
  CopyReport,
  StoreComparison,
} from './runtime/copy/copy-store.js';
export type { CopyOrder } from './runtime/copy/batches.js';
export type { CopyScope } from './runtime/copy/pages.js';
export type { StreamOfTenant } from './runtime/copy/settling.js';
export type { CopyDiverged, CopyRefused, CopyTruncated } from './runtime/copy/writing.js';
export { moveCheckpoint, positionPairs, translatePosition } from './runtime/copy/positions.js';
export type { PositionPair, PositionPairsOptions } from './runtime/copy/positions.js';
export type { Comparison, StoreDigest, StreamDifference } from './core/stream-digest.js';
