/** Options and answers of BatchAppend: refusals are `google.rpc.Status` with a message of their own kind inside. */
import type { StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb.js';
import type { BatchAppendReq, BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Status } from '@eventstore/db-client/generated/status_pb.js';
import { startPosition } from '../core/stream.js';
import { type AppendOutcome, type ExpectedRevision, expectedText, revisionTold } from './appending.js';
import type { ServerContext } from './context.js';
import type { Modules } from './loading.js';
import type { Refused } from './status.js';
import { fillPosition } from './wire.js';

export interface BatchOptions {
  readonly stream: StreamIdentifier | undefined;
  readonly streamBytes: Uint8Array;
  readonly expected: ExpectedRevision;
  /** Milliseconds since 1970; undefined where the client waits for ever. */
  readonly deadline: number | undefined;
}

const expectedOf = (options: BatchAppendReq.Options): ExpectedRevision => {
  if (options.hasStreamPosition()) return BigInt.asUintN(64, BigInt(options.getStreamPosition()));
  if (options.hasNoStream()) return 'no_stream';
  return options.hasStreamExists() ? 'stream_exists' : 'any';
};

export const batchOptionsOf = (options: BatchAppendReq.Options): BatchOptions => {
  const deadline = options.getDeadline();
  return {
    stream: options.getStreamIdentifier(),
    streamBytes: options.getStreamIdentifier()?.getStreamName_asU8() ?? new Uint8Array(),
    expected: expectedOf(options),
    deadline:
      deadline === undefined
        ? undefined
        : deadline.getSeconds() * 1_000 + Math.floor(deadline.getNanos() / 1_000_000),
  };
};

interface Detail {
  readonly code: number;
  readonly message: string;
  readonly typeName: string;
  readonly bytes: Uint8Array;
}

/** Numbers of `google.rpc.Code`; those of gRPC are the same. */
const codeOf = ({ grpc }: Modules, code: Refused['code']): number => grpc.status[code];

const statusOf = ({ status }: Modules, { code, message, typeName, bytes }: Detail): Status => {
  // An empty `details` field: so the message of Google's that goes there need not be loaded by its own name.
  const answer = status.Status.deserializeBinary(Uint8Array.of(0x1a, 0x00));
  answer.setCode(code as Parameters<Status['setCode']>[0]);
  answer.setMessage(message);
  answer.getDetails()?.pack(bytes, typeName);
  return answer;
};

const wrongVersion = (modules: Modules, expected: ExpectedRevision, actual: number): Detail => {
  const { shared } = modules;
  const detail = new shared.WrongExpectedVersion();
  const current = revisionTold(actual);
  if (current === undefined) detail.setCurrentNoStream(new shared.Empty());
  else detail.setCurrentStreamRevision(current);
  if (typeof expected === 'bigint') detail.setExpectedStreamPosition(expected.toString());
  else if (expected === 'no_stream') detail.setExpectedNoStream(new shared.Empty());
  else if (expected === 'stream_exists') detail.setExpectedStreamExists(new shared.Empty());
  else detail.setExpectedAny(new shared.Empty());
  return {
    code: codeOf(modules, 'FAILED_PRECONDITION'),
    message: `WrongExpectedVersion: expected ${expectedText(expected)}, current ${current ?? '-1'}`,
    typeName: 'event_store.client.WrongExpectedVersion',
    bytes: detail.serializeBinary(),
  };
};

const refusedDetail = (modules: Modules, refusal: Refused, stream: StreamIdentifier | undefined): Detail => {
  const { shared } = modules;
  const detail = (name: string, bytes: Uint8Array): Detail => ({
    code: codeOf(modules, refusal.code),
    message: refusal.message,
    typeName: `event_store.client.${name}`,
    bytes,
  });
  switch (refusal.exception) {
    case 'stream-deleted':
      return detail(
        'StreamDeleted',
        new shared.StreamDeleted().setStreamIdentifier(stream).serializeBinary(),
      );
    case 'access-denied':
      return detail('AccessDenied', new shared.AccessDenied().serializeBinary());
    case 'maximum-append-size-exceeded': {
      const max = Number(refusal.trailers?.['maximum-append-size'] ?? 0);
      const message = new shared.MaximumAppendSizeExceeded().setMaxappendsize(max);
      return detail('MaximumAppendSizeExceeded', message.serializeBinary());
    }
    default:
      break;
  }
  switch (refusal.code) {
    case 'UNAVAILABLE':
      // To clients: it may be written or not, ask again with the same events.
      return detail('Timeout', new shared.Timeout().serializeBinary());
    case 'INTERNAL':
      return detail('Unknown', new shared.Unknown().serializeBinary());
    default:
      return detail('BadRequest', new shared.BadRequest().setMessage(refusal.message).serializeBinary());
  }
};

/** The answers of a server's BatchAppend calls. */
export const batchAnswers = ({ modules }: ServerContext) => {
  const { shared } = modules;
  const { BatchAppendResp: Answer } = modules.streams;
  const success = ({ result }: Extract<AppendOutcome, { _tag: 'Appended' }>): BatchAppendResp.Success => {
    const told = new Answer.Success();
    const revision = revisionTold(result.version);
    if (revision === undefined) told.setNoStream(new shared.Empty());
    else told.setCurrentRevision(revision);
    return result.position === startPosition
      ? told.setNoPosition(new shared.Empty())
      : told.setPosition(fillPosition(new shared.AllStreamPosition(), result.position));
  };
  const late: Detail = {
    code: codeOf(modules, 'DEADLINE_EXCEEDED'),
    message: 'The append was not done within its deadline; it may still be written.',
    typeName: 'event_store.client.Timeout',
    bytes: new shared.Timeout().serializeBinary(),
  };
  const problemOf = (
    { expected, stream }: BatchOptions,
    outcome: Exclude<AppendOutcome, { _tag: 'Appended' }> | 'late',
  ): Detail => {
    if (outcome === 'late') return late;
    return outcome._tag === 'WrongExpectedVersion'
      ? wrongVersion(modules, expected, outcome.actual)
      : refusedDetail(modules, outcome.refusal, stream);
  };
  return {
    /** The answer of one append, with its correlation id and its expectation as the client sent them. */
    answer: (
      correlation: UUID | undefined,
      options: BatchOptions,
      outcome: AppendOutcome | 'late',
    ): BatchAppendResp => {
      const { expected, stream } = options;
      const told = new Answer().setCorrelationId(correlation).setStreamIdentifier(stream);
      if (typeof expected === 'bigint') told.setStreamPosition(expected.toString());
      else if (expected === 'no_stream') told.setNoStream(new shared.Empty());
      else if (expected === 'stream_exists') told.setStreamExists(new shared.Empty());
      else told.setAny(new shared.Empty());
      return outcome !== 'late' && outcome._tag === 'Appended'
        ? told.setSuccess(success(outcome))
        : told.setError(statusOf(modules, problemOf(options, outcome)));
    },
  };
};
