/** Subscribers that stand at one place of the order ask for the same page at the same moment: it is read once for all of them. */
import type * as E from 'fp-ts/lib/Either.js';
import { deepFreeze } from '../core/json.js';
import type { AllPage, EventStore, ReadAllError } from './event-store.js';
import { realTimers, type Timers } from './timers.js';

type ReadAll = EventStore['readAll'];
type Answer = E.Either<ReadAllError, AllPage>;

/**
 * The same reads, each with whoever asks for the same page before it is begun; nobody is given a page that was read before they asked.
 * Pages are frozen: what one does to a page the others must not see.
 */
export const joinedReads = (readAll: ReadAll, soon: Timers['soon'] = realTimers.soon): ReadAll => {
  const next = new Map<string, Promise<Answer>>();
  const begin = async (key: string, request: Parameters<ReadAll>[0]): Promise<Answer> => {
    await new Promise<void>((resolve) => soon(resolve));
    next.delete(key);
    return deepFreeze(await readAll(request)());
  };
  return (request) => () => {
    const { after, maxCount, direction, filter } = request;
    const key = JSON.stringify([after, maxCount, direction, filter]);
    const known = next.get(key);
    if (known !== undefined) return known;
    const answer = begin(key, request);
    next.set(key, answer);
    return answer;
  };
};
