/** The Streams service: Read, Append, BatchAppend, Delete, Tombstone. */
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
} from '@grpc/grpc-js';
import type { StreamIdentifier } from '@eventstore/db-client/generated/shared_pb.js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
  DeleteReq,
  DeleteResp,
  ReadReq,
  ReadResp,
  TombstoneReq,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js';
import { answerAppend } from './answering-append.js';
import { answerRead } from './answering-read.js';
import { answerBatchAppend } from './batch-appending.js';
import type { Service, ServerContext } from './context.js';
import { type DeletionOfClient, deleteStream, tombstoneStream } from './deleting.js';
import { refuse, serviceErrorOf } from './status.js';
import { fillPosition, streamIdFrom } from './wire.js';

/** What the options of both deletions have in common. */
interface DeletionOptions {
  getStreamIdentifier(): StreamIdentifier | undefined;
  hasRevision(): boolean;
  getRevision(): string;
  hasNoStream(): boolean;
  hasStreamExists(): boolean;
}

const deletionOf = (options: DeletionOptions | undefined): DeletionOfClient => {
  if (options === undefined) return refuse('INVALID_ARGUMENT', 'The request has no options.');
  const streamId = streamIdFrom(options.getStreamIdentifier());
  if (options.hasRevision()) return { streamId, expected: BigInt.asUintN(64, BigInt(options.getRevision())) };
  if (options.hasNoStream()) return { streamId, expected: 'no_stream' };
  return { streamId, expected: options.hasStreamExists() ? 'stream_exists' : 'any' };
};

/** A call that is asked once and answered once. */
const unary =
  <Request, Answer>(
    context: ServerContext,
    run: (request: Request) => Promise<Answer>,
  ): handleUnaryCall<Request, Answer> =>
  (call, answer) =>
    void run(call.request).then(
      (message) => answer(null, message),
      (thrown: unknown) => answer(serviceErrorOf(context, thrown)),
    );

export const streamsService = (context: ServerContext): Service => {
  const { streams, streamsService: service } = context.modules;
  const read: handleServerStreamingCall<ReadReq, ReadResp> = (call) => void answerRead(context, call);
  const append: handleClientStreamingCall<AppendReq, AppendResp> = (call, answer) =>
    void answerAppend(context, call, answer);
  const batchAppend: handleBidiStreamingCall<BatchAppendReq, BatchAppendResp> = (call) =>
    void answerBatchAppend(context, call);
  const remove = unary(context, async (request: DeleteReq): Promise<DeleteResp> => {
    const position = await deleteStream(context, deletionOf(request.getOptions()));
    return new streams.DeleteResp().setPosition(fillPosition(new streams.DeleteResp.Position(), position));
  });
  const tombstone = unary(context, async (request: TombstoneReq): Promise<TombstoneResp> => {
    const position = await tombstoneStream(context, deletionOf(request.getOptions()));
    return new streams.TombstoneResp().setPosition(
      fillPosition(new streams.TombstoneResp.Position(), position),
    );
  });
  return {
    definition: service.StreamsService,
    handlers: { read, append, batchAppend, delete: remove, tombstone },
  };
};
