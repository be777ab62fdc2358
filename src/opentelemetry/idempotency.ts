/** Operations by their keys, observed. A key says who did what: it is never told, and neither is what an operation came to. */
import type { Attributes } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import type { Tagged } from '../core/fault.js';
import type { Begun, IdempotencyStore } from '../store/idempotency.js';
import { attribute } from './names.js';
import type { Observe } from './observe-port.js';

/** How the operation stands. A refusal tells itself. */
const toldOfBegin = (result: E.Either<Tagged, Begun>): Attributes =>
  E.isLeft(result)
    ? {}
    : {
        [attribute.outcome]: result.right._tag,
        ...('attempt' in result.right && { [attribute.attempt]: result.right.attempt }),
      };

export const observedIdempotency = (store: IdempotencyStore, observeOne: Observe): IdempotencyStore => ({
  ...store,
  begin: (request) => observeOne('beginOperation', {}, store.begin(request), toldOfBegin),
  renew: (held, pendingMs) => observeOne('renewOperation', {}, store.renew(held, pendingMs)),
  complete: (request) => observeOne('completeOperation', {}, store.complete(request)),
  fail: (request) => observeOne('failOperation', {}, store.fail(request)),
  forget: (key) => observeOne('forgetOperation', {}, store.forget(key)),
  cleanUp: (request) => observeOne('cleanUpOperations', {}, store.cleanUp(request)),
});
