/** Persistent subscriptions: groups of consumers whose place the server keeps. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Connection } from './connection.js';
import { type Consuming, consume, type ConsumeOptions, type HandleDelivery } from './consuming.js';
import { faultOf, unreachable } from './faults.js';
import {
  createGroup,
  type GroupError,
  type GroupInfo,
  groupInfoOf,
  type GroupSettings,
  isAll,
  type PersistentGroup,
  streamOf,
  updateGroup,
} from './groups.js';

export type { Consuming, ConsumeOptions, Delivery, HandleDelivery } from './consuming.js';
export type {
  GroupError,
  GroupExists,
  GroupFull,
  GroupInfo,
  GroupMissing,
  GroupSettings,
  GroupSource,
  PersistentGroup,
} from './groups.js';

export interface PersistentGroups {
  /** `GroupExists` where it is there already, whatever its settings. */
  readonly create: (group: PersistentGroup, settings?: GroupSettings) => TaskEither<GroupError, void>;
  /** New settings, all of them. Its consumers are sent away, and come back by themselves. */
  readonly update: (group: PersistentGroup, settings?: GroupSettings) => TaskEither<GroupError, void>;
  readonly remove: (group: PersistentGroup) => TaskEither<GroupError, void>;
  readonly info: (group: PersistentGroup) => TaskEither<GroupError, GroupInfo>;
  /** All groups of the server. */
  readonly list: () => TaskEither<GroupError, ReadonlyArray<GroupInfo>>;
  /** Hands over again what was parked: all of it, or the first `countMax`. */
  readonly replayParked: (group: PersistentGroup, countMax?: number) => TaskEither<GroupError, void>;
  /**
   * Hands events to `handle` until it is stopped: at least once each, those of one stream one after another. Done is said to the server
   * after `handle` has resolved; where it rejects, it is called again under `retry`, and after the last attempt the event is parked with the
   * reason. An outage ends nothing.
   */
  readonly consume: (group: PersistentGroup, handle: HandleDelivery, options?: ConsumeOptions) => Consuming;
}

/** The client's own words for what went wrong, where there is more to say than that the server cannot be reached. */
export const groupErrorOf = (group: string, error: unknown): GroupError => {
  const type = (error as { readonly type?: unknown } | null)?.type;
  switch (type) {
    case 'persistent-subscription-does-not-exist':
    case 'not-found':
      return { _tag: 'GroupMissing', group };
    case 'persistent-subscription-exists':
      return { _tag: 'GroupExists', group };
    case 'maximum-subscribers-reached':
      return { _tag: 'GroupFull', group };
    case undefined:
    default:
      return unreachable(faultOf(error));
  }
};

/** A server without any group says that it found none. */
const noneWhereMissing = (error: unknown): [] => {
  if (groupErrorOf('', error)._tag === 'GroupMissing') return [];
  throw error;
};

export const persistentGroups = (connection: Connection): PersistentGroups => {
  const { client } = connection;
  const call =
    <A>(group: string, act: () => Promise<A>): TaskEither<GroupError, A> =>
    async () => {
      if (connection.isClosed()) return E.left({ _tag: 'StoreClosed' });
      try {
        return E.right(await act());
      } catch (error) {
        return E.left(groupErrorOf(group, error));
      }
    };
  return {
    create: (group, settings = {}) => call(group.group, () => createGroup(client, group, settings)),
    update: (group, settings = {}) => call(group.group, () => updateGroup(client, group, settings)),
    remove: ({ group, source }) =>
      call(group, () =>
        isAll(source)
          ? client.deletePersistentSubscriptionToAll(group)
          : client.deletePersistentSubscriptionToStream(streamOf(source), group),
      ),
    info: ({ group, source }) =>
      call(group, async () =>
        groupInfoOf(
          isAll(source)
            ? await client.getPersistentSubscriptionToAllInfo(group)
            : await client.getPersistentSubscriptionToStreamInfo(streamOf(source), group),
        ),
      ),
    list: () =>
      call('', async () => {
        const all = await client.listAllPersistentSubscriptions().catch(noneWhereMissing);
        return all.map(groupInfoOf);
      }),
    replayParked: ({ group, source }, countMax) =>
      call(group, () => {
        const options = countMax === undefined ? {} : { stopAt: countMax };
        return isAll(source)
          ? client.replayParkedMessagesToAll(group, options)
          : client.replayParkedMessagesToStream(streamOf(source), group, options);
      }),
    consume: (group, handle, options = {}) =>
      consume(connection, group, handle, options, (error) => groupErrorOf(group.group, error)),
  };
};
