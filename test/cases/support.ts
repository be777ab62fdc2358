/** What the cases of merging share: each runs on the store in memory and on real PostgreSQL, with sagas of its own. */
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  type AppendRequest,
  any,
  type Dispatched,
  type EventStore,
  exactly,
  type Handled,
  type HandleError,
  memoryStore,
  newId,
  type RecordedEvent,
  type Saga,
  type SagaContext,
  type SagaMessage,
  sagaRuntime,
  type StreamName,
  toPromise,
} from 'watersmeet';
import { basketSaga, message } from '../support/basket.js';

export interface Bench {
  readonly store: EventStore;
  /** Another handle on the same events, as another process has. */
  readonly second: EventStore;
  /** Connection string, where there is a server. */
  readonly url: string | undefined;
}

type Case = (bench: Bench) => Promise<void>;

const cases = (
  name: string,
  open: () => Promise<Bench & { dispose: () => Promise<void> }>,
  all: Cases,
  lacks: (title: string) => string | undefined = () => undefined,
): void => {
  describe(`[${name}]`, () => {
    let opened: (Bench & { dispose: () => Promise<void> }) | undefined;
    beforeAll(async () => {
      opened = await open();
    }, 60_000);
    afterAll(async () => opened?.dispose());
    for (const [title, run] of Object.entries(all)) {
      const lack = lacks(title);
      if (lack === undefined) it(title, () => run(opened as Bench), 60_000);
      else it.skip(`${title} (skipped: it lacks ${lack})`, () => undefined);
    }
  });
};

export type Cases = Readonly<Record<string, Case>>;

const openMemory = async () => {
  const store = memoryStore();
  return { store, second: store, url: undefined, dispose: () => store.close() };
};

const openServer = async () => {
  const opened = await (await import('../support/stores.js')).openTestPostgres();
  const second = await opened.secondHandle();
  // A cold pool starts its writers one after another, which hides races.
  const warm = (store: EventStore) => Array.from({ length: 12 }, () => toPromise(store.readAll({})));
  await Promise.all([...warm(opened.store), ...warm(second)]);
  return { store: opened.store, second, url: opened.url, dispose: opened.dispose };
};

const openEventStoreDB = async () => {
  const opened = await (await import('../support/eventstoredb.js')).openTestEventStoreDB();
  return {
    store: opened.store,
    second: await opened.secondHandle(),
    url: undefined,
    dispose: opened.dispose,
  };
};

/** Registers cases on the stores that have every capability. */
export const onBothStores = (title: string, all: Cases): void => {
  describe(title, () => {
    cases('memory', openMemory, all);
    cases('postgres', openServer, all);
  });
};

/** Capabilities that cases need and that not every store has, by how the title of a case begins. */
const needs: ReadonlyArray<readonly [title: string, capability: string]> = [
  ['16f. ', 'atomicMarks'],
  ['25b. ', 'leases'],
  ['27. the lease', 'leases'],
  ['31. two writers with a condition', 'conditions'],
  ['that keeps failing is parked', 'queue'],
  ['whose follower died before it was enqueued', 'queue'],
];

/** Registers cases on memory, PostgreSQL and EventStoreDB. */
export const onEveryStore = (title: string, all: Cases): void => {
  describe(title, () => {
    cases('memory', openMemory, all);
    cases('postgres', openServer, all);
    cases('esdb', openEventStoreDB, all, (one) => needs.find(([begin]) => one.startsWith(begin))?.[1]);
  });
};

/** Registers cases that are about rules alone, and so run in memory. */
export const inMemory = (title: string, all: Cases): void => {
  describe(title, () => cases('memory', openMemory, all));
};

/** A saga id that no other test uses. */
export const freshId = (): string => newId().replaceAll('-', '');

export const streamOf = (sagaId: string): StreamName => `basket-${sagaId}` as StreamName;

export const recordsOf = async (store: EventStore, sagaId: string): Promise<ReadonlyArray<RecordedEvent>> =>
  (await toPromise(store.readStream({ streamName: streamOf(sagaId), maxCount: 4_096 }))).events;

export const typesOf = async (store: EventStore, sagaId: string): Promise<ReadonlyArray<string>> =>
  (await recordsOf(store, sagaId)).map(({ type }) => type);

export const countOf = async (store: EventStore, sagaId: string, type: string): Promise<number> =>
  (await typesOf(store, sagaId)).filter((one) => one === type).length;

/** A message for one basket. */
export const to =
  (sagaId: string) =>
  (type: string, data: object = {}, id?: string): SagaMessage<never> =>
    message(type, data, id ?? newId(), sagaId);

/** Does something instead of, before or after an append; everything else goes to the store as it is. */
export const withAppend = (
  store: EventStore,
  instead: (
    request: AppendRequest,
    append: EventStore['append'],
  ) => ReturnType<ReturnType<EventStore['append']>>,
): EventStore => ({ ...store, append: (request) => () => instead(request, store.append) });

/**
 * Holds back the first append of each of `count` processes until all of them have come, hence have decided on the same
 * version; then lets them go one after another, in the order in which they came.
 */
const startingLine = (count: number) => {
  const waiting: Array<() => void> = [];
  let turn = Promise.resolve();
  return (store: EventStore): { readonly store: EventStore; readonly arrived: Promise<void> } => {
    let isFirst = true;
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const held = withAppend(store, async (request, append) => {
      if (!isFirst) return append(request)();
      isFirst = false;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        arrive();
        if (waiting.length === count) for (const go of waiting) go();
      });
      const mine = turn.then(() => append(request)());
      turn = mine.then(() => undefined);
      return mine;
    });
    return { store: held, arrived };
  };
};

type Answer = E.Either<HandleError, Handled>;

/**
 * Each message is handled by a process of its own; all have read the saga before any of them writes. The first message is the
 * one that gets onto the trunk.
 */
export const concurrently = async (
  { store, second }: Pick<Bench, 'store' | 'second'>,
  messages: ReadonlyArray<SagaMessage<never>>,
  saga: Saga = basketSaga(),
  context: Partial<SagaContext> = {},
): Promise<ReadonlyArray<Answer>> => {
  const line = startingLine(messages.length);
  const answers: Promise<Answer>[] = [];
  for (const [index, one] of messages.entries()) {
    const { store: held, arrived } = line(index % 2 === 0 ? store : second);
    const answer = sagaRuntime(saga, { ...context, store: held }).handle(one)();
    answers.push(answer);
    // So that they stand at the line in order. One that has nothing to append never comes there.
    await Promise.race([arrived, answer]);
  }
  return Promise.all(answers);
};

/** What a saga’s follower sends until nothing is owed any more. */
export const followUntilDone = async (
  store: EventStore,
  saga: Saga = basketSaga(),
  context: Partial<SagaContext> = {},
): Promise<ReadonlyArray<Dispatched>> => {
  const dispatched: Dispatched[] = [];
  const runtime = sagaRuntime(saga, { retry: { delayMs: 1, attemptsMax: 3 }, ...context, store });
  const options = { pollMs: 2, mergeAfterMs: 1, dispatch: (one: Dispatched) => void dispatched.push(one) };
  const following = runtime.follow(options);
  await following.caughtUp();
  await following.stop();
  return dispatched;
};

export const viewOf = (store: EventStore, sagaId: string, saga: Saga = basketSaga()) =>
  toPromise(sagaRuntime(saga, { store }).load(sagaId));

/** Writes records of a saga as another process might have. */
export const write = (store: EventStore, sagaId: string, events: AppendRequest['events'], at?: number) =>
  toPromise(
    store.append({ streamName: streamOf(sagaId), expected: at === undefined ? any : exactly(at), events }),
  );

export const right = <A>(answer: E.Either<unknown, A>): A => {
  if (E.isLeft(answer)) throw new Error(`refused: ${JSON.stringify(answer.left)}`);
  return answer.right;
};
