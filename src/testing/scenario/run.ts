/** Plays a saga's scenario: the real runtime on the store in memory, with a stage that makes handlers meet. */
import * as E from 'fp-ts/lib/Either.js';
import { setImmediate } from 'node:timers';
import { memoryStore } from '../../adapters/memory/index.js';
import { encodeTagged } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import { toPromise } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import { any, type StreamName } from '../../core/stream.js';
import type { Environment } from '../../runtime/environment.js';
import type { Handled, HandleError, SagaContext } from '../../runtime/saga/saga-context.js';
import { sagaRuntime } from '../../runtime/saga/saga-runtime.js';
import { newId } from '../../store/ids.js';
import { readWhole } from '../../store/read-whole.js';
import { makeStage, type Stage, stagedStore } from '../stage.js';

/** One step of what was given. */
export type Given =
  | { readonly _tag: 'Events'; readonly events: ReadonlyArray<AnyEvent> }
  | { readonly _tag: 'Messages'; readonly messages: ReadonlyArray<SagaMessage> };

export interface Played {
  readonly stream: ReadonlyArray<RecordedEvent>;
  readonly givenVersion: number;
  readonly handled: ReadonlyArray<Handled | HandleError>;
}

/** What was given cannot have happened: `problem` says why. */
export interface NotGiven {
  readonly problem: string;
}

/** Nobody waits in a scenario, and no dice are thrown. */
const still: Environment = { random: () => 0.5, sleep: () => Promise.resolve() };

const give = async (
  saga: Saga,
  context: SagaContext,
  streamName: StreamName,
  given: Given,
): Promise<NotGiven | undefined> => {
  if (given._tag === 'Events') {
    const encoded = given.events.map((event) => encodeTagged(saga.events, event));
    const bad = encoded.find(E.isLeft);
    if (bad !== undefined) return { problem: bad.left.message };
    const events = encoded.flatMap((one) =>
      E.isRight(one) ? [{ ...one.right, eventId: newId(), metadata: {} }] : [],
    );
    if (events.length > 0) await toPromise(context.store.append({ streamName, expected: any, events }));
    return undefined;
  }
  for (const message of given.messages) {
    const handled = await sagaRuntime(saga, context).handle(message)();
    if (E.isLeft(handled)) return { problem: `${message.id} ${message.type}: ${wordsOf(handled.left)}` };
  }
  return undefined;
};

/** An answer in words: its tag, and its message where it has one. */
export const wordsOf = (answer: Handled | HandleError): string =>
  'message' in answer ? `${answer._tag}: ${answer.message}` : answer._tag;

// Taken from Node itself: a test may have replaced the global one by a clock that stands still.
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Lets all who are about to append do so, in their order, then again: whoever was refused has a branch by the second
 * round, and the first merge of the third takes in all of them. Who sleeps is woken when nobody else can move.
 */
const inLockstep = async (stage: Stage): Promise<void> => {
  // Ends: each round lets somebody go on, and a handler's appends and sleeps are bounded.
  for (;;) {
    await settled();
    const held = stage.held();
    if (held.length === 0) return;
    const appending = held
      .filter(({ step }) => step.operation === 'append')
      .sort((a, b) => Number(a.step.process) - Number(b.step.process));
    for (const one of appending.length > 0 ? appending : held.slice(0, 1)) {
      one.go();
      await settled();
    }
  }
};

/** Each message is handled by a process of its own, on the stream as it stands before any of them has written. */
const meet = async (
  saga: Saga,
  context: SagaContext,
  messages: ReadonlyArray<SagaMessage>,
): Promise<ReadonlyArray<Handled | HandleError>> => {
  const stage = makeStage();
  const handling = messages.map((message, index) => {
    const process = String(index);
    const isAppend = (operation: string, phase: string) => operation === 'append' && phase === 'call';
    const store = stagedStore(context.store, stage, process, isAppend);
    const sleep = async (): Promise<void> => {
      await stage.enter({ process, operation: 'sleep', phase: 'call' });
    };
    return sagaRuntime(saga, { ...context, store, environment: { ...still, sleep } }).handle(message)();
  });
  await inLockstep(stage);
  return (await Promise.all(handling)).map((one) => (E.isLeft(one) ? one.left : one.right));
};

/** Plays it all. What a handler, a merger or a hook may not do is an answer; what the engine may not do rejects. */
export const play = async (
  saga: Saga,
  sagaId: string,
  given: ReadonlyArray<Given>,
  messages: ReadonlyArray<SagaMessage>,
): Promise<Played | NotGiven> => {
  const store = memoryStore();
  const context: SagaContext = { store, environment: still };
  const { streamNameOf } = sagaRuntime(saga, context);
  const streamName = streamNameOf(sagaId);
  for (const step of given) {
    const problem = await give(saga, context, streamName, step);
    if (problem !== undefined) return problem;
  }
  const givenVersion = (await readWhole(store, { streamName })).length;
  const handled = await meet(saga, context, messages);
  await toPromise(sagaRuntime(saga, context).doOwed(sagaId));
  return { stream: await readWhole(store, { streamName }), givenVersion, handled };
};
