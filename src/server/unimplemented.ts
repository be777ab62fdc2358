/** Services that this server has none of: every method answers UNIMPLEMENTED, and says what to use instead. */
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Service, ServerContext } from './context.js';
import { refused, statusObjectOf } from './status.js';

const refusing = (
  { modules: { grpc } }: ServerContext,
  definition: ServiceDefinition,
  sentence: string,
): Service => {
  const handlers: UntypedServiceImplementation = {};
  for (const [name, { path, responseStream }] of Object.entries(definition)) {
    const error = statusObjectOf(grpc, refused('UNIMPLEMENTED', `${path.slice(1)} is not here: ${sentence}`));
    handlers[name] = responseStream
      ? // Not `destroy`, by which the client would never hear of it.
        (call: ServerWritableStream<unknown, unknown>): void => void call.emit('error', error)
      : (_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>): void => answer(error);
  }
  return { definition, handlers };
};

export const unimplementedServices = (context: ServerContext): ReadonlyArray<Service> => {
  const { projectionsService, usersService, operationsService, monitoringService } = context.modules;
  return [
    refusing(
      context,
      projectionsService.ProjectionsService,
      'this server runs no projections. Subscribe to $all with a filter and fold the events in your program.',
    ),
    refusing(
      context,
      usersService.UsersService,
      'users are kept in the credentials file that the server was started with. Edit it and start the server again.',
    ),
    refusing(
      context,
      operationsService.OperationsService,
      'there is nothing to scavenge or to merge, and the server is ended by a signal to its process. Persistent subscriptions are restarted by PersistentSubscriptions/RestartSubsystem.',
    ),
    refusing(
      context,
      monitoringService.MonitoringService,
      'this server keeps no statistics of its own. Ask the store, or look at the telemetry of the program that serves it.',
    ),
  ];
};
