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
} from './fixture.js';
export { type Fixture, loadFixture } from './fixture-read.js';
export { writeFixture } from './fixture-write.js';
export { type History, readHistory, type Replay, replay, withStates } from './replay.js';
export { type Change, changesBetween, textDiff } from './replay-diff.js';
export {
  type AggregateRules,
  type ReplayedSaga,
  type ReplayStep,
  type ReplayStopped,
  type Rules,
  viewOf,
} from './replay-fold.js';
export {
  type Difference,
  type Evidence,
  type HistoryEvent,
  type ReplayComparison,
  replayInto,
  type ReplayIntoOptions,
} from './replay-into.js';
export type { MergeCheck } from './replay-merges.js';
