/** Persistent subscriptions in words of our own: what a group is, how it is set up, what the server tells of it. */
import type {
  EventStoreDBClient,
  PersistentSubscriptionToAllSettings,
  PersistentSubscriptionToStreamSettings,
} from '@eventstore/db-client';
import { streamIdOf } from '../../core/eventstoredb/stream-id.js';
import { defaultTenant, type StreamName, type Tenant } from '../../core/stream.js';
import type { EventFilter, StoreClosed, StoreUnavailable } from '../../store/event-store.js';
import { serverFilterOf } from './filter.js';

/** Where a group's events come from: one stream, or the global order with a filter, which its consumers must name alike. */
export type GroupSource =
  | { readonly streamName: StreamName; readonly tenant?: Tenant }
  | { readonly all: true; readonly filter?: EventFilter };

export interface PersistentGroup {
  readonly group: string;
  readonly source: GroupSource;
}

export interface GroupSettings {
  /**
   * Who of several consumers gets an event. `pinned`: all of one stream the same one, as long as it stays. `pinnedByCorrelation`: all of one
   * conversation. `roundRobin`: each in turn. `dispatchToSingle`: one gets all, until it leaves. Default `pinned`.
   */
  readonly strategy?: 'pinned' | 'pinnedByCorrelation' | 'roundRobin' | 'dispatchToSingle';
  /** Default `start`: the first event there is. `end`: those that come. */
  readonly from?: 'start' | 'end';
  /** How long a consumer may keep an event before it is another's, in milliseconds. Default 30,000. */
  readonly messageTimeoutMs?: number;
  /** How often the server hands an event over before it parks it, 1 or more. Default 11: once, and ten times again. */
  readonly deliveriesMax?: number;
  /** Consumers at once, 1 or more. Default: any number. */
  readonly consumersMax?: number;
  /** The longest time between two checkpoints of the group, in milliseconds. Default 2,000. */
  readonly checkpointAfterMs?: number;
  /** Follow links to the events they lead to. Default true. */
  readonly resolveLinks?: boolean;
}

/** There is no such group. Nothing was changed. Create it, or mend its name. */
export interface GroupMissing {
  readonly _tag: 'GroupMissing';
  readonly group: string;
}

/** There is such a group already. Nothing was changed. Use it, or `update` it. */
export interface GroupExists {
  readonly _tag: 'GroupExists';
  readonly group: string;
}

/** The group has as many consumers as its settings allow. Nothing was handed over. Come back when one has left, or raise `consumersMax`. */
export interface GroupFull {
  readonly _tag: 'GroupFull';
  readonly group: string;
}

export type GroupError = GroupMissing | GroupExists | GroupFull | StoreUnavailable | StoreClosed;

export interface GroupInfo {
  readonly group: string;
  /** The stream's name there, or `$all`. */
  readonly source: string;
  readonly status: string;
  readonly consumers: number;
  /** Handed over, and not answered yet. */
  readonly inFlight: number;
  readonly parked: number;
}

const strategies = {
  pinned: 'Pinned',
  pinnedByCorrelation: 'PinnedByCorrelation',
  roundRobin: 'RoundRobin',
  dispatchToSingle: 'DispatchToSingle',
} as const;

/** All settings as the server has them, `startFrom` besides. */
const settingsOf = (settings: GroupSettings) => ({
  startFrom: settings.from ?? ('start' as const),
  consumerStrategyName: strategies[settings.strategy ?? 'pinned'],
  messageTimeout: settings.messageTimeoutMs ?? 30_000,
  maxRetryCount: (settings.deliveriesMax ?? 11) - 1,
  maxSubscriberCount: settings.consumersMax ?? ('unbounded' as const),
  checkPointAfter: settings.checkpointAfterMs ?? 2_000,
  resolveLinkTos: settings.resolveLinks ?? true,
  extraStatistics: false,
  checkPointLowerBound: 10,
  checkPointUpperBound: 1_000,
  liveBufferSize: 500,
  readBatchSize: 20,
  historyBufferSize: 500,
});

export const streamOf = (source: GroupSource): string =>
  'all' in source
    ? '$all'
    : streamIdOf({ tenant: source.tenant ?? defaultTenant, streamName: source.streamName });

export const isAll = (source: GroupSource): source is Extract<GroupSource, { readonly all: true }> =>
  'all' in source;

export const createGroup = (
  client: EventStoreDBClient,
  { group, source }: PersistentGroup,
  settings: GroupSettings,
): Promise<void> => {
  const whole = settingsOf(settings);
  if (!isAll(source))
    return client.createPersistentSubscriptionToStream(
      streamOf(source),
      group,
      whole as PersistentSubscriptionToStreamSettings,
    );
  const { on: filterOn, regex } = serverFilterOf(source.filter ?? {});
  return client.createPersistentSubscriptionToAll(group, whole as PersistentSubscriptionToAllSettings, {
    filter: { filterOn, regex, checkpointInterval: 1 },
  });
};

export const updateGroup = (
  client: EventStoreDBClient,
  { group, source }: PersistentGroup,
  settings: GroupSettings,
): Promise<void> => {
  const whole = settingsOf(settings);
  return isAll(source)
    ? client.updatePersistentSubscriptionToAll(group, whole as PersistentSubscriptionToAllSettings)
    : client.updatePersistentSubscriptionToStream(
        streamOf(source),
        group,
        whole as PersistentSubscriptionToStreamSettings,
      );
};

type ServerInfo = Awaited<ReturnType<EventStoreDBClient['listAllPersistentSubscriptions']>>[number];

export const groupInfoOf = ({
  groupName,
  eventSource,
  status,
  connections,
  stats,
}: ServerInfo): GroupInfo => ({
  group: groupName,
  source: eventSource,
  status,
  consumers: connections.length,
  inFlight: Number(stats.totalInFlightMessages),
  parked: Number(stats.parkedMessageCount),
});
