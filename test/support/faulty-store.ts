/** A store that fails where a test wants it to: before a call, or after it was carried out and before it is answered. */
import * as E from 'fp-ts/lib/Either.js';
import type { AppendRequest, EventStore } from 'watersmeet';

export type Fault = 'none' | 'refusedBefore' | 'lostAfter' | 'crashBefore' | 'crashAfter';

/** Thrown where a process is to have died: nothing after it runs. */
export class Crash extends Error {}

const unavailable = E.left({ _tag: 'StoreUnavailable' as const, message: 'made to fail by a test' });

/** `faultAt` is asked before each append, with its number from 1. Reads are not disturbed. */
export const faultyStore = (
  store: EventStore,
  faultAt: (call: number, request: AppendRequest) => Fault,
): EventStore => {
  let calls = 0;
  return {
    ...store,
    append: (request) => async () => {
      calls += 1;
      const fault = faultAt(calls, request);
      if (fault === 'crashBefore') throw new Crash();
      if (fault === 'refusedBefore') return unavailable;
      const result = await store.append(request)();
      if (fault === 'crashAfter') throw new Crash();
      return fault === 'lostAfter' ? unavailable : result;
    },
  };
};
