/** Opens a server over a store, and closes it in order. */
import type * as Grpc from '@grpc/grpc-js';
import * as E from 'fp-ts/lib/Either.js';
import { taggedError, thrownMessage } from '../core/fault.js';
import type { EventStore, ReadAllError } from '../store/event-store.js';
import { checkCount, firstLeft } from '../store/checks.js';
import { realTimers, type Timers } from '../store/timers.js';
import { noting, openAcknowledged } from './acknowledged.js';
import type { Closing, ServerContext, Service } from './context.js';
import {
  type Access,
  type AccessInvalid,
  type AccessUnsafe,
  accessInterceptor,
  checkAccess,
  serverCredentialsOf,
  type TlsOptions,
  type User,
} from './credentials.js';
import { featuresService } from './features.js';
import { openFeed } from './feed.js';
import { gossipService } from './gossip.js';
import { loadModules, type Modules, type ServerModulesMissing } from './loading.js';
import { persistentService } from './persistent/service.js';
import { streamsService } from './streams-service.js';
import { unimplementedServices } from './unimplemented.js';

export interface ServeOptions {
  /** Where to listen. Default 127.0.0.1; any other than this machine's own needs `tls` and `users`. */
  readonly host?: string;
  /** 0 to 65,535; 0 takes one that is free. Default 2113. */
  readonly port?: number;
  /** Default: connections are not encrypted. */
  readonly tls?: TlsOptions;
  /** Default: everyone who can connect may do everything. */
  readonly users?: ReadonlyArray<User>;
  /** Bytes of one append: data, metadata and types of its events; 1 to 67,108,864. Default 1,048,576, as EventStoreDB has it. */
  readonly appendBytesMax?: number;
  /** How long `close` waits for calls under way before it breaks them off, in milliseconds, 0 to 3,600,000. Default 5,000. */
  readonly closeMs?: number;
  /** Told of faults that clients are not told the inside of, and of outages of the store. Default: nobody. */
  readonly onError?: (error: unknown) => void;
  readonly timers?: Timers;
  /** The time of day, for `$maxAge` and the deadlines of clients. Default: the machine's. */
  readonly now?: () => Date;
}

/** The port cannot be listened at. Nothing was opened. Use another one, or end who has it. */
export interface AddressUnavailable {
  readonly _tag: 'AddressUnavailable';
  readonly host: string;
  readonly port: number;
  readonly message: string;
}

/** What `serve` rejects with, as a `TaggedError`. */
export type ServeError =
  | AccessUnsafe
  | AccessInvalid
  | AddressUnavailable
  | ServerModulesMissing
  | ReadAllError;

export interface Serving {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as connection strings have it. */
  readonly address: string;
  /**
   * Takes nothing more, answers the appends under way, ends open subscriptions with UNAVAILABLE, and gives the port back. The store
   * stays open.
   */
  readonly close: () => Promise<void>;
}

const appendBytesDefault = 1_048_576;
/** More than any store takes at once by default. */
const appendBytesLimit = 64 * 1024 * 1024;
const received = 16 * 1024 * 1024;

const loaded = async (): Promise<Modules> => {
  try {
    return await loadModules();
  } catch (error) {
    throw taggedError({
      _tag: 'ServerModulesMissing',
      message: `serving needs the packages @grpc/grpc-js and @eventstore/db-client: ${thrownMessage(error)}`,
    });
  }
};

const makeClosing = (): Closing & { readonly begin: () => void } => {
  const ends = new Set<() => void>();
  let closing = false;
  return {
    isClosing: () => closing,
    listen: (end) => {
      if (closing) {
        end();
        return () => undefined;
      }
      // A closure of its own: the same function may be given twice.
      const own = (): void => end();
      ends.add(own);
      return () => void ends.delete(own);
    },
    begin: () => {
      closing = true;
      const waiting = [...ends];
      ends.clear();
      for (const end of waiting) end();
    },
  };
};

const bind = (
  server: Grpc.Server,
  credentials: Grpc.ServerCredentials,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> =>
  new Promise((resolve, reject) => {
    const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    server.bindAsync(`${shown}:${port}`, credentials, (error, bound) => {
      if (error === null) return resolve(bound);
      const { message } = error;
      return reject(taggedError({ _tag: 'AddressUnavailable', host, port, message }));
    });
  });

/** Lets calls end by themselves, for as long as there is patience. */
const shutDown = (server: Grpc.Server, timers: Timers, closeMs: number): Promise<void> =>
  new Promise((resolve) => {
    const callOff = timers.after(closeMs, () => {
      server.forceShutdown();
      resolve();
    });
    server.tryShutdown(() => {
      callOff();
      resolve();
    });
  });

const makeServer = (modules: Modules, access: Access, appendBytesMax: number): Grpc.Server => {
  const interceptor = accessInterceptor(modules.grpc, access);
  return new modules.grpc.Server({
    // An append that is too large is refused in words; what is larger still is cut off before it fills the memory.
    'grpc.max_receive_message_length': Math.max(received, 4 * appendBytesMax),
    ...(interceptor !== undefined && { interceptors: [interceptor] }),
  });
};

/** Lets services finish, whatever one of them comes to. */
const finish = async (parts: ReadonlyArray<Service>, onError: ServerContext['onError']): Promise<void> => {
  for (const { close } of parts)
    try {
      await close?.();
    } catch (error) {
      onError(error);
    }
};

const services = (context: ServerContext): ReadonlyArray<Service> => [
  streamsService(context),
  persistentService(context),
  featuresService(context),
  gossipService(context),
  ...unimplementedServices(context),
];

const checkNumbers = (port: number, appendBytesMax: number, closeMs: number): void => {
  const checked = firstLeft(
    () => checkCount('port', port, 0, 0, 65_535),
    () => checkCount('appendBytesMax', appendBytesMax, 0, 1, appendBytesLimit),
    () => checkCount('closeMs', closeMs, 0, 0, 3_600_000),
  );
  if (E.isLeft(checked)) throw taggedError(checked.left);
};

/** What the services work with, on a feed that is open. */
const contextOf = (
  parts: Omit<ServerContext, 'acknowledged' | 'closing'>,
): ServerContext & { readonly closing: ReturnType<typeof makeClosing> } => {
  const acknowledged = openAcknowledged(parts.feed, parts.timers);
  const store = noting(parts.store, acknowledged.note);
  return { ...parts, store, acknowledged, closing: makeClosing() };
};

/** Opens a server. Rejects with a `TaggedError` of `ServeError`; nothing stays open then. */
export const serve = async (store: EventStore, options: ServeOptions = {}): Promise<Serving> => {
  const { host = '127.0.0.1', port = 2113, timers = realTimers, now = () => new Date() } = options;
  const { appendBytesMax = appendBytesDefault, closeMs = 5_000, onError = () => undefined } = options;
  const access: Access = {
    ...(options.tls !== undefined && { tls: options.tls }),
    ...(options.users !== undefined && { users: options.users }),
  };
  checkNumbers(port, appendBytesMax, closeMs);
  const allowed = checkAccess(host, access);
  if (E.isLeft(allowed)) throw taggedError(allowed.left);
  const modules = await loaded();
  const credentials = serverCredentialsOf(modules.grpc, access);
  if (E.isLeft(credentials)) throw taggedError(credentials.left);
  const feed = await openFeed({ store, timers, now, onError });
  const address = { host, port: 0 };
  const limits = { appendBytesMax };
  const context = contextOf({ store, modules, feed, timers, now, limits, address, onError });
  const server = makeServer(modules, access, appendBytesMax);
  const served = services(context);
  for (const { definition, handlers } of served) server.addService(definition, handlers);
  try {
    address.port = await bind(server, credentials.right, { host, port });
  } catch (error) {
    await finish(served, onError);
    await feed.close();
    throw error;
  }
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    context.closing.begin();
    await shutDown(server, timers, closeMs);
    await finish(served, onError);
    await feed.close();
  };
  return {
    host,
    port: address.port,
    address: `${host}:${address.port}`,
    close: () => (closed ??= close()),
  };
};
