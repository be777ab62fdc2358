/**
 * Marks on streams: archived, open again, tombstoned. EventStoreDB has no archive, so marks are records in a stream of the adapter's own, which
 * each handle has read and keeps up with. A tombstone is the server's own besides, and its record says it to readers of the global
 * order, where the server leaves the events of a tombstoned stream standing.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { JsonObject } from '../../core/json.js';
import { derivedId } from '../../core/ids.js';
import { ownStreamId, type StreamKey, streamIdOf, streamKeyOf } from '../../core/eventstoredb/stream-id.js';
import type { StreamVersion } from '../../core/stream.js';
import type { StreamState } from '../../store/event-store.js';
import { newId } from '../../store/ids.js';
import { pageMax } from '../../store/limits.js';
import type { Connection } from './connection.js';
import { proposed, type RawEvent } from './wire.js';

export const marksStreamId = ownStreamId('marks');
const markType = 'StreamMarked';
/** What the server itself writes into a stream that is tombstoned. */
const serverTombstone = '$streamDeleted';

export interface Marks {
  readonly stateOf: (key: StreamKey) => StreamState;
  /** Records a mark; it holds in this handle at once, and in others when they have seen it. Rejects with a `FaultError`. */
  readonly record: (key: StreamKey, state: StreamState, version: StreamVersion) => Promise<void>;
  /** The server says that the stream is tombstoned; where no mark says so, one is recorded, as well as that goes. */
  readonly learnTombstone: (key: StreamKey) => Promise<void>;
  /** Looks at an event that came live. */
  readonly see: (event: RawEvent) => void;
  /** Reads the marks that this handle has not seen. Rejects with a `FaultError`. */
  readonly catchUp: () => Promise<void>;
}

interface Kept {
  readonly state: StreamState;
  /** Version of the record that says so: a later one holds. */
  readonly at: number;
}

const states: ReadonlySet<unknown> = new Set(['open', 'archived', 'tombstoned']);

const markIn = ({
  type,
  data,
}: RawEvent): { readonly id: string; readonly state: StreamState } | undefined => {
  if (type !== markType) return undefined;
  const { stream, state } = JSON.parse(Buffer.from(data).toString()) as JsonObject;
  return typeof stream === 'string' && states.has(state)
    ? { id: stream, state: state as StreamState }
    : undefined;
};

export const keepMarks = (connection: Connection): Marks => {
  const kept = new Map<string, Kept>();
  let read = 0;

  const apply = (id: string, state: StreamState, at: number): void => {
    const old = kept.get(id);
    if (old !== undefined && (old.state === 'tombstoned' || old.at >= at)) return;
    kept.set(id, { state, at });
  };
  const applyEvent = (event: RawEvent): void => {
    const mark = markIn(event);
    if (mark !== undefined) apply(mark.id, mark.state, event.version);
  };
  const write = async (id: string, state: StreamState, version: number, eventId: string): Promise<number> => {
    const data = { stream: id, state, version };
    const event = proposed({ eventId, type: markType, schemaVersion: 1, data, metadata: {} });
    const written = await connection.append({ streamId: marksStreamId, expected: 'any', events: [event] });
    return written.version;
  };

  return {
    stateOf: (key) => kept.get(streamIdOf(key))?.state ?? 'open',
    record: async (key, state, version) => {
      const id = streamIdOf(key);
      apply(id, state, await write(id, state, version, newId()));
    },
    learnTombstone: async (key) => {
      const id = streamIdOf(key);
      if (kept.get(id)?.state === 'tombstoned') return;
      apply(id, 'tombstoned', Infinity);
      // Whoever finds out first writes it; the others write the same event. Where that fails, the next one does.
      await write(id, 'tombstoned', 0, derivedId('tombstone', id)).catch(() => undefined);
    },
    see: (event) => {
      if (event.streamId === marksStreamId) applyEvent(event);
      // A tombstone of another program. Names of streams that are none of ours cannot be asked for either.
      else if (event.type === serverTombstone && E.isRight(streamKeyOf(event.streamId)))
        apply(event.streamId, 'tombstoned', Infinity);
    },
    catchUp: async () => {
      for (;;) {
        const from = (read + 1) as StreamVersion;
        const request = { streamId: marksStreamId, backwards: false, from, count: pageMax };
        const { events } = await connection.read(request);
        for (const event of events) applyEvent(event);
        read = events.at(-1)?.version ?? read;
        if (events.length < pageMax) return;
      }
    },
  };
};
