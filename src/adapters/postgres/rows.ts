/** The one place where rows and answers become values of the port: after it there are no texts of numbers. */
import type { EventMetadata, RecordedEvent } from '../../core/event.js';
import type { Json } from '../../core/json.js';
import {
  type Position,
  positionOf,
  positionParts,
  type StreamName,
  type StreamVersion,
  type Tenant,
} from '../../core/stream.js';
import type { StreamState, StreamSummary } from '../../store/event-store.js';
import type { DeadLetter, TakenMessage } from '../../store/message-queue.js';
import type { Row } from './executor.js';

export const text = (row: Row, column: string): string => {
  const value = row[column];
  // A statement and its reader do not fit: a bug, not an outcome.
  if (typeof value !== 'string') throw new TypeError(`the column ${column} holds ${String(value)}, not text`);
  return value;
};

export const versionOf = (row: Row, column = 'version'): StreamVersion =>
  Number(text(row, column)) as StreamVersion;

export const positionIn = (row: Row, prefix = ''): Position =>
  positionOf(text(row, `${prefix}transaction_id`), text(row, `${prefix}position`));

export const optionalPosition = (row: Row, prefix: string): Position | undefined =>
  row[`${prefix}transaction_id`] === null ? undefined : positionIn(row, prefix);

/** A position as parameters of a statement. */
export const positionTexts = (position: Position): readonly [string, string] => {
  const [commit, sequence] = positionParts(position);
  // What is larger than the server can hold is after everything.
  const commitMax = 2n ** 64n - 1n;
  const sequenceMax = 2n ** 63n - 1n;
  return [
    String(commit > commitMax ? commitMax : commit),
    String(sequence > sequenceMax ? sequenceMax : sequence),
  ];
};

export interface StreamKey {
  readonly tenant: Tenant;
  readonly streamName: StreamName;
}

const keyIn = (row: Row): StreamKey => ({
  tenant: text(row, 'tenant') as Tenant,
  streamName: text(row, 'stream') as StreamName,
});

const secondsLength = '2026-01-31T23:59:59'.length;
const millisecondsLength = secondsLength + '.000'.length;

/** UTC as `to_json` writes it, in quotes and without zeros at the end. Whatever the session's `datestyle`. */
const instantOf = (json: string): string => {
  const instant = json.slice(1, -1);
  return `${instant.length === secondsLength ? `${instant}.000` : instant.padEnd(millisecondsLength, '0')}Z`;
};

const eventOf = (row: Row, { tenant, streamName }: StreamKey): RecordedEvent => ({
  eventId: text(row, 'event_id'),
  type: text(row, 'type'),
  schemaVersion: Number(text(row, 'schema_version')),
  data: JSON.parse(text(row, 'data')) as Json,
  metadata: JSON.parse(text(row, 'metadata')) as EventMetadata,
  tenant,
  streamName,
  version: versionOf(row),
  position: positionIn(row),
  recordedAt: instantOf(text(row, 'recorded_at')),
});

const hasEvent = (row: Row): boolean => row['event_id'] !== null;

/** Rows of a page: an empty page is one row whose event is null. */
export const eventsOf = (rows: ReadonlyArray<Row>): ReadonlyArray<RecordedEvent> =>
  rows.filter(hasEvent).map((row) => eventOf(row, keyIn(row)));

const isOldestFirst = (rows: ReadonlyArray<Row>): boolean => {
  let before = 0;
  for (const row of rows) {
    const version = versionOf(row);
    if (version <= before) return false;
    before = version;
  }
  return true;
};

/** Rows of a page of one stream, in order. They come so, although `read-stream-forwards.sql` does not ask for it. */
export const oldestFirst = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  rows.length < 2 || isOldestFirst(rows) ? rows : [...rows].sort((a, b) => versionOf(a) - versionOf(b));

/** Rows of a page of one stream, which do not repeat its name. */
export const eventsOfStream = (rows: ReadonlyArray<Row>, key: StreamKey): ReadonlyArray<RecordedEvent> =>
  rows.filter(hasEvent).map((row) => eventOf(row, key));

export const summaryOf = (row: Row): StreamSummary => ({
  tenant: text(row, 'tenant') as Tenant,
  streamName: text(row, 'name') as StreamName,
  version: versionOf(row),
  state: text(row, 'state') as StreamState,
});

/** An event inside the answer of `append_events`, see `event_as_json` in the migrations. */
export interface JsonEvent {
  readonly tenant: Tenant;
  readonly stream: StreamName;
  readonly version: StreamVersion;
  readonly transaction_id: string;
  readonly position: string;
  readonly event_id: string;
  readonly type: string;
  readonly schema_version: number;
  readonly data: Json;
  readonly metadata: EventMetadata;
  readonly recorded_at: string;
}

export const eventOfJson = (event: JsonEvent): RecordedEvent => ({
  eventId: event.event_id,
  type: event.type,
  schemaVersion: event.schema_version,
  data: event.data,
  metadata: event.metadata,
  tenant: event.tenant,
  streamName: event.stream,
  version: event.version,
  position: positionOf(event.transaction_id, event.position),
  recordedAt: event.recorded_at,
});

/** What `append_events` answers. */
export interface Written {
  readonly outcome: 'appended' | 'idempotent';
  readonly version: StreamVersion;
  readonly transaction_id: string;
  readonly position: string;
}
export type Refusal =
  | { readonly outcome: 'archived' | 'tombstoned' | 'lease_lost' | 'idempotency_lost' }
  | { readonly outcome: 'version_max'; readonly version: StreamVersion }
  | { readonly outcome: 'condition_failed'; readonly events: ReadonlyArray<JsonEvent> }
  | { readonly outcome: 'epoch_changed'; readonly epoch: string }
  | {
      readonly outcome: 'conflict';
      readonly version: StreamVersion;
      readonly already_recorded: ReadonlyArray<string>;
      readonly tail: ReadonlyArray<JsonEvent> | null;
    };
export type AppendAnswer =
  | { readonly appended: ReadonlyArray<Written> }
  | { readonly refused: number; readonly answer: Refusal };

/** What `mark_stream` answers. */
export type MarkAnswer =
  | { readonly outcome: 'marked' | 'conflict'; readonly version: StreamVersion }
  | { readonly outcome: 'missing' | 'tombstoned' };

/** The answer of a function that gives one row of JSON; another number of rows is never taken for success. */
export const answerOf = <T>(rows: ReadonlyArray<Row>): T => {
  const [row] = rows;
  if (rows.length !== 1 || row === undefined)
    throw new TypeError(`the server answered ${rows.length} rows, not 1`);
  return JSON.parse(text(row, 'answer')) as T;
};

/** A message inside the answer of `take_messages`, see `message_as_json` in the migrations. */
export interface JsonMessage extends Omit<TakenMessage, 'schemaVersion' | 'enqueuedAt'> {
  readonly schema_version: number;
  readonly enqueued_at: string;
}

export const messageOfJson = (message: JsonMessage): TakenMessage => {
  const { tenant, queue, id, key, type, data, metadata, attempt, position } = message;
  const { schema_version: schemaVersion, enqueued_at: enqueuedAt } = message;
  return { tenant, queue, id, key, type, schemaVersion, data, metadata, attempt, position, enqueuedAt };
};

export const letterOfJson = (row: Row): DeadLetter => {
  const letter = JSON.parse(text(row, 'letter')) as JsonMessage & Pick<DeadLetter, 'history' | 'waiting'>;
  const history = letter.history.map(({ attempt, at, error }) => ({ attempt, at, error }));
  return { ...messageOfJson(letter), history, waiting: letter.waiting };
};
