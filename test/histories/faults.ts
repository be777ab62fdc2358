/** Faults that stores have had, to be put around a good store: each must be found by the checks of a history. */
import * as E from 'fp-ts/lib/Either.js';
import { meets, type Position, type StreamVersion } from '../../src/core/stream.js';
import { dice } from '../../src/runtime/dice.js';
import type {
  AppendError,
  AppendRequest,
  AppendResult,
  EventStore,
  StreamPage,
  VersionConflict,
} from '../../src/store/event-store.js';
import { newId } from '../../src/store/ids.js';

export interface Fault {
  readonly name: string;
  /** Where it comes from or what it does. */
  readonly what: string;
  /** A store with the fault; `seed` decides where it shows. */
  readonly around: (store: EventStore, seed: number) => EventStore;
}

const asAny = (request: AppendRequest): AppendRequest => ({ ...request, expected: { _tag: 'any' } });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const conflictOf = (request: AppendRequest, actual: number): VersionConflict => ({
  _tag: 'VersionConflict',
  tenant: request.tenant as VersionConflict['tenant'],
  streamName: request.streamName,
  expected: request.expected,
  actual: actual as StreamVersion,
  tail: undefined,
  alreadyRecorded: [],
});

const unlockedRead: Fault = {
  name: 'unlocked version read',
  what: 'the version is read and compared, and then appended to whatever is there',
  around: (store) => ({
    ...store,
    append: (request) => async () => {
      const { tenant, streamName, expected } = request;
      const page = await store.readStream({
        streamName,
        maxCount: 1,
        ...(tenant === undefined ? {} : { tenant }),
      })();
      if (E.isLeft(page)) throw new Error(page.left._tag);
      if (!meets(expected, page.right.version)) return E.left(conflictOf(request, page.right.version));
      return store.append(asAny(request))();
    },
  }),
};

const doNothing: Fault = {
  name: 'on conflict do nothing',
  what: 'an append that meets a conflict writes nothing and is answered as written',
  around: (store) => ({
    ...store,
    append: (request) => async () => {
      const outcome = await store.append(request)();
      if (E.isRight(outcome) || outcome.left._tag !== 'VersionConflict') return outcome;
      const { actual, streamName } = outcome.left;
      const version = (actual + request.events.length) as StreamVersion;
      const position = '1/1' as Position;
      return E.right<AppendError, AppendResult>({ streamName, version, position, idempotent: false });
    },
  }),
};

const pollingBySequence: Fault = {
  name: 'polling by sequence',
  what: 'one append in ten commits late, and readers of all streams have gone past its position by then',
  around: (store, seed) => {
    const random = dice(seed);
    const hidden = new Set<string>();
    return {
      ...store,
      append: (request) => async () => {
        const ids = random() < 0.1 ? request.events.map(({ eventId }) => eventId) : [];
        for (const id of ids) hidden.add(id);
        const outcome = await store.append(request)();
        setTimeout(() => ids.forEach((id) => hidden.delete(id)), 20);
        return outcome;
      },
      readAll: (request) => async () =>
        E.map((page: { readonly events: ReadonlyArray<{ readonly eventId: string }> }) => ({
          ...page,
          events: page.events.filter(({ eventId }) => !hidden.has(eventId)),
        }))(await store.readAll(request)()) as Awaited<ReturnType<ReturnType<EventStore['readAll']>>>,
    };
  },
};

const lostPart: Fault = {
  name: 'lost part of a batch',
  what: 'the last event of a batch is dropped, and nobody counts the rows',
  around: (store, seed) => {
    const random = dice(seed);
    return {
      ...store,
      append: (request) => async () => {
        const drops = request.events.length > 1 && random() < 0.5;
        const outcome = await store.append(
          drops ? { ...request, events: request.events.slice(0, -1) } : request,
        )();
        return drops && E.isRight(outcome)
          ? E.right({ ...outcome.right, version: (outcome.right.version + 1) as StreamVersion })
          : outcome;
      },
    };
  },
};

const oneByOne: Fault = {
  name: 'appendMany one by one',
  what: 'appendMany is a loop of appends: what was written before a refusal stays, and others come in between',
  around: (store) => ({
    ...store,
    appendMany: (requests) => async () => {
      const results: AppendResult[] = [];
      for (const request of requests) {
        const outcome = await store.append(request)();
        if (E.isLeft(outcome)) return outcome;
        results.push(outcome.right);
      }
      return E.right(results);
    },
  }),
};

const unseenBetween: Fault = {
  name: 'appendMany without isolation',
  what: 'appendMany writes all of its streams, but one after the other, where readers can see the first alone',
  around: (store) => ({
    ...store,
    appendMany: (requests) => async () => {
      const results: AppendResult[] = [];
      // Checked first, so that nothing is refused half way through.
      if (requests.some(({ expected }) => expected._tag !== 'any')) return store.appendMany(requests)();
      for (const request of requests) {
        const outcome = await store.append(request)();
        if (E.isLeft(outcome)) return outcome;
        results.push(outcome.right);
        for (let turns = 0; turns < 20; turns += 1) await turn();
      }
      return E.right(results);
    },
  }),
};

const staleReads: Fault = {
  name: 'reads from a replica',
  what: 'a page of a stream is answered as it was some time ago',
  around: (store, seed) => {
    const random = dice(seed);
    const pages = new Map<string, StreamPage>();
    return {
      ...store,
      readStream: (request) => async () => {
        const key = JSON.stringify(request);
        const old = pages.get(key);
        if (old !== undefined && random() < 0.2) return E.right(old);
        const page = await store.readStream(request)();
        if (E.isRight(page)) pages.set(key, page.right);
        return page;
      },
    };
  },
};

const blindRetry: Fault = {
  name: 'blind retry',
  what: 'an append at any is written twice, the second time under new ids, because its first answer was lost',
  around: (store, seed) => {
    const random = dice(seed);
    return {
      ...store,
      append: (request) => async () => {
        const isLost = request.expected._tag === 'any' && random() < 0.1;
        const renamed = request.events.map((event) => ({ ...event, eventId: newId() }));
        if (isLost) await store.append({ ...request, events: renamed })();
        return store.append(request)();
      },
    };
  },
};

const oldSnapshot: Fault = {
  name: 'version of an old snapshot',
  what: 'a refusal tells the version as the append saw it when it began, before it waited for the winner',
  around: (store) => ({
    ...store,
    append: (request) => async () => {
      const { tenant, streamName } = request;
      const page = await store.readStream({
        streamName,
        maxCount: 1,
        ...(tenant === undefined ? {} : { tenant }),
      })();
      await turn();
      const outcome = await store.append({ ...request, tailMax: 0 })();
      return E.isLeft(outcome) && outcome.left._tag === 'VersionConflict' && E.isRight(page)
        ? E.left({
            ...outcome.left,
            actual: Math.min(outcome.left.actual, page.right.version) as StreamVersion,
          })
        : outcome;
    },
  }),
};

const checkpointBehind: Fault = {
  name: 'page that begins with its checkpoint',
  what: 'the event that a reader has seen last is answered again, now and then',
  around: (store, seed) => {
    const random = dice(seed);
    let last: { readonly position: Position; readonly page: unknown } | undefined;
    return {
      ...store,
      readAll: (request) => async () => {
        const { after } = request;
        const page = await store.readAll(request)();
        if (E.isLeft(page)) return page;
        const repeated = page.right.events[0];
        if (after === undefined && repeated !== undefined)
          last = { position: page.right.last, page: repeated };
        return last !== undefined && after === last.position && random() < 0.5
          ? E.right({
              ...page.right,
              events: [last.page as (typeof page.right.events)[number], ...page.right.events],
            })
          : page;
      },
    };
  },
};

const dirtyRead: Fault = {
  name: 'read of what is taken back',
  what: 'an append is seen by readers before it is refused',
  around: (store) => {
    const dirty = new Map<string, StreamPage['events']>();
    const keyOf = (request: { readonly tenant?: string; readonly streamName: string }): string =>
      `${request.tenant} ${request.streamName}`;
    return {
      ...store,
      append: (request) => async () => {
        const outcome = await store.append(request)();
        if (E.isRight(outcome) || outcome.left._tag !== 'VersionConflict') return outcome;
        const { actual } = outcome.left;
        const events = request.events.map((event, index) => ({
          ...event,
          tenant: request.tenant as VersionConflict['tenant'],
          streamName: request.streamName,
          version: (actual + index + 1) as StreamVersion,
          position: '1/1' as Position,
          recordedAt: '2000-01-01T00:00:00.000Z',
        }));
        dirty.set(keyOf(request), events);
        for (let turns = 0; turns < 5; turns += 1) await turn();
        dirty.delete(keyOf(request));
        return outcome;
      },
      readStream: (request) => async () => {
        const page = await store.readStream(request)();
        const extra = dirty.get(keyOf(request));
        const isWhole = request.direction === 'forwards' && request.from === undefined;
        if (E.isLeft(page) || extra === undefined || !isWhole || page.right.next !== undefined) return page;
        if (page.right.version + 1 !== extra[0]?.version) return page;
        const version = (page.right.version + extra.length) as StreamVersion;
        const events = [...page.right.events, ...extra].slice(0, request.maxCount);
        return E.right({ ...page.right, events, version });
      },
    };
  },
};

export const faults: ReadonlyArray<Fault> = [
  unlockedRead,
  doNothing,
  pollingBySequence,
  lostPart,
  oneByOne,
  unseenBetween,
  staleReads,
  blindRetry,
  oldSnapshot,
  checkpointBehind,
  dirtyRead,
];
