/**
 * How an event of ours looks in EventStoreDB and KurrentDB: its data is the JSON body, everything else the custom metadata, under the
 * names that those databases know (`$correlationId`, `$causationId`).
 */
import type { EventData, EventMetadata } from '../event.js';
import type { Json, JsonObject } from '../json.js';

/** What the metadata of an event there says to us. */
export interface FormOfMetadata {
  readonly schemaVersion: number;
  readonly metadata: EventMetadata;
}

/** The custom metadata of an event there. `schemaVersion` is always among it, and tells our events from those of others. */
export const metadataFormOf = ({
  schemaVersion,
  metadata,
}: Pick<EventData, 'schemaVersion' | 'metadata'>): JsonObject => ({
  ...(metadata.correlationId !== undefined && { $correlationId: metadata.correlationId }),
  ...(metadata.causationId !== undefined && { $causationId: metadata.causationId }),
  ...(metadata.actor !== undefined && { actor: metadata.actor }),
  ...(metadata.tags !== undefined && { tags: metadata.tags }),
  ...(metadata.headers !== undefined && { headers: metadata.headers }),
  schemaVersion,
});

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const formKeys: ReadonlySet<string> = new Set([
  '$correlationId',
  '$causationId',
  'actor',
  'tags',
  'headers',
  'schemaVersion',
]);

/** Whether metadata there was written by us: `metadataFormOf` of something. */
export const isOwnForm = (form: Json | undefined): form is JsonObject =>
  isObject(form) &&
  Object.keys(form).every((key) => formKeys.has(key)) &&
  Number.isInteger(form['schemaVersion']) &&
  (form['schemaVersion'] as number) >= 1 &&
  ['$correlationId', '$causationId', 'actor'].every((key) => form[key] === undefined || isText(form[key])) &&
  (form['headers'] === undefined || isObject(form['headers'])) &&
  (form['tags'] === undefined ||
    (Array.isArray(form['tags']) && form['tags'].length > 0 && form['tags'].every(isText)));

const textsOf = (form: JsonObject): EventMetadata => ({
  ...(isText(form['$correlationId']) && { correlationId: form['$correlationId'] }),
  ...(isText(form['$causationId']) && { causationId: form['$causationId'] }),
});

/**
 * What metadata there means here. What others wrote is kept whole under `headers.eventstoredb`; correlation and causation are
 * taken from it besides, by the names that the database gives them.
 */
export const readMetadataForm = (form: Json | undefined): FormOfMetadata => {
  if (form === undefined) return { schemaVersion: 1, metadata: {} };
  if (!isOwnForm(form))
    return {
      schemaVersion: 1,
      metadata: { ...(isObject(form) && textsOf(form)), headers: { eventstoredb: { metadata: form } } },
    };
  const { actor, tags, headers, schemaVersion } = form;
  return {
    schemaVersion: schemaVersion as number,
    metadata: {
      ...textsOf(form),
      ...(actor !== undefined && { actor: actor as string }),
      ...(tags !== undefined && { tags: tags as ReadonlyArray<string> }),
      ...(headers !== undefined && { headers: headers as JsonObject }),
    },
  };
};
