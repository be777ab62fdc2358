/** From work that rejects with tagged errors to a `TaskEither` of them. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { type Tagged, taggedOf } from '../../core/fault.js';

/** What is rejected without a tag is a bug, and goes on as it is. */
export const lifted =
  <L extends Tagged, A>(work: () => Promise<A>): TaskEither<L, A> =>
  async () => {
    try {
      return E.right(await work());
    } catch (thrown) {
      const tagged = taggedOf(thrown);
      if (tagged === undefined) throw thrown;
      return E.left(tagged as L);
    }
  };
