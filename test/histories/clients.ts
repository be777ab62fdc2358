/** Opens each store with the handles that the clients of a history use, some of which lose answers. */
import * as E from 'fp-ts/lib/Either.js';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { openPostgres } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import { dice } from '../../src/runtime/dice.js';
import type { AppendRequest, EventStore, OutcomeUnknown } from '../../src/store/event-store.js';
import { cuts, startProxy } from '../support/proxy.js';
import { openTestPGlite, openTestPostgres } from '../support/stores.js';

export interface Handle {
  readonly store: EventStore;
  /** Called before an append with a number from 0 up to 1: may arrange that its answer is lost. */
  readonly disturb?: (chance: number) => void;
}

export interface OpenedClients {
  /** The first one loses nothing. */
  readonly handles: readonly [Handle, ...Handle[]];
  /** Resolves when nothing that was sent before can take effect any more. */
  readonly settled: () => Promise<void>;
  readonly dispose: () => Promise<void>;
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Lets others run before and after each call, so that calls to a store in this process overlap as well. */
export const unhurried = (store: EventStore, seed: number): EventStore => {
  const random = dice(seed);
  const slowly =
    <R, L, A>(call: (request: R) => () => Promise<E.Either<L, A>>) =>
    (request: R) =>
    async () => {
      await turns(Math.floor(random() * 4));
      const result = await call(request)();
      await turns(Math.floor(random() * 4));
      return result;
    };
  return {
    ...store,
    append: slowly(store.append),
    appendMany: slowly(store.appendMany),
    readStream: slowly(store.readStream),
    readAll: slowly(store.readAll),
  };
};

const unknown = (requests: ReadonlyArray<AppendRequest>): E.Either<OutcomeUnknown, never> =>
  E.left({
    _tag: 'OutcomeUnknown',
    streamName: (requests[0] as AppendRequest).streamName,
    eventIds: requests.flatMap(({ events }) => events.map((event) => event.eventId)),
    message: 'lost by a test',
  });

/** Loses one answer in ten: of an append that is never made, that is made, or that is made some time later. */
export const losing = (store: EventStore, seed: number) => {
  const random = dice(seed);
  const late = new Set<Promise<unknown>>();
  const lossy =
    <R, L, A>(
      requestsOf: (request: R) => ReadonlyArray<AppendRequest>,
      call: (request: R) => () => Promise<E.Either<L, A>>,
    ) =>
    (request: R) =>
    async (): Promise<E.Either<L | OutcomeUnknown, A>> => {
      const chance = random();
      if (chance > 0.1) return call(request)();
      if (chance > 0.07) return unknown(requestsOf(request));
      const made = turns(chance > 0.03 ? 0 : 60).then(call(request));
      late.add(made);
      if (chance > 0.03) await made;
      return unknown(requestsOf(request));
    };
  const append: EventStore['append'] = lossy((request) => [request], store.append);
  const appendMany: EventStore['appendMany'] = lossy((requests) => requests, store.appendMany);
  return {
    store: { ...store, append, appendMany },
    settled: async (): Promise<void> => void (await Promise.all(late)),
  };
};

/** Two handles in this process on one store, the second of which loses answers. `faulty` puts a fault in. */
const inProcess = (
  store: EventStore,
  seed: number,
  dispose: () => Promise<void>,
  faulty: (store: EventStore) => EventStore = (good) => good,
): OpenedClients => {
  const slow = unhurried(faulty(unhurried(store, seed)), seed + 1);
  const lossy = losing(slow, seed + 2);
  return { handles: [{ store: slow }, { store: lossy.store }], settled: lossy.settled, dispose };
};

export type OpenClients = (
  seed: number,
  faulty?: (store: EventStore) => EventStore,
) => Promise<OpenedClients>;

export const openMemoryClients: OpenClients = async (seed, faulty) => {
  const store = memoryStore();
  return inProcess(store, seed, () => store.close(), faulty);
};

export const openPGliteClients: OpenClients = async (seed, faulty) => {
  const { store, dispose } = await openTestPGlite();
  return inProcess(store, seed, dispose, faulty);
};

/** Two handles with connections of their own, and one whose connections are cut at one append in ten. */
export const openPostgresClients: OpenClients = async (_seed, faulty = (good) => good) => {
  const direct = await openTestPostgres();
  const second = await direct.secondHandle();
  const proxy = await startProxy(direct.url);
  // Without patience an append whose answer was lost stays unknown now and then.
  const cut = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 4, resolveOutcomeMs: 3 }));
  const disturb = (chance: number): void => {
    // A late request takes its time, so there are few.
    const kind =
      chance < 0.003 ? 'late request' : chance < 0.1 ? cuts[Math.floor(chance * 1_000) % 3] : undefined;
    if (kind !== undefined) proxy.cutNext(kind);
  };
  return {
    handles: [{ store: faulty(direct.store) }, { store: faulty(second) }, { store: faulty(cut), disturb }],
    settled: proxy.settled,
    dispose: async () => {
      await cut.close();
      await proxy.close();
      await direct.dispose();
    },
  };
};
