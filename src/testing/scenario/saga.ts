/** Scenarios of sagas: given a history, when messages arrive one by one or at once, then state, messages, compensations. */
import type { AnyEvent } from '../../core/merge/merge.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { CompensationHook, Saga } from '../../core/saga/saga.js';
import { type SagaThen, type SagaWhen, sagaChecks } from './saga-checks.js';
import { placeOf, scenarioFailed, type Story, storyLines } from './failure.js';
import { type SagaOutcome, sagaOutcome } from './outcome.js';
import { type Given, play, wordsOf } from './run.js';

/** A message without its address; it is given an id, `m1`, `m2` and so on (`given-1` before), unless it has one. */
export type ScenarioMessage<M extends AnyEvent> = M & Pick<Partial<SagaMessage>, 'id'>;

export interface SagaScenarioOptions<Out> {
  /** Which instance. Default `scenario`. */
  readonly sagaId?: string;
  /** Compensation hooks to run in place of the saga's own of the same names. */
  readonly hooks?: Readonly<Record<string, CompensationHook<Out>>>;
}

export interface SagaScenario<S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent> {
  /** Events on the trunk from before, as if handled then; nothing was sent with them. */
  readonly given: (events: ReadonlyArray<Ev>) => SagaScenario<S, Ev, M, Out>;
  /** Messages that were handled before, one after another, with all that they came to. */
  readonly givenMessages: (messages: ReadonlyArray<ScenarioMessage<M>>) => SagaScenario<S, Ev, M, Out>;
  /** One message. */
  readonly when: (message: ScenarioMessage<M>) => SagaWhen<S, Ev, Out>;
  /**
   * Messages that are handled at once, each by a process of its own: all handlers have loaded the saga before any of them
   * appends. They append in the order given: the first is written, the others diverge unless they commute with it, and
   * one merge takes in all branches. What is owed then, compensations too, is done; merges and retries wait no time.
   */
  readonly concurrently: (...messages: ReadonlyArray<ScenarioMessage<M>>) => SagaWhen<S, Ev, Out>;
}

export type { SagaOutcome, SagaThen, SagaWhen };

const addressed = (
  messages: ReadonlyArray<AnyEvent & { readonly id?: string }>,
  sagaId: string,
  prefix: string,
  from: number,
): ReadonlyArray<SagaMessage> =>
  messages.map(({ type, data, id }, index) => ({
    id: id ?? `${prefix}${from + index + 1}`,
    sagaId,
    type,
    data,
  }));

const givenLines = (given: ReadonlyArray<Given>): ReadonlyArray<string> => {
  const items = given.flatMap((step) =>
    step._tag === 'Events'
      ? step.events
      : step.messages.map(({ id, type, data }) => ({ type: `message ${id} ${type}`, data })),
  );
  return storyLines('given', items);
};

const whenLines = (messages: ReadonlyArray<SagaMessage>): ReadonlyArray<string> => {
  const items = messages.map(({ id, type, data }) => ({ type: `${id} ${type}`, data }));
  const lines = storyLines('when', items);
  return messages.length > 1 ? [...lines, '       all at once'] : lines;
};

const answerLines = (messages: ReadonlyArray<SagaMessage>, { handled }: SagaOutcome): ReadonlyArray<string> =>
  handled.map(
    (answer, index) => `${index === 0 ? 'then' : '    '}   ${messages[index]?.id ?? ''} ${wordsOf(answer)}`,
  );

export const sagaScenario = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  options: SagaScenarioOptions<Out>,
  past: ReadonlyArray<Given> = [],
): SagaScenario<S, Ev, M, Out> => {
  const { sagaId = 'scenario', hooks = {} } = options;
  const played = { ...saga, hooks: { ...saga.hooks, ...hooks } } as unknown as Saga;
  const pastMessages = past.flatMap((step) => (step._tag === 'Messages' ? step.messages : []));
  const more = (step: Given) => sagaScenario(saga, options, [...past, step]);
  const happen = (named: ReadonlyArray<ScenarioMessage<M>>, place: Error): SagaWhen<S, Ev, Out> => {
    const messages = addressed(named, sagaId, 'm', 0);
    const of = `${saga.name}-${sagaId}`;
    const lines = [...givenLines(past), ...whenLines(messages)];
    const run = async (): Promise<SagaOutcome<S, Ev, Out>> => {
      const result = await play(played, sagaId, past, messages);
      if ('problem' in result)
        throw scenarioFailed(place, { of, lines }, 'what is given cannot have happened', [[result.problem]]);
      const { stream, givenVersion, handled } = result;
      return sagaOutcome(saga, stream, givenVersion, handled);
    };
    const story = (outcome: SagaOutcome): Story => ({
      of,
      lines: [...lines, ...answerLines(messages, outcome)],
    });
    return sagaChecks(run, story);
  };
  const self: SagaScenario<S, Ev, M, Out> = {
    given: (events) => more({ _tag: 'Events', events }),
    givenMessages: (messages) =>
      more({ _tag: 'Messages', messages: addressed(messages, sagaId, 'given-', pastMessages.length) }),
    when: (message) => happen([message], placeOf(self.when)),
    concurrently: (...messages) => happen(messages, placeOf(self.concurrently)),
  };
  return self;
};
