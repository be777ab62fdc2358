// Watersmeet's answer: the handler runs once; what lost its append becomes a branch, and one merge takes in all that wait.
import * as t from 'io-ts';
import { counter, record, saga, sagaRuntime, toPromise } from 'watersmeet';
import { openPostgres } from 'watersmeet/postgres';

/** A saga that counts, whose counts add up in a merge. */
export const tally = saga({
  name: 'tally',
  messages: { Add: t.type({ by: t.number }) },
  sends: {},
  events: { Added: t.type({ by: t.number }) },
  state: t.type({ count: t.number }),
  initialState: { count: 0 },
  evolve: { Added: (state, { by }) => ({ count: state.count + by }) },
  react: { Add: (_state, { by }) => ({ events: [{ type: 'Added', data: { by } }] }) },
  onConflict: 'merge',
  merge: { threeWay: record({ count: counter }) },
});

export const merge = {
  name: 'watersmeet, merge',
  open: async (url, { poolMax }) => {
    const store = await toPromise(openPostgres({ connectionString: url, poolMax, migrate: true }));
    await Promise.all(Array.from({ length: poolMax }, () => toPromise(store.readAll({}))));
    return {
      /** A runtime of its own for each run: nothing is known of earlier ones. */
      begin: (work) => {
        // A saga's handler is a pure function: its work stands between its read and the append of what it decides.
        const runtime = sagaRuntime(tally, { store, hooks: { onReacted: () => work() } });
        return {
          handle: async (sagaId, id) => {
            await toPromise(runtime.handle({ id, sagaId, type: 'Add', data: { by: 1 } }));
            return true;
          },
          settle: (sagaId) => toPromise(runtime.resolve(sagaId)),
          countOf: async (sagaId) => (await toPromise(runtime.load(sagaId))).state.count,
        };
      },
      close: () => store.close(),
    };
  },
};
