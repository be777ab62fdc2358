/** ServerFeatures: what a client may ask this server for, so that it need not try. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import type { Empty } from '@eventstore/db-client/generated/shared_pb.js';
import type { Service, ServerContext } from './context.js';
import type { Modules } from './loading.js';

/** The version of EventStoreDB whose protocol is spoken; clients compare it with versions that they need. */
export const protocolVersion = '24.10.0';

/** What a method can do besides what it always could; by path in lower case, as clients compare them. */
const extras: ReadonlyArray<readonly [path: RegExp, features: ReadonlyArray<string>]> = [
  [/streams\.streams\/read$/, ['position', 'events']],
  [/persistent_subscriptions\.persistentsubscriptions\/(?!restartsubsystem)/, ['stream', 'all']],
];

const pathsOf = ({
  streamsService,
  persistentService,
  gossipService,
  featuresService,
}: Modules): ReadonlyArray<string> =>
  [
    streamsService.StreamsService,
    persistentService.PersistentSubscriptionsService,
    gossipService.GossipService,
    featuresService.ServerFeaturesService,
  ].flatMap((service) => Object.values(service).map(({ path }: { path: string }) => path.toLowerCase()));

const supportedMethods = (modules: Modules): SupportedMethods => {
  const { features } = modules;
  const methods = pathsOf(modules).map((path) => {
    const [, service = '', method = ''] = path.split('/');
    return new features.SupportedMethod()
      .setServiceName(service)
      .setMethodName(method)
      .setFeaturesList(extras.flatMap(([pattern, names]) => (pattern.test(path) ? [...names] : [])));
  });
  return new features.SupportedMethods().setEventStoreServerVersion(protocolVersion).setMethodsList(methods);
};

export const featuresService = ({ modules }: ServerContext): Service => {
  const getSupportedMethods: handleUnaryCall<Empty, SupportedMethods> = (_call, answer) =>
    answer(null, supportedMethods(modules));
  const handlers: UntypedServiceImplementation = { getSupportedMethods };
  return { definition: modules.featuresService.ServerFeaturesService, handlers };
};
