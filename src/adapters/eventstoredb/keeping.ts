/** What is kept beside the events: the life of the store, subscribers' checkpoints, marks on streams. All of it in streams of the adapter's own. */
import * as E from 'fp-ts/lib/Either.js';
import { ownStreamId, streamIdOf } from '../../core/eventstoredb/stream-id.js';
import { derivedId } from '../../core/ids.js';
import type { Json, JsonObject } from '../../core/json.js';
import {
  checkExpectedVersion,
  comparePositions,
  defaultTenant,
  meets,
  type Position,
  type StreamVersion,
} from '../../core/stream.js';
import type {
  Checkpoint,
  CheckpointError,
  MarkError,
  MarkRequest,
  StreamSummary,
} from '../../store/event-store.js';
import { newId } from '../../store/ids.js';
import { checkKey, checkPosition, checkSubscriber } from '../../store/limits.js';
import type { Connection } from './connection.js';
import type { StoreContext } from './context.js';
import { faultError, faultOf, type ServerFault } from './faults.js';
import { unlessDeleted, versionOf } from './reading.js';
import { proposed, type ProposedEvent, type RawEvent, type RawExpected } from './wire.js';

const ownEvent = (type: string, data: Json, eventId = newId()): ProposedEvent =>
  proposed({ eventId, type, schemaVersion: 1, data, metadata: {} });

const dataOf = ({ data }: RawEvent): JsonObject => JSON.parse(Buffer.from(data).toString()) as JsonObject;

/** Attempts to write what others write at the same time; each refusal means that another was written. */
const rivalsMax = 100;

/** Appends, and answers whether nobody was first. Nothing but a refusal says so: an answer that is lost is asked for by who calls. */
const wasFirst = async (
  connection: Connection,
  streamId: string,
  expected: RawExpected,
  event: ProposedEvent,
): Promise<boolean> => {
  try {
    await connection.append({ streamId, expected, events: [event] });
    return true;
  } catch (error) {
    if (isWorthAgain(faultOf(error))) return false;
    throw error;
  }
};

const isWorthAgain = ({ _tag: tag }: ServerFault): boolean =>
  tag === 'WrongVersion' || tag === 'Lost' || tag === 'NotLeader';

const rivals = (what: string): Error =>
  faultError({
    _tag: 'Lost',
    message: `${what} could not be written: others came first again and again, or no answer came`,
  });

/** How long that may go on, in milliseconds: where reads are answered and appends are not, each attempt takes as long as a call may. */
const rivalsMs = 20_000;

/** A loop that reads, and writes what follows from it, until nobody is between. A connection that is gone ends it, by its read. */
const settle = async <A>(
  { timers }: Pick<Connection, 'timers'>,
  what: string,
  attempt: () => Promise<A | undefined>,
): Promise<A> => {
  const end = timers.now() + rivalsMs;
  for (let tries = 1; tries <= rivalsMax && timers.now() < end; tries += 1) {
    const answer = await attempt();
    if (answer !== undefined) return answer;
  }
  throw rivals(what);
};

const lifeStreamId = ownStreamId('store');

/** Whoever opens the store first gives it its epoch; a database that is restored elsewhere keeps it, and its positions with it. */
export const epochKeeper = (connection: Connection): (() => Promise<string>) => {
  let known: string | undefined;
  return async () => {
    known ??= await settle(connection, 'the epoch', async () => {
      const { events } = await connection.read({
        streamId: lifeStreamId,
        backwards: false,
        from: 'start',
        count: 1,
      });
      const epoch = events[0] && dataOf(events[0])['epoch'];
      if (typeof epoch === 'string') return epoch;
      await wasFirst(connection, lifeStreamId, 'noStream', ownEvent('StoreBegan', { epoch: newId() }));
      return undefined;
    });
    return known;
  };
};

/** Names that stay short when they are encoded keep their own name, so that a person finds them. */
const encodedMax = 150;

const checkpointStreamId = (subscriber: string): string => {
  const encoded = encodeURIComponent(subscriber);
  const name = encoded.length <= encodedMax ? encoded : derivedId('checkpoint', subscriber);
  return ownStreamId(`checkpoint/${name}`);
};

interface Stored {
  readonly checkpoint: Checkpoint;
  readonly version: StreamVersion;
}

/** Checkpoints of one subscriber that the server keeps: the newest is all that counts. */
const keptCheckpoints = 4;

const readCheckpoint = async (connection: Connection, streamId: string): Promise<Stored | undefined> => {
  const { events } = await connection.read({ streamId, backwards: true, from: 'end', count: 1 });
  const [event] = events;
  if (event === undefined) return undefined;
  const { position, epoch } = dataOf(event);
  return { checkpoint: { position: position as Position, epoch: epoch as string }, version: event.version };
};

/** Housekeeping: who may not do it, saves checkpoints all the same. */
const limitCheckpoints = async (connection: Connection, streamId: string): Promise<void> => {
  const event = ownEvent('$metadata', { $maxCount: keptCheckpoints });
  await wasFirst(connection, `$$${streamId}`, 'noStream', event).catch(() => false);
};

export const checkpointKeeper = (connection: Connection, epochOf: () => Promise<string>) => {
  /** What this handle wrote last: mostly nobody else writes, and then nothing need be read. */
  const last = new Map<string, Stored>();

  const saveOnce = async (streamId: string, checkpoint: Checkpoint): Promise<true | undefined> => {
    const cached = last.get(streamId);
    last.delete(streamId);
    const old = cached ?? (await readCheckpoint(connection, streamId));
    const isOlder =
      old?.checkpoint.epoch === checkpoint.epoch &&
      comparePositions(old.checkpoint.position, checkpoint.position) >= 0;
    if (isOlder) {
      if (cached !== undefined) last.set(streamId, cached);
      return true;
    }
    if (old === undefined) await limitCheckpoints(connection, streamId);
    const event = ownEvent('CheckpointSaved', { position: checkpoint.position, epoch: checkpoint.epoch });
    const version = old?.version ?? 0;
    if (!(await wasFirst(connection, streamId, version as StreamVersion, event))) return undefined;
    last.set(streamId, { checkpoint, version: (version + 1) as StreamVersion });
    return true;
  };

  return {
    load: async (subscriber: string): Promise<E.Either<CheckpointError, Checkpoint | undefined>> => {
      const checked = checkSubscriber(subscriber);
      if (E.isLeft(checked)) return checked;
      return E.right((await readCheckpoint(connection, checkpointStreamId(subscriber)))?.checkpoint);
    },
    save: async (subscriber: string, checkpoint: Checkpoint): Promise<E.Either<CheckpointError, void>> => {
      const checked = checkSubscriber(subscriber);
      if (E.isLeft(checked)) return checked;
      const position = checkPosition('position', checkpoint.position);
      if (E.isLeft(position)) return position;
      const storeEpoch = await epochOf();
      if (checkpoint.epoch !== storeEpoch)
        return E.left({ _tag: 'EpochChanged', checkpointEpoch: checkpoint.epoch, storeEpoch });
      const streamId = checkpointStreamId(subscriber);
      await settle(connection, 'the checkpoint', () => saveOnce(streamId, checkpoint));
      return E.right(undefined);
    },
  };
};

/**
 * Marks a stream. The mark itself is a record beside the stream, so another writer may come between the look at the version and the mark; a
 * tombstone is the server's own, and is made at exactly the version that was looked at, before it is recorded.
 */
export const markStream = async (
  context: StoreContext,
  request: MarkRequest,
): Promise<E.Either<MarkError, StreamSummary>> => {
  const checkedKey = checkKey(request);
  if (E.isLeft(checkedKey)) return checkedKey;
  const checked = checkExpectedVersion(request.expected);
  if (E.isLeft(checked)) return checked;
  const { connection, marks } = context;
  const { streamName, expected, as: state } = request;
  const key = { tenant: request.tenant ?? defaultTenant, streamName };
  if (marks.stateOf(key) === 'tombstoned') return E.left({ _tag: 'StreamTombstoned', ...key });
  const markOnce = async (): Promise<E.Either<MarkError, StreamSummary> | undefined> => {
    const actual = await versionOf(connection, streamIdOf(key));
    if (actual === 0)
      return E.left({
        _tag: 'InvalidRequest',
        field: 'streamName',
        reason: 'there is no such stream to mark',
      });
    if (!meets(expected, actual))
      return E.left({
        _tag: 'VersionConflict',
        ...key,
        expected,
        actual,
        tail: undefined,
        alreadyRecorded: [],
      });
    try {
      if (state === 'tombstoned') await connection.tombstone(streamIdOf(key), actual);
      await marks.record(key, state, actual);
      return E.right({ ...key, version: actual, state });
    } catch (error) {
      const fault = faultOf(error);
      // Another came between the look and the tombstone: look again.
      if (fault._tag === 'WrongVersion') return undefined;
      if (fault._tag !== 'Lost' && fault._tag !== 'StoreClosed') throw error;
      // A mark of another process in between could not be told from this one.
      const message =
        fault._tag === 'Lost' ? fault.message : 'the store was closed while the answer was on its way';
      return E.left({ _tag: 'OutcomeUnknown', streamName, eventIds: [], message });
    }
  };
  return unlessDeleted(context, key, () => settle(connection, 'the mark', markOnce));
};
