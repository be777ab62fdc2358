/** What the sagas of a store have come to, read from their streams alone: the same answer after a crash, a repeat or a restart. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import { canonicalJson, type Json } from '../../core/json.js';
import type { ReleasedMessage } from '../../core/merge/merge.js';
import { decide, instanceOf, type SagaMessage } from '../../core/saga/reacting.js';
import { recordTypes, type Saga } from '../../core/saga/saga.js';
import { sagaLog, type SagaLog } from '../../core/saga/saga-log.js';
import { compensationApplied, headerOf, sagaMerged } from '../../core/saga/saga-records.js';
import { defaultTenant, type StreamName } from '../../core/stream.js';
import type { RecordedEvent } from '../../core/event.js';
import { codecOf, decodeTagged } from '../../core/codec.js';
import type { EventStore, StreamPage } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import type { Program } from './program.js';

export interface Survey {
  sagas: number;
  /** Branches that have been merged, and the merges that did it. */
  branchesMerged: number;
  merges: number;
  /** Messages that have left, and messages that were decided and did not leave. */
  messagesSent: number;
  messagesCancelled: number;
  compensations: number;
  /** Sagas that wait: for a merger that can, or with work that is still owed. */
  parked: number;
  owed: number;
  outcomes: Record<string, number>;
  decisionsSent: number;
  figures: Record<string, number>;
}

/** The end of one saga, as it is compared with a serial run. */
export interface SagaEnd {
  readonly sagaId: string;
  readonly state: Json;
  /** Data of the decisions that have left, in order. */
  readonly decisions: ReadonlyArray<Json>;
}

const orThrow = <A>(result: E.Either<{ readonly _tag: string }, A>): A => {
  if (E.isLeft(result)) throw taggedError(result.left);
  return result.right;
};

async function* pages(
  store: EventStore,
  streamName: StreamName,
): AsyncGenerator<ReadonlyArray<RecordedEvent>> {
  let from: number | undefined = 1;
  while (from !== undefined) {
    const page: StreamPage = orThrow(await store.readStream({ streamName, from, maxCount: pageMax })());
    yield page.events;
    from = page.next;
  }
}

const countRecord = (survey: Survey, event: RecordedEvent): void => {
  const cancelledIn = (messages: ReadonlyArray<{ readonly cancelled?: string | undefined }>): number =>
    messages.filter(({ cancelled }) => cancelled !== undefined).length;
  if (event.type === recordTypes.sagaMerged && sagaMerged.is(event.data)) {
    survey.merges += 1;
    survey.branchesMerged += event.data.resolves.length;
    survey.messagesCancelled +=
      event.data.messages.filter(({ fate }) => fate === 'cancel').length + cancelledIn(event.data.sends);
  } else if (event.type === recordTypes.compensationApplied && compensationApplied.is(event.data)) {
    survey.compensations += 1;
    survey.messagesCancelled += cancelledIn(event.data.sends);
  } else survey.messagesCancelled += cancelledIn(headerOf(event.metadata)?.sends ?? []);
};

const readSaga = async <S>(
  program: Program<S>,
  store: EventStore,
  streamName: StreamName,
  survey: Survey,
): Promise<SagaLog<S>> => {
  const log = sagaLog(program.saga);
  for await (const events of pages(store, streamName)) {
    orThrow(log.advance(events));
    for (const event of events) countRecord(survey, event);
  }
  return log;
};

const endOf = <S>(
  program: Program<S>,
  sagaId: string,
  state: S,
  messages: ReadonlyArray<Pick<ReleasedMessage, 'type' | 'data'>>,
): SagaEnd => ({
  sagaId,
  state: codecOf(program.saga.state).encode(state) as Json,
  decisions: messages.filter(({ type }) => type === program.decisionType).map(({ data }) => data),
});

const count = (counts: Record<string, number>, key: string, by: number): void => {
  counts[key] = (counts[key] ?? 0) + by;
};

/** Reads every saga of a program, `atOnce` at a time; `onEnd` is told of each. */
export const survey = async <S>(
  program: Program<S>,
  store: EventStore,
  onEnd: (end: SagaEnd) => void = () => undefined,
  atOnce = 8,
): Promise<Survey> => {
  const category = program.saga.name;
  const outcomes = Object.fromEntries(program.outcomes.map((outcome) => [outcome, 0]));
  const result: Survey = {
    sagas: 0,
    branchesMerged: 0,
    merges: 0,
    messagesSent: 0,
    messagesCancelled: 0,
    compensations: 0,
    parked: 0,
    owed: 0,
    outcomes,
    decisionsSent: 0,
    figures: {},
  };
  const surveyOne = async (streamName: StreamName): Promise<void> => {
    const log = await readSaga(program, store, streamName, result);
    const view = log.view();
    const owed = log.owed();
    const end = endOf(program, streamName.slice(category.length + 1), view.state, owed.messages);
    result.sagas += 1;
    result.messagesSent += owed.messages.length;
    result.decisionsSent += end.decisions.length;
    if (view.parked !== undefined) result.parked += 1;
    if (owed.merges.length + owed.compensations.length > 0) result.owed += 1;
    count(result.outcomes, program.outcomeOf(view.state), 1);
    for (const [name, value] of Object.entries(program.figures(view.state)))
      count(result.figures, name, value);
    onEnd(end);
  };
  let after: string | undefined;
  do {
    const streams = orThrow(
      await store.listStreams({ category, maxCount: pageMax, ...(after !== undefined && { after }) })(),
    );
    const names = streams.map(({ streamName }) => streamName);
    for (let index = 0; index < names.length; index += atOnce)
      await Promise.all(names.slice(index, index + atOnce).map(surveyOne));
    after = names.length < pageMax ? undefined : names[names.length - 1];
  } while (after !== undefined);
  return result;
};

/** The end that the same messages lead to one after another, by the saga's own functions alone. */
export const serialEnd = <S>(
  program: Program<S>,
  sagaId: string,
  messages: ReadonlyArray<SagaMessage>,
): SagaEnd => {
  const { saga } = program as { saga: Saga<S> };
  const instance = instanceOf(saga, defaultTenant, sagaId);
  const keys = new Set<string>();
  const sent: Array<Pick<ReleasedMessage, 'type' | 'data'>> = [];
  let state = saga.initialState;
  for (const message of messages) {
    const view = { version: 0 as never, state, epoch: 1, completed: false, pending: [], parked: undefined };
    const decision = orThrow(decide(saga, instance, view, message));
    for (const event of decision.events)
      state = saga.evolve(state, orThrow(decodeTagged(saga.events, event)));
    for (const outgoing of decision.messages) {
      if (outgoing.key !== undefined && keys.has(outgoing.key)) continue;
      if (outgoing.key !== undefined) keys.add(outgoing.key);
      sent.push(outgoing);
    }
    if (decision.completes) break;
  }
  return endOf(program, sagaId, state, sent);
};

export const isSameEnd = (a: SagaEnd, b: SagaEnd): boolean =>
  canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
