/**
 * Prints events of streams for snapshots: readable, and the same on every run. Ids and hashes become small names in the
 * order in which they appear; times and positions are left out.
 *
 *     stream basket-b
 *     1 Told {"text":"hello"}  <- m1  => message-1 Notice {"text":"hello"}
 *     2 MergeSagaState {"base":1, ...}  <- m2
 */
import type { RecordedEvent } from '../../core/event.js';
import type { Json } from '../../core/json.js';
import { recordTypes, reservedTypes } from '../../core/saga/saga.js';
import * as records from '../../core/saga/saga-records.js';
import { isRecordedEvent } from './look.js';

const lineMax = 120;

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const sha256 = /\b[0-9a-f]{64}\b/g;

/** What an id in a record of the engine's own names, by the field it stands in. */
const kindOf: Readonly<Record<string, string>> = {
  branchId: 'branch',
  branches: 'branch',
  resolves: 'branch',
  accepted: 'branch',
  rejected: 'branch',
  mergeId: 'merge',
  messageId: 'cause',
  handled: 'cause',
  of: 'message',
  id: 'message',
};

type Name = (id: string, kind: string) => string;

/** Names in order of appearance, for each kind from 1. */
const names = (): Name => {
  const known = new Map<string, string>();
  const counts = new Map<string, number>();
  return (id, kind) => {
    const name = known.get(id);
    if (name !== undefined) return name;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    known.set(id, `${kind}-${count}`);
    return `${kind}-${count}`;
  };
};

const renameText = (text: string, kind: string, name: Name): string =>
  text.replace(uuid, (id) => name(id, kind)).replace(sha256, (id) => name(id, 'hash'));

/** A copy with small names for ids, its keys in order: stores keep them in orders of their own. */
const rename = (value: Json, kind: string, name: Name, kinds: typeof kindOf): Json => {
  if (typeof value === 'string') return renameText(value, kind, name);
  if (Array.isArray(value)) return value.map((item: Json) => rename(item, kind, name, kinds));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    fields.map(([key, part]) => [key, rename(part as Json, kinds[key] ?? kind, name, kinds)]),
  );
};

/** The ids that a record gives are named before those that it mentions. */
const introduce = ({ data }: RecordedEvent, name: Name): void => {
  if (records.mergeSagaState.is(data)) name(data.branchId, 'branch');
  if (records.sagaMerged.is(data)) name(data.mergeId, 'merge');
};

const isEmpty = (value: Json): boolean => JSON.stringify(value) === '{}';

const sendsText = (event: RecordedEvent, name: Name): ReadonlyArray<string> =>
  (records.headerOf(event.metadata)?.sends ?? []).map(({ id, type, data, cancelled }) => {
    const shown = isEmpty(data) ? '' : ` ${JSON.stringify(rename(data, 'id', name, {}))}`;
    return `=> ${name(id, 'message')} ${type}${shown}${cancelled === undefined ? '' : ' (cancelled)'}`;
  });

/** Whatever else the writer said of the event; not a conversation that merely began with one of the causes, nor random traces. */
const restText = (
  { metadata }: RecordedEvent,
  name: Name,
  causes: ReadonlySet<string>,
): ReadonlyArray<string> => {
  const { causationId: _causation, correlationId, headers, ...plain } = metadata;
  const { saga: _saga, traceparent: _parent, tracestate: _state, ...own } = headers ?? {};
  const isTold = correlationId !== undefined && !causes.has(correlationId);
  const rest = {
    ...(isTold && { correlationId }),
    ...plain,
    ...(Object.keys(own).length > 0 && { headers: own }),
  } as Json;
  return isEmpty(rest) ? [] : [`with ${JSON.stringify(rename(rest, 'id', name, {}))}`];
};

/** JSON that breaks its lines only where they become too long. */
const pretty = (value: Json, indent: string): string => {
  const flat = JSON.stringify(value);
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= lineMax) return flat;
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const parts = isList
    ? value.map((item: Json) => pretty(item, inner))
    : Object.entries(value).map(([key, part]) => `${JSON.stringify(key)}: ${pretty(part as Json, inner)}`);
  const [open, close] = isList ? '[]' : '{}';
  return `${open}\n${parts.map((part) => `${inner}${part}`).join(',\n')}\n${indent}${close}`;
};

/** Records whose data says what caused them. */
const tellsCause: ReadonlySet<string> = new Set([recordTypes.sagaMerged, recordTypes.sagaMergeRefused]);

const linesOf = (event: RecordedEvent, name: Name, causes: ReadonlySet<string>): ReadonlyArray<string> => {
  const { version, type, metadata, schemaVersion } = event;
  introduce(event, name);
  const header = records.headerOf(metadata);
  const isRecord = reservedTypes.has(type);
  const data = rename(event.data, 'id', name, isRecord ? kindOf : {});
  const via = header?.branchId ?? (type === recordTypes.sagaCompleted ? undefined : header?.mergeId);
  const kind = header?.branchId === undefined ? 'merge' : 'branch';
  const notes = [
    ...(schemaVersion > 1 ? [`schema version ${schemaVersion}`] : []),
    ...(metadata.causationId === undefined || tellsCause.has(type)
      ? []
      : [`<- ${renameText(metadata.causationId, 'cause', name)}`]),
    ...(via === undefined ? [] : [`(${name(via, kind)})`]),
    ...sendsText(event, name),
    ...restText(event, name, causes),
  ];
  const head = `${version} ${type}`;
  const short = [isEmpty(data) ? head : `${head} ${JSON.stringify(data)}`, ...notes].join('  ');
  if (short.length <= lineMax) return [short];
  const long = `    ${pretty(data, '    ')}`.split('\n');
  return [[head, ...notes].join('  '), ...(isEmpty(data) ? [] : long)];
};

const isStream = (value: unknown): value is ReadonlyArray<RecordedEvent> =>
  Array.isArray(value) && value.length > 0 && value.every(isRecordedEvent);

/** The lines of a snapshot, for one event or those of a stream. */
export const streamLines = (value: RecordedEvent | ReadonlyArray<RecordedEvent>): ReadonlyArray<string> => {
  const name = names();
  const events: ReadonlyArray<RecordedEvent> = isRecordedEvent(value) ? [value] : value;
  const causes = new Set(events.flatMap(({ metadata }) => metadata.causationId ?? []));
  const isOfOne = new Set(events.map(({ streamName }) => streamName)).size === 1;
  const head = isStream(value) && isOfOne ? [`stream ${String(value[0]?.streamName)}`] : [];
  return [
    ...head,
    ...events.flatMap((event) => {
      const [first = '', ...rest] = linesOf(event, name, causes);
      return [isOfOne ? first : `${event.streamName} ${first}`, ...rest];
    }),
  ];
};

/** For `expect.addSnapshotSerializer`, where it is not registered by importing `watersmeet/jest`. */
export const streamSerializer = {
  test: (value: unknown): boolean => isRecordedEvent(value) || isStream(value),
  serialize: (value: unknown, _config: unknown, indentation: string): string =>
    streamLines(value as RecordedEvent | ReadonlyArray<RecordedEvent>).join(`\n${indentation}`),
};
