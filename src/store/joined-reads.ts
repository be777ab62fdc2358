/** Subscribers that stand at one place of the order ask for the same page at the same moment: it is read once for all of them. */
import type * as E from 'fp-ts/lib/Either.js';
import { deepFreeze } from '../core/json.js';
import type { AllPage, EventStore, ReadAllError } from './event-store.js';
import { realTimers, type Timers } from './timers.js';

type ReadAll = EventStore['readAll'];
type Answer = E.Either<ReadAllError, AllPage>;

/**
 * The same reads, each with whoever asks for the same page before it is begun; nobody is given a page that was read before they asked. A
 * page that goes to several is frozen, so that what one does to it the others do not see.
 */
export const joinedReads = (readAll: ReadAll, soon: Timers['soon'] = realTimers.soon): ReadAll => {
  const next = new Map<string, { readonly answer: Promise<Answer>; askers: number }>();
  const begin = async (key: string, request: Parameters<ReadAll>[0]): Promise<Answer> => {
    await new Promise<void>((resolve) => soon(resolve));
    const askers = next.get(key)?.askers ?? 1;
    next.delete(key);
    const answer = await readAll(request)();
    return askers > 1 ? deepFreeze(answer) : answer;
  };
  return (request) => () => {
    const { after, maxCount, direction, filter } = request;
    const key = JSON.stringify([after, maxCount, direction, filter]);
    const known = next.get(key);
    if (known !== undefined) {
      known.askers += 1;
      return known.answer;
    }
    const answer = begin(key, request);
    next.set(key, { answer, askers: 1 });
    return answer;
  };
};
