/** Events before and after they are recorded, and what is known about them besides their data. */
import type { Json, JsonObject } from './json.js';
import type { Position, StreamName, StreamVersion, Tenant } from './stream.js';

/** What a writer knows of an event besides its data. Every part is optional; a store adds tenant and recorded time. */
export interface EventMetadata {
  /** The conversation this event belongs to. */
  readonly correlationId?: string;
  /** The message or event that caused this one. */
  readonly causationId?: string;
  /** Who did it. */
  readonly actor?: string;
  /**
   * What the event is about, such as `course:42`: found again by `readMatching`, and what conditions of appends speak of. 1 to 32
   * different texts of 1 to 256 bytes each. Missing where there are none.
   */
  readonly tags?: ReadonlyArray<string>;
  /** Anything else, under names of the writer's own. `saga` is used by sagas. */
  readonly headers?: JsonObject;
}

/** An event before it is recorded. */
export interface EventData {
  /** A UUID, made by the writer: an append that repeats it is recognised. */
  readonly eventId: string;
  readonly type: string;
  /** Which version of the codec wrote `data`; 1 is the first. */
  readonly schemaVersion: number;
  readonly data: Json;
  readonly metadata: EventMetadata;
}

/** An event as a store answers it. */
export interface RecordedEvent extends EventData {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  /** Its place in its stream; the first event has 1. */
  readonly version: StreamVersion;
  /** Its place in the global order. */
  readonly position: Position;
  /** When the store recorded it, ISO 8601 with milliseconds, by the store's clock. Nothing is decided by it. */
  readonly recordedAt: string;
}
