/** The Read call: streams and the global order, both ways, once or as a subscription. */
import * as E from 'fp-ts/lib/Either.js';
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { RecordedEvent } from '../core/event.js';
import { type Position, startPosition } from '../core/stream.js';
import type { Direction } from '../store/event-store.js';
import { newId } from '../store/ids.js';
import { readPatienceMs } from './acknowledged.js';
import { answering, type OpenCall } from './calls.js';
import type { ServerContext } from './context.js';
import type { FeedItem, ServedEvent } from './feed-items.js';
import { type AllFilter, filterOf } from './filter.js';
import { served } from './links.js';
import {
  isEndPosition,
  positionAt,
  positionBefore,
  revisionOf,
  versionAt,
  type WirePosition,
} from './positions.js';
import { allEvents, orderEnd, readVisible, streamItems } from './reading.js';
import { refuse } from './status.js';
import { fillPosition, fillServed, type IdForm, keyOf, streamIdFrom, streamMessageOf } from './wire.js';

type Options = ReadReq.Options;

const directionOf = (options: Options): Direction =>
  options.getReadDirection() === 1 ? 'backwards' : 'forwards';

const countOf = (options: Options): number =>
  Number(
    BigInt(options.getCount()) > BigInt(Number.MAX_SAFE_INTEGER)
      ? Number.MAX_SAFE_INTEGER
      : options.getCount(),
  );

const idFormOf = (options: Options): IdForm =>
  options.getUuidOption()?.hasStructured() === true ? 'structured' : 'string';

/** The filter that a client sent; a bad one is refused. */
const requestedFilter = (options: Options): AllFilter | undefined => {
  const message = options.getFilter();
  if (message === undefined) return undefined;
  const filter = filterOf(message);
  return E.isLeft(filter) ? refuse('INVALID_ARGUMENT', filter.left) : filter.right;
};

const positionOfRequest = (all: ReadReq.Options.AllOptions): WirePosition | 'start' | 'end' => {
  const message = all.getPosition();
  if (message === undefined) return all.hasEnd() ? 'end' : 'start';
  const position = {
    commit: BigInt.asUintN(64, BigInt(message.getCommitPosition())),
    prepare: BigInt.asUintN(64, BigInt(message.getPreparePosition())),
  };
  return isEndPosition(position) ? 'end' : position;
};

/** The answers of one call, in the words of the protocol. */
const answersFor = ({ modules }: ServerContext, options: Options) => {
  const { ReadResp: Answer } = modules.streams;
  const idForm = idFormOf(options);
  return {
    event: (event: ServedEvent): ReadResp =>
      new Answer().setEvent(
        fillServed(
          modules,
          new Answer.ReadEvent(),
          () => new Answer.ReadEvent.RecordedEvent(),
          event,
          idForm,
        ),
      ),
    notFound: (streamId: string): ReadResp =>
      new Answer().setStreamNotFound(
        new Answer.StreamNotFound().setStreamIdentifier(streamMessageOf(modules, streamId)),
      ),
    confirmation: (): ReadResp =>
      new Answer().setConfirmation(new Answer.SubscriptionConfirmation().setSubscriptionId(newId())),
    checkpoint: (position: Position): ReadResp =>
      new Answer().setCheckpoint(fillPosition(new Answer.Checkpoint(), position)),
    caughtUp: (): ReadResp => new Answer().setCaughtUp(new Answer.CaughtUp()),
    fellBehind: (): ReadResp => new Answer().setFellBehind(new Answer.FellBehind()),
    firstRevision: (version: number): ReadResp => new Answer().setFirstStreamPosition(revisionOf(version)),
    lastRevision: (version: number): ReadResp => new Answer().setLastStreamPosition(revisionOf(version)),
  };
};
type Answers = ReturnType<typeof answersFor>;

const streamFrom = (stream: ReadReq.Options.StreamOptions, direction: Direction): number | undefined => {
  if (stream.hasStart()) return direction === 'forwards' ? undefined : 1;
  if (!stream.hasRevision())
    return direction === 'forwards' && stream.hasEnd() ? versionAt(2n ** 64n) : undefined;
  return versionAt(BigInt.asUintN(64, BigInt(stream.getRevision())));
};

const readStream = async (
  context: ServerContext,
  options: Options,
  stream: ReadReq.Options.StreamOptions,
  { write, signal }: OpenCall<ReadResp>,
): Promise<void> => {
  const answers = answersFor(context, options);
  const streamId = streamIdFrom(stream.getStreamIdentifier());
  const direction = directionOf(options);
  const read = { direction, from: streamFrom(stream, direction), maxCount: countOf(options) };
  // Clients that know these messages say so.
  const tellsBounds = (options.getControlOption()?.getCompatibility() ?? 0) >= 1;
  let version = 0;
  for await (const item of streamItems(context, streamId, read, signal)) {
    if (signal.aborted) return;
    if (item._tag === 'NotFound') await write(answers.notFound(streamId));
    else if (item._tag === 'Bounds') {
      version = item.version;
      if (tellsBounds && direction === 'forwards' && item.first > 1)
        await write(answers.firstRevision(item.first));
    } else await write(answers.event(await served(context, item.event, options.getResolveLinks())));
  }
  if (tellsBounds && version > 0) await write(answers.lastRevision(version));
};

const allAfter = (
  all: ReadReq.Options.AllOptions,
  direction: Direction,
): Position | undefined | 'nothing' => {
  const position = positionOfRequest(all);
  const isForwards = direction === 'forwards';
  if (position === 'start') return isForwards ? undefined : 'nothing';
  if (position === 'end') return isForwards ? 'nothing' : undefined;
  // Forwards the event at the position is the first; backwards it is the first that is not read.
  return isForwards ? positionBefore(position) : positionAt(position);
};

const readAll = async (
  context: ServerContext,
  options: Options,
  all: ReadReq.Options.AllOptions,
  { write, signal }: OpenCall<ReadResp>,
): Promise<void> => {
  const answers = answersFor(context, options);
  const direction = directionOf(options);
  const filter = requestedFilter(options);
  const after = allAfter(all, direction);
  if (after === 'nothing') return;
  const hand = async (event: RecordedEvent): Promise<void> =>
    write(answers.event(await served(context, event, options.getResolveLinks())));
  const read = { direction, after, maxCount: countOf(options), filter };
  const lookAgain = context.acknowledged.lookAgain(signal, readPatienceMs);
  for await (const event of allEvents(context, read, signal, lookAgain)) {
    if (signal.aborted) return;
    await hand(event);
  }
};

const answerOf = (answers: Answers, item: FeedItem): ReadResp => {
  switch (item._tag) {
    case 'Event':
      return answers.event(item.event);
    case 'Checkpoint':
      return answers.checkpoint(item.position);
    case 'CaughtUp':
      return answers.caughtUp();
    case 'FellBehind':
      return answers.fellBehind();
  }
};

/** The revision of the last event; -1 where there is none. */
const lastRevision = async (context: ServerContext, streamId: string): Promise<number> =>
  (await readVisible(context, streamId, { direction: 'backwards', maxCount: 1 })).version - 1;

// The end is settled before the subscription is confirmed: whoever writes once it is has the event delivered.
const subscribedStream = async (
  context: ServerContext,
  options: Options,
  stream: ReadReq.Options.StreamOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<FeedItem>> => {
  const streamId = streamIdFrom(stream.getStreamIdentifier());
  // Refused before it is confirmed.
  keyOf(streamId);
  const resolveLinks = options.getResolveLinks();
  const revision = BigInt.asUintN(64, BigInt(stream.getRevision()));
  const after = stream.hasRevision()
    ? versionAt(revision) - 1
    : stream.hasEnd()
      ? await lastRevision(context, streamId)
      : 'start';
  return context.feed.followStream(streamId, after, { resolveLinks, signal });
};

const subscribedAll = async (
  context: ServerContext,
  options: Options,
  all: ReadReq.Options.AllOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<FeedItem>> => {
  const filter = requestedFilter(options);
  const from = positionOfRequest(all);
  const resolveLinks = options.getResolveLinks();
  if (from === 'end') {
    const after = (await orderEnd(context, signal)) ?? startPosition;
    return context.feed.followAll(after, { filter, resolveLinks, signal });
  }
  const after = from === 'start' || from.commit === 0n ? startPosition : positionAt(from);
  return context.feed.followAll(after, { filter, resolveLinks, signal });
};

const subscribe = async (
  context: ServerContext,
  options: Options,
  { write, signal }: OpenCall<ReadResp>,
): Promise<void> => {
  const stream = options.getStream();
  const all = options.getAll();
  const answers = answersFor(context, options);
  const items = await (stream !== undefined
    ? subscribedStream(context, options, stream, signal)
    : all !== undefined
      ? subscribedAll(context, options, all, signal)
      : refuse('INVALID_ARGUMENT', 'The subscription names neither a stream nor all of them.'));
  await write(answers.confirmation());
  for await (const item of items) await write(answerOf(answers, item));
};

/** Answers a Read call. */
export const answerRead = (
  context: ServerContext,
  call: ServerWritableStream<ReadReq, ReadResp>,
): Promise<void> =>
  answering(context, call, async (open) => {
    const options = call.request.getOptions() ?? refuse('INVALID_ARGUMENT', 'The read has no options.');
    if (options.hasSubscription()) return subscribe(context, options, open);
    const stream = options.getStream();
    if (stream !== undefined) return readStream(context, options, stream, open);
    const all = options.getAll();
    if (all !== undefined) return readAll(context, options, all, open);
    return refuse('INVALID_ARGUMENT', 'The read names neither a stream nor all of them.');
  });
