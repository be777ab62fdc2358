/** Loads gRPC and the protocol's messages when a server is made, so that nobody else needs them installed. */
import type * as Grpc from '@grpc/grpc-js';
import type * as ClusterMessages from '@eventstore/db-client/generated/cluster_pb.js';
import type * as FeaturesMessages from '@eventstore/db-client/generated/serverfeatures_pb.js';
import type * as FeaturesService from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type * as GossipMessages from '@eventstore/db-client/generated/gossip_pb.js';
import type * as GossipService from '@eventstore/db-client/generated/gossip_grpc_pb.js';
import type * as MonitoringService from '@eventstore/db-client/generated/monitoring_grpc_pb.js';
import type * as OperationsService from '@eventstore/db-client/generated/operations_grpc_pb.js';
import type * as PersistentMessages from '@eventstore/db-client/generated/persistent_pb.js';
import type * as PersistentService from '@eventstore/db-client/generated/persistent_grpc_pb.js';
import type * as ProjectionsService from '@eventstore/db-client/generated/projections_grpc_pb.js';
import type * as SharedMessages from '@eventstore/db-client/generated/shared_pb.js';
import type * as StatusMessages from '@eventstore/db-client/generated/status_pb.js';
import type * as StreamsMessages from '@eventstore/db-client/generated/streams_pb.js';
import type * as StreamsService from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type * as UsersService from '@eventstore/db-client/generated/users_grpc_pb.js';

/** The modules of a server: gRPC itself, and messages and services of each part of the protocol. */
export interface Modules {
  readonly grpc: typeof Grpc;
  readonly shared: typeof SharedMessages;
  readonly status: typeof StatusMessages;
  readonly streams: typeof StreamsMessages;
  readonly streamsService: typeof StreamsService;
  readonly persistent: typeof PersistentMessages;
  readonly persistentService: typeof PersistentService;
  readonly features: typeof FeaturesMessages;
  readonly featuresService: typeof FeaturesService;
  readonly gossip: typeof GossipMessages;
  readonly gossipService: typeof GossipService;
  readonly cluster: typeof ClusterMessages;
  readonly projectionsService: typeof ProjectionsService;
  readonly usersService: typeof UsersService;
  readonly operationsService: typeof OperationsService;
  readonly monitoringService: typeof MonitoringService;
}

/** The packages that serving needs are not installed, or not whole. Nothing was opened. Install the two that `message` names. */
export interface ServerModulesMissing {
  readonly _tag: 'ServerModulesMissing';
  readonly message: string;
}

// Both packages are CommonJS: an ES module sees their exports under `default`, a bundler or a test runner perhaps not.
const whole = async <M>(loading: Promise<M>): Promise<M> => {
  const loaded = (await loading) as M & { readonly default?: M };
  return loaded.default ?? loaded;
};

/** Rejects with what the loader says where a package is missing. */
export const loadModules = async (): Promise<Modules> => ({
  grpc: await whole(import('@grpc/grpc-js')),
  shared: await whole(import('@eventstore/db-client/generated/shared_pb.js')),
  status: await whole(import('@eventstore/db-client/generated/status_pb.js')),
  streams: await whole(import('@eventstore/db-client/generated/streams_pb.js')),
  streamsService: await whole(import('@eventstore/db-client/generated/streams_grpc_pb.js')),
  persistent: await whole(import('@eventstore/db-client/generated/persistent_pb.js')),
  persistentService: await whole(import('@eventstore/db-client/generated/persistent_grpc_pb.js')),
  features: await whole(import('@eventstore/db-client/generated/serverfeatures_pb.js')),
  featuresService: await whole(import('@eventstore/db-client/generated/serverfeatures_grpc_pb.js')),
  gossip: await whole(import('@eventstore/db-client/generated/gossip_pb.js')),
  gossipService: await whole(import('@eventstore/db-client/generated/gossip_grpc_pb.js')),
  cluster: await whole(import('@eventstore/db-client/generated/cluster_pb.js')),
  projectionsService: await whole(import('@eventstore/db-client/generated/projections_grpc_pb.js')),
  usersService: await whole(import('@eventstore/db-client/generated/users_grpc_pb.js')),
  operationsService: await whole(import('@eventstore/db-client/generated/operations_grpc_pb.js')),
  monitoringService: await whole(import('@eventstore/db-client/generated/monitoring_grpc_pb.js')),
});
