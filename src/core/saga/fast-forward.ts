/** Which records a decision may move past as it is: a lost append is sent again at the new version, and no handler runs. */
import type { EventData } from '../event.js';
import type { Decision } from './reacting.js';
import { recordTypes, type Saga } from './saga.js';
import { headerOf } from './saga-records.js';
import { hasWishes } from './saga-timeouts.js';

/** Records that move a stream's version but not its saga's state. */
const neutralTypes: ReadonlySet<string> = new Set([
  recordTypes.mergeSagaState,
  recordTypes.sagaMergeRefused,
  recordTypes.sagaMessageHandled,
  recordTypes.sagaTimeoutIgnored,
  recordTypes.compensationApplied,
  recordTypes.compensationFailed,
]);

/** What is asked of a record that a decision may have to move past. */
export interface Passed {
  readonly type: string;
  /** A merge brought it onto the trunk. */
  readonly isMerged: boolean;
  readonly hasWishes: boolean;
}

export const passedOf = ({ type, metadata }: Pick<EventData, 'type' | 'metadata'>): Passed => {
  const header = headerOf(metadata);
  return { type, isMerged: header?.mergeId !== undefined, hasWishes: hasWishes(header ?? {}) };
};

const commutesWith = (saga: Saga, decision: Decision, passed: Passed): boolean => {
  // What both say of timeouts is brought together by the merge alone: there it does not matter who came first.
  if (hasWishes(decision.wishes) && passed.hasWishes) return false;
  if (neutralTypes.has(passed.type)) return true;
  const isOwn = Object.hasOwn(saga.events, passed.type) && !passed.isMerged;
  // What is sent, and completion, were decided on the state; commuting is a word about events alone.
  const eventsOnly = decision.messages.length === 0 && !decision.completes && !hasWishes(decision.wishes);
  return isOwn && eventsOnly && decision.events.every(({ type }) => saga.commutes(type, passed.type));
};

/**
 * Whether a decision that lost only to these records stands as it is at the new version. A saga cannot complete while
 * its versions disagree: a completion that meets a branch becomes one itself, and `onMerged` decides.
 */
export const fastForwards = (saga: Saga, decision: Decision, tail: ReadonlyArray<Passed>): boolean =>
  tail.every((passed) => commutesWith(saga, decision, passed)) &&
  !(decision.completes && tail.some(({ type }) => type === recordTypes.mergeSagaState));
