/** Statements that change something, and are rolled back by the server now and then because of others. */
import { ask, pause, type SqlContext } from './context.js';
import { faultOf, type Parameters, type Row, type SqlRefused, type Statement } from './executor.js';

// Deadlock, or an isolation level above read committed.
const rolledBackCodes: ReadonlySet<string> = new Set(['40001', '40P01']);
export const rolledBackMax = 20;

export const isRolledBack = ({ code }: SqlRefused): boolean => rolledBackCodes.has(code);

/** Not all that met go on at the same moment. */
export const pauseBeforeAgain = (attempt: number): Promise<void> =>
  pause(Math.random() * Math.min(200, 2 ** attempt));

/** Runs a statement until others let it through; nothing of it was written before. */
export const change = async (run: () => Promise<ReadonlyArray<Row>>): Promise<ReadonlyArray<Row>> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      const fault = faultOf(error);
      if (fault._tag !== 'SqlRefused' || !isRolledBack(fault) || attempt >= rolledBackMax) throw error;
      await pauseBeforeAgain(attempt);
    }
  }
};

/** For what may be done twice: where the connection breaks, it is asked again on another one. */
export const changeAgain = (
  context: SqlContext,
  statement: Statement,
  parameters: Parameters,
): Promise<ReadonlyArray<Row>> => change(() => ask(context, statement, parameters));
