/** Reads a store and says what its streams come to, for the comparison with another. */
import { toPromise } from '../../core/fault.js';
import {
  comparePositions,
  type Position,
  startPosition,
  type StreamVersion,
  type Tenant,
} from '../../core/stream.js';
import { keyOf, type StreamDigest, type StreamDigests, withEvent } from '../../core/stream-digest.js';
import type { EventStore, HeldBack, StreamSummary } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import { type CopyScope, pagesOf, type Reading } from './pages.js';

/** The streams of a tenant that are in scope, in the order of their names. Tombstoned ones are never listed. */
export async function* streamsOf(
  store: EventStore,
  tenant: Tenant,
  { category, includeArchived = true }: CopyScope,
): AsyncGenerator<StreamSummary, void, undefined> {
  let after: string | undefined;
  do {
    const about = { tenant, includeArchived, ...(category !== undefined && { category }) };
    const page = await toPromise(
      store.listStreams({ ...about, maxCount: pageMax, ...(after !== undefined && { after }) }),
    );
    yield* page;
    after = page.length < pageMax ? undefined : page.at(-1)?.streamName;
  } while (after !== undefined);
}

type Hashed = Omit<StreamDigest, 'state'>;

export interface ReadDigests {
  readonly streams: StreamDigests;
  /** Set where later events still waited behind an open transaction. */
  readonly heldBack: HeldBack | undefined;
}

/** Called now and then with how many events were read, and the place of the last. */
export type OnRead = (events: number, position: Position) => void;

interface ReadHashes {
  readonly hashed: ReadonlyMap<string, Hashed>;
  readonly heldBack: HeldBack | undefined;
}

const hashesOf = async (
  reading: Reading,
  through: Position | undefined,
  onRead: OnRead,
): Promise<ReadHashes> => {
  const hashed = new Map<string, Hashed>();
  let count = 0;
  const isBeyond = (position: Position): boolean =>
    through !== undefined && comparePositions(position, through) > 0;
  const pages = pagesOf(reading, startPosition);
  for (;;) {
    const next = await pages.next();
    if (next.done === true) return { hashed, heldBack: next.value };
    const { events, last } = next.value;
    for (const event of events) {
      if (isBeyond(event.position)) break;
      const { tenant, streamName } = event;
      const key = keyOf(tenant, streamName);
      const before = hashed.get(key);
      const version = ((before?.version ?? 0) + 1) as StreamVersion;
      hashed.set(key, {
        tenant,
        streamName,
        version,
        hash: withEvent(before?.hash ?? '', event.version, event),
      });
      count += 1;
    }
    onRead(count, last);
    // Whoever writes to the source meanwhile must not keep this from ending.
    if (last === through || isBeyond(last)) return { hashed, heldBack: undefined };
  }
};

/**
 * Digests of all streams in scope, of their events up to `through` (default: to the end). Holds some hundred bytes for each stream
 * in memory.
 */
export const digestsOf = async (
  reading: Reading,
  through: Position | undefined,
  onRead: OnRead,
): Promise<ReadDigests> => {
  const { hashed, heldBack } = await hashesOf(reading, through, onRead);
  const streams = new Map<string, StreamDigest>();
  for (const tenant of new Set([...hashed.values()].map((one) => one.tenant)))
    for await (const { streamName, state } of streamsOf(reading.store, tenant, reading.scope)) {
      const key = keyOf(tenant, streamName);
      const own = hashed.get(key);
      // What began later is not looked at, and what was tombstoned meanwhile is gone.
      if (own !== undefined && state !== 'tombstoned') streams.set(key, { ...own, state });
    }
  return { streams, heldBack };
};
