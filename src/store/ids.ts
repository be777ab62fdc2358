/** New identifiers: the one place besides the runtime's environment where chance enters. */
import { v7 } from 'uuid';

/** A new event id: a UUID version 7, ordered by time so that the index on it grows at one end. */
export const newId = (): string => v7();
