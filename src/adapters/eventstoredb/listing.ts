/**
 * The list of streams. EventStoreDB keeps none, unless its projections run, and then one that is behind: so the global order is read, the first
 * time from the beginning, later on from where the handle has come to. It keeps a name and a version of each stream.
 */
import * as E from 'fp-ts/lib/Either.js';
import { compareCodePoints } from '../../core/code-points.js';
import { streamKeyOf, systemTenant } from '../../core/eventstoredb/stream-id.js';
import {
  categoryOf,
  defaultTenant,
  type Position,
  startPosition,
  type StreamName,
  type StreamVersion,
  type Tenant,
} from '../../core/stream.js';
import type { ListStreamsRequest, StreamSummary } from '../../store/event-store.js';
import { checkCount, pageDefault, pageMax } from '../../store/limits.js';
import type { BadRequest } from '../../store/store-errors.js';
import type { StoreContext } from './context.js';
import { usersOnly } from './filter.js';
import { readStretch } from './reading.js';
import type { RawEvent } from './wire.js';

type Versions = Map<StreamName, StreamVersion>;

export interface Listing {
  readonly list: (request: ListStreamsRequest) => Promise<E.Either<BadRequest, ReadonlyArray<StreamSummary>>>;
}

export const keepListing = (context: StoreContext): Listing => {
  const tenants = new Map<Tenant, Versions>();
  let scanned: Position = startPosition;
  let scanning: Promise<void> = Promise.resolve();

  const noteEvent = ({ streamId, version }: RawEvent): void => {
    const key = streamKeyOf(streamId);
    if (E.isLeft(key) || key.right.tenant === systemTenant) return;
    const { tenant, streamName } = key.right;
    const versions: Versions = tenants.get(tenant) ?? new Map();
    tenants.set(tenant, versions);
    versions.set(streamName, Math.max(version, versions.get(streamName) ?? 0) as StreamVersion);
  };
  const scan = async (): Promise<void> => {
    for (;;) {
      const order = { after: scanned, count: pageMax, backwards: false };
      const { events, last, isEnd } = await readStretch(context, order, usersOnly);
      for (const event of events) noteEvent(event);
      scanned = last;
      if (isEnd) return;
    }
  };
  const scanInTurn = (): Promise<void> => {
    scanning = scanning.then(scan, scan);
    return scanning;
  };

  return {
    list: async ({ after, category, maxCount, includeArchived, ...request }) => {
      const count = checkCount('maxCount', maxCount, pageDefault, 1, pageMax);
      if (E.isLeft(count)) return count;
      await scanInTurn();
      const tenant = request.tenant ?? defaultTenant;
      const shown: StreamSummary[] = [];
      for (const [streamName, version] of tenants.get(tenant) ?? []) {
        if (category !== undefined && categoryOf(streamName) !== category) continue;
        if (after !== undefined && compareCodePoints(streamName, after) <= 0) continue;
        const state = context.marks.stateOf({ tenant, streamName });
        if (state === 'open' || (state === 'archived' && includeArchived === true))
          shown.push({ tenant, streamName, version, state });
      }
      shown.sort((a, b) => compareCodePoints(a.streamName, b.streamName));
      return E.right(shown.slice(0, count.right));
    },
  };
};
