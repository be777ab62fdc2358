/** A worker as a user would write one: handles what it is handed, follows its sagas, and tells what became of it. Run as a process. */
import * as E from 'fp-ts/lib/Either.js';
import { openPGlite } from '../../src/adapters/pglite/index.js';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { taggedOf } from '../../src/core/fault.js';
import { type Dispatched, handleCommand, sagaRuntime } from '../../src/index.js';
import { jumpTo } from './clock.js';
import { leaseHolder } from './lease-holder.js';
import { withMark } from './marks.js';
import { queueSide } from './queue-side.js';
import type { FromWorker, ToWorker, WorkerSetup } from './words.js';
import { register, tally, type Task } from './workload.js';

const setup = JSON.parse(process.argv[2] ?? '') as WorkerSetup;
const say = (words: FromWorker): void => void process.send?.(words);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// Whoever drove this worker is gone: nothing may be left behind.
process.on('disconnect', () => process.exit(1));
// Ctrl-C reaches the whole group; the driver ends its workers itself.
process.on('SIGINT', () => undefined);

const openOnce = (): Promise<E.Either<{ readonly _tag: string }, SqlStore>> =>
  'url' in setup.store
    ? openPostgres({ connectionString: setup.store.url, poolMax: 6, applicationName: setup.name })()
    : openPGlite({ directory: setup.store.directory })();

/** The server may be down just now. */
const open = async (): Promise<SqlStore> => {
  for (;;) {
    const opened = await openOnce();
    if (E.isRight(opened)) return opened.right;
    if (opened.left._tag !== 'StoreUnavailable') throw new Error(JSON.stringify(opened.left));
    await pause(30);
  }
};

const store = await open();
/** Between what a handler read and what it writes time passes, enough of it to be stopped there; and fenced events say by what. */
const marked: SqlStore = {
  ...store,
  append: (request) => async () => {
    const { fence, events } = request;
    if (setup.slowMs > 0) await pause(setup.slowMs * Math.random());
    return store.append({ ...request, events: events.map((event) => withMark(event, fence)) })();
  },
};
const holder = setup.isFenced ? leaseHolder(store, setup.name, setup.lease) : undefined;
const runtime = sagaRuntime(tally, { store: marked, holder: setup.name });
const command = handleCommand({ store });
const cured = new Set(setup.cured);
const queue = queueSide(marked, setup, cured, say);

const handleSaga = async ({ id, key, type, by }: Task): Promise<FromWorker> => {
  const held = holder && (await holder.fenceFor(key));
  if (held !== undefined && E.isLeft(held)) return { say: 'refused', id, tag: held.left._tag };
  const fence = held?.right;
  const data = (type === 'Add' ? { by } : {}) as { by: number };
  const message = { id, sagaId: key, type: type as 'Add', data };
  const handled = await runtime.handle(message, fence && { fence })();
  if (E.isRight(handled)) return { say: 'handled', id, as: handled.right._tag };
  if (handled.left._tag === 'LeaseLost') holder?.forget(key);
  const why = handled.left._tag === 'SagaParked' ? `: ${handled.left.reason}` : '';
  return { say: 'refused', id, tag: `${handled.left._tag}${why}` };
};

const handleTask = async (task: Task): Promise<FromWorker> => {
  const { id, kind, key, by } = task;
  if (kind === 'saga') return handleSaga(task);
  if (kind === 'queue') return queue.enqueue(task);
  const request = { id: key, command: { type: 'Count', data: { by } }, commandId: id } as const;
  const handled = await command(register, request)();
  if (E.isLeft(handled)) return { say: 'refused', id, tag: handled.left._tag };
  return { say: 'handled', id, as: handled.right.duplicate ? 'Duplicate' : 'Appended' };
};

// The transport: a message has left when the driver says that it has it.
const underway = new Map<number, () => void>();
let number = 0;
const dispatch = ({ id, sagaId, type, data }: Dispatched): Promise<void> =>
  new Promise((resolve) => {
    number += 1;
    underway.set(number, resolve);
    say({ say: 'dispatch', number, id, sagaId, text: JSON.stringify([type, data]) });
  });

const { ttlMs: leaseMs, partitions } = setup.lease;
const { pollMs } = setup;
const timeouts = { pollMs, leaseMs, partitions };
const follow = () =>
  runtime.follow({ subscriber: setup.name, dispatch, pollMs, mergeAfterMs: 100, timeouts });
let following = follow();
let isEnding = false;
/** A follower that fails is begun again, as a supervisor would do. */
const supervise = async (): Promise<void> => {
  while (!isEnding) {
    try {
      await following.done;
      return;
    } catch (error) {
      const tagged = taggedOf(error);
      if (tagged === undefined) throw error;
      say({ say: 'refollowed', tag: tagged._tag });
      await pause(30);
      following = follow();
    }
  }
};
void supervise();

const settle = async (effects: number): Promise<void> => {
  for (;;) {
    try {
      await queue.settle(effects);
      await following.caughtUp();
      return say({ say: 'settled' });
    } catch (error) {
      if (taggedOf(error) === undefined) throw error;
      await pause(30);
    }
  }
};

const end = async (): Promise<void> => {
  isEnding = true;
  await queue.stop();
  await following.stop();
  holder?.stop();
  await store.close();
  process.exit(0);
};

process.on('message', (words: ToWorker) => {
  if (words.say === 'handle') void handleTask(words.task).then(say);
  else if (words.say === 'taken') {
    underway.get(words.number)?.();
    underway.delete(words.number);
  } else if (words.say === 'settle') void settle(words.effects);
  else if (words.say === 'jump') {
    const { offsetMs } = words;
    jumpTo(offsetMs);
    say({ say: 'jumped', offsetMs, nowMs: Date.now() });
  } else if (words.say === 'cure') for (const id of words.ids) cured.add(id);
  else void end();
});
if (setup.isWatched) setInterval(() => say({ say: 'alive' }), 50).unref();
say({ say: 'ready' });
