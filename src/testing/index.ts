/** What users import in their tests. */
export {
  type ContractRunner,
  type ContractSubject,
  eventStoreConcurrencyContract,
  eventStoreContract,
  type OpenedStore,
} from './contract.js';
export type {
  FixtureBroken,
  FixtureEvent,
  FixtureMismatch,
  FixtureNotWritten,
  FixtureUnreadable,
} from './replay/fixture.js';
export { type Fixture, loadFixture } from './replay/fixture-read.js';
export { writeFixture } from './replay/fixture-write.js';
export { type History, readHistory, type Replay, replay, withStates } from './replay/replay.js';
export { type Change, changesBetween, textDiff } from './replay/diff.js';
export {
  type AggregateRules,
  type ReplayedSaga,
  type ReplayStep,
  type ReplayStopped,
  type Rules,
  viewOf,
} from './replay/fold.js';
export {
  type Difference,
  type Evidence,
  type HistoryEvent,
  type ReplayComparison,
  replayInto,
  type ReplayIntoOptions,
} from './replay/into.js';
export type { MergeCheck } from './replay/merges.js';
export { matchers } from './jest/matchers.js';
export { streamSerializer } from './jest/serializer.js';
export { scenario } from './scenario/scenario.js';
export type {
  AggregateOutcome,
  AggregateScenario,
  AggregateThen,
  AggregateWhen,
  Compensated,
  Expected,
  ExpectedCompensation,
  SagaExpectation,
  SagaOutcome,
  SagaScenario,
  SagaScenarioOptions,
  SagaThen,
  SagaWhen,
  ScenarioMessage,
  SentBySaga,
  ValueMatcher,
} from './scenario/scenario.js';
export {
  assertConverges,
  type CancelledMessage,
  type CompensationOutcome,
  type Exploration,
  exploreInterleavings,
  type FailureKind,
  type InterleavingFailure,
  type InterleavingOptions,
  type Invariant,
  messagesMax,
  type Outcome,
  type ScheduleStep,
  type SentMessage,
} from './interleavings/interleavings.js';
export { type ArbitraryMissing, arbitraryOf } from './laws/arbitraries.js';
export { assertMerger, checkMerger, type CheckMergerOptions } from './laws/check-merger.js';
export type { AggregateCounterexample, AggregateTrialOptions } from './laws/aggregate-trial.js';
export {
  assertOwnership,
  checkOwnership,
  type CheckOwnershipOptions,
  type OwnershipLawName,
  type OwnershipLawResult,
  type OwnershipReport,
} from './laws/check-ownership.js';
export {
  assertResolver,
  checkResolver,
  type CheckResolverOptions,
  type ResolverLawName,
  type ResolverLawResult,
  type ResolverReport,
} from './laws/check-resolver.js';
export type { LawName, LawResult, MergerCounterexample, MergerReport } from './laws/report.js';
export { simulate, type Simulated, type SimulatedEnd, type SimulateOptions } from './simulation/simulate.js';
export type { Faults } from './simulation/faults.js';
export type { SimulationFailed } from './simulation/violation.js';
export type { SimulationFigures } from './simulation/world.js';
