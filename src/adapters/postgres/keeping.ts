/** What is kept beside the events: marks on streams, subscribers' checkpoints, snapshots. */
import * as E from 'fp-ts/lib/Either.js';
import { checkExpectedVersion, defaultTenant, expectedAfter } from '../../core/stream.js';
import { strictJson } from '../../core/json.js';
import type { Json } from '../../core/json.js';
import type {
  Checkpoint,
  CheckpointError,
  MarkError,
  MarkRequest,
  StreamSummary,
} from '../../store/event-store.js';
import { checkKey, checkPosition, checkSubscriber } from '../../store/limits.js';
import type { Snapshot, StreamKey } from '../../store/snapshots.js';
import { ask, type BadRequest, type SqlContext } from './context.js';
import { faultOf } from './executor.js';
import { answerOf, type MarkAnswer, positionIn, positionTexts, text, versionOf } from './rows.js';

export const markStream = async (
  { executor, statements }: SqlContext,
  request: MarkRequest,
): Promise<E.Either<MarkError, StreamSummary>> => {
  const key = checkKey(request);
  if (E.isLeft(key)) return key;
  const checked = checkExpectedVersion(request.expected);
  if (E.isLeft(checked)) return checked;
  const { streamName, expected, as: state } = request;
  const tenant = request.tenant ?? defaultTenant;
  const tag = expected._tag === 'noStream' ? 'exactly' : expected._tag;
  const parameters = [tenant, streamName, state, tag, String(expectedAfter(expected))];
  let answer: MarkAnswer;
  try {
    answer = answerOf<MarkAnswer>(await executor.query(statements.markStream, parameters));
  } catch (error) {
    const fault = faultOf(error);
    if (fault._tag !== 'ConnectionLost') throw error;
    // A mark has no id, so that one of another writer in between could not be told from this one.
    return E.left({ _tag: 'OutcomeUnknown', streamName, eventIds: [], message: fault.message });
  }
  switch (answer.outcome) {
    case 'marked':
      return E.right({ tenant, streamName, version: answer.version, state });
    case 'tombstoned':
      return E.left({ _tag: 'StreamTombstoned', tenant, streamName });
    case 'missing':
      return E.left({
        _tag: 'InvalidRequest',
        field: 'streamName',
        reason: 'there is no such stream to mark',
      });
    case 'conflict': {
      const { version: actual } = answer;
      return E.left({
        _tag: 'VersionConflict',
        tenant,
        streamName,
        expected,
        actual,
        tail: undefined,
        alreadyRecorded: [],
      });
    }
  }
};

export const loadCheckpoint = async (
  context: SqlContext,
  subscriber: string,
): Promise<E.Either<CheckpointError, Checkpoint | undefined>> => {
  const checked = checkSubscriber(subscriber);
  if (E.isLeft(checked)) return checked;
  const [row] = await ask(context, context.statements.checkpointLoad, [subscriber]);
  return E.right(row && { position: positionIn(row), epoch: text(row, 'epoch') });
};

export const saveCheckpoint = async (
  context: SqlContext,
  subscriber: string,
  checkpoint: Checkpoint,
): Promise<E.Either<CheckpointError, void>> => {
  const checked = checkSubscriber(subscriber);
  if (E.isLeft(checked)) return checked;
  const position = checkPosition('position', checkpoint.position);
  if (E.isLeft(position)) return position;
  // Saving again changes nothing, since the later one is kept: so it may be asked again after an outage.
  const parameters = [subscriber, ...positionTexts(position.right), checkpoint.epoch];
  const [row] = await ask(context, context.statements.checkpointSave, parameters);
  const storeEpoch = row && text(row, 'epoch');
  if (storeEpoch === undefined)
    return E.left({ _tag: 'MigrationMissing', message: 'the store has no store_info row' });
  return checkpoint.epoch === storeEpoch
    ? E.right(undefined)
    : E.left({ _tag: 'EpochChanged', checkpointEpoch: checkpoint.epoch, storeEpoch });
};

export const loadSnapshot = async (
  context: SqlContext,
  key: StreamKey,
): Promise<E.Either<BadRequest, Snapshot | undefined>> => {
  const checked = checkKey(key);
  if (E.isLeft(checked)) return checked;
  const [row] = await ask(context, context.statements.snapshotLoad, [
    key.tenant ?? defaultTenant,
    key.streamName,
  ]);
  if (row === undefined) return E.right(undefined);
  const state = JSON.parse(text(row, 'state')) as Json;
  return E.right({ version: versionOf(row), codecVersion: text(row, 'codec_version'), state });
};

export const saveSnapshot = async (
  context: SqlContext,
  key: StreamKey,
  { version, codecVersion, state }: Snapshot,
): Promise<E.Either<BadRequest, void>> => {
  const checked = checkKey(key);
  if (E.isLeft(checked)) return checked;
  const json = strictJson(state);
  if (E.isLeft(json))
    return E.left({
      _tag: 'InvalidRequest',
      field: `state${json.left.path.slice(1)}`,
      reason: `found ${json.left.found}; ${json.left.advice}`,
    });
  const owner = key.tenant ?? defaultTenant;
  const parameters = [owner, key.streamName, String(version), codecVersion, JSON.stringify(json.right)];
  await ask(context, context.statements.snapshotSave, parameters);
  return E.right(undefined);
};
