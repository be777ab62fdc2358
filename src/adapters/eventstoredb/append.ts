/** Appends: one call to the server, and its answer in the words of the port. */
import * as E from 'fp-ts/lib/Either.js';
import { streamIdOf } from '../../core/eventstoredb/stream-id.js';
import { type ExpectedVersion, meets, startPosition } from '../../core/stream.js';
import type { AppendRequest, InvalidEvent, InvalidRequest, LimitExceeded } from '../../store/event-store.js';
import { badRequest } from '../../store/checks.js';
import { checkAppend, type CheckedAppend } from '../../store/limits.js';
import { conflictOf, type Outcome, resultOf, type Sending } from './answers.js';
import type { RawAppend } from './connection.js';
import type { StoreContext } from './context.js';
import { faultOf, type ServerFault, unreachable } from './faults.js';
import { serverTypes } from './filter.js';
import { resolveOutcome } from './outcome.js';
import { unlessDeleted, versionOf } from './reading.js';
import { proposed, proposedBytes, type RawExpected } from './wire.js';

/** An append that meets a node which does not lead is refused, and the client turns to the leader: an election may take a few. */
const leadersMax = 8;

const rawExpectedOf = (expected: ExpectedVersion): RawExpected =>
  expected._tag === 'exactly' ? expected.version : expected._tag;

/** What other stores write in the same step; the capabilities say that this one cannot. */
const findUnsupported = (request: AppendRequest): E.Either<InvalidRequest, void> => {
  const parts = {
    condition: ['conditions', request.condition],
    fence: ['leases', request.fence],
    enqueue: ['queue', request.enqueue?.length === 0 ? undefined : request.enqueue],
    completes: ['idempotency', request.completes],
  } as const;
  for (const [field, [capability, value]] of Object.entries(parts))
    if (value !== undefined)
      return badRequest(field, `is not supported by this store: it lacks ${capability}`);
  return E.right(undefined);
};

const findServerType = ({ events }: CheckedAppend): InvalidEvent | undefined => {
  const index = events.findIndex(({ type }) => serverTypes.has(type));
  const type = events[index]?.type;
  if (type === undefined) return undefined;
  return { _tag: 'InvalidEvent', index, type, path: 'type', reason: 'is one that the server writes itself' };
};

const tooLarge = (
  { limits, appendBytesMax }: StoreContext,
  { events }: RawAppend,
): LimitExceeded | undefined => {
  const found = events.reduce((sum, event) => sum + proposedBytes(event), 0);
  return found <= appendBytesMax
    ? undefined
    : { _tag: 'LimitExceeded', limit: 'batchBytesMax', max: limits.batchBytesMax, found };
};

/** A batch without events is a look at the version. */
const lookAt = async (context: StoreContext, request: CheckedAppend, streamId: string): Promise<Outcome> => {
  const version = await versionOf(context.connection, streamId);
  const { streamName, expected } = request;
  return meets(expected, version)
    ? E.right({ streamName, version, position: startPosition, idempotent: false })
    : E.left(await conflictOf(context, request, version));
};

const onFault = async (context: StoreContext, sending: Sending, fault: ServerFault): Promise<Outcome> => {
  switch (fault._tag) {
    case 'WrongVersion':
      return E.left(await conflictOf(context, sending.request, fault.actual));
    case 'TooLarge': {
      const found = sending.raw.events.reduce((sum, event) => sum + proposedBytes(event), 0);
      return E.left({ _tag: 'LimitExceeded', limit: 'batchBytesMax', max: fault.max, found });
    }
    case 'Lost':
      return resolveOutcome(context, sending, fault.message);
    case 'StoreClosed':
      return resolveOutcome(context, sending, 'the store was closed while the answer was on its way');
    case 'Deleted': {
      const { tenant, streamName } = sending.request;
      await context.marks.learnTombstone({ tenant, streamName });
      return E.left({ _tag: 'StreamTombstoned', tenant, streamName });
    }
    case 'Archived': {
      const { tenant, streamName } = sending.request;
      return E.left({ _tag: 'StreamArchived', tenant, streamName });
    }
    case 'NotLeader':
    case 'Refused':
      return E.left(unreachable(fault));
  }
};

/** Sends it. Where no connection stands, one is made first: so that an append which was never sent is known to be unwritten. */
const send = async (context: StoreContext, sending: Sending): Promise<Outcome> => {
  const { connection } = context;
  for (let attempt = 1; ; attempt += 1) {
    if (!(await connection.isReady())) await versionOf(connection, sending.raw.streamId);
    try {
      return E.right(await resultOf(context, sending, await connection.append(sending.raw)));
    } catch (error) {
      const fault = faultOf(error);
      if (fault._tag !== 'NotLeader' || attempt >= leadersMax) return onFault(context, sending, fault);
      await connection.nap(50 * attempt);
    }
  }
};

export const append = async (context: StoreContext, given: AppendRequest): Promise<Outcome> => {
  const checked = checkAppend(given, context.limits);
  if (E.isLeft(checked)) return checked;
  const unsupported = findUnsupported(given);
  if (E.isLeft(unsupported)) return unsupported;
  const request = checked.right;
  const serverType = findServerType(request);
  if (serverType !== undefined) return E.left(serverType);
  const key = { tenant: request.tenant, streamName: request.streamName };
  const state = context.marks.stateOf(key);
  if (state === 'tombstoned') return E.left({ _tag: 'StreamTombstoned', ...key });
  if (state === 'archived') return E.left({ _tag: 'StreamArchived', ...key });
  const streamId = streamIdOf(key);
  if (request.events.length === 0)
    return unlessDeleted(context, key, () => lookAt(context, request, streamId));
  const raw = { streamId, expected: rawExpectedOf(request.expected), events: request.events.map(proposed) };
  const large = tooLarge(context, raw);
  if (large !== undefined) return E.left(large);
  const sending = { request, raw, before: context.seen.anywhere() };
  return unlessDeleted(context, key, () => send(context, sending));
};
