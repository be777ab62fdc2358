/** All interleavings without any pruning: each from the beginning, on the real runtime and the store in memory. For few messages. */
import * as E from 'fp-ts/lib/Either.js';
import {
  memoryStore,
  type RecordedEvent,
  type Saga,
  type SagaMessage,
  sagaRuntime,
  toPromise,
} from 'watersmeet';
import { type Held, makeStage, stagedStore } from '../../src/testing/stage.js';

const still = { random: () => 0, sleep: () => Promise.resolve() };

const byProcess = (a: Held, b: Held): number => (a.step.process < b.step.process ? -1 : 1);

/** Runs one schedule: at each point the choice says which of the waiting processes moves. `widths` says how many there were. */
const runOnce = async (
  saga: Saga,
  given: ReadonlyArray<SagaMessage>,
  messages: ReadonlyArray<SagaMessage>,
  choices: ReadonlyArray<number>,
): Promise<{ readonly records: ReadonlyArray<RecordedEvent>; readonly widths: ReadonlyArray<number> }> => {
  const store = memoryStore();
  for (const message of given)
    await toPromise(sagaRuntime(saga, { store }).handle(message as SagaMessage<never>));
  const stage = makeStage();
  const all = messages.map(async (message, index) => {
    const own = stagedStore(store, stage, `m${index + 1}`, (_operation, phase) => phase === 'call');
    const runtime = sagaRuntime(saga, { store: own, environment: still });
    for (;;) {
      const handled = await runtime.handle(message as SagaMessage<never>)();
      if (E.isRight(handled) || handled.left._tag !== 'ConcurrencyConflict') return handled;
    }
  });
  const widths: number[] = [];
  await stage.settled();
  for (let at = 0; stage.held().length > 0; at += 1) {
    const held = [...stage.held()].sort(byProcess);
    widths.push(held.length);
    (held[choices[at] ?? 0] as Held).go();
    await stage.settled();
  }
  await Promise.all(all);
  const runtime = sagaRuntime(saga, { store });
  const { sagaId } = messages[0] as SagaMessage;
  await toPromise(runtime.doOwed(sagaId));
  const page = await toPromise(store.readStream({ streamName: runtime.streamNameOf(sagaId) }));
  return { records: page.events, widths };
};

/** The stream that each schedule ends with, by trying the next choice at the last point that has one. */
export async function* everySchedule(
  saga: Saga,
  messages: ReadonlyArray<SagaMessage>,
  given: ReadonlyArray<SagaMessage> = [],
): AsyncGenerator<ReadonlyArray<RecordedEvent>> {
  let choices: ReadonlyArray<number> | undefined = [];
  while (choices !== undefined) {
    const { records, widths } = await runOnce(saga, given, messages, choices);
    yield records;
    const tried: ReadonlyArray<number> = choices;
    const taken = widths.map((_, index) => tried[index] ?? 0);
    const last = taken.findLastIndex((choice, index) => choice + 1 < (widths[index] as number));
    choices = last < 0 ? undefined : [...taken.slice(0, last), (taken[last] as number) + 1];
  }
}
