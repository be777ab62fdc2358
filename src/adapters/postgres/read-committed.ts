/** Statements that are decided after a wait for others, on servers whose transactions go by one snapshot from their beginning. */
import { type Executor, faultOf } from './executor.js';

/** Raised by `needs_read_committed`, see the migrations: nothing was written. */
const needsReadCommitted = 'WM001';

const isRefused = (error: unknown): boolean => {
  const fault = faultOf(error);
  return fault._tag === 'SqlRefused' && fault.code === needsReadCommitted;
};

/** Asks what was refused for that again, in a transaction that reads what is committed; all else goes as before. */
export const readCommitted = (executor: Executor): Executor => ({
  ...executor,
  query: async (statement, parameters, options) => {
    try {
      return await executor.query(statement, parameters, options);
    } catch (error) {
      if (!isRefused(error)) throw error;
      return executor.transaction(async ({ query, run }) => {
        await run('set transaction isolation level read committed');
        return query(statement, parameters);
      });
    }
  },
});
