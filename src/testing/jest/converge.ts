/** `toConverge`: every schedule of concurrent messages comes to the same end. */
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import { type Exploration, exploreInterleavings } from '../interleavings/interleavings.js';
import { type MatcherContext, type MatcherResult, plainly } from './context.js';

const isExploration = (value: unknown): value is Exploration =>
  typeof value === 'object' && value !== null && 'ran' in value && 'complete' in value;

const isPair = (value: unknown): value is readonly [Saga, ReadonlyArray<SagaMessage>] =>
  Array.isArray(value) && value.length === 2 && Array.isArray(value[1]);

const answer = (
  context: MatcherContext,
  { complete, schedules, ran, failure }: Exploration,
): MatcherResult => {
  const counted = complete
    ? `all ${String(schedules)} schedules of the messages come`
    : `a sample of ${ran} schedules of the messages comes`;
  const yes = `Expected them not to converge, but ${counted} to the same end.`;
  return plainly(context, 'toConverge', failure === undefined, { yes, no: failure?.report ?? '' });
};

export function toConverge(
  this: MatcherContext,
  received: unknown,
  options?: object,
): MatcherResult | Promise<MatcherResult> {
  if (isExploration(received)) return answer(this, received);
  if (!isPair(received))
    throw new TypeError(
      `${this.utils.matcherHint('toConverge', 'received', '')}\n\nThe received value must be [saga, messages], or the result of exploreInterleavings.\nReceived: ${this.utils.printReceived(received)}`,
    );
  const [saga, messages] = received;
  const addressed = messages.map((message, index) => ({
    ...message,
    id: message.id ?? `m${index + 1}`,
    sagaId: message.sagaId ?? 'scenario',
  }));
  return exploreInterleavings(saga, addressed, options).then((explored) => answer(this, explored));
}
