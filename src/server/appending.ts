/** One append of a client to the store: what it expects, in the words of either side, and what a deleted stream makes of it. */
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../core/fault.js';
import { any, type ExpectedVersion, exactly, noStream, streamExists } from '../core/stream.js';
import type { AppendResult } from '../store/event-store.js';
import type { ServerContext } from './context.js';
import { isDeleted, readMetastream, subjectOf } from './metadata.js';
import { appendMetadata, versionOf, type Written } from './metadata-appending.js';
import { revisionOf, versionAt } from './positions.js';
import { propertyMissing, refuse, type Refused, refusalOfStore } from './status.js';
import { jsonContentType, rawFormOf, storedFormOf, type WireEvent } from './stored-form.js';
import { idOf, keyOf } from './wire.js';
import type { UUID } from '@eventstore/db-client/generated/shared_pb.js';

/** What a client expects of a stream: its last revision, or one of three words. */
export type ExpectedRevision = bigint | 'any' | 'no_stream' | 'stream_exists';

/** The expectation as trailers give it. */
export const expectedText = (expected: ExpectedRevision): string => {
  if (typeof expected === 'bigint') return expected.toString();
  return expected === 'no_stream' ? '-1' : expected === 'any' ? '-2' : '-4';
};

export const expectedVersionOf = (expected: ExpectedRevision): ExpectedVersion => {
  if (typeof expected === 'bigint') return exactly(versionAt(expected));
  return expected === 'no_stream' ? noStream : expected === 'any' ? any : streamExists;
};

/** What the messages for proposed events of both calls have in common. */
interface ProposedMessage {
  getId(): UUID | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getCustomMetadata_asU8(): Uint8Array;
  getData_asU8(): Uint8Array;
}

/** An event as a client proposes it; refused where it lacks what the protocol asks of every event. */
export const proposedEvent = (message: ProposedMessage): WireEvent => {
  const known = message.getMetadataMap();
  const type = known.get('type');
  const contentType = known.get('content-type');
  const missing = [
    ...(type === undefined ? ['type'] : []),
    ...(contentType === undefined ? ['content-type'] : []),
  ];
  if (missing.length > 0) throw taggedError(propertyMissing(missing));
  return {
    eventId: idOf(message.getId()),
    type: type as string,
    contentType: contentType ?? jsonContentType,
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
};

/** Bytes of an event as the limit of one append counts them. */
export const wireBytes = ({ type, data, metadata }: WireEvent): number =>
  data.length + metadata.length + 2 * type.length;

export interface AppendOfClient {
  readonly streamId: string;
  readonly expected: ExpectedRevision;
  readonly events: ReadonlyArray<WireEvent>;
}

export type AppendOutcome =
  | { readonly _tag: 'Appended'; readonly result: AppendResult; readonly count: number }
  /** The stream is not as expected. `actual` is its version; 0 where it does not exist, or is deleted. */
  | { readonly _tag: 'WrongExpectedVersion'; readonly actual: number }
  | { readonly _tag: 'Refused'; readonly refusal: Refused };

/** Whether the stream has events, all of them deleted. */
const isGone = async (context: ServerContext, streamId: string): Promise<boolean> => {
  const version = await versionOf(context, streamId);
  return isDeleted((await readMetastream(context.store, streamId)).rules, version);
};

/** Appends, and answers what became of it. Rejects for bugs only. */
export const append = async (context: ServerContext, request: AppendOfClient): Promise<AppendOutcome> => {
  const { streamId, expected } = request;
  const { store, limits } = context;
  if (streamId === '$all') return refuse('PERMISSION_DENIED', 'Nobody appends to $all.', 'access-denied');
  const key = keyOf(streamId);
  const subject = subjectOf(streamId);
  const events = request.events.map(subject === undefined ? storedFormOf : rawFormOf);
  // The store knows nothing of deletion: for it the stream exists.
  if (expected === 'stream_exists' && (await isGone(context, streamId)))
    return { _tag: 'WrongExpectedVersion', actual: 0 };
  const written = (version: ExpectedVersion): Promise<Written> =>
    subject === undefined
      ? store.append({ ...key, expected: version, events })()
      : appendMetadata(context, subject, { ...key, expected: version, events });
  let answer = await written(expectedVersionOf(expected));
  if (expected === 'no_stream' && E.isLeft(answer) && answer.left._tag === 'VersionConflict') {
    // A stream that was deleted begins again where it ended; an append that did so before is recognised there.
    const { deletedAt } = (await readMetastream(store, streamId)).rules;
    if (deletedAt !== undefined && deletedAt > 0) answer = await written(exactly(deletedAt));
  }
  if (E.isRight(answer)) return { _tag: 'Appended', result: answer.right, count: events.length };
  if (answer.left._tag === 'VersionConflict')
    return { _tag: 'WrongExpectedVersion', actual: answer.left.actual };
  return { _tag: 'Refused', refusal: refusalOfStore(answer.left, limits.appendBytesMax) };
};

/** The revision that a version is told as; `undefined` for a stream without events. */
export const revisionTold = (version: number): string | undefined =>
  version === 0 ? undefined : revisionOf(version);
