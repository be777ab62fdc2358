/** PersistentSubscriptions: groups of consumers that share the work of a stream, or of all streams. */
import type { handleUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type {
  CreateReq,
  DeleteReq,
  GetInfoReq,
  ListReq,
  ReplayParkedReq,
  UpdateReq,
} from '@eventstore/db-client/generated/persistent_pb.js';
import { taggedError } from '../../core/fault.js';
import { endOfCall } from '../calls.js';
import type { Service, ServerContext } from '../context.js';
import { serviceErrorOf } from '../status.js';
import { streamIdFrom } from '../wire.js';
import type { GroupEntry } from './config.js';
import { type Groups, openGroups } from './groups.js';
import { infoOf } from './info.js';
import { allStreams } from './places.js';
import { readingCall } from './reading-call.js';
import { doesNotExist, type GroupName } from './refusals.js';
import { changedGroupOf, nameOf, newGroupOf } from './requests.js';
import type { GroupRun } from './run.js';

/** A method with one answer; what it throws becomes the call's status. The signal aborts when nobody waits for the answer. */
const unary =
  <Request, Answer>(
    context: ServerContext,
    work: (request: Request, signal: AbortSignal) => Promise<Answer>,
  ): handleUnaryCall<Request, Answer> =>
  (call, answer) => {
    const { signal, forget } = endOfCall(context, call);
    work(call.request, signal)
      .finally(forget)
      .then(
        (message) => answer(null, message),
        (thrown: unknown) => answer(serviceErrorOf(context, thrown)),
      );
  };

/** The group at work, started where nobody else has it: so that its info is that of a group at work. */
const runForInfo = (groups: Groups, entry: GroupEntry): Promise<GroupRun | undefined> =>
  groups.run(entry).catch(() => undefined);

const countMaxOf = (options: ReplayParkedReq.Options | undefined): number =>
  options?.hasStopAt() === true ? Number(BigInt(options.getStopAt())) : Infinity;

/** The stream whose groups are asked for; undefined for all groups. */
const streamOf = (request: ListReq): string | undefined => {
  const option = request.getOptions()?.getListForStream();
  if (option === undefined) return undefined;
  return option.getAll() === undefined ? streamIdFrom(option.getStream()) : allStreams;
};

export const persistentService = (context: ServerContext): Service => {
  const { modules } = context;
  const { persistent, shared, persistentService: service } = modules;
  const groups = openGroups(context);
  const nameIn = (request: { getOptions(): Parameters<typeof nameOf>[0] }): GroupName =>
    nameOf(request.getOptions());
  const handlers: UntypedServiceImplementation = {
    create: unary(context, async (request: CreateReq, signal) => {
      await groups.create(await newGroupOf(context, request, signal));
      return new persistent.CreateResp();
    }),
    update: unary(context, async (request: UpdateReq, signal) => {
      await groups.update(await changedGroupOf(context, request.getOptions(), signal));
      return new persistent.UpdateResp();
    }),
    delete: unary(context, async (request: DeleteReq) => {
      await groups.remove(nameIn(request));
      return new persistent.DeleteResp();
    }),
    read: readingCall(context, groups),
    getInfo: unary(context, async (request: GetInfoReq) => {
      const entry = await groups.get(nameIn(request));
      const info = await infoOf(context, entry, await runForInfo(groups, entry));
      return new persistent.GetInfoResp().setSubscriptionInfo(info);
    }),
    replayParked: unary(context, async (request: ReplayParkedReq) => {
      const run = await groups.run(nameIn(request));
      run.replayParked(countMaxOf(request.getOptions()));
      return new persistent.ReplayParkedResp();
    }),
    list: unary(context, async (request: ListReq) => {
      const stream = streamOf(request);
      const all = await groups.list();
      const entries = all.filter((entry) => stream === undefined || entry.stream === stream);
      if (stream !== undefined && entries.length === 0)
        throw taggedError(doesNotExist({ stream, group: '' }));
      const infos = [];
      // One after another: each asks the store several times.
      for (const entry of entries) infos.push(await infoOf(context, entry, await groups.running(entry)));
      return new persistent.ListResp().setSubscriptionsList(infos);
    }),
    restartSubsystem: unary(context, async () => {
      await groups.restart();
      return new shared.Empty();
    }),
  };
  return { definition: service.PersistentSubscriptionsService, handlers, close: groups.close };
};
