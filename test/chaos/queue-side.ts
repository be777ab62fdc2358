/** The worker's side of the durable queue: what it enqueues, and how it handles what it takes; each message has a second one follow. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { aggregate } from '../../src/core/decider.js';
import { taggedError } from '../../src/core/fault.js';
import { messageHandlers, onAggregate } from '../../src/runtime/queue/message-handlers.js';
import { queueWorker } from '../../src/runtime/queue/queue-worker.js';
import { recordTypes, startPosition } from '../../src/index.js';
import type { SqlStore } from '../../src/adapters/postgres/index.js';
import { misbehave, type Poison, poisons } from './poisons.js';
import type { FromWorker, WorkerSetup } from './words.js';
import type { Task } from './workload.js';

export const chaosQueue = 'chaos';

const done = t.type({ of: t.string });
const counts = (category: string) =>
  aggregate({
    category,
    commands: {},
    events: { Done: done },
    state: t.type({ count: t.number }),
    initialState: { count: 0 },
    evolve: { Done: ({ count }) => ({ count: count + 1 }) },
    decide: {},
  });

const poison = t.keyof(Object.fromEntries(poisons.map((one) => [one, null])) as Record<Poison, null>);
const work = t.type({ key: t.string, number: t.number, poison: t.union([poison, t.null]) });

/** Poison messages that do no harm any more. */
export type Cured = Set<string>;
type Say = (words: FromWorker) => void;

/** Each `Work` leaves one event, and enqueues one `Echo` in the same append, which leaves one event elsewhere; poison does neither. */
const handlersFor = (cured: Cured, say: Say) =>
  messageHandlers({
    Work: onAggregate(counts('work'), {
      data: work,
      id: ({ key }) => key,
      conflict: 'partitioned',
      handle: ({ key, poison: harm }, _state, { id }) => {
        if (harm !== null && !cured.has(id)) {
          say({ say: 'began', id });
          return misbehave[harm]();
        }
        return {
          events: [{ type: 'Done', data: { of: id } }],
          enqueue: [{ key, type: 'Echo', data: { key, of: id } }],
        };
      },
    }),
    Echo: onAggregate(counts('echo'), {
      data: t.type({ key: t.string, of: t.string }),
      id: ({ key }) => key,
      conflict: 'retry',
      handle: ({ of }) => ({ events: [{ type: 'Done', data: { of } }] }),
    }),
  });

export interface QueueSide {
  readonly enqueue: (task: Task) => Promise<FromWorker>;
  /** Resolves when so many events were left by messages of the queue and by timeouts, and nothing waits. */
  readonly settle: (effects: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

const effectsOf = async (store: SqlStore): Promise<number> => {
  let found = 0;
  for (let after = startPosition; ; ) {
    const filter = { types: ['Done', 'Reminded', recordTypes.sagaTimeoutIgnored] };
    const page = orThrow(await store.readAll({ after, filter, maxCount: 4_096 })());
    found += page.events.length;
    if (page.isEnd) return found;
    after = page.last;
  }
};

export const queueSide = (store: SqlStore, setup: WorkerSetup, cured: Cured, say: Say): QueueSide => {
  const { lease, pollMs, handling } = setup;
  const handlers = handlersFor(cured, say);
  const worker = queueWorker({
    store,
    handlers,
    queue: chaosQueue,
    partitions: lease.partitions,
    ttlMs: lease.ttlMs,
    pollMs,
    retry: { attemptsMax: handling.attemptsMax, delayMs: 10, delayMaxMs: 100 },
    handlerTimeMaxMs: handling.timeMaxMs,
  });
  worker.done.catch((thrown: unknown) => {
    process.stderr.write(`the queue worker ended: ${String(thrown)} ${JSON.stringify(thrown)}\n`);
    process.exit(70);
  });
  return {
    enqueue: async ({ id, key, number, poison: harm = null }) => {
      const data = { key, number, poison: harm };
      const message = orThrow(handlers.message({ queue: chaosQueue, type: 'Work', id, data }));
      const enqueued = await store.queue.enqueue([message])();
      if (E.isLeft(enqueued)) return { say: 'refused', id, tag: enqueued.left._tag };
      return { say: 'handled', id, as: enqueued.right.known.length > 0 ? 'Duplicate' : 'Enqueued' };
    },
    settle: async (effects) => {
      while ((await effectsOf(store)) < effects) await pause(20);
      for (;;) {
        const depths = orThrow(await worker.depths()());
        if (depths.every(({ depth }) => depth === 0)) return;
        await pause(20);
      }
    },
    stop: () => worker.stop(),
  };
};
