/** Who acts in an exploration: a process for each message, followers, and the one that finishes what is owed. */
import * as E from 'fp-ts/lib/Either.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import type { Environment } from '../../runtime/environment.js';
import { sagaRuntime } from '../../runtime/saga/saga-runtime.js';
import type { EventStore } from '../../store/event-store.js';
import type { Actor } from './local.js';
import type { Ended } from './process.js';

/** Nobody waits: a process that sleeps is one whose next step comes later, and the explorer tries all of those anyway. */
const still: Environment = { random: () => 0, sleep: () => Promise.resolve() };

/** Each lost append means that another process moved on, so that this many are never needed. */
const attemptsMax = 64;

const runtimeOn = (saga: Saga, store: EventStore) =>
  // Hooks keep the default number of attempts: a hook that always fails is parked as in production.
  sagaRuntime(saga, {
    store,
    environment: still,
    ...(saga.onConflict === 'merge' ? {} : { retry: { attemptsMax } }),
  });

const givenBack = (error: object): Ended => {
  const { _tag, message } = error as { readonly _tag: string; readonly message?: string };
  return { _tag: 'GivenBack', error: { _tag, ...(message !== undefined && { message }) } };
};

/** Handles one message; one that is given back because of a conflict is delivered again. */
export const handlerOf = (saga: Saga, index: number, message: SagaMessage, name: string): Actor => ({
  index,
  name,
  isFollower: false,
  messageId: message.id,
  work: async (store) => {
    const runtime = runtimeOn(saga, store);
    for (let delivery = 1; ; delivery += 1) {
      const handled = await runtime.handle(message as SagaMessage<never>)();
      if (E.isRight(handled)) return { _tag: 'Answered', answer: handled.right._tag };
      if (handled.left._tag !== 'ConcurrencyConflict' || delivery === attemptsMax)
        return givenBack(handled.left);
    }
  },
});

/** Does what the saga owes: merges, then compensations. */
export const followerOf = (saga: Saga, index: number, sagaId: string, name: string): Actor => ({
  index,
  name,
  isFollower: true,
  messageId: undefined,
  work: async (store) => {
    const done = await runtimeOn(saga, store).doOwed(sagaId)();
    return E.isRight(done) ? { _tag: 'Answered', answer: 'Done' } : givenBack(done.left);
  },
});
