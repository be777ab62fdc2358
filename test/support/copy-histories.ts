/** Histories to be copied from store to store, and stores that die at a call. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { any, type StreamName, type Tenant } from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import { pageMax } from '../../src/store/limits.js';
import { anEvent, append, right } from '../../src/testing/contract/support.js';
import { Crash } from './faulty-store.js';

export const tenants = ['acme', 'globex'] as Tenant[];
const names = ['order-1', 'order-2', 'invoice-1', 'order', 'plan-é'] as StreamName[];

/** Streams of two tenants, written in turns; one archived, one archived and opened again. Answers how many events. */
export const fillHistory = async (store: EventStore, rounds = 6): Promise<number> => {
  let written = 0;
  for (let round = 0; round < rounds; round += 1)
    for (const [place, streamName] of names.entries()) {
      const tenant = tenants[(round + place) % 2] as Tenant;
      const count = 1 + ((round * place) % 3);
      const batch = Array.from({ length: count }, (_, index) =>
        anEvent(
          `Happened${place}`,
          { round, index, text: 'ü\u2028', list: [1.5, null, { deep: true }] },
          {
            schemaVersion: 1 + place,
            metadata:
              place % 2 === 0 ? {} : { correlationId: `c${round}`, actor: 'me', headers: { 'x-y': [round] } },
          },
        ),
      );
      await append(store, streamName, batch, any, { tenant });
      written += count;
    }
  const mark = (streamName: StreamName, as: 'archived' | 'open') =>
    right(store.markStream({ tenant: 'acme' as Tenant, streamName, as, expected: any }));
  await mark('order-2' as StreamName, 'archived');
  await mark('invoice-1' as StreamName, 'archived');
  await mark('invoice-1' as StreamName, 'open');
  return written;
};

/** The global order as a reader sees it, without what is the store's own. */
export const orderOf = async (store: EventStore): Promise<ReadonlyArray<string>> => {
  const seen: string[] = [];
  let after: { readonly after?: (typeof page)['last'] } = {};
  let page = await right(store.readAll({ maxCount: pageMax, filter: { includeArchived: true } }));
  // Other tests on the same server hold the end of the order back for a moment.
  for (
    ;
    ;
    page = await right(store.readAll({ ...after, maxCount: pageMax, filter: { includeArchived: true } }))
  ) {
    for (const { tenant, streamName, version, eventId } of page.events)
      seen.push(`${tenant} ${streamName} ${version} ${eventId}`);
    if (page.isEnd && page.heldBack === undefined) return seen;
    after = { after: page.last };
  }
};

const lost = E.left({ _tag: 'StoreUnavailable' as const, message: 'lost by a test' });

export interface Calls {
  count: number;
}

export type Death = 'before' | 'after' | 'lostBefore' | 'lostAfter';

/** Every call of the store is counted, and the one with this number dies or is lost, before or after it took effect. */
export const dyingStore = (store: EventStore, calls: Calls, at: number, death: Death): EventStore => {
  const mortal =
    <R extends ReadonlyArray<unknown>, L, A>(call: (...args: R) => TaskEither<L, A>) =>
    (...args: R): TaskEither<L, A> =>
    async () => {
      calls.count += 1;
      const isIt = calls.count === at;
      if (isIt && death === 'before') throw new Crash();
      if (isIt && death === 'lostBefore') return lost as never;
      const answer = await call(...args)();
      if (isIt && death === 'after') throw new Crash();
      return isIt && death === 'lostAfter' ? (lost as never) : answer;
    };
  return {
    ...store,
    append: mortal(store.append),
    appendMany: mortal(store.appendMany),
    readStream: mortal(store.readStream),
    readAll: mortal(store.readAll),
    listStreams: mortal(store.listStreams),
    markStream: mortal(store.markStream),
    epoch: mortal(store.epoch),
    checkpoints: { load: mortal(store.checkpoints.load), save: mortal(store.checkpoints.save) },
  };
};
