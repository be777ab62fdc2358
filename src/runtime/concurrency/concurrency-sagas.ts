/** Counts a saga's handled messages as saves, from what its hooks tell. */
import type { ConcurrencyStrategy } from '../../core/concurrency/concurrency-strategy.js';
import type { Counted } from './concurrency-counts.js';
import type { ConflictNotice, SagaHooks } from '../saga/saga-context.js';

type Answer = ConflictNotice['answer'];

/** How a conflict was answered, in the words for saves. Moving past what does not matter is no way of its own. */
const strategyOf: Readonly<Record<Answer, ConcurrencyStrategy | undefined>> = {
  branch: 'merge',
  retry: 'retry',
  reject: 'expectedVersion',
  fastForward: undefined,
};

/** Messages that have met another writer, so that one that meets several is counted once. */
const remembered = (max: number): ((id: string) => boolean) => {
  const ids = new Set<string>();
  return (id) => {
    if (ids.has(id)) return false;
    ids.add(id);
    const [oldest] = ids;
    if (ids.size > max && oldest !== undefined) ids.delete(oldest);
    return true;
  };
};

/** `both` is told of the saga's type and of its stream. */
export const sagaCounts = (
  both: (streamName: string, work: (one: Counted, nowMs: number) => void) => void,
  messagesMax: number,
): SagaHooks => {
  const isFirstOf = remembered(messagesMax);
  return {
    onReacted: ({ streamName, attempt }) => both(streamName, (one, nowMs) => one.reacted(attempt, nowMs)),
    onConflict: ({ streamName, messageId, answer }) => {
      const strategy = strategyOf[answer];
      const isFirst = isFirstOf(`${streamName} ${messageId}`);
      both(streamName, (one) => {
        one.met({ isFirst, ...(strategy !== undefined && { strategy }) });
        if (answer === 'branch') one.branched();
        if (answer === 'reject') one.failed('ConcurrencyConflict');
      });
    },
    onMerged: ({ streamName }) => both(streamName, (one) => one.merged()),
  };
};
