/** What every call of the store needs, and how a call becomes an outcome. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { InvalidName, StreamName } from '../../core/stream.js';
import type {
  InvalidRequest,
  MigrationMissing,
  StoreClosed,
  StoreLimits,
  StoreUnavailable,
} from '../../store/event-store.js';
import {
  type Executor,
  faultOf,
  type Parameters,
  type Row,
  type Statement,
  unreachable,
} from './executor.js';
import type { Statements } from './statements.js';

/** A copy of the store that lags behind, for reads that allow it. */
export interface Replica {
  readonly executor: Executor;
  readonly onFallback: ((reason: ReplicaFallback) => void) | undefined;
}

/** Why the store itself was asked instead of its copy. */
export type ReplicaFallback =
  /** It has the stream at `version` only. */
  | {
      readonly reason: 'behind';
      readonly streamName: StreamName;
      readonly atLeast: number;
      readonly version: number;
    }
  | { readonly reason: 'unavailable'; readonly streamName: StreamName; readonly message: string };

export interface SqlContext {
  readonly executor: Executor;
  readonly statements: Statements;
  readonly limits: StoreLimits;
  /** How long an append whose answer was lost is asked for, in milliseconds. */
  readonly resolveOutcomeMs: number;
  readonly replica?: Replica;
}

export type Unreachable = StoreUnavailable | MigrationMissing | StoreClosed;
export type BadRequest = InvalidName | InvalidRequest;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A pool may hand out several connections that broke while they were idle; after these many, tell the caller. */
const askAgainMax = 3;

/** Asks what changes nothing: where the connection breaks, asks again on another one. */
export const ask = async (
  { executor }: SqlContext,
  statement: Statement,
  parameters: Parameters,
): Promise<ReadonlyArray<Row>> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await executor.query(statement, parameters);
    } catch (error) {
      if (faultOf(error)._tag !== 'ConnectionLost' || attempt >= askAgainMax) throw error;
    }
  }
};

/** Lifts a call whose faults mean that the store could not be reached. */
export const lifted =
  <L, A>(call: () => Promise<E.Either<L, A>>): TaskEither<L | Unreachable, A> =>
  async () => {
    try {
      return await call();
    } catch (error) {
      return E.left(unreachable(faultOf(error)));
    }
  };
