/** Scenarios: given what happened, when something comes, then just this. They need no test runner; a failure is an error that shows the difference. */
import type { Definitions, TaggedOf } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Saga } from '../../core/saga/saga.js';
import { type AggregateScenario, aggregateScenario } from './aggregate.js';
import { type SagaScenario, sagaScenario, type SagaScenarioOptions } from './saga.js';

export type {
  AggregateOutcome,
  AggregateScenario,
  AggregateThen,
  AggregateWhen,
} from './aggregate.js';
export type { Expected, ValueMatcher } from './expected.js';
export type { Compensated, SagaOutcome, SentBySaga } from './outcome.js';
export type { SagaScenario, SagaScenarioOptions, ScenarioMessage } from './saga.js';
export type { ExpectedCompensation, SagaExpectation, SagaThen, SagaWhen } from './saga-checks.js';

interface ScenarioOf {
  /**
   * A scenario of an aggregate. It is pure, and fails at once.
   *
   * ```ts
   * scenario(account)
   *   .given([{ type: 'Opened', data: { owner: 'Ada' } }])
   *   .when({ type: 'Withdraw', data: { amount: 40 } })
   *   .then([{ type: 'Withdrawn', data: { amount: 40 } }])
   *   .thenState({ open: true, balance: 60 });
   * ```
   * Commands and events go through their codecs as at run time.
   */
  <Commands extends Definitions, Events extends Definitions, State, Rejection>(
    aggregate: Aggregate<Commands, Events, State, Rejection>,
  ): AggregateScenario<Commands, TaggedOf<Events>, State, Rejection>;
  /**
   * A scenario of a saga, played by the real runtime on a store in memory. Await it.
   *
   * ```ts
   * await scenario(trip)
   *   .given([])
   *   .concurrently({ type: 'FlightBooked', data: { reference: 'F1' } }, { type: 'HotelBooked', data: { reference: 'H1' } })
   *   .thenMerged({ flight: true, hotel: true })
   *   .thenSent([{ type: 'TripConfirmed', data: {} }])
   *   .thenCompleted();
   * ```
   */
  <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
    saga: Saga<S, Ev, M, Out>,
    options?: SagaScenarioOptions<Out>,
  ): SagaScenario<S, Ev, M, Out>;
}

type AnyAggregate = Aggregate<Definitions, Definitions, unknown, unknown>;

export const scenario: ScenarioOf = (
  rules: AnyAggregate | Saga,
  options: SagaScenarioOptions<AnyEvent> = {},
): never => ('category' in rules ? aggregateScenario(rules) : sagaScenario(rules, options)) as never;
