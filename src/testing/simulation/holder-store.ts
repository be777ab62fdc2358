/** The store for one that works under leases: nothing of a message may be written by a holder who has lost its partition. */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData } from '../../core/event.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { MergeSagaStateRecord, SagaHeader } from '../../core/saga/saga-records.js';
import { messageQueueName } from './queue-watch.js';
import type { WatchedStore, World } from './world.js';

/** The message whose work an append holds; `undefined` for those of merges and compensations. */
export const causeOf = ([first, ...more]: ReadonlyArray<EventData>): string | undefined => {
  if (first === undefined || [first, ...more].some(({ type }) => type === recordTypes.sagaMerged))
    return undefined;
  if (first.type === recordTypes.mergeSagaState)
    return (first.data as unknown as MergeSagaStateRecord).cause.messageId;
  const header = first.metadata.headers?.['saga'] as Partial<SagaHeader> | undefined;
  return header?.mergeId === undefined ? first.metadata.causationId : undefined;
};

/** The store for one that works under leases: what it makes of a message it may only write while the partition is its own. */
export const storeOfHolder = (world: World, holder: string): WatchedStore => ({
  ...world.store,
  append: (request) => async () => {
    const answer = await world.store.append(request)();
    if (E.isLeft(answer) || answer.right.idempotent) return answer;
    const message = world.queues.find(causeOf(request.events) ?? '');
    const lease = message?.takenUnder?.lease;
    if (message === undefined || lease === undefined) return answer;
    if (world.holderOf(lease)?.holder !== holder)
      world.broken(`${holder} wrote the work of ${message.id} after it had lost ${lease}`);
    if (message.queue === messageQueueName && !world.queues.isHead(message))
      world.broken(`message ${message.id} took effect before one of its key that came before`);
    return answer;
  },
});
