/** Writes what a group comes to: its checkpoint, the messages it puts aside, and which of those are done with. */
import type { Fence } from '../../store/leases.js';
import type { ServerContext } from '../context.js';
import type { ServedEvent } from '../feed.js';
import type { GroupEntry } from './config.js';
import { park, parkedLink, saveCheckpoint, unpark } from './kept.js';
import { openWriter } from './writer.js';

export interface Keeping {
  /** Of several that wait to be written, only the newest is. */
  readonly checkpoint: (place: string) => void;
  readonly park: (id: string, event: ServedEvent, reason: string) => void;
  readonly unpark: (before: number) => void;
  /** Nothing more is to be written. */
  readonly giveUp: () => void;
  /** The place that was written last; '' where none was. */
  readonly written: () => string;
  /** Resolves when nothing is left to write. */
  readonly done: () => Promise<void>;
}

/** Says less than the reason that was given, and can be kept wherever anything can. */
const plainReason = 'The reason could not be kept.';

export interface KeepingTerms {
  readonly entry: GroupEntry;
  readonly fence: Fence | undefined;
  /** Aborted when the group ends. */
  readonly signal: AbortSignal;
  readonly written: string;
  readonly onLost: () => void;
  readonly onParked: (id: string) => void;
}

export const openKeeping = (
  context: ServerContext,
  { entry, fence, signal, written, onLost, onParked }: KeepingTerms,
): Keeping => {
  const writer = openWriter(context, { signal, onLost });
  let last = written;
  let next: string | undefined;
  const writeNext = async (): Promise<void> => {
    const place = next;
    next = undefined;
    if (place === undefined) return;
    try {
      await saveCheckpoint(context, entry, place, fence);
      last = place;
    } catch (thrown) {
      next ??= place;
      throw thrown;
    }
  };
  return {
    checkpoint: (place) => {
      const isWaiting = next !== undefined;
      next = place;
      if (!isWaiting) writer.write(writeNext);
    },
    park: (id, event, reason) => {
      const putAside = (why: string) => {
        const link = parkedLink(context, event, why);
        return async (): Promise<void> => {
          await park(context, entry, link, fence);
          onParked(id);
        };
      };
      writer.write(putAside(reason), putAside(plainReason));
    },
    unpark: (before) => writer.write(() => unpark(context, entry, before, fence)),
    written: () => last,
    giveUp: writer.giveUp,
    done: writer.done,
  };
};
