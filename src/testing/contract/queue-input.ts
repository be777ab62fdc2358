/** Contract: messages and requests that a queue refuses by name. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import type { EventStore } from '../../store/event-store.js';
import type { QueuedMessage } from '../../store/message-queue.js';
import { aMessage, aQueue, enqueue, queueOf, take, whole } from './queue-support.js';
import type { ContractTest } from './subject.js';
import { aTenant, refused, same } from './support.js';

const needs = ['queue'] as const;
type Opened = { readonly store: EventStore };

const badMessages: Readonly<Record<string, readonly [field: string, bad: Partial<QueuedMessage>]>> = {
  'no queue': ['messages[1].queue', { queue: '' }],
  'a queue with a blank': ['messages[1].queue', { queue: 'a queue' }],
  'a queue of 101 letters': ['messages[1].queue', { queue: 'q'.repeat(101) }],
  'an empty id': ['messages[1].id', { id: '' }],
  'an id with a lone surrogate': ['messages[1].id', { id: 'x\ud800' }],
  'an id of 513 bytes': ['messages[1].id', { id: 'x'.repeat(513) }],
  'a key with NUL': ['messages[1].key', { key: 'a\u0000b' }],
  'a key that is a number': ['messages[1].key', { key: 7 as unknown as string }],
  'an empty type': ['messages[1].type', { type: '' }],
  'schema version 0': ['messages[1].schemaVersion', { schemaVersion: 0 }],
  'a delay of less than nothing': ['messages[1].delayMs', { delayMs: -1 }],
  'a delay of half a millisecond': ['messages[1].delayMs', { delayMs: 0.5 }],
  'data with a lone surrogate': ['messages[1].data.a', { data: { a: '\udc00' } }],
  'data with NUL': ['messages[1].data', { data: '\u0000' }],
  'data with the key __proto__': [
    'messages[1].data',
    { data: JSON.parse('{"__proto__": 1}') as object as never },
  ],
  'no data': ['messages[1].data', { data: undefined as never }],
  'unknown metadata': ['messages[1].metadata.extra', { metadata: { extra: 1 } as never }],
};

export const badTests: ReadonlyArray<ContractTest> = [
  ...Object.entries(badMessages).map(([title, [field, bad]]) => ({
    title: `a message with ${title} is refused by name, and nothing of the batch is enqueued`,
    needs,
    run: async ({ store }: Opened) => {
      const queue = aQueue();
      const batch = [aMessage(queue, 'a'), { ...aMessage(queue, 'a'), ...bad }];
      const answer = await queueOf(store).enqueue(batch)();
      if (E.isRight(answer)) return assert.fail('it was enqueued');
      assert.ok(answer.left._tag === 'InvalidName' || answer.left._tag === 'InvalidRequest');
      assert.ok(answer.left.field.startsWith(field), `${answer.left.field} is not ${field}`);
      same(await take(store, queue), []);
    },
  })),
  {
    title: 'data of some megabytes is kept as it is, and more than a store may hold is refused',
    needs,
    timeoutMs: 60_000,
    run: async ({ store }) => {
      const queue = aQueue();
      const big = 'æ'.repeat(1_000_000);
      await enqueue(store, aMessage(queue, 'a', big));
      same((await take(store, queue))[0]?.data === big, true);
      const tooBig = aMessage(queue, 'b', 'x'.repeat(store.limits.eventBytesMax));
      same(
        (await refused(queueOf(store).enqueue([aMessage(queue, 'b'), tooBig]), 'InvalidRequest')).field,
        'messages[1].data',
      );
    },
  },
  {
    title: 'requests that mean nothing are refused by name',
    needs,
    run: async ({ store }) => {
      const { take: takeFrom, deadLetters, ...queue } = queueOf(store);
      const partition = whole('queue');
      const message = { tenant: aTenant(), queue: 'queue', id: 'id' };
      const calls = {
        'partition.queue': takeFrom({ partition: whole('no queue'), maxCount: 1 }),
        'partition.of': takeFrom({ partition: { ...partition, of: 1_025 }, maxCount: 1 }),
        'partition.index': takeFrom({ partition: { ...partition, index: 1 }, maxCount: 1 }),
        maxCount: takeFrom({ partition, maxCount: 0 }),
        'fence.token': takeFrom({ partition, maxCount: 1, fence: { lease: 'a', token: 0 } }),
        retryInMs: queue.failed({ message, error: '', then: { retryInMs: Number.NaN } }),
        id: queue.cancel({ ...message, id: '' }),
        partitions: queue.depths('queue', 0),
        depthMax: queue.enqueue([], { depthMax: 0 }),
        after: deadLetters.list({ after: 'x' }),
        olderThanMs: queue.forget(-1),
      };
      for (const [field, call] of Object.entries(calls)) {
        const answer = (await call()) as E.Either<{ readonly field?: string }, unknown>;
        if (E.isRight(answer)) return assert.fail(`${field} was not refused`);
        same(answer.left.field, field);
      }
      return undefined;
    },
  },
];
