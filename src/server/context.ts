/** What every service of a server works with. */
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Timers } from '../store/timers.js';
import type { EventStore } from '../store/event-store.js';
import type { Acknowledged } from './acknowledged.js';
import type { Feed } from './feed-items.js';
import type { Modules } from './loading.js';

export interface ServerLimits {
  /** Bytes of one append: data, metadata and types of its events. */
  readonly appendBytesMax: number;
}

export interface Address {
  readonly host: string;
  /** 0 until the server listens. */
  readonly port: number;
}

/** Tells calls that stay open that the server closes. */
export interface Closing {
  readonly isClosing: () => boolean;
  /** Runs `end` once when the server closes, at once where it does already; the answer takes that back. */
  readonly listen: (end: () => void) => () => void;
}

export interface ServerContext {
  readonly store: EventStore;
  readonly modules: Modules;
  readonly feed: Feed;
  /** How far what clients were told is written goes; all that is appended through `store` is noted. */
  readonly acknowledged: Acknowledged;
  readonly timers: Timers;
  /** The time of day, for `$maxAge` and the deadlines that clients send. */
  readonly now: () => Date;
  readonly limits: ServerLimits;
  readonly address: Address;
  readonly closing: Closing;
  /** Told of everything that went wrong inside and that a client cannot mend. */
  readonly onError: (error: unknown) => void;
}

/** What a service file answers, for `server.addService`. */
export interface Service {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  /** Finishes what is under way besides calls, once the server closes; asked after the last call has ended. */
  readonly close?: () => Promise<void>;
}
