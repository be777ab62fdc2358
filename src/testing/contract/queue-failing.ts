/** Contract: messages whose handling fails, that are parked or taken back, and what is told of a queue. */
import { strict as assert } from 'node:assert';
import type { EventStore } from '../../store/event-store.js';
import type { QueuedMessage } from '../../store/message-queue.js';
import {
  aMessage,
  aQueue,
  datasOf,
  drain,
  enqueue,
  keysOfAll,
  line,
  queueOf,
  take,
  takeSoon,
} from './queue-support.js';
import type { ContractTest } from './subject.js';
import { aTenant, numbersFrom, pause, refused, right, same } from './support.js';

const needs = ['queue'] as const;

const fail = (store: EventStore, message: QueuedMessage, then: { retryInMs: number } | 'park') => {
  const tenant = message.tenant ?? aTenant();
  return right(queueOf(store).failed({ message: { ...message, tenant }, error: 'it broke', then }));
};

export const failingTests: ReadonlyArray<ContractTest> = [
  {
    title: 'a failed attempt is tried again after its delay, and those behind it wait; other keys go on',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      await enqueue(store, ...line(queue, 'a', 2), ...line(queue, 'b', 2));
      const [first] = (await take(store, queue)).filter(({ key }) => key === 'a');
      await fail(store, first!, { retryInMs: 300 });
      same(await drain(store, queue), ['b1', 'b2']);
      const [again] = await takeSoon(store, queue);
      same([again!.data, again!.attempt], ['a1', 2]);
      await right(queueOf(store).done([again!]));
      same(await drain(store, queue), ['a2']);
    },
  },
  {
    title:
      'a parked message holds its key with its history, until it is retried or discarded; other keys go on',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      await enqueue(store, ...line(queue, 'a', 3), ...line(queue, 'b', 1));
      const poison = (await take(store, queue)).find(({ key }) => key === 'a')!;
      await fail(store, poison, { retryInMs: 0 });
      await take(store, queue);
      const error = `NUL \u0000, half \ud800, and more${'.'.repeat(20_000)}`;
      await right(queueOf(store).failed({ message: poison, error, then: 'park' }));
      // Said once more, it changes nothing.
      await right(queueOf(store).failed({ message: poison, error, then: { retryInMs: 0 } }));
      same(await drain(store, queue), ['b1']);
      const { deadLetters } = queueOf(store);
      const [letter, ...others] = await right(deadLetters.list({ queue }));
      same(others, []);
      const { history, waiting, ...message } = letter!;
      same(message, { ...poison, attempt: 2 });
      same(waiting, 2);
      same(
        history.map(({ attempt }) => attempt),
        [1, 2],
      );
      same(history[0]?.error, 'it broke');
      assert.ok(history[1]?.error.startsWith('NUL \ufffd, half \ufffd, and more...'));
      await right(deadLetters.retry(poison));
      // Who parked it says so again, because the answer was lost: it has been let go since.
      await right(queueOf(store).failed({ message: poison, error, then: 'park' }));
      const [again] = await take(store, queue);
      same([again!.data, again!.attempt], ['a1', 1]);
      await right(queueOf(store).failed({ message: again!, error: 'again', then: 'park' }));
      const [parked] = await right(deadLetters.list({ queue }));
      same(
        parked?.history.map(({ attempt }) => attempt),
        [1, 2, 1],
      );
      await right(deadLetters.discard(poison));
      same(await right(deadLetters.list({ queue })), []);
      same(await drain(store, queue), ['a2', 'a3']);
      same((await enqueue(store, poison)).known, [poison.id]);
    },
  },
  {
    title: 'dead letters are listed oldest first, page by page; who is none is refused by id',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      await enqueue(store, ...numbersFrom(1, 5).map((number) => aMessage(queue, `key ${number}`, number)));
      const all = await take(store, queue);
      const { deadLetters, done } = queueOf(store);
      await refused(deadLetters.retry(all[0]!), 'DeadLetterMissing');
      for (const message of all) await fail(store, message, 'park');
      const first = await right(deadLetters.list({ queue, maxCount: 3 }));
      const rest = await right(deadLetters.list({ queue, after: first[2]!.position }));
      same([...datasOf(first), ...datasOf(rest)], [1, 2, 3, 4, 5]);
      await right(done([all[0]!]));
      for (const letter of [all[0]!, { ...all[1]!, id: 'nobody' }])
        for (const call of [deadLetters.retry, deadLetters.discard])
          same(await refused(call(letter), 'DeadLetterMissing'), {
            _tag: 'DeadLetterMissing',
            queue,
            id: letter.id,
          });
    },
  },
  {
    title: 'a message is cancelled while it waits, delayed or in line, and not after it was handled',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const tenant = aTenant();
      const timeout = aMessage(queue, 'a', 'timeout', { tenant, delayMs: 50 });
      await enqueue(store, timeout, ...line(queue, 'a', 3).map((message) => ({ ...message, tenant })));
      const keyed = { tenant, queue, id: timeout.id };
      same(await right(queueOf(store).cancel(keyed)), true);
      same(await right(queueOf(store).cancel(keyed)), false);
      same((await enqueue(store, timeout)).known, [timeout.id]);
      const [first] = await take(store, queue);
      same(await right(queueOf(store).cancel(first!)), true);
      await right(queueOf(store).done([first!]));
      const [second] = await take(store, queue);
      same(second!.data, 'a2');
      await right(queueOf(store).done([second!]));
      same(await right(queueOf(store).cancel(second!)), false);
      same(await right(queueOf(store).cancel({ tenant, queue, id: 'nobody' })), false);
      await pause(60);
      same(await drain(store, queue), ['a3']);
    },
  },
  {
    title: 'depths tell what waits in each partition, what is parked, how old it is, and the hottest keys',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const [left, right0] = keysOfAll(2) as [string, string];
      await enqueue(store, ...line(queue, left, 4), ...line(queue, right0, 2));
      await enqueue(store, aMessage(queue, left, 'later', { delayMs: 60_000 }));
      await pause(30);
      const poison = (await take(store, queue)).find(({ key }) => key === left)!;
      await fail(store, poison, 'park');
      const [first, second] = await right(queueOf(store).depths(queue, 2));
      same([first!.index, first!.depth, first!.parked, first!.oldestMs], [0, 3, 1, 0]);
      same(first!.hottest, [{ key: left, depth: 3 }]);
      same([second!.index, second!.depth, second!.parked], [1, 2, 0]);
      same(second!.hottest, [{ key: right0, depth: 2 }]);
      assert.ok(
        second!.oldestMs >= 25 && second!.oldestMs < 20_000,
        `the oldest is ${second!.oldestMs} ms old`,
      );
      const none = { index: 0, depth: 0, parked: 0, oldestMs: 0, hottest: [] };
      same(await right(queueOf(store).depths(aQueue(), 1)), [none]);
    },
  },
  {
    title: 'queues are listed by name while they hold messages: waiting, delayed or parked',
    needs,
    run: async ({ store }) => {
      const queues = Array.from({ length: 4 }, () => aQueue());
      const [waiting, delayed, parked, handled] = queues as [string, string, string, string];
      const ours = async () => (await right(queueOf(store).names())).filter((name) => queues.includes(name));
      same(await ours(), []);
      await enqueue(store, aMessage(waiting, 'a', '1'), aMessage(handled, 'a', '1'));
      const later = aMessage(delayed, 'a', '1', { delayMs: 60_000 });
      await enqueue(store, aMessage(parked, 'a', '1'), later);
      const letter = (await take(store, parked))[0]!;
      await fail(store, letter, 'park');
      same(await ours(), [...queues].sort());
      await right(queueOf(store).done(await take(store, handled)));
      same(await ours(), [waiting, delayed, parked].sort());
      await right(queueOf(store).cancel({ tenant: letter.tenant, queue: delayed, id: later.id }));
      await right(queueOf(store).deadLetters.discard(letter));
      same(await ours(), [waiting]);
    },
  },
  {
    title:
      'a queue that would hold more than it may takes nothing of the batch, and room is made by handling',
    needs,
    run: async ({ store }) => {
      const queue = aQueue();
      const bounded = (messages: ReadonlyArray<QueuedMessage>) =>
        queueOf(store).enqueue(messages, { depthMax: 3 });
      const first = [...line(queue, 'a', 2), aMessage(queue, 'a', 'later', { delayMs: 60_000 })];
      await right(bounded(first));
      // Repeats add nothing.
      same((await right(bounded(first))).known.length, 3);
      same(await refused(bounded(line(queue, 'b', 1)), 'QueueFull'), {
        _tag: 'QueueFull',
        queue,
        depth: 3,
        depthMax: 3,
      });
      await right(queueOf(store).done(await take(store, queue)));
      await refused(bounded(line(queue, 'b', 2)), 'QueueFull');
      await right(bounded(line(queue, 'c', 1)));
      same(await drain(store, queue), ['a2', 'c1']);
    },
  },
];
