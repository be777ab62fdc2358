/** The Append call: one append, whose events come one after another. */
import type { sendUnaryData, ServerReadableStream } from '@grpc/grpc-js';
import type { AppendReq, AppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import { taggedError } from '../core/fault.js';
import { startPosition } from '../core/stream.js';
import {
  append,
  type AppendOutcome,
  type ExpectedRevision,
  proposedEvent,
  revisionTold,
  wireBytes,
} from './appending.js';
import type { ServerContext } from './context.js';
import { appendTooLarge, refuse, serviceErrorOf } from './status.js';
import type { WireEvent } from './stored-form.js';
import { fillPosition, streamIdFrom } from './wire.js';

type Options = AppendReq.Options;

const expectedOf = (options: Options): ExpectedRevision => {
  if (options.hasRevision()) return BigInt.asUintN(64, BigInt(options.getRevision()));
  if (options.hasNoStream()) return 'no_stream';
  return options.hasStreamExists() ? 'stream_exists' : 'any';
};

interface Collected {
  readonly options: Options;
  readonly events: ReadonlyArray<WireEvent>;
}

/** All that the client sends, until it has sent all; refused as soon as it is too much. */
const collect = async (
  call: ServerReadableStream<AppendReq, AppendResp>,
  appendBytesMax: number,
): Promise<Collected> => {
  let options: Options | undefined;
  const events: WireEvent[] = [];
  let bytes = 0;
  for await (const message of call as AsyncIterable<AppendReq>) {
    options ??= message.getOptions();
    const proposed = message.getProposedMessage();
    if (proposed === undefined) continue;
    const event = proposedEvent(proposed);
    bytes += wireBytes(event);
    if (bytes > appendBytesMax) throw taggedError(appendTooLarge(appendBytesMax));
    events.push(event);
  }
  return options === undefined
    ? refuse('INVALID_ARGUMENT', 'The append does not say to which stream.')
    : { options, events };
};

const wrongVersion = ({ modules }: ServerContext, expected: ExpectedRevision, actual: number): AppendResp => {
  const { AppendResp: Answer } = modules.streams;
  const { Empty } = modules.shared;
  const wrong = new Answer.WrongExpectedVersion();
  const current = revisionTold(actual);
  if (current === undefined) wrong.setCurrentNoStream(new Empty());
  else wrong.setCurrentRevision(current);
  if (typeof expected === 'bigint') wrong.setExpectedRevision(expected.toString());
  else if (expected === 'no_stream') wrong.setExpectedNoStream(new Empty());
  else if (expected === 'stream_exists') wrong.setExpectedStreamExists(new Empty());
  else wrong.setExpectedAny(new Empty());
  return new Answer().setWrongExpectedVersion(wrong);
};

const answerOf = (context: ServerContext, expected: ExpectedRevision, outcome: AppendOutcome): AppendResp => {
  const { modules } = context;
  const { AppendResp: Answer } = modules.streams;
  if (outcome._tag === 'Refused') throw taggedError(outcome.refusal);
  if (outcome._tag === 'WrongExpectedVersion') return wrongVersion(context, expected, outcome.actual);
  const { version, position } = outcome.result;
  const success = new Answer.Success();
  const revision = revisionTold(version);
  if (revision === undefined) success.setNoStream(new modules.shared.Empty());
  else success.setCurrentRevision(revision);
  if (position === startPosition) success.setNoPosition(new modules.shared.Empty());
  else success.setPosition(fillPosition(new Answer.Position(), position));
  return new Answer().setSuccess(success);
};

/** Answers an Append call, once, in any case. */
export const answerAppend = async (
  context: ServerContext,
  call: ServerReadableStream<AppendReq, AppendResp>,
  answer: sendUnaryData<AppendResp>,
): Promise<void> => {
  try {
    const { options, events } = await collect(call, context.limits.appendBytesMax);
    // A connection that breaks looks like the end of what the client sends, a turn before it looks like its leaving: what came until then is
    // no append.
    await new Promise<void>((resolve) => context.timers.soon(resolve));
    if (call.cancelled) return;
    const expected = expectedOf(options);
    const streamId = streamIdFrom(options.getStreamIdentifier());
    const outcome = await append(context, { streamId, expected, events });
    answer(null, answerOf(context, expected, outcome));
  } catch (thrown) {
    // A client that went away is owed no answer, and its leaving is no fault of the server.
    if (!call.cancelled) answer(serviceErrorOf(context, thrown));
  }
};
