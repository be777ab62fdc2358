/**
 * Appends to a stream of metadata. Whoever writes metadata of a deleted stream does not bring back what was deleted: the mark goes on from
 * record to record, which holds only if nothing comes between the record that was read and the one that is written.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { EventData } from '../core/event.js';
import { exactly, noStream } from '../core/stream.js';
import type { AppendError, AppendRequest, AppendResult, VersionConflict } from '../store/event-store.js';
import type { ServerContext } from './context.js';
import { deletedMark, deletesByHand, readMetastream, type StreamRules } from './metadata.js';
import { refuse } from './status.js';
import { withMark } from './stored-form.js';
import { keyOf } from './wire.js';

/** What an append came to; of a conflict only where the stream stands. */
export type Written = E.Either<
  Exclude<AppendError, VersionConflict> | Pick<VersionConflict, '_tag' | 'actual'>,
  AppendResult
>;

/** How often an append that others were quicker than is done again. */
const attemptsMax = 16;

/** The version of a stream; what is refused here is refused by the append as well, in the right words. */
export const versionOf = async ({ store }: ServerContext, streamId: string): Promise<number> => {
  const request = { ...keyOf(streamId), direction: 'backwards', maxCount: 1, includeArchived: true } as const;
  const page = await store.readStream(request)();
  return E.isRight(page) ? page.right.version : 0;
};

const marked = async (
  context: ServerContext,
  subject: string,
  events: ReadonlyArray<EventData>,
  { deletedAt }: StreamRules,
): Promise<ReadonlyArray<EventData>> => {
  const mark = events.some(deletesByHand) ? await versionOf(context, subject) : deletedAt;
  return mark === undefined ? events : events.map((event) => withMark(event, deletedMark, mark));
};

/** Whether this append has to be judged by the store alone, because it is a repeat, of part of it at least, or refused in any case. */
const isOld = async ({ store }: ServerContext, request: AppendRequest): Promise<boolean> => {
  // The stream has begun: this writes nothing, and the answer says which of the events are there.
  const answer = await store.append({ ...request, expected: noStream, tailMax: 0 })();
  return (
    E.isRight(answer) || answer.left._tag !== 'VersionConflict' || answer.left.alreadyRecorded.length > 0
  );
};

/** One attempt; a conflict that others made is told as `undefined`. */
const attempt = async (
  context: ServerContext,
  subject: string,
  request: AppendRequest,
): Promise<Written | undefined> => {
  const { store } = context;
  const { expected } = request;
  const { rules, version } = await readMetastream(store, subject);
  const stands = E.left({ _tag: 'VersionConflict', actual: version } as VersionConflict);
  const events = await marked(context, subject, request.events, rules);
  // What is written now would stand after a record that was not read.
  if (expected._tag === 'exactly' && version < expected.version) return stands;
  if (expected._tag === 'exactly' || expected._tag === 'noStream')
    return store.append({ ...request, events })();
  if (version === 0 && expected._tag === 'streamExists') return stands;
  if (version > 0 && (await isOld(context, request))) return store.append(request)();
  const answer = await store.append({ ...request, expected: exactly(version), events })();
  return E.isLeft(answer) && answer.left._tag === 'VersionConflict' ? undefined : answer;
};

/** Appends to the metadata of `subject`, after the newest record and with its mark. */
export const appendMetadata = async (
  context: ServerContext,
  subject: string,
  request: AppendRequest,
): Promise<Written> => {
  for (let attempts = 1; attempts <= attemptsMax; attempts += 1) {
    const written = await attempt(context, subject, request);
    if (written !== undefined) return written;
  }
  return refuse('ABORTED', 'Others were quicker every time. Nothing was written. Try again.');
};
