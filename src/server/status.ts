/** What clients are told when something is refused: statuses, with the trailers that their libraries make errors of. */
import type * as Grpc from '@grpc/grpc-js';
import { describeTagged, type Tagged, taggedError, taggedOf } from '../core/fault.js';
import { streamIdOf } from '../core/eventstoredb/stream-id.js';
import type { AppendManyError, MarkError, ReadError, SubscribeError } from '../store/event-store.js';

/**
 * A request that the server refuses; a client gets it as a status. Nothing was written unless `message` says so. `exception` and
 * `trailers` are what clients of EventStoreDB make their own errors of.
 */
export interface Refused {
  readonly _tag: 'Refused';
  readonly code: keyof typeof Grpc.status;
  readonly message: string;
  readonly exception?: string;
  readonly trailers?: Readonly<Record<string, string>>;
}

export const refused = (
  code: Refused['code'],
  message: string,
  exception?: string,
  trailers?: Readonly<Record<string, string>>,
): Refused => ({
  _tag: 'Refused',
  code,
  message,
  ...(exception !== undefined && { exception }),
  ...(trailers !== undefined && { trailers }),
});

/** Throws a refusal; `serviceErrorOf` finds it again. */
export const refuse = (...parts: Parameters<typeof refused>): never => {
  throw taggedError(refused(...parts));
};

export const invalidArgument = (sentence: string): Refused => refused('INVALID_ARGUMENT', sentence);

export const streamDeleted = (streamId: string): Refused =>
  refused('FAILED_PRECONDITION', `Event stream '${streamId}' is deleted.`, 'stream-deleted', {
    'stream-name': streamId,
  });

export const appendTooLarge = (appendBytesMax: number): Refused =>
  refused(
    'INVALID_ARGUMENT',
    `Maximum append size of ${appendBytesMax} bytes exceeded; append less at once.`,
    'maximum-append-size-exceeded',
    { 'maximum-append-size': String(appendBytesMax) },
  );

export const propertyMissing = (properties: ReadonlyArray<string>): Refused =>
  refused(
    'INVALID_ARGUMENT',
    `The event lacks metadata that every event needs: ${properties.join(', ')}.`,
    'missing-required-metadata-property',
    { 'required-metadata-properties': properties.join(',') },
  );

/** The server is closing, and ends what stays open. */
export const closingRefusal: Refused = refused('UNAVAILABLE', 'The server is closing. Connect again later.');

/** An expectation as clients know it in trailers: a revision, or -1 no stream, -2 any, -4 the stream exists. */
export const wrongExpectedVersion = (
  streamId: string,
  expected: string,
  actualRevision: string | undefined,
): Refused =>
  refused(
    'FAILED_PRECONDITION',
    `Append failed due to WrongExpectedVersion. Stream: ${streamId}, Expected version: ${expected}, Actual version: ${actualRevision ?? '-1'}`,
    'wrong-expected-version',
    {
      'stream-name': streamId,
      'expected-version': expected,
      ...(actualRevision !== undefined && { 'actual-version': actualRevision }),
    },
  );

/** Every error of the store that a call of a client can come to. */
export type StoreError = AppendManyError | ReadError | MarkError | SubscribeError;

/** What the store's refusal is to a client. Wrong expected versions are told apart before, where the request is known. */
export const refusalOfStore = (error: StoreError, appendBytesMax: number): Refused => {
  switch (error._tag) {
    case 'StreamTombstoned':
      return streamDeleted(streamIdOf(error));
    case 'StreamArchived':
      return refused(
        'PERMISSION_DENIED',
        `Stream '${streamIdOf(error)}' is archived, hence read-only. Mark it open to write again.`,
        'access-denied',
        { watersmeet: 'stream-archived' },
      );
    case 'LimitExceeded':
      return error.limit === 'eventBytesMax' || error.limit === 'batchBytesMax'
        ? appendTooLarge(Math.min(appendBytesMax, error.max))
        : invalidArgument(`The append has ${error.found}, the store's limit ${error.limit} is ${error.max}.`);
    case 'InvalidEvent':
      return invalidArgument(
        `Event ${error.index} of type '${error.type}' cannot be stored: ${error.path} ${error.reason}.`,
      );
    case 'InvalidName':
      return invalidArgument(`The ${error.field} '${error.value}' ${error.reason}.`);
    case 'InvalidRequest':
      return invalidArgument(`${error.field} ${error.reason}.`);
    case 'InvalidExpectedVersion':
      return invalidArgument(`The expected revision is none: ${error.value}.`);
    case 'StoreUnavailable':
    case 'MigrationMissing':
    case 'StoreClosed':
    case 'OutcomeUnknown':
      return refused('UNAVAILABLE', describeTagged(error));
    case 'VersionConflict':
    case 'ConditionFailed':
    case 'LeaseLost':
    case 'IdempotencyLost':
    case 'EpochChanged':
      return refused('ABORTED', describeTagged(error));
    case 'NotSupported':
      return refused('UNIMPLEMENTED', `The store behind this server cannot do this: ${error.capability}.`);
  }
};

const storeTags: Readonly<Record<StoreError['_tag'], true>> = {
  StreamTombstoned: true,
  StreamArchived: true,
  LimitExceeded: true,
  InvalidEvent: true,
  InvalidName: true,
  InvalidRequest: true,
  InvalidExpectedVersion: true,
  StoreUnavailable: true,
  MigrationMissing: true,
  StoreClosed: true,
  OutcomeUnknown: true,
  VersionConflict: true,
  ConditionFailed: true,
  LeaseLost: true,
  IdempotencyLost: true,
  EpochChanged: true,
  NotSupported: true,
};

const isStoreError = (tagged: Tagged): tagged is StoreError => Object.hasOwn(storeTags, tagged._tag);
const isRefused = (tagged: Tagged): tagged is Refused => tagged._tag === 'Refused';

/** The refusal that a thrown value stands for; `undefined` for a bug. */
export const refusalOf = (thrown: unknown, appendBytesMax: number): Refused | undefined => {
  const tagged = taggedOf(thrown);
  if (tagged === undefined) return undefined;
  if (isRefused(tagged)) return tagged;
  return isStoreError(tagged) ? refusalOfStore(tagged, appendBytesMax) : undefined;
};

/** What gRPC sends for a refusal. */
export const statusObjectOf = (grpc: typeof Grpc, refusal: Refused): Grpc.ServiceError => {
  const metadata = new grpc.Metadata();
  if (refusal.exception !== undefined) metadata.set('exception', refusal.exception);
  for (const [key, value] of Object.entries(refusal.trailers ?? {})) metadata.set(key, headerText(value));
  const { code, message } = refusal;
  return Object.assign(new Error(message), { code: grpc.status[code], details: message, metadata });
};

// Trailers are printable ASCII, and a stream may have any name; clients show it, and decide nothing by it.
const headerText = (value: string): string => (/^[ -~]*$/.test(value) ? value : encodeURIComponent(value));

/** What gRPC sends for anything thrown; a bug is told to the owner of the server, and to the client without its insides. */
export const serviceErrorOf = (
  context: {
    readonly modules: { readonly grpc: typeof Grpc };
    readonly limits: { readonly appendBytesMax: number };
    readonly onError: (error: unknown) => void;
  },
  thrown: unknown,
): Grpc.ServiceError => {
  const refusal = refusalOf(thrown, context.limits.appendBytesMax);
  if (refusal !== undefined) return statusObjectOf(context.modules.grpc, refusal);
  context.onError(thrown);
  return statusObjectOf(context.modules.grpc, refused('INTERNAL', 'The server failed; its log says why.'));
};
