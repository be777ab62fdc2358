/** Which of the messages that wait are handled in one call: the part that queue workers and local partitions share. */
import type { TakenMessage } from '../../store/message-queue.js';
import type { MessageRunner } from './message-runner.js';

/** Messages with the same one are handled one after another. */
export const orderKeyOf = ({ tenant, key }: Pick<TakenMessage, 'tenant' | 'key'>): string =>
  `${tenant}\u0000${key}`;

/**
 * The first of those that wait, and those of its type right behind it where they are handled together: each of another key, since
 * two of one key could not be tried again in their order. `mayJoin` says of each whether it may be handled with others.
 */
export const nextBatch = <A extends { readonly message: TakenMessage }>(
  waiting: Iterable<A>,
  batchMaxOf: MessageRunner['batchMaxOf'],
  mayJoin: (one: A) => boolean,
): ReadonlyArray<A> => {
  const batch: A[] = [];
  const keys = new Set<string>();
  let max = 1;
  for (const one of waiting) {
    const { message } = one;
    const [first] = batch;
    if (first === undefined) max = mayJoin(one) ? batchMaxOf(message.type) : 1;
    else if (message.type !== first.message.type || !mayJoin(one) || keys.has(orderKeyOf(message))) break;
    batch.push(one);
    keys.add(orderKeyOf(message));
    if (batch.length >= max) break;
  }
  return batch;
};
