/** The port for snapshots: a folded state kept beside its stream, a shortcut that can be thrown away at any time. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Json } from '../core/json.js';
import type { StreamName, StreamVersion, Tenant } from '../core/stream.js';
import type { ReadAllError } from './event-store.js';

export interface Snapshot {
  /** The stream's version that `state` is the fold of. */
  readonly version: StreamVersion;
  /** Which codec wrote it. A reader with another one ignores the snapshot and folds from the beginning. */
  readonly codecVersion: string;
  readonly state: Json;
}

export interface StreamKey {
  readonly tenant?: Tenant;
  readonly streamName: StreamName;
}

export interface Snapshots {
  /** The newest snapshot of a stream; `undefined` where there is none. */
  readonly load: (key: StreamKey) => TaskEither<ReadAllError, Snapshot | undefined>;
  /** Keeps the snapshot unless the stream has a newer one of the same codec. */
  readonly save: (key: StreamKey, snapshot: Snapshot) => TaskEither<ReadAllError, void>;
}
