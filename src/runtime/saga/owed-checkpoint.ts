/** The checkpoint of a follower: saved one after another, and never further than the work has come. */
import type { Position } from '../../core/stream.js';
import type { Checkpoint, EventStore } from '../../store/event-store.js';
import type { Patience } from '../outage.js';
import { orThrow } from './owed-closed.js';

/** Saves how far the work has come. `reached` says what is true when everything up to a checkpoint has been taken in. */
export const checkpointSaver = (
  store: EventStore,
  subscriber: string,
  { through }: Patience,
  reached: (seen: Checkpoint | undefined) => Checkpoint | undefined,
) => {
  let seen: Checkpoint | undefined;
  let saved: Position | undefined;
  let saving = Promise.resolve();
  const save = (): Promise<void> =>
    through(async () => {
      const checkpoint = reached(seen);
      if (checkpoint === undefined || checkpoint.position === saved) return;
      orThrow(await store.checkpoints.save(subscriber, checkpoint)());
      saved = checkpoint.position;
    });
  return {
    seen: () => seen,
    see: (checkpoint: Checkpoint): void => void (seen = checkpoint),
    /** One after another, so that what is saved last is what was true last. */
    save: (): Promise<void> => {
      const mine = saving.then(save);
      saving = mine.catch(() => undefined);
      return mine;
    },
    settled: (): Promise<void> => saving,
  };
};
