/** A dead letter that is let go stays so, whatever the worker that parked it still has to say. */
import * as E from 'fp-ts/lib/Either.js';
import { afterEach, expect, it } from '@jest/globals';
import { memoryStore } from 'watersmeet';
import { toPromise } from '../../src/core/fault.js';
import type { QueueWorker } from '../../src/runtime/queue/queue-worker.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { FailedRequest } from '../../src/store/message-queue.js';
import {
  enqueue,
  eventually,
  itemHandlers,
  left,
  queueOf,
  reserve,
  reservedOf,
  stock,
  worker,
} from './worker-support.js';

let running: QueueWorker | undefined;
afterEach(() => running?.stop(0));

/** The first answer to a message that is parked is lost, and meanwhile somebody lets the message go. */
const lettingGo = (store: EventStore): EventStore => {
  const queue = queueOf(store);
  let isFirst = true;
  const failed = (request: FailedRequest) => async () => {
    const answer = await queue.failed(request)();
    if (!isFirst || request.then !== 'park') return answer;
    isFirst = false;
    await toPromise(queue.deadLetters.retry(request.message));
    return E.left({ _tag: 'StoreUnavailable' as const, message: 'the answer was lost' });
  };
  return { ...store, queue: { ...queue, failed } };
};

it('a message that was let go is handled, although the worker repeats that it parks it: the answer had been lost', async () => {
  const store = memoryStore();
  let attempts = 0;
  const handlers = itemHandlers(() => {
    attempts += 1;
    if (attempts === 1) throw new Error('not yet');
  });
  await enqueue(store, stock('items', 'umbrella', 5), reserve('items', 'umbrella', 'order-1'));
  running = worker({ store: lettingGo(store), handlers, queue: 'items', retry: { attemptsMax: 1 } });
  await eventually('both are handled or parked', async () => {
    const { depth, parked } = await left(store, 'items');
    return depth === 0 && parked + attempts > 1;
  });
  expect(await left(store, 'items')).toEqual({ depth: 0, parked: 0 });
  expect(await reservedOf(store, 'umbrella')).toEqual(['order-1']);
});
