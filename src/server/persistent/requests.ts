/** Requests about persistent subscriptions, from the protocol's messages. */
import type { CreateReq, ReadReq, UpdateReq } from '@eventstore/db-client/generated/persistent_pb.js';
import type { Empty, StreamIdentifier } from '@eventstore/db-client/generated/shared_pb.js';
import { taggedError } from '../../core/fault.js';
import type { Position } from '../../core/stream.js';
import type { ServerContext } from '../context.js';
import { isEndPosition, positionBefore } from '../positions.js';
import { orderEnd } from '../reading.js';
import { closingRefusal, refuse } from '../status.js';
import { keyOf, streamIdFrom } from '../wire.js';
import type { FilterText } from './config.js';
import type { NackAction } from './group.js';
import type { ChangedGroup, NewGroup } from './groups.js';
import { endOf } from './info.js';
import { allStreams, beginning, placeOfPosition } from './places.js';
import { failed, type GroupName } from './refusals.js';
import { type GroupSettings, settingsProblem, type StrategyName, strategyNames } from './settings.js';

/** Whatever names a group by stream or `$all`, and a name. */
interface Naming {
  getAll(): Empty | undefined | object;
  getStreamIdentifier(): StreamIdentifier | undefined;
  getGroupName(): string;
}

/** The group that a request is about. */
export const nameOf = (options: Naming | undefined): GroupName => {
  const group = options?.getGroupName() ?? '';
  if (options === undefined || group === '')
    return refuse('INVALID_ARGUMENT', 'The request names no subscription group.');
  if (options.getAll() !== undefined) return { stream: allStreams, group };
  const stream = streamIdFrom(options.getStreamIdentifier());
  if (stream === '' || stream === allStreams)
    return refuse(
      'INVALID_ARGUMENT',
      'The request names no stream; $all is asked for by a field of its own.',
    );
  keyOf(stream);
  return { stream, group };
};

/** Where a group is to begin: what clients are told, and the place after which it does. */
type Start = Pick<NewGroup, 'startFrom' | 'after'>;

/** Nothing that was acknowledged comes after it. */
const endOfAll = async (context: ServerContext, signal: AbortSignal): Promise<string> => {
  const position = await orderEnd(context, signal);
  return position === undefined ? beginning : placeOfPosition(position);
};

const fromEnd = async (context: ServerContext, stream: string, signal: AbortSignal): Promise<Start> => {
  const after = await (stream === allStreams ? endOfAll(context, signal) : endOf(context, stream));
  if (signal.aborted) throw taggedError(closingRefusal);
  // Kept, so that it is the end of now, whenever it is that somebody reads.
  return { startFrom: '-1', after };
};

const fromBeginning = (stream: string): Start => ({
  startFrom: stream === allStreams ? 'C:0/P:0' : '0',
  after: beginning,
});

const revisionEnd = 2n ** 64n - 1n;

/** Clients of before 21.10 send -1 for the end. */
const fromRevision = (stream: string, text: string): Start | 'end' => {
  const revision = BigInt(text);
  if (revision < 0n || revision === revisionEnd) return 'end';
  if (revision === 0n) return fromBeginning(stream);
  return { startFrom: text, after: String(revision - 1n) };
};

type Settings = CreateReq.Settings | UpdateReq.Settings;
type Options = CreateReq.Options | UpdateReq.Options;
type StreamStart = CreateReq.StreamOptions | UpdateReq.StreamOptions;
type AllStart = CreateReq.AllOptions | UpdateReq.AllOptions;

const streamStart = (stream: string, options: StreamStart | undefined, settings: Settings): Start | 'end' => {
  if (options === undefined) return fromRevision(stream, settings.getRevision());
  if (options.getStart() !== undefined) return fromBeginning(stream);
  if (options.getEnd() !== undefined) return 'end';
  return fromRevision(stream, options.getRevision());
};

const allStart = (options: AllStart): Start | 'end' => {
  const message = options.getPosition();
  if (options.getEnd() !== undefined) return 'end';
  if (message === undefined) return fromBeginning(allStreams);
  const [commit, prepare] = [BigInt(message.getCommitPosition()), BigInt(message.getPreparePosition())];
  if (isEndPosition({ commit, prepare })) return 'end';
  if (commit === 0n && prepare === 0n) return fromBeginning(allStreams);
  const before: Position = positionBefore({ commit, prepare });
  return { startFrom: `C:${commit}/P:${prepare}`, after: placeOfPosition(before) };
};

const millisecondsOf = (ticks: string, milliseconds: number): number =>
  BigInt(ticks) > 0n ? Number(BigInt(ticks) / 10_000n) : milliseconds;

// In the order of the protocol's numbers.
const namedStrategies: ReadonlyArray<StrategyName> = ['DispatchToSingle', 'RoundRobin', 'Pinned'];

const strategyIn = (settings: Settings): StrategyName | undefined => {
  const text = 'getConsumerStrategy' in settings ? settings.getConsumerStrategy() : '';
  if (text === '') return namedStrategies[settings.getNamedConsumerStrategy()];
  return strategyNames.find((name) => name === text);
};

const settingsOf = (name: GroupName, settings: Settings): GroupSettings => {
  const strategy = strategyIn(settings);
  if (strategy === undefined)
    throw taggedError(failed(name, `the consumer strategy is none of ${strategyNames.join(', ')}`));
  const read: GroupSettings = {
    resolveLinks: settings.getResolveLinks(),
    extraStatistics: settings.getExtraStatistics(),
    messageTimeoutMs: millisecondsOf(settings.getMessageTimeoutTicks(), settings.getMessageTimeoutMs()),
    maxRetryCount: settings.getMaxRetryCount(),
    checkpointAfterMs: millisecondsOf(settings.getCheckpointAfterTicks(), settings.getCheckpointAfterMs()),
    checkpointCountMin: settings.getMinCheckpointCount(),
    checkpointCountMax: settings.getMaxCheckpointCount(),
    subscribersMax: settings.getMaxSubscriberCount(),
    liveBufferSize: settings.getLiveBufferSize(),
    readBatchSize: settings.getReadBatchSize(),
    historyBufferSize: settings.getHistoryBufferSize(),
    strategy,
  };
  const problem = settingsProblem(read);
  if (problem !== undefined) throw taggedError(failed(name, problem));
  return read;
};

const filterTextOf = (options: CreateReq.AllOptions | undefined): FilterText | undefined => {
  const filter = options?.getFilter();
  if (filter === undefined) return undefined;
  const streams = filter.getStreamIdentifier();
  const expression = streams ?? filter.getEventType();
  if (expression === undefined)
    return refuse('INVALID_ARGUMENT', 'The filter names neither streams nor event types.');
  return {
    on: streams === undefined ? 'type' : 'stream',
    regex: expression.getRegex(),
    prefixes: expression.getPrefixList(),
    window: filter.getMax(),
    multiplier: filter.getCheckpointintervalmultiplier(),
  };
};

/** Newer clients name the stream beside its start, older ones in a field of its own. */
const namingOf = (options: Options): Naming => ({
  getAll: () => options.getAll(),
  getStreamIdentifier: () => options.getStream()?.getStreamIdentifier() ?? options.getStreamIdentifier(),
  getGroupName: () => options.getGroupName(),
});

/** `signal`: aborts when the client waits no longer. */
export const changedGroupOf = async (
  context: ServerContext,
  options: Options | undefined,
  signal: AbortSignal,
): Promise<ChangedGroup> => {
  const settings = options?.getSettings();
  if (options === undefined || settings === undefined)
    return refuse('INVALID_ARGUMENT', 'The request has no settings.');
  const name = nameOf(namingOf(options));
  const read = settingsOf(name, settings);
  const all = options.getAll();
  const told = all === undefined ? streamStart(name.stream, options.getStream(), settings) : allStart(all);
  const start = told === 'end' ? await fromEnd(context, name.stream, signal) : told;
  return { ...name, settings: read, ...start };
};

export const newGroupOf = async (
  context: ServerContext,
  request: CreateReq,
  signal: AbortSignal,
): Promise<NewGroup> => {
  const options = request.getOptions();
  const group = await changedGroupOf(context, options, signal);
  const filter = filterTextOf(options?.getAll());
  return filter === undefined ? group : { ...group, filter };
};

const nackActions: ReadonlyArray<NackAction> = ['unknown', 'park', 'retry', 'skip', 'stop'];

export const nackActionOf = (nack: ReadReq.Nack): NackAction => nackActions[nack.getAction()] ?? 'unknown';
