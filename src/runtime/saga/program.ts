/** What `watersmeet run` needs of a saga: where its messages come from, and what of its end a person wants to know. */
import type { AnyEvent } from '../../core/merge/merge.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';

/** A message with the time its source gives it. The time says what may be handled at once, and decides nothing else. */
export interface TimedMessage {
  readonly message: SagaMessage;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** All messages of one saga instance, in their source's order. */
export interface Case {
  readonly sagaId: string;
  readonly messages: ReadonlyArray<TimedMessage>;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a program is run whatever its saga's types
export interface Program<S = any> {
  readonly name: string;
  readonly saga: Saga<S>;
  /** Reads an input file, case by case. Errors are thrown and carry a tagged value. */
  readonly readCases: (path: string) => AsyncIterable<Case>;
  /** Every outcome a saga may have, in the order to show them. */
  readonly outcomes: ReadonlyArray<string>;
  readonly outcomeOf: (state: S) => string;
  /** Type of the message that tells the outcome: counted, and compared by `--verify`. */
  readonly decisionType: string;
  /** Numbers to add up over all sagas, by name. */
  readonly figures: (state: S) => Readonly<Record<string, number>>;
}

export const program = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  definition: Omit<Program<S>, 'saga'> & { readonly saga: Saga<S, Ev, M, Out> },
): Program<S> => definition as unknown as Program<S>;
