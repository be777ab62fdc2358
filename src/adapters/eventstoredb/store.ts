/** The event store on EventStoreDB or KurrentDB, over a connection. */
import * as E from 'fp-ts/lib/Either.js';
import type { MatchingPage } from '../../store/conditions.js';
import type { Capabilities, EventStore, ReadMatchingError } from '../../store/event-store.js';
import { checkReadMatching } from '../../store/limits.js';
import { pollingSubscription } from '../../store/subscription.js';
import { append } from './append.js';
import { lifted, type StoreContext } from './context.js';
import { checkpointKeeper, epochKeeper, markStream } from './keeping.js';
import { keepListing } from './listing.js';
import { persistentGroups, type PersistentGroups } from './persistent.js';
import { readAll, readStream } from './reading.js';

/** An event store on a server of its own, and the persistent subscriptions that the server keeps. */
export interface EventStoreDBStore extends EventStore {
  readonly leases: undefined;
  readonly queue: undefined;
  readonly idempotency: undefined;
  readonly groups: PersistentGroups;
}

const capabilities: Capabilities = {
  atomicAppendMany: false,
  idempotentAny: false,
  exactRepeats: false,
  atomicMarks: false,
  durable: true,
  multiProcess: true,
  leases: false,
  queue: false,
  idempotency: false,
  conditions: false,
};

export const eventStoreDBStore = (name: string, context: StoreContext): EventStoreDBStore => {
  const { connection, feed } = context;
  const call = <L, A>(work: () => Promise<E.Either<L, A>>) => lifted(connection, work);
  const epochOf = epochKeeper(connection);
  const checkpoints = checkpointKeeper(connection, epochOf);
  const listing = keepListing(context);
  const store: EventStoreDBStore = {
    name,
    capabilities,
    limits: context.limits,
    append: (request) => call(() => append(context, request)),
    appendMany: () => call(async () => E.left({ _tag: 'NotSupported', capability: 'atomicAppendMany' })),
    readStream: (request) => call(() => readStream(context, request)),
    readAll: (request) => call(() => readAll(context, request)),
    readMatching: (request) =>
      call<ReadMatchingError, MatchingPage>(async () => {
        const checked = checkReadMatching(request);
        return E.isLeft(checked) ? checked : E.left({ _tag: 'NotSupported', capability: 'conditions' });
      }),
    subscribe: (request) => pollingSubscription(feed.sourceFor(store), request),
    listStreams: (request) => call(() => listing.list(request)),
    markStream: (request) => call(() => markStream(context, request)),
    epoch: () => call(async () => E.right(await epochOf())),
    checkpoints: {
      load: (subscriber) => call(() => checkpoints.load(subscriber)),
      save: (subscriber, checkpoint) => call(() => checkpoints.save(subscriber, checkpoint)),
    },
    leases: undefined,
    queue: undefined,
    idempotency: undefined,
    groups: persistentGroups(connection),
    close: async () => {
      const closing = connection.close();
      await feed.close();
      await closing;
    },
  };
  return store;
};
