/** The life of a store: which cluster its transaction ids belong to, and what its checkpoints are tied to. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { MigrationMissing, StoreUnavailable } from '../../store/event-store.js';
import { type Executor, faultOf, migrateAdvice } from './executor.js';
import { text } from './rows.js';
import type { Statements } from './statements.js';

export const unknownCluster = 'unknown';

/** The identifier of the cluster that answers; `unknown` where the host forbids to ask. */
export const runningCluster = async (
  query: Executor['query'],
  statements: Pick<Statements, 'systemIdentifier'>,
): Promise<string> => {
  try {
    const [row] = await query(statements.systemIdentifier);
    return row === undefined ? unknownCluster : text(row, 'system_identifier');
  } catch (error) {
    const fault = faultOf(error);
    // 42501: insufficient privilege.
    if (fault._tag === 'SqlRefused' && fault.code === '42501') return unknownCluster;
    throw error;
  }
};

/**
 * The store's epoch. Restored into another cluster, events carry transaction ids of the old one, and a younger cluster
 * would hide all of them: then nothing is read before `migrate` has adopted them.
 */
export const epochOf = async (
  query: Executor['query'],
  statements: Statements,
): Promise<E.Either<StoreUnavailable | MigrationMissing, string>> => {
  const [info] = await query(statements.storeInfo);
  if (info === undefined)
    return E.left({ _tag: 'MigrationMissing', message: `the store has no store_info row; ${migrateAdvice}` });
  const recorded = text(info, 'system_identifier');
  const running = await runningCluster(query, statements);
  if (recorded !== running && recorded !== unknownCluster && running !== unknownCluster)
    return E.left({
      _tag: 'StoreUnavailable',
      message: `the store was restored from another cluster, so its order cannot be read yet; ${migrateAdvice}: it adopts the events and begins a new epoch`,
    });
  return E.right(`${text(info, 'store_id')}/${recorded}`);
};

/** Goes on with the right side; the left side is thrown, for those who lift a whole call. */
export const throwLeft = <L extends { readonly _tag: string }, A>(either: E.Either<L, A>): A => {
  if (E.isLeft(either)) throw taggedError(either.left);
  return either.right;
};
