/** What one client may take of the server's memory and time, and what calls tell in trailers of the server's own. */
import { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import featuresSvc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type svc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import grpc from '@grpc/grpc-js';
import { any, newId, type StreamName, toPromise } from 'watersmeet';
import { type AnsweringCall, answering } from '../../src/server/calls.js';
import type { ServerContext } from '../../src/server/context.js';
import { closeAll, gate, open, put } from './races-support.js';

afterEach(closeAll);

const idOf = (text: string) => new shared.UUID().setString(text);
const streamOf = (name: string) => new shared.StreamIdentifier().setStreamName(Buffer.from(name));

interface Part {
  readonly id: string;
  readonly bytes: number;
  readonly isFinal?: boolean;
  readonly deadlineMs?: number;
}

/** A part of a batch append; the first of an id and the later ones have the same form. */
const partOf = ({ id, bytes, isFinal = false, deadlineMs }: Part) => {
  const { BatchAppendReq } = streams;
  const options = BatchAppendReq.Options.deserializeBinary(
    // `any`, an empty message of Google's, and the deadline, which are not to be loaded by their own names.
    Uint8Array.from([0x22, 0x00, ...(deadlineMs === undefined ? [] : [0x32, 0x00])]),
  ).setStreamIdentifier(streamOf('order-1'));
  options.getDeadline()?.setSeconds(Math.floor((deadlineMs ?? 0) / 1_000));
  options.getDeadline()?.setNanos(((deadlineMs ?? 0) % 1_000) * 1_000_000);
  const event = new BatchAppendReq.ProposedMessage().setId(idOf(newId())).setData(Buffer.alloc(bytes, 'x'));
  event.getMetadataMap().set('type', 'Counted').set('content-type', 'application/octet-stream');
  return new BatchAppendReq()
    .setCorrelationId(idOf(id))
    .setOptions(options)
    .setProposedMessagesList([event])
    .setIsFinal(isFinal);
};

/** A batch call whose answers are waited for one by one. */
const batchCall = (raw: InstanceType<typeof svc.StreamsClient>) => {
  const call = raw.batchAppend();
  call.on('error', () => undefined);
  const answers = call[Symbol.asyncIterator]() as AsyncIterator<streams.BatchAppendResp>;
  return {
    send: (part: Part): void => void call.write(partOf(part)),
    answer: async () => {
      const { value } = await answers.next();
      const told = value as streams.BatchAppendResp | undefined;
      return {
        id: told?.getCorrelationId()?.getString(),
        code: told?.getError()?.getCode() as number | undefined,
      };
    },
    cancel: () => call.cancel(),
  };
};

describe('appends that are begun and not complete', () => {
  const large = 1_000_000;

  it('hold so many bytes of a connection at most; what is beyond is refused, the others go on', async () => {
    const { raw } = await open();
    const { send, answer, cancel } = batchCall(raw);
    const ids = Array.from({ length: 5 }, () => newId());
    for (const id of ids) send({ id, bytes: large });
    expect(await answer()).toEqual({ id: ids[4], code: grpc.status.RESOURCE_EXHAUSTED });
    send({ id: ids[0] as string, bytes: 10, isFinal: true });
    expect(await answer()).toEqual({ id: ids[0], code: undefined });
    // What was completed makes room.
    const next = newId();
    send({ id: next, bytes: large });
    send({ id: next, bytes: 10, isFinal: true });
    expect(await answer()).toEqual({ id: next, code: undefined });
    cancel();
  });

  it('hold nothing any more once they are late', async () => {
    const { raw } = await open();
    const { send, answer, cancel } = batchCall(raw);
    const late = Array.from({ length: 8 }, () => newId());
    for (const id of late) {
      send({ id, bytes: large, deadlineMs: Date.now() - 1_000 });
      expect(await answer()).toEqual({ id, code: grpc.status.DEADLINE_EXCEEDED });
    }
    const id = newId();
    send({ id, bytes: large, isFinal: true });
    expect(await answer()).toEqual({ id, code: undefined });
    cancel();
  });
});

describe('a pattern', () => {
  const readBy = (pattern: string): streams.ReadReq => {
    const { Options } = streams.ReadReq;
    const filter = new Options.FilterOptions()
      .setStreamIdentifier(new Options.FilterOptions.Expression().setRegex(pattern))
      .setMax(32)
      .setCheckpointintervalmultiplier(1);
    const options = new Options()
      .setAll(new Options.AllOptions().setStart(new shared.Empty()))
      .setFilter(filter)
      .setCount('10')
      .setUuidOption(new Options.UUIDOption().setString(new shared.Empty()));
    return new streams.ReadReq().setOptions(options);
  };
  const read = (raw: InstanceType<typeof svc.StreamsClient>, pattern: string): Promise<number | 'whole'> =>
    new Promise((resolve) => {
      const call = raw.read(readBy(pattern));
      call.on('data', () => undefined);
      call.on('end', () => resolve('whole'));
      call.on('error', (error) => resolve((error as grpc.ServiceError).code));
    });

  it('that takes too long is refused and does not stop the server', async () => {
    const { raw, inner } = await open();
    await put(inner, `${'a'.repeat(29)}!`);
    expect(await read(raw, '^(a+)+$')).toBe(grpc.status.INVALID_ARGUMENT);
    expect(await read(raw, '^(a+|b)+')).toBe('whole');
  });
});

describe('trailers', () => {
  it('say that a stream is archived, to those who want to tell it from other refusals', async () => {
    const { raw, inner } = await open();
    const streamName = 'order-1' as StreamName;
    await put(inner, streamName);
    await toPromise(inner.markStream({ streamName, expected: any, as: 'archived' }));
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      const call = raw.append((refused) => resolve(refused));
      const { Options, ProposedMessage } = streams.AppendReq;
      const options = new Options().setStreamIdentifier(streamOf(streamName)).setAny(new shared.Empty());
      call.write(new streams.AppendReq().setOptions(options));
      const event = new ProposedMessage().setId(idOf(newId()));
      event.getMetadataMap().set('type', 'Counted').set('content-type', 'application/json');
      call.write(new streams.AppendReq().setProposedMessage(event));
      call.end();
    });
    expect(error?.code).toBe(grpc.status.PERMISSION_DENIED);
    expect(error?.metadata.get('exception')).toEqual(['access-denied']);
    expect(error?.metadata.get('watersmeet')).toEqual(['stream-archived']);
  });
});

describe('the features of the server', () => {
  it('are only such as its messages have: no deadline that is a duration', async () => {
    const { serving } = await open();
    const client = new featuresSvc.ServerFeaturesClient(serving.address, grpc.credentials.createInsecure());
    const methods = await new Promise<SupportedMethods>((resolve, reject) => {
      client.getSupportedMethods(new shared.Empty(), (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
    client.close();
    const batch = methods.getMethodsList().find((method) => method.getMethodName() === 'batchappend');
    expect(batch?.getFeaturesList()).toEqual([]);
  });
});

describe('an answer that a client does not take', () => {
  it('is given up when the client leaves, also after the server began to close', async () => {
    const call = Object.assign(new EventEmitter(), {
      cancelled: false,
      destroyed: false,
      write: () => false,
      end: () => undefined,
    });
    let close = (): void => undefined;
    const context = {
      closing: {
        isClosing: () => false,
        listen: (end: () => void) => {
          close = end;
          return () => undefined;
        },
      },
    } as unknown as ServerContext;
    const written = gate();
    const answered = answering<string>(
      context,
      call as unknown as AnsweringCall<string>,
      async ({ writeLast }) => {
        close();
        const writing = writeLast('the last');
        written.open();
        await writing;
      },
    );
    await written.opened;
    call.cancelled = true;
    call.emit('cancelled');
    await expect(answered).resolves.toBeUndefined();
  });
});
