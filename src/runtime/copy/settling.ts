/** After the events: what the pages could not bring, and how streams are marked. */
import * as E from 'fp-ts/lib/Either.js';
import { toPromise } from '../../core/fault.js';
import { any, type StreamName, type Tenant } from '../../core/stream.js';
import { keyOf, type StreamDigest, type StreamDigests } from '../../core/stream-digest.js';
import type { EventStore, StreamState, StreamSummary } from '../../store/event-store.js';
import { streamsOf } from './digests.js';
import type { CopyScope } from './pages.js';
import { fillStream, type Sides, together, type Written } from './writing.js';

/** A stream of some tenant. */
export interface StreamOfTenant {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
}

export interface Settled extends Written {
  /** Streams whose mark was changed in the target. */
  readonly marked: number;
}

export interface Settling {
  readonly sides: Sides;
  readonly scope: CopyScope;
  /** What the source holds. */
  readonly source: StreamDigests;
  readonly signal: AbortSignal | undefined;
}

const mark = async (to: EventStore, { tenant, streamName }: StreamOfTenant, as: StreamState): Promise<void> =>
  void (await toPromise(to.markStream({ tenant, streamName, as, expected: any })));

const settleStream = async (
  { sides }: Settling,
  source: StreamDigest,
  target: StreamSummary | undefined,
): Promise<Settled> => {
  const standsAt = target?.version ?? 0;
  // A stream that was archived, hence passed over, and is open again.
  const filled =
    standsAt < source.version
      ? await fillStream(sides, source, standsAt + 1, source.version)
      : { copied: 0, known: 0 };
  if (source.state === (target?.state ?? 'open')) return { ...filled, marked: 0 };
  await mark(sides.to, source, source.state);
  return { ...filled, marked: 1 };
};

/** Brings what is missing, and marks open and archived streams as they are in the source. */
export const settle = async (settling: Settling): Promise<Settled> => {
  const { sides, scope, source, signal } = settling;
  const there = new Map<string, StreamSummary>();
  // A stream of the target that is archived where the source's is open must be seen, whatever is copied.
  for (const tenant of new Set([...source.values()].map((stream) => stream.tenant)))
    for await (const summary of streamsOf(sides.to, tenant, { ...scope, includeArchived: true }))
      there.set(keyOf(tenant, summary.streamName), summary);
  const done: Settled[] = [];
  for (const [key, stream] of source) {
    if (signal?.aborted === true) break;
    done.push(await settleStream(settling, stream, there.get(key)));
  }
  return { ...together(done), marked: done.reduce((sum, one) => sum + one.marked, 0) };
};

/** Streams that only the target has because they are tombstoned in the source. */
export const goneStreams = async (
  from: EventStore,
  source: StreamDigests,
  target: StreamDigests,
): Promise<ReadonlyArray<StreamOfTenant>> => {
  const gone: StreamOfTenant[] = [];
  for (const [key, { tenant, streamName }] of target) {
    if (source.has(key)) continue;
    const read = await from.readStream({ tenant, streamName, maxCount: 1, includeArchived: true })();
    if (E.isLeft(read) && read.left._tag === 'StreamTombstoned') gone.push({ tenant, streamName });
  }
  return gone;
};

export const tombstoneAll = async (to: EventStore, streams: ReadonlyArray<StreamOfTenant>): Promise<void> => {
  for (const stream of streams) await mark(to, stream, 'tombstoned');
};
