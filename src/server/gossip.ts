/** Gossip: a cluster of one, for clients that look for its leader before they ask anything. */
import type { handleUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js';
import type { Empty } from '@eventstore/db-client/generated/shared_pb.js';
import { derivedId } from '../core/ids.js';
import type { Address, Service, ServerContext } from './context.js';
import { idMessageOf, ticksOf } from './wire.js';

/** `localhost:2113` as a client wrote it; undefined where it is no such thing. */
const addressIn = (authority: string): Address | undefined => {
  const parts = /^(?<host>\[[^\]]+\]|[^:]+):(?<port>\d{1,5})$/.exec(authority)?.groups;
  if (parts?.['host'] === undefined || parts['port'] === undefined) return undefined;
  return { host: parts['host'], port: Number(parts['port']) };
};

export const gossipService = (context: ServerContext): Service => {
  const { modules, now } = context;
  const { gossip, gossipService: service } = modules;
  const read: handleUnaryCall<Empty, ClusterInfo> = (call, answer) => {
    // The address by which the client came reaches this server, through whatever lies in between; ours may be known here only.
    const { host, port } = addressIn(call.getHost()) ?? context.address;
    const member = new gossip.MemberInfo()
      .setInstanceId(idMessageOf(modules, derivedId('server', host, port), 'string'))
      .setTimeStamp(ticksOf(now().toISOString()))
      .setState(gossip.MemberInfo.VNodeState.LEADER)
      .setIsAlive(true)
      .setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(port));
    answer(null, new gossip.ClusterInfo().setMembersList([member]));
  };
  const handlers: UntypedServiceImplementation = { read };
  return { definition: service.GossipService, handlers };
};
