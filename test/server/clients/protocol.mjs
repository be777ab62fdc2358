// The protocol beneath a client, spoken with the client's own files and over its own connection: bytes exactly as they are stored,
// and services that the client has no word for.

const bytes = (text) => new Uint8Array(Buffer.from(text));

export const protocolHelpers = ({ protocol, api }) => {
  const shared = () => protocol('shared_pb');
  const streams = () => protocol('streams_pb');
  const connected = (client, file, name) => client.getGRPCClient(protocol(file)[name], 'by hand');

  const identifier = (stream) => {
    const id = new (shared().StreamIdentifier)();
    id.setStreamName(bytes(stream));
    return id;
  };

  /** Appends one event with just these bytes. */
  const appendBytes = async (client, stream, { id, type, contentType, data, metadata }) => {
    const { AppendReq } = streams();
    const options = new AppendReq.Options();
    options.setStreamIdentifier(identifier(stream));
    options.setAny(new (shared().Empty)());
    const header = new AppendReq();
    header.setOptions(options);
    const uuid = new (shared().UUID)();
    uuid.setString(id);
    const message = new AppendReq.ProposedMessage();
    message.setId(uuid);
    message.getMetadataMap().set('type', type);
    message.getMetadataMap().set('content-type', contentType);
    message.setData(bytes(data));
    message.setCustomMetadata(bytes(metadata ?? ''));
    const proposed = new AppendReq();
    proposed.setProposedMessage(message);
    const grpc = await connected(client, 'streams_grpc_pb', 'StreamsClient');
    return new Promise((resolve, reject) => {
      const call = grpc.append(...client.callArguments({}), (error, answer) =>
        error ? reject(api.convertToCommandError?.(error) ?? error) : resolve(answer),
      );
      call.write(header);
      call.write(proposed);
      call.end();
    });
  };

  const recordOf = (record) => ({
    contentType: record.getMetadataMap().get('content-type'),
    type: record.getMetadataMap().get('type'),
    created: record.getMetadataMap().get('created'),
    data: Buffer.from(record.getData_asU8()).toString('latin1'),
    metadata: Buffer.from(record.getCustomMetadata_asU8()).toString('latin1'),
  });

  const reading = async (client, fill) => {
    const { ReadReq } = streams();
    const options = new ReadReq.Options();
    const uuids = new ReadReq.Options.UUIDOption();
    uuids.setString(new (shared().Empty)());
    options.setUuidOption(uuids);
    options.setNoFilter(new (shared().Empty)());
    fill(options, ReadReq, shared());
    const request = new ReadReq();
    request.setOptions(options);
    const grpc = await connected(client, 'streams_grpc_pb', 'StreamsClient');
    const call = grpc.read(request, ...client.callArguments({}));
    const read = [];
    for await (const answer of call) if (answer.hasEvent()) read.push(answer.getEvent());
    return read;
  };

  /** A stream's events with their bytes, each byte one sign of a latin1 text. */
  const readBytes = async (client, stream) => {
    const read = await reading(client, (options, ReadReq, { Empty }) => {
      const from = new ReadReq.Options.StreamOptions();
      from.setStreamIdentifier(identifier(stream));
      from.setStart(new Empty());
      options.setStream(from);
      options.setCount('1000');
    });
    return read.map((event) => recordOf(event.getEvent()));
  };

  /** Names of streams and types of what a filtered read of `$all` answers. */
  const readAllFiltered = async (
    client,
    { from, on, prefixes = [], regex, count = 1000, backwards = false },
  ) => {
    const read = await reading(client, (options, ReadReq, { Empty }) => {
      const all = new ReadReq.Options.AllOptions();
      if (from === 'start') all.setStart(new Empty());
      else if (from === 'end') all.setEnd(new Empty());
      else {
        const position = new ReadReq.Options.Position();
        position.setCommitPosition(from.commit.toString());
        position.setPreparePosition(from.prepare.toString());
        all.setPosition(position);
      }
      const wanted = new ReadReq.Options.FilterOptions.Expression();
      wanted.setPrefixList(prefixes);
      if (regex !== undefined) wanted.setRegex(regex);
      const filter = new ReadReq.Options.FilterOptions();
      if (on === 'stream') filter.setStreamIdentifier(wanted);
      else filter.setEventType(wanted);
      filter.setMax(32);
      filter.setCheckpointintervalmultiplier(1);
      options.setFilter(filter);
      options.setAll(all);
      options.setCount(String(count));
      options.setReadDirection(backwards ? 1 : 0);
    });
    return read.map((event) => ({
      streamId: Buffer.from(event.getEvent().getStreamIdentifier().getStreamName_asU8()).toString('utf8'),
      type: event.getEvent().getMetadataMap().get('type'),
      revision: BigInt(event.getEvent().getStreamRevision()),
    }));
  };

  /** The error of a call without arguments to a service that the client has no word for. */
  const refusalOf = async (client, file, name, method, request) => {
    const grpc = await connected(client, file, name);
    return new Promise((resolve) => {
      const call = grpc[method](request, ...client.callArguments({}), (error) => resolve(error));
      call?.on?.('error', resolve);
      call?.on?.('data', () => resolve(undefined));
    });
  };

  return { appendBytes, readBytes, readAllFiltered, refusalOf };
};
