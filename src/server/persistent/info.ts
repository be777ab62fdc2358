/** What clients are told about a group: its settings, its consumers, and how far it has come. */
import type { SubscriptionInfo } from '@eventstore/db-client/generated/persistent_pb.js';
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../../core/fault.js';
import type { ServerContext } from '../context.js';
import { headPosition } from '../reading.js';
import { keyOf } from '../wire.js';
import type { GroupEntry } from './config.js';
import { loadCheckpoint, parkedRange } from './kept.js';
import { allStreams, placeOfPosition } from './places.js';
import type { GroupRun, RunFigures } from './run.js';

/** The place of the newest event of a group's source; '' where there is none, or none any more. */
export const endOf = async (context: ServerContext, stream: string): Promise<string> => {
  if (stream === allStreams) {
    const position = await headPosition(context);
    return position === undefined ? '' : placeOfPosition(position);
  }
  const request = { ...keyOf(stream), direction: 'backwards', maxCount: 1, includeArchived: true } as const;
  const page = await context.store.readStream(request)();
  // A group outlives its stream: it is there to be told of, and to be deleted.
  if (E.isLeft(page) && page.left._tag === 'StreamTombstoned') return '';
  if (E.isLeft(page)) throw taggedError(page.left);
  const { version } = page.right;
  return version === 0 ? '' : String(version - 1);
};

const perSecond = (items: number, sinceMs: number): number =>
  sinceMs <= 0 ? 0 : Math.round((items * 1_000) / sinceMs);

const fillSettings = (
  info: SubscriptionInfo,
  { stream, group, startFrom, settings }: GroupEntry,
): SubscriptionInfo =>
  info
    .setEventSource(stream)
    .setGroupName(group)
    .setStartFrom(stream === allStreams && startFrom === '-1' ? 'C:-1/P:-1' : startFrom)
    .setResolveLinkTos(settings.resolveLinks)
    .setExtraStatistics(settings.extraStatistics)
    .setMessageTimeoutMilliseconds(settings.messageTimeoutMs)
    .setMaxRetryCount(settings.maxRetryCount)
    .setLiveBufferSize(settings.liveBufferSize)
    .setBufferSize(settings.historyBufferSize)
    .setReadBatchSize(settings.readBatchSize)
    .setCheckPointAfterMilliseconds(settings.checkpointAfterMs)
    .setMinCheckPointCount(settings.checkpointCountMin)
    .setMaxCheckPointCount(settings.checkpointCountMax)
    .setMaxSubscriberCount(settings.subscribersMax)
    .setNamedConsumerStrategy(settings.strategy);

const fillConnections = (
  { modules: { persistent } }: ServerContext,
  info: SubscriptionInfo,
  run: GroupRun,
  { consumers, sinceMs }: RunFigures,
): void => {
  const { ConnectionInfo, Measurement } = persistent.SubscriptionInfo;
  const subscribers = new Map(run.subscribers().map((subscriber) => [subscriber.id, subscriber]));
  const connections = consumers.map((consumer) => {
    const { from = '', userName = '', connectionName = '' } = subscribers.get(consumer.id) ?? {};
    return new ConnectionInfo()
      .setFrom(from)
      .setUsername(userName)
      .setConnectionName(connectionName)
      .setAverageItemsPerSecond(perSecond(consumer.itemsSince, sinceMs))
      .setTotalItems(String(consumer.totalItems))
      .setCountSinceLastMeasurement(String(consumer.itemsSince))
      .setAvailableSlots(consumer.availableSlots)
      .setInFlightMessages(consumer.inFlight)
      .setObservedMeasurementsList(
        consumer.measurements.map(({ key, value }) => new Measurement().setKey(key).setValue(String(value))),
      );
  });
  info.setConnectionsList(connections);
};

const fillFigures = (info: SubscriptionInfo, figures: RunFigures): SubscriptionInfo =>
  info
    .setStatus(figures.isLive ? 'Live' : 'Behind')
    .setAveragePerSecond(perSecond(figures.itemsSince, figures.sinceMs))
    .setTotalItems(String(figures.totalItems))
    .setCountSinceLastMeasurement(String(figures.itemsSince))
    .setReadBufferCount(figures.isLive ? 0 : figures.fresh)
    .setLiveBufferCount(String(figures.isLive ? figures.fresh : 0))
    .setRetryBufferCount(figures.waiting)
    .setTotalInFlightMessages(figures.inFlight)
    .setOutstandingMessagesCount(figures.outstanding);

/** The info of a group; `run` where it is at work here, else what the store has of it. */
export const infoOf = async (
  context: ServerContext,
  entry: GroupEntry,
  run: GroupRun | undefined,
): Promise<SubscriptionInfo> => {
  const info = fillSettings(new context.modules.persistent.SubscriptionInfo(), entry);
  const [end, parked, kept] = await Promise.all([
    endOf(context, entry.stream),
    parkedRange(context, entry),
    loadCheckpoint(context, entry),
  ]);
  const figures = run?.figures();
  const first = Math.max(parked.first, figures?.replayedTo ?? 0);
  info
    .setParkedMessageCount(String(Math.max(0, parked.end - first)))
    .setLastKnownEventPosition(end)
    .setLastCheckpointedEventPosition(kept ?? '');
  if (run === undefined || figures === undefined)
    return info
      .setStatus('NotReady')
      .setTotalItems('0')
      .setCountSinceLastMeasurement('0')
      .setLiveBufferCount('0');
  fillConnections(context, info, run, figures);
  return fillFigures(info, figures);
};
