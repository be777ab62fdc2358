/** Hashes of streams and of all streams together, by which two stores are compared: equal hashes, equal histories. */
import type { EventData } from './event.js';
import { hashOf, isJsonEqual, type Json } from './json.js';
import type { StreamName, StreamVersion, Tenant } from './stream.js';

/** What one stream comes to. */
export interface StreamDigest {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly version: StreamVersion;
  readonly state: 'open' | 'archived';
  /** SHA-256 over its events in their order, 64 hexadecimal digits. */
  readonly hash: string;
}

/** What all streams of a store come to. */
export interface StoreDigest {
  /** SHA-256 over the streams in the order of tenants and names (by code units), with their states. */
  readonly hash: string;
  readonly streams: number;
  readonly events: number;
}

/** A stream that is not the same on both sides; the side that lacks it is undefined. */
export interface StreamDifference {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  readonly source: Pick<StreamDigest, 'version' | 'state' | 'hash'> | undefined;
  readonly target: Pick<StreamDigest, 'version' | 'state' | 'hash'> | undefined;
}

export interface Comparison {
  readonly source: StoreDigest;
  readonly target: StoreDigest;
  readonly isEqual: boolean;
  /** The first of them in the order of names, at most `differencesMax`. */
  readonly differences: ReadonlyArray<StreamDifference>;
  readonly differencesCount: number;
}

export const differencesMax = 1_000;

/** The hash of a stream with one event more; that of no events is the empty text. */
export const withEvent = (hash: string, version: number, event: EventData): string => {
  const { eventId, type, schemaVersion, data, metadata } = event;
  return hashOf([hash, version, eventId, type, schemaVersion, data, metadata as Json]);
};

/** Whether two events are the same but for where and when they were recorded. */
export const isSameEvent = (a: EventData, b: EventData): boolean =>
  a.eventId === b.eventId &&
  a.type === b.type &&
  a.schemaVersion === b.schemaVersion &&
  isJsonEqual(a.data, b.data) &&
  isJsonEqual(a.metadata as Json, b.metadata as Json);

/** One key for a stream of any tenant; no name holds a NUL. */
export const keyOf = (tenant: Tenant, streamName: StreamName): string => `${tenant}\u0000${streamName}`;

export type StreamDigests = ReadonlyMap<string, StreamDigest>;

const digestOf = (streams: StreamDigests): StoreDigest => {
  let [hash, events] = ['', 0];
  for (const key of [...streams.keys()].sort()) {
    const { tenant, streamName, version, state, hash: own } = streams.get(key) as StreamDigest;
    hash = hashOf([hash, tenant, streamName, version, state, own]);
    events += version;
  }
  return { hash: hashOf(hash), streams: streams.size, events };
};

const isSame = (a: StreamDigest | undefined, b: StreamDigest | undefined): boolean =>
  a !== undefined && b !== undefined && a.hash === b.hash && a.version === b.version && a.state === b.state;

const sideOf = (digest: StreamDigest | undefined): StreamDifference['source'] =>
  digest && { version: digest.version, state: digest.state, hash: digest.hash };

/** Each side's hash is made of that side alone. */
export const compareDigests = (source: StreamDigests, target: StreamDigests): Comparison => {
  const differing = [...new Set([...source.keys(), ...target.keys()])].filter(
    (key) => !isSame(source.get(key), target.get(key)),
  );
  const differences = differing
    .sort()
    .slice(0, differencesMax)
    .map((key): StreamDifference => {
      const [here, there] = [source.get(key), target.get(key)];
      const { tenant, streamName } = (here ?? there) as StreamDigest;
      return { tenant, streamName, source: sideOf(here), target: sideOf(there) };
    });
  const [left, right] = [digestOf(source), digestOf(target)];
  return {
    source: left,
    target: right,
    isEqual: left.hash === right.hash,
    differences,
    differencesCount: differing.length,
  };
};
