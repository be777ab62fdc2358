/** What a save leaves in its events' metadata, so that people can see later how it was saved and whether it counts as a revision. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { concurrencyStrategies, type ConcurrencyStrategy } from './concurrency-strategy.js';
import type { EventMetadata } from '../event.js';
import type { JsonObject } from '../json.js';

const strategies = Object.fromEntries(concurrencyStrategies.map((name) => [name, null])) as {
  readonly [S in ConcurrencyStrategy]: null;
};

/** Stands under `metadata.headers.save` of each event of one save, the same on all of them. */
export const SaveHeader = t.intersection([
  t.type({
    /** A UUID of the save. */
    id: t.string,
    /** What the save did about other writers; for `adaptive`, what that chose. */
    strategy: t.keyof(strategies),
    /** Which attempt was written; 1 is the first. */
    attempts: t.number,
  }),
  t.partial({
    /** How long the save waited for the stream's lock, in milliseconds; absent where it took none. */
    waitedMs: t.number,
    /** Names of the rules that chose the strategy. */
    policy: t.string,
    /** Work of the system: adds nothing to what people see as revisions. */
    work: t.literal('system'),
    /** Name of the system's operation. */
    operation: t.string,
  }),
]);
export type SaveHeader = t.TypeOf<typeof SaveHeader>;

/** What a fold needs to know of a save, and no more: a header of a newer make is read as far as this. */
export interface SaveMark {
  readonly id: string | undefined;
  readonly isSystemWork: boolean;
}

const rawHeader = ({ headers }: EventMetadata): JsonObject | undefined => {
  const save = headers?.['save'];
  return typeof save === 'object' && save !== null && !Array.isArray(save) ? (save as JsonObject) : undefined;
};

export const saveMark = (metadata: EventMetadata): SaveMark => {
  const { id, work } = rawHeader(metadata) ?? {};
  return { id: typeof id === 'string' ? id : undefined, isSystemWork: work === 'system' };
};

/** The header of an event's save; `undefined` where it was written in another way, or by a newer make. */
export const saveHeaderOf = ({ metadata }: { readonly metadata: EventMetadata }): SaveHeader | undefined => {
  const raw = rawHeader(metadata);
  if (raw === undefined) return undefined;
  const decoded = SaveHeader.decode(raw);
  return E.isRight(decoded) ? decoded.right : undefined;
};

/**
 * Metadata that carries the header beside what it has.
 *
 * ```ts
 * withSaveHeader({ actor: 'ada' }, { id: newId(), strategy: 'retry', attempts: 2 });
 * ```
 */
export const withSaveHeader = (metadata: EventMetadata, save: SaveHeader): EventMetadata => ({
  ...metadata,
  headers: { ...metadata.headers, save },
});
