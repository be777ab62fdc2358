/** Checks of what concerns message queues, the same on every store: what passes can be stored and read back equal. */
import * as E from 'fp-ts/lib/Either.js';
import { findJsonProblem, type Json, jsonBytesBound } from '../core/json.js';
import { slotOf, slotsCount } from '../core/partition.js';
import { checkName, defaultTenant, tenant as tenantOf } from '../core/stream.js';
import type { StoreLimits } from './event-store.js';
import {
  badRequest,
  checkCount,
  checkFence,
  eventTypeBytesMax,
  firstLeft,
  idBytesMax,
  metadataProblem,
} from './checks.js';
import type {
  EnqueueOptions,
  FailedRequest,
  QueuedMessage,
  TakenMessage,
  TakeRequest,
} from './message-queue.js';
import type { BadRequest } from './store-errors.js';

/** The longest delay and the longest memory for handled ids: ten years. */
export const delayMsMax = 315_360_000_000;
export const takeMax = 1_024;
export const exceptMax = 4_096;
/** Characters of an error that are kept with a message. */
const errorCharactersMax = 8_192;

export type MessageKey = Pick<TakenMessage, 'tenant' | 'queue' | 'id'>;

/** A message whose parts are all there and good, and the slot of its key. */
export interface CheckedMessage extends Required<QueuedMessage> {
  readonly slot: number;
}

const checkQueue = (field: string, queue: string): E.Either<BadRequest, void> =>
  typeof queue === 'string' && /^[\w.-]{1,100}$/.test(queue)
    ? E.right(undefined)
    : badRequest(field, 'must be 1 to 100 letters, digits, _, . and -');

const checkData = (field: string, { data, metadata }: QueuedMessage): E.Either<BadRequest, void> => {
  const problem = findJsonProblem(data);
  if (problem !== undefined)
    return badRequest(`${field}.data${problem.path.slice(1)}`, `found ${problem.found}; ${problem.advice}`);
  const found = metadata === undefined ? undefined : metadataProblem({ metadata });
  return found === undefined ? E.right(undefined) : badRequest(`${field}.${found[0]}`, found[1]);
};

const checkMessage = (field: string, message: QueuedMessage): E.Either<BadRequest, CheckedMessage> => {
  const { tenant = defaultTenant, queue, id, key, type, schemaVersion = 1, data, metadata = {} } = message;
  const { delayMs = 0 } = message;
  const checked = firstLeft(
    () => tenantOf(tenant),
    () => checkQueue(`${field}.queue`, queue),
    () => checkName(`${field}.id`, id, idBytesMax),
    () => checkName(`${field}.key`, key, idBytesMax),
    () => checkName(`${field}.type`, type, eventTypeBytesMax),
    () => checkCount(`${field}.schemaVersion`, schemaVersion, 1, 1, 32_767),
    () => checkCount(`${field}.delayMs`, delayMs, 0, 0, delayMsMax),
    () => checkData(field, message),
  );
  if (E.isLeft(checked)) return checked;
  const slot = slotOf(tenant, key);
  return E.right({ tenant, queue, id, key, type, schemaVersion, data, metadata, delayMs, slot });
};

const bytesOf = ({ data, metadata }: CheckedMessage): number =>
  Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(JSON.stringify(metadata));

const checkSizes = (
  field: string,
  messages: ReadonlyArray<CheckedMessage>,
  limits: StoreLimits,
): E.Either<BadRequest, void> => {
  const bound = messages.reduce(
    (sum, { data, metadata }) => sum + jsonBytesBound(data) + jsonBytesBound(metadata as Json),
    0,
  );
  if (bound <= Math.min(limits.eventBytesMax, limits.batchBytesMax)) return E.right(undefined);
  let total = 0;
  for (const [index, message] of messages.entries()) {
    const bytes = bytesOf(message);
    if (bytes > limits.eventBytesMax)
      return badRequest(`${field}[${index}].data`, `has ${bytes} bytes, more than ${limits.eventBytesMax}`);
    total += bytes;
  }
  return total > limits.batchBytesMax
    ? badRequest(field, `have ${total} bytes, more than ${limits.batchBytesMax}`)
    : E.right(undefined);
};

/** `field` is the name of the list, for the reader of a refusal. */
export const checkMessages = (
  field: string,
  messages: ReadonlyArray<QueuedMessage>,
  limits: StoreLimits,
): E.Either<BadRequest, ReadonlyArray<CheckedMessage>> => {
  if (messages.length > limits.batchEventsMax)
    return badRequest(field, `are ${messages.length}, more than ${limits.batchEventsMax}`);
  const checked: CheckedMessage[] = [];
  for (const [index, message] of messages.entries()) {
    const one = checkMessage(`${field}[${index}]`, message);
    if (E.isLeft(one)) return one;
    checked.push(one.right);
  }
  const sizes = checkSizes(field, checked, limits);
  return E.isLeft(sizes) ? sizes : E.right(checked);
};

export const checkEnqueueOptions = ({ depthMax }: EnqueueOptions): E.Either<BadRequest, unknown> =>
  checkCount('depthMax', depthMax, 1, 1, Number.MAX_SAFE_INTEGER);

export const checkPartitions = (queue: string, partitions: number): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkQueue('queue', queue),
    () => checkCount('partitions', partitions, 0, 1, slotsCount),
  );

export const checkTake = ({ partition, maxCount, except, fence }: TakeRequest): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkQueue('partition.queue', partition.queue),
    () => checkCount('partition.of', partition.of, 0, 1, slotsCount),
    () => checkCount('partition.index', partition.index, -1, 0, partition.of - 1),
    () => checkCount('maxCount', maxCount, 0, 1, takeMax),
    () => checkCount('except.length', except?.length, 0, 0, exceptMax),
    () =>
      firstLeft(
        ...(except ?? []).map((one) => () => tenantOf(one.tenant)),
        ...(except ?? []).map((one) => () => checkName('except.key', one.key, idBytesMax)),
      ),
    () => checkFence(fence),
  );

export const checkMessageKey = ({ tenant, queue, id }: MessageKey): E.Either<BadRequest, void> =>
  firstLeft(
    () => tenantOf(tenant),
    () => checkQueue('queue', queue),
    () => checkName('id', id, idBytesMax),
  );

export const checkDone = (
  messages: ReadonlyArray<MessageKey>,
  fence: TakeRequest['fence'],
  limits: StoreLimits,
): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkCount('messages.length', messages.length, 0, 0, limits.batchEventsMax),
    ...messages.map((message) => () => checkMessageKey(message)),
    () => checkFence(fence),
  );

export const checkFailed = ({ message, then, fence }: FailedRequest): E.Either<BadRequest, void> =>
  firstLeft(
    () => checkMessageKey(message),
    () => (then === 'park' ? E.right(undefined) : checkCount('retryInMs', then.retryInMs, -1, 0, delayMsMax)),
    () => checkFence(fence),
  );

/** An error is kept whatever its text holds, for it tells of something that went wrong already. */
export const errorText = (error: string): string =>
  String(error).slice(0, errorCharactersMax).toWellFormed().replaceAll('\u0000', '\uFFFD');

export const checkLetters = (request: {
  readonly queue?: string;
  readonly after?: string;
  readonly maxCount?: number;
}): E.Either<BadRequest, number> => {
  const { queue, after, maxCount } = request;
  const checked = firstLeft(
    () => (queue === undefined ? E.right(undefined) : checkQueue('queue', queue)),
    () =>
      after === undefined || /^\d{1,18}$/.test(after)
        ? E.right(undefined)
        : badRequest('after', 'must be the position of a dead letter'),
  );
  return E.isLeft(checked) ? checked : checkCount('maxCount', maxCount, 100, 1, takeMax);
};

export const checkForget = (olderThanMs: number): E.Either<BadRequest, unknown> =>
  checkCount('olderThanMs', olderThanMs, -1, 0, delayMsMax);
