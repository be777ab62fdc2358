/** The checks of every store before a page of a stream is read. */
import * as E from 'fp-ts/lib/Either.js';
import { defaultTenant, type StreamName, type Tenant, versionMax } from '../core/stream.js';
import { checkCount } from './checks.js';
import type { ReadStreamRequest } from './event-store.js';
import { checkKey, pageDefault, pageMax } from './limits.js';
import type { BadRequest } from './store-errors.js';

/** A read of a stream whose parts are all there and good. */
export interface CheckedRead {
  readonly key: { readonly tenant: Tenant; readonly streamName: StreamName };
  readonly count: number;
  readonly backwards: boolean;
  /** At most `versionMax`, which is beyond the end of every stream. */
  readonly from: number;
}

export const checkReadStream = (request: ReadStreamRequest): E.Either<BadRequest, CheckedRead> => {
  const key = checkKey(request);
  if (E.isLeft(key)) return key;
  const count = checkCount('maxCount', request.maxCount, pageDefault, 1, pageMax);
  if (E.isLeft(count)) return count;
  const backwards = request.direction === 'backwards';
  const from = checkCount('from', request.from, backwards ? versionMax : 1, 1, Number.MAX_SAFE_INTEGER);
  if (E.isLeft(from)) return from;
  const atLeast = checkCount('atLeast', request.atLeast, 0, 0, versionMax);
  if (E.isLeft(atLeast)) return atLeast;
  return E.right({
    key: { tenant: request.tenant ?? defaultTenant, streamName: request.streamName },
    count: count.right,
    backwards,
    from: Math.min(from.right, versionMax),
  });
};
