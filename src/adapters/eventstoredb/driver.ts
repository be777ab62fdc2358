/** Loads the client and the protocol's messages when a store is opened, so that nobody else needs them installed. */
import type { EventStoreDBClient } from '@eventstore/db-client';
import type * as Shared from '@eventstore/db-client/generated/shared_pb.js';
import type * as Service from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type * as Streams from '@eventstore/db-client/generated/streams_pb.js';
import { taggedError } from '../../core/fault.js';
import type { DriverMissing } from '../../store/store-errors.js';

export interface Driver {
  readonly Client: typeof EventStoreDBClient;
  readonly shared: typeof Shared;
  readonly streams: typeof Streams;
  readonly service: typeof Service;
}

// The package is CommonJS: an ES module sees its exports under `default`, a bundler or a test runner perhaps not.
const whole = async <M>(loading: Promise<M>): Promise<M> => {
  const loaded = (await loading) as M & { readonly default?: M };
  return loaded.default ?? loaded;
};

/** Rejects with `DriverMissing`. */
export const loadDriver = async (): Promise<Driver> => {
  try {
    const { EventStoreDBClient: Client } = await whole(import('@eventstore/db-client'));
    return {
      Client,
      shared: await whole(import('@eventstore/db-client/generated/shared_pb.js')),
      streams: await whole(import('@eventstore/db-client/generated/streams_pb.js')),
      service: await whole(import('@eventstore/db-client/generated/streams_grpc_pb.js')),
    };
  } catch {
    const message = 'the EventStoreDB client is not installed: npm install @eventstore/db-client';
    throw taggedError<DriverMissing>({ _tag: 'DriverMissing', driver: '@eventstore/db-client', message });
  }
};
