/** What is to be sent to one who reads from a group, in order; bounded by what the client may hold unanswered. */
import { taggedError } from '../../core/fault.js';
import type { Refused } from '../status.js';
import type { Delivery, Subscriber } from './subscribers.js';

export interface Outbox extends Pick<Subscriber, 'deliver' | 'takeBack'> {
  readonly end: (why: Refused | 'quietly') => void;
  /** The next one, when it comes. Undefined at the end of the call; throws the refusal that ended it. */
  readonly next: () => Promise<Delivery | undefined>;
}

/** `signal`: aborts with the call. */
export const openOutbox = (signal: AbortSignal): Outbox => {
  const waiting: Delivery[] = [];
  let ended: Refused | 'quietly' | undefined;
  let wake = (): void => undefined;
  signal.addEventListener('abort', () => wake(), { once: true });
  return {
    deliver: (delivery) => {
      waiting.push(delivery);
      wake();
    },
    takeBack: (id) => {
      const index = waiting.findIndex((delivery) => delivery.id === id);
      if (index >= 0) waiting.splice(index, 1);
      return index >= 0;
    },
    end: (why) => {
      ended ??= why;
      wake();
    },
    next: async () => {
      while (waiting.length === 0 && ended === undefined && !signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      if (ended !== undefined && ended !== 'quietly') throw taggedError(ended);
      return ended === undefined && !signal.aborted ? waiting.shift() : undefined;
    },
  };
};
