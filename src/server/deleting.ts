/**
 * Deleting streams, in two ways. Delete hides what there is: a record in the stream's metadata says up to where, and who appends begins
 * again after it. Tombstone closes a stream for ever; one without events gets an event first, because only a stream that is there can be
 * marked.
 */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../core/fault.js';
import { exactly, meets, type Position, startPosition, type StreamVersion } from '../core/stream.js';
import type { AppendManyError, AppendRequest, AppendResult, EventStore } from '../store/event-store.js';
import { newId } from '../store/ids.js';
import { later } from './acknowledged.js';
import { type ExpectedRevision, expectedText, expectedVersionOf, revisionTold } from './appending.js';
import type { ServerContext } from './context.js';
import { deletedMark, isDeleted, metadataType, metastreamOf, readMetastream } from './metadata.js';
import { headPosition } from './reading.js';
import { refuse, wrongExpectedVersion } from './status.js';
import { markOf, serverEventOf } from './stored-form.js';
import { keyOf } from './wire.js';

/** The event that a stream without events is given, so that it can be closed. */
export const tombstoneType = '$streamDeleted';
/** The mark on that event. A stream with nothing else is as good as none: its closing is under way, or failed half-way. */
const closingMark = 'closing';

/** How often a deletion that others were quicker than is done again. */
const attemptsMax = 16;

export interface DeletionOfClient {
  readonly streamId: string;
  readonly expected: ExpectedRevision;
}

/** How the stream stands for its clients. */
const standing = async ({ store }: ServerContext, streamId: string) => {
  const request = { ...keyOf(streamId), direction: 'backwards', maxCount: 1, includeArchived: true } as const;
  const page = await store.readStream(request)();
  if (E.isLeft(page)) throw taggedError(page.left);
  const { version, events } = page.right;
  const metastream = await readMetastream(store, streamId);
  const last = events[0];
  const isClosing = version === 1 && last !== undefined && markOf(last, closingMark) === true;
  const position = last?.position ?? startPosition;
  return { version, position, metastream, isGone: isDeleted(metastream.rules, version), isClosing };
};

type Standing = Awaited<ReturnType<typeof standing>>;

const refuseVersion = ({ streamId, expected }: DeletionOfClient, actual: number): never => {
  throw taggedError(wrongExpectedVersion(streamId, expectedText(expected), revisionTold(actual)));
};

const checkExpected = (deletion: DeletionOfClient, { version, isGone, isClosing }: Standing): void => {
  const { expected } = deletion;
  // A deleted stream is none, but its last revision is still known to those who name it; nobody knows of the event for closing.
  const isNone = isClosing || (isGone && typeof expected !== 'bigint');
  const seen = isNone ? (0 as StreamVersion) : version;
  if (!meets(expectedVersionOf(expected), seen)) refuseVersion(deletion, seen);
};

const refuseSystem = (streamId: string): void => {
  if (streamId === '$all') refuse('PERMISSION_DENIED', 'Nobody deletes $all.', 'access-denied');
  if (streamId.startsWith('$$'))
    refuse(
      'PERMISSION_DENIED',
      'Streams of metadata go with their streams; set the metadata instead.',
      'access-denied',
    );
};

const tryAgain = (): never =>
  refuse('ABORTED', 'Others were quicker every time. Nothing was deleted. Try again.');

/** The record, if the stream stands where it stood. Answers what the record's append came to. */
const writeBoth = async (
  store: EventStore,
  unchanged: AppendRequest,
  written: AppendRequest,
): Promise<E.Either<AppendManyError, AppendResult>> => {
  // Where the store cannot do both in one step, an event appended in between is not hidden: its version is beyond the record's.
  if (!store.capabilities.atomicAppendMany) return store.append(written)();
  const answer = await store.appendMany([unchanged, written])();
  return E.isLeft(answer) ? answer : E.right(answer.right[1] as AppendResult);
};

/** Hides all events of the stream. Answers the position of the record that says so. */
export const deleteStream = async (context: ServerContext, deletion: DeletionOfClient): Promise<Position> => {
  const { streamId } = deletion;
  const { store } = context;
  refuseSystem(streamId);
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const stands = await standing(context, streamId);
    checkExpected(deletion, stands);
    const { version, metastream } = stands;
    const record = serverEventOf(
      newId(),
      metadataType,
      { ...metastream.rules.metadata, $tb: version },
      { [deletedMark]: version },
    );
    const written: AppendRequest = {
      ...keyOf(metastreamOf(streamId)),
      expected: exactly(metastream.version),
      events: [record],
    };
    const unchanged: AppendRequest = { ...keyOf(streamId), expected: exactly(version), events: [] };
    const answer = await writeBoth(store, unchanged, written);
    if (E.isRight(answer)) return answer.right.position;
    if (answer.left._tag !== 'VersionConflict') throw taggedError(answer.left);
  }
  return tryAgain();
};

/** Gives a stream without events the one event that can be marked; where another was first the stream is looked at again. */
const giveEvent = async ({ store }: ServerContext, streamId: string): Promise<void> => {
  const events = [serverEventOf(newId(), tombstoneType, {}, { [closingMark]: true })];
  const answer = await store.append({ ...keyOf(streamId), expected: exactly(0), events })();
  if (E.isLeft(answer) && answer.left._tag !== 'VersionConflict') throw taggedError(answer.left);
};

/**
 * A position that is not before the closing of a stream which ended there, nor before anything that was acknowledged until then. Clients who
 * read all streams may not be shown as much yet; it need not be waited for, because whatever begins later comes after it.
 */
const positionOfClosing = async (context: ServerContext, { position }: Standing): Promise<Position> => {
  const head = (await headPosition(context)) ?? startPosition;
  return later(later(head, position), context.acknowledged.newest());
};

/** Closes the stream for ever. Answers a position that is not before the closing. */
export const tombstoneStream = async (
  context: ServerContext,
  deletion: DeletionOfClient,
): Promise<Position> => {
  const { streamId } = deletion;
  const { store, feed } = context;
  refuseSystem(streamId);
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const stands = await standing(context, streamId);
    checkExpected(deletion, stands);
    if (stands.version === 0) {
      await giveEvent(context, streamId);
      continue;
    }
    const expected = exactly(stands.version);
    const answer = await store.markStream({ ...keyOf(streamId), as: 'tombstoned', expected })();
    if (E.isRight(answer)) {
      feed.nudge(streamId);
      return positionOfClosing(context, stands);
    }
    if (answer.left._tag !== 'VersionConflict') throw taggedError(answer.left);
  }
  return tryAgain();
};
