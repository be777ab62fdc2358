/** What people see of an aggregate's life: its revision, when it was last changed, and by whom. Work of the system leaves no trace in it. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import type { RecordedEvent } from '../event.js';
import { saveMark } from './save-header.js';

/** A fold beside the state's, and carried by snapshots with it. */
export interface About {
  /** Number of saves by editors; 0 is none. Events without a save header are a revision each. */
  readonly revision: number;
  /** When the last of them was recorded, ISO 8601 with milliseconds, by the store's clock. */
  readonly lastModified: string | undefined;
  /** `metadata.actor` of the last of them. */
  readonly lastModifiedBy: string | undefined;
  /** Id of the last of them, where it has one. */
  readonly lastSaveId: string | undefined;
}

const orNull = t.union([t.string, t.null]);
const Stored = t.type({
  revision: t.number,
  lastModified: orNull,
  lastModifiedBy: orNull,
  lastSaveId: orNull,
});

/** As it is kept in snapshots: what is not there is null. */
export const About = new t.Type<About, t.OutputOf<typeof Stored>, unknown>(
  'About',
  (value): value is About => typeof value === 'object' && value !== null && 'revision' in value,
  (input, context) => {
    const stored = Stored.validate(input, context);
    if (E.isLeft(stored)) return stored;
    const { revision, lastModified, lastModifiedBy, lastSaveId } = stored.right;
    return t.success({
      revision,
      lastModified: lastModified ?? undefined,
      lastModifiedBy: lastModifiedBy ?? undefined,
      lastSaveId: lastSaveId ?? undefined,
    });
  },
  ({ revision, lastModified, lastModifiedBy, lastSaveId }) => ({
    revision,
    lastModified: lastModified ?? null,
    lastModifiedBy: lastModifiedBy ?? null,
    lastSaveId: lastSaveId ?? null,
  }),
);

/** Of a stream without events. */
export const aboutNothing: About = {
  revision: 0,
  lastModified: undefined,
  lastModifiedBy: undefined,
  lastSaveId: undefined,
};

/**
 * The fold's step. Events of one save are one revision, and those of the system's work change nothing.
 *
 * ```ts
 * const about = events.reduce(aboutAfter, aboutNothing);
 * ```
 */
export const aboutAfter = (
  about: About,
  { metadata, recordedAt }: Pick<RecordedEvent, 'metadata' | 'recordedAt'>,
): About => {
  const { id, isSystemWork } = saveMark(metadata);
  if (isSystemWork) return about;
  const isSameSave = id !== undefined && id === about.lastSaveId;
  return {
    revision: isSameSave ? about.revision : about.revision + 1,
    lastModified: recordedAt,
    lastModifiedBy: metadata.actor,
    lastSaveId: id,
  };
};
