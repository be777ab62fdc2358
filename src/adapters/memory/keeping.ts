/** What the memory store keeps beside streams: subscribers' checkpoints, and snapshots. */
import * as E from 'fp-ts/lib/Either.js';
import { comparePositions, defaultTenant } from '../../core/stream.js';
import type { Checkpoint, CheckpointError } from '../../store/event-store.js';
import { checkPosition, checkSubscriber } from '../../store/limits.js';
import type { Snapshot, StreamKey } from '../../store/snapshots.js';

export const keepCheckpoints = (epoch: string) => {
  const checkpoints = new Map<string, Checkpoint>();
  const later = (old: Checkpoint | undefined, next: Checkpoint): Checkpoint =>
    old !== undefined && comparePositions(old.position, next.position) >= 0 ? old : next;
  return {
    load: (subscriber: string): E.Either<CheckpointError, Checkpoint | undefined> => {
      const checked = checkSubscriber(subscriber);
      return E.isLeft(checked) ? checked : E.right(checkpoints.get(subscriber));
    },
    save: (subscriber: string, checkpoint: Checkpoint): E.Either<CheckpointError, void> => {
      const checked = checkSubscriber(subscriber);
      if (E.isLeft(checked)) return checked;
      const position = checkPosition('position', checkpoint.position);
      if (E.isLeft(position)) return position;
      if (checkpoint.epoch !== epoch)
        return E.left({ _tag: 'EpochChanged', checkpointEpoch: checkpoint.epoch, storeEpoch: epoch });
      checkpoints.set(subscriber, later(checkpoints.get(subscriber), checkpoint));
      return E.right(undefined);
    },
  };
};

export const keepSnapshots = () => {
  const snapshots = new Map<string, Snapshot>();
  const keyOf = ({ tenant, streamName }: StreamKey): string =>
    JSON.stringify([tenant ?? defaultTenant, streamName]);
  return {
    load: (key: StreamKey): Snapshot | undefined => snapshots.get(keyOf(key)),
    save: (key: StreamKey, snapshot: Snapshot): void => {
      const old = snapshots.get(keyOf(key));
      const keepsOld =
        old !== undefined && old.codecVersion === snapshot.codecVersion && old.version > snapshot.version;
      if (!keepsOld) snapshots.set(keyOf(key), structuredClone(snapshot));
    },
  };
};
