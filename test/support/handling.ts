/** Helpers of the tests of command handling: commands, stores with rivals and counters, and a clock that stands still. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { type MemoryStore, memoryStore } from '../../src/adapters/memory/index.js';
import type { CommandInput } from '../../src/core/aggregate-codec.js';
import type { EventData, RecordedEvent } from '../../src/core/event.js';
import { any, type StreamName } from '../../src/core/stream.js';
import type { AggregateContext } from '../../src/runtime/aggregate/aggregate-context.js';
import type { CommandRequest } from '../../src/runtime/aggregate/command-request.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import type { EventStore } from '../../src/store/event-store.js';
import { newId } from '../../src/store/ids.js';
import { account } from './account.js';

export type Command = CommandInput<typeof account.commands>;
export type Request = CommandRequest<typeof account.commands>;

export const streamName = 'account-42' as StreamName;
export const open: Command = { type: 'Open', data: { owner: 'Ada' } };
export const deposit = (amount: number): Command => ({ type: 'Deposit', data: { amount } });
export const withdraw = (amount: number): Command => ({ type: 'Withdraw', data: { amount } });

export const right = async <A>(task: TaskEither<unknown, A>): Promise<A> => {
  const result = await task();
  if (E.isLeft(result)) throw new Error(`refused: ${JSON.stringify(result.left)}`);
  return result.right;
};
export const left = async <L>(task: TaskEither<L, unknown>): Promise<L> => {
  const result = await task();
  if (E.isRight(result)) throw new Error(`not refused: ${JSON.stringify(result.right)}`);
  return result.left;
};

/** A clock that waits for nobody, and notes how long it was asked to wait. */
export const stillEnvironment = () => {
  const waits: number[] = [];
  return { waits, random: () => 0.5, sleep: async (ms: number) => void waits.push(ms) };
};

export const handle = (context: AggregateContext, command: Command, more: Partial<Request> = {}) =>
  handleCommand(context)(account, { id: '42', command, ...more });
export const eventsOf = async (store: EventStore): Promise<ReadonlyArray<RecordedEvent>> =>
  (await right(store.readStream({ streamName, maxCount: 4_096 }))).events;
export const typesOf = async (store: EventStore) => (await eventsOf(store)).map(({ type }) => type);

export const opened = async (balance = 0): Promise<MemoryStore> => {
  const store = memoryStore();
  await right(handle({ store }, open));
  if (balance > 0) await right(handle({ store }, deposit(balance)));
  return store;
};

export const depositedEvent = (amount: number): EventData => ({
  eventId: newId(),
  type: 'Deposited',
  schemaVersion: 1,
  data: { amount },
  metadata: {},
});
export const appendDirectly = (store: EventStore, ...events: ReadonlyArray<EventData>) =>
  right(store.append({ streamName, expected: any, events }));

/** Another writer comes first before each of the first `times` appends. */
export const withRival = (store: MemoryStore, times: number, rival: () => Promise<unknown>): MemoryStore => {
  let left = times;
  return {
    ...store,
    append: (request) => async () => {
      if (left > 0) {
        left -= 1;
        await rival();
      }
      return store.append(request)();
    },
  };
};

/** Counts what is read. */
export const counting = (store: MemoryStore) => {
  const counts = { reads: 0, events: 0 };
  const readStream: EventStore['readStream'] = (request) => async () => {
    const page = await store.readStream(request)();
    counts.reads += 1;
    if (E.isRight(page)) counts.events += page.right.events.length;
    return page;
  };
  return { counts, store: { ...store, readStream } };
};
