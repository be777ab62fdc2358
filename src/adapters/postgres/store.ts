/** The event store in SQL, over any executor: PostgreSQL by `pg`, or PGlite. */
import * as E from 'fp-ts/lib/Either.js';
import type { AppendError, AppendResult, Capabilities, EventStore } from '../../store/event-store.js';
import { checkAppend, checkAppendMany } from '../../store/limits.js';
import type { IdempotencyStore } from '../../store/idempotency.js';
import type { Leases } from '../../store/leases.js';
import { joinedReads } from '../../store/joined-reads.js';
import type { MessageQueue } from '../../store/message-queue.js';
import type { Snapshots } from '../../store/snapshots.js';
import { pollingSubscription } from '../../store/subscription.js';
import { makeWake } from '../../store/wake.js';
import { appendAll, appendPlain, appendShared } from './append.js';
import { appendLine } from './append-line.js';
import { plainOf } from './append-words.js';
import { readMatching } from './conditions.js';
import { lifted, type SqlContext } from './context.js';
import { loadCheckpoint, loadSnapshot, markStream, saveCheckpoint, saveSnapshot } from './keeping.js';
import { sqlIdempotency } from './idempotency.js';
import { epochOf } from './life.js';
import { sqlLeases } from './leases.js';
import { sqlQueue } from './queue.js';
import { readCommitted } from './read-committed.js';
import { readLine } from './read-line.js';
import { listStreams, readAll, readStream } from './reading.js';

/** An event store that keeps snapshots, leases, a message queue and operations by their keys beside its streams. */
export interface SqlStore extends EventStore {
  readonly leases: Leases;
  readonly queue: MessageQueue;
  readonly idempotency: IdempotencyStore;
  readonly snapshots: Snapshots;
}

/** More would each carry less, and cost both sides as much: two keep the server busy while one of them waits for the disk. */
export const sharedStatementsDefault = 2;

export interface SqlStoreParts extends SqlContext {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Statements under way at once that several appends share, and as many that several reads share; 1 or more. Default 2. */
  readonly sharedStatementsMax?: number;
}

export const sqlStore = (given: SqlStoreParts): SqlStore => {
  const parts: SqlStoreParts = { ...given, executor: readCommitted(given.executor) };
  const { executor, statements, limits } = parts;
  const wake = makeWake();
  const statementsMax = parts.sharedStatementsMax ?? sharedStatementsDefault;
  const line = appendLine({
    alone: (append) => appendPlain(parts, append),
    together: (appends) => appendShared(parts, appends),
    statementsMax,
  });
  const reads = readLine(parts, statementsMax);
  const readPage: EventStore['readAll'] = (request) => lifted(() => readAll(parts, request));
  const readJoined = joinedReads(readPage);
  let closed = false;

  const notified = <L, A>(outcome: E.Either<L, A>): E.Either<L, A> => {
    if (E.isRight(outcome)) wake.notify();
    return outcome;
  };

  const store: SqlStore = {
    name: parts.name,
    capabilities: parts.capabilities,
    limits,
    append: (request) =>
      lifted<AppendError, AppendResult>(async () => {
        const checked = checkAppend(request, limits);
        if (E.isLeft(checked)) return checked;
        const plain = plainOf(checked.right);
        if (plain !== undefined) return notified(await line.append(plain));
        const outcome = await appendAll(parts, [checked.right]);
        return notified(E.isLeft(outcome) ? outcome : E.right(outcome.right[0] as AppendResult));
      }),
    appendMany: (requests) =>
      lifted<AppendError, ReadonlyArray<AppendResult>>(async () => {
        const checked = checkAppendMany(requests, limits);
        if (E.isLeft(checked)) return checked;
        return checked.right.length === 0 ? E.right([]) : notified(await appendAll(parts, checked.right));
      }),
    readStream: (request) => lifted(() => readStream(parts, reads.read, request)),
    readAll: readPage,
    readMatching: (request) => lifted(() => readMatching(parts, request)),
    subscribe: (request) => {
      const { epoch } = store;
      return pollingSubscription({ readAll: readJoined, epoch, wake, isClosed: () => closed }, request);
    },
    listStreams: (request) => lifted(() => listStreams(parts, request)),
    markStream: (request) => lifted(() => markStream(parts, request)),
    epoch: () => lifted(() => epochOf(executor.query, statements)),
    checkpoints: {
      load: (subscriber) => lifted(() => loadCheckpoint(parts, subscriber)),
      save: (subscriber, checkpoint) => lifted(() => saveCheckpoint(parts, subscriber, checkpoint)),
    },
    leases: sqlLeases(parts),
    queue: sqlQueue(parts),
    idempotency: sqlIdempotency(parts),
    snapshots: {
      load: (key) => lifted(() => loadSnapshot(parts, key)),
      save: (key, snapshot) => lifted(() => saveSnapshot(parts, key, snapshot)),
    },
    close: async () => {
      closed = true;
      wake.notify();
      await Promise.all([line.close(), reads.close()]);
      await Promise.all([executor.close(), parts.replica?.executor.close()]);
    },
  };
  return store;
};
