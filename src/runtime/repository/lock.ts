/**
 * The lock of `pessimistic`: the row of the stream's lease, and not an open transaction with `for update`. While a transaction that
 * has written is open nobody's events behind it can be read in the global order, so that one slow decision would hold up every
 * subscription of the store; and it ties a connection to the decision, which a pooler in transaction mode does not allow. A lease
 * is a row that is locked by its holder's token: taking it, and each append under it, are short statements of their own; the
 * append compares the token in the step in which it writes. A process that dies holds it until it ends.
 */
import type * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../../core/codec.js';
import { defaultRetry } from '../../core/retry.js';
import { newId } from '../../store/ids.js';
import { realTimers } from '../../store/timers.js';
import type { Source } from '../aggregate/aggregate-context.js';
import { realEnvironment } from '../environment.js';
import type { HandlerContext } from '../queue/message-delivery.js';
import { withLock } from '../leases/stream-lock.js';
import type { RepositoryContext, SaveError, SaveOptions } from './context.js';
import type { SaveWork } from './work.js';

/** Whom others see as the holder. One name for a process: the store tells holders apart by their tokens. */
const holder = `repository ${newId().slice(-8)}`;

interface Waiting {
  /** Saves of this process that have or want a lock, by stream. */
  readonly byStream: Map<string, number>;
  /** The shortest time in which a lock was had, in milliseconds. */
  fastestMs: number;
}

const waiting = new WeakMap<object, Waiting>();

const waitingOf = (place: object): Waiting => {
  const known = waiting.get(place) ?? { byStream: new Map<string, number>(), fastestMs: Infinity };
  waiting.set(place, known);
  return known;
};

export interface Locked {
  readonly lock: NonNullable<SaveWork<unknown>['lock']>;
  /** Whether somebody else had the lock first, as far as this process can tell. */
  readonly contended: boolean;
}

const handlerContext = ({ store, environment }: RepositoryContext): HandlerContext => ({
  store,
  environment: environment ?? realEnvironment,
  conflictRetry: defaultRetry,
  limit: undefined,
  handlerTimeMaxMs: Infinity,
  holder,
  enqueues: 'withAppend',
  aggregateHooks: {},
  saga: {},
});

/** Does `work` under the stream's lock, which it waits for within the limit. */
export const underLock = async <A>(
  context: RepositoryContext,
  { tenant, streamName }: Pick<Source<Definitions, unknown>, 'tenant' | 'streamName'>,
  waitMaxMs: number,
  { signal = new AbortController().signal }: Pick<SaveOptions, 'signal'>,
  work: (locked: Locked) => Promise<E.Either<SaveError<unknown>, A>>,
): Promise<E.Either<SaveError<unknown>, A>> => {
  const { now } = context.environment?.timers ?? realTimers;
  const line = waitingOf(context.store.leases ?? context.store);
  const key = `${tenant}\u0000${streamName}`;
  const others = line.byStream.get(key) ?? 0;
  line.byStream.set(key, others + 1);
  const began = now();
  try {
    return await withLock(handlerContext(context), { tenant, streamName, waitMaxMs, signal }, (fence) => {
      const waitedMs = now() - began;
      // A lock that is free takes one round trip; one of another process at least a pause and a second look besides.
      const contended = others > 0 || waitedMs > 4 * line.fastestMs + 2;
      line.fastestMs = Math.min(line.fastestMs, waitedMs);
      return work({ lock: { fence, waitedMs }, contended });
    });
  } finally {
    const left = (line.byStream.get(key) ?? 1) - 1;
    if (left === 0) line.byStream.delete(key);
    else line.byStream.set(key, left);
  }
};
