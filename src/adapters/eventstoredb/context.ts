/** What every call of the store needs, and how a call becomes an outcome. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { StoreClosed, StoreLimits, StoreUnavailable } from '../../store/event-store.js';
import type { Connection } from './connection.js';
import type { Feed } from './feed.js';
import { faultOf, unreachable } from './faults.js';
import type { Marks } from './marks.js';
import type { Seen } from './seen.js';

export interface StoreContext {
  readonly connection: Connection;
  readonly limits: StoreLimits;
  /** What the server allows of one append, as it counts it. */
  readonly appendBytesMax: number;
  /** How long an append whose answer was lost is asked for, in milliseconds. */
  readonly resolveOutcomeMs: number;
  readonly seen: Seen;
  readonly marks: Marks;
  readonly feed: Feed;
}

/** Lifts a call whose faults mean that the store could not be reached. */
export const lifted =
  <L, A>(
    connection: Pick<Connection, 'isClosed'>,
    call: () => Promise<E.Either<L, A>>,
  ): TaskEither<L | StoreUnavailable | StoreClosed, A> =>
  async () => {
    if (connection.isClosed()) return E.left({ _tag: 'StoreClosed' });
    try {
      return await call();
    } catch (error) {
      return E.left(unreachable(faultOf(error)));
    }
  };
