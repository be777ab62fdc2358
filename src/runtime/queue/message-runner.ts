/** Runs deliveries through their handlers, each within its time: the part that queue workers and local partitions share. */
import * as E from 'fp-ts/lib/Either.js';
import { realTimers } from '../../store/timers.js';
import {
  type Delivery,
  type HandlerContext,
  handlerThrew,
  type MessageFailure,
  type Ran,
  timedOut,
} from './message-delivery.js';
import type { MessageHandlers, RunBatch, RunMessage } from './message-handlers.js';

export type RunResult = E.Either<MessageFailure, Ran>;

export interface MessageRunner {
  /** Handles them in one call where there are several; they are of one type then. Answers when they are handled, or `within` is aborted, or their time is up. */
  readonly run: (
    deliveries: ReadonlyArray<Omit<Delivery, 'signal'>>,
    within: AbortSignal,
  ) => Promise<RunResult>;
  /** Messages of this type in one call at most. */
  readonly batchMaxOf: (type: string) => number;
}

interface Opened {
  readonly run: RunMessage<unknown>;
  readonly batch?: RunBatch<unknown>;
}

export const messageRunner = (handlers: MessageHandlers, context: HandlerContext): MessageRunner => {
  const opened = new Map<string, Opened>();
  const handlerOf = (type: string): Opened | undefined => {
    const known = opened.get(type);
    if (known !== undefined || !Object.hasOwn(handlers.handlers, type)) return known;
    const made = handlers.handlers[type]?.open(context) as Opened;
    opened.set(type, made);
    return made;
  };

  const runAll = async (deliveries: ReadonlyArray<Delivery>): Promise<RunResult> => {
    const decoded: Array<{ readonly data: unknown; readonly delivery: Delivery }> = [];
    for (const delivery of deliveries) {
      const data = handlers.decode(delivery.message);
      if (E.isLeft(data)) return data;
      decoded.push({ data: data.right, delivery });
    }
    const [first] = decoded;
    if (first === undefined) return E.right({ outcome: { _tag: 'Nothing' }, next: [] });
    const handler = handlerOf(first.delivery.message.type) as Opened;
    return decoded.length > 1 && handler.batch !== undefined
      ? handler.batch(decoded)
      : handler.run(first.data, first.delivery);
  };

  const { handlerTimeMaxMs, environment } = context;
  const { after } = environment.timers ?? realTimers;
  return {
    batchMaxOf: (type) =>
      Object.hasOwn(handlers.handlers, type) ? (handlers.handlers[type]?.batchMax ?? 1) : 1,
    run: (given, within) =>
      new Promise((resolve) => {
        const type = given[0]?.message.type ?? '';
        const ending = new AbortController();
        const end = (result: RunResult): void => {
          callOff();
          within.removeEventListener('abort', giveUp);
          resolve(result);
        };
        const giveUp = (): void => {
          ending.abort();
          end(E.left(timedOut(type, handlerTimeMaxMs)));
        };
        const callOff = handlerTimeMaxMs === Infinity ? () => undefined : after(handlerTimeMaxMs, giveUp);
        if (within.aborted) return giveUp();
        within.addEventListener('abort', giveUp, { once: true });
        const deliveries = given.map((one) => ({ ...one, signal: ending.signal }));
        runAll(deliveries).then(end, (thrown: unknown) => end(E.left(handlerThrew(type, thrown))));
      }),
  };
};
