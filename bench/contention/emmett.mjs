// Emmett's command handler: as it retries by itself, and with as many retries as it takes.
import { CommandHandler, isExpectedVersionConflictError } from '@event-driven-io/emmett';
import { openStore } from '../peers/emmett.mjs';

const evolve = ({ count }, { data }) => ({ count: count + data.by });
const initialState = () => ({ count: 0 });

const enough = {
  ...{ retries: 1_000, minTimeout: 5, maxTimeout: 200, factor: 1.5, randomize: true },
  shouldRetryError: isExpectedVersionConflictError,
};

const strategy = (name, onVersionConflict) => ({
  name,
  open: async (url, { poolMax }) => {
    const { store, close } = await openStore(url, poolMax);
    return {
      begin: (work) => {
        const handle = CommandHandler({ evolve, initialState, retry: { onVersionConflict } });
        return {
          handle: async (sagaId, id) => {
            try {
              await handle(store, `tally-${sagaId}`, async () => {
                await work();
                return { type: 'Added', data: { by: 1 }, metadata: { causationId: id } };
              });
              return true;
            } catch (error) {
              if (isExpectedVersionConflictError(error)) return false;
              throw error;
            }
          },
          countOf: async (sagaId) =>
            (await store.aggregateStream(`tally-${sagaId}`, { evolve, initialState })).state.count,
        };
      },
      close,
    };
  },
});

export const emmettDefault = strategy('Emmett, its default retry', true);
export const emmettEnough = strategy('Emmett, enough retries', enough);
