/** The event store on EventStoreDB (22.6 or later) and KurrentDB, over `@eventstore/db-client`: `watersmeet/eventstoredb`. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { taggedOf, thrownMessage } from '../../core/fault.js';
import type { InvalidRequest, StoreLimits, StoreUnavailable } from '../../store/event-store.js';
import { defaultLimits } from '../../store/limits.js';
import type { DriverMissing } from '../../store/store-errors.js';
import { realTimers, type Timers } from '../../store/timers.js';
import { checkConnectionString } from './connection-string.js';
import { connect, type Connection } from './connection.js';
import { loadDriver } from './driver.js';
import { openFeed } from './feed.js';
import { keepMarks } from './marks.js';
import { keepSeen } from './seen.js';
import { type EventStoreDBStore, eventStoreDBStore } from './store.js';

export { isEventStoreDBUrl } from './connection-string.js';
export type { DriverMissing } from '../../store/store-errors.js';
export type { EventStoreDBStore } from './store.js';
export type {
  Consuming,
  ConsumeOptions,
  Delivery,
  HandleDelivery,
  GroupError,
  GroupExists,
  GroupFull,
  GroupInfo,
  GroupMissing,
  GroupSettings,
  GroupSource,
  PersistentGroup,
  PersistentGroups,
} from './persistent.js';

export type EventStoreDBOpenError = StoreUnavailable | InvalidRequest | DriverMissing;

export interface EventStoreDBOptions {
  /**
   * `esdb://user:password@host:2113?tls=true`, several hosts with commas between, or `esdb+discover://name`, and `kurrentdb` for `esdb` alike;
   * with the parameters that the client knows.
   */
  readonly connectionString: string;
  readonly limits?: Partial<StoreLimits>;
  /** What the server takes in one append, in bytes, as its `MaxAppendSize` says. Default 1 MiB (1,048,576), as the server's own. */
  readonly appendBytesMax?: number;
  /** How long one call may take, in milliseconds, 1 or more. Default 10,000. */
  readonly timeoutMs?: number;
  /** How long an append whose answer was lost is asked for before it is `OutcomeUnknown`, in milliseconds. Default 10,000. */
  readonly resolveOutcomeMs?: number;
  /** What it waits by. Default: the machine's timers. */
  readonly timers?: Timers;
}

const appendBytesDefault = 1024 * 1024;
/** What an event's metadata can be longer there than here, its type that is counted besides, and some room. */
const overheadBytes = 1_024;
/** A batch is one write of the server: with more events than this it would hold up others. */
const batchEventsDefault = 10_000;

const limitsOf = ({ limits = {}, appendBytesMax = appendBytesDefault }: EventStoreDBOptions): StoreLimits => {
  const bytesMax = Math.max(1, appendBytesMax - overheadBytes);
  return {
    ...defaultLimits,
    batchEventsMax: batchEventsDefault,
    ...limits,
    eventBytesMax: Math.min(bytesMax, limits.eventBytesMax ?? bytesMax),
    batchBytesMax: Math.min(bytesMax, limits.batchBytesMax ?? bytesMax),
  };
};

const connectionTo = async (options: EventStoreDBOptions, text: string): Promise<Connection> => {
  const { timers = realTimers, timeoutMs = 10_000 } = options;
  const driver = await loadDriver();
  return connect({ driver, client: driver.Client.connectionString(text), timeoutMs, timers });
};

/**
 * Opens the store. Asks the server once, so that an unknown host or a wrong password is said here and not at the first append. Marks,
 * checkpoints and the store's epoch are kept in streams whose names begin with `@/`; nothing else is written but what is asked for.
 */
export const openEventStoreDB =
  (options: EventStoreDBOptions): TaskEither<EventStoreDBOpenError, EventStoreDBStore> =>
  async () => {
    const checked = checkConnectionString(options.connectionString);
    if (E.isLeft(checked)) return checked;
    let connection: Connection | undefined;
    try {
      connection = await connectionTo(options, checked.right.text);
      const seen = keepSeen();
      const marks = keepMarks(connection);
      await marks.catchUp();
      const feed = openFeed(connection, marks, seen);
      await feed.untilLive(options.timeoutMs ?? 10_000);
      const context = {
        connection,
        limits: limitsOf(options),
        appendBytesMax: options.appendBytesMax ?? appendBytesDefault,
        resolveOutcomeMs: options.resolveOutcomeMs ?? 10_000,
        ...{ seen, marks, feed },
      };
      return E.right(eventStoreDBStore(checked.right.name, context));
    } catch (error) {
      await connection?.close();
      const tagged = taggedOf(error);
      if (tagged?._tag === 'DriverMissing') return E.left(tagged as DriverMissing);
      return E.left({ _tag: 'StoreUnavailable', message: thrownMessage(error) });
    }
  };
