/** What a call came to that failed, in words of our own: read from the status and its metadata, never from a message. */
import { thrownMessage } from '../../core/fault.js';
import type { StreamVersion } from '../../core/stream.js';
import type { StoreClosed, StoreUnavailable } from '../../store/event-store.js';

export type ServerFault =
  /** Another node leads. Nothing was done; the client turns to that node with its next call. */
  | { readonly _tag: 'NotLeader'; readonly message: string }
  /** The stream is tombstoned. */
  | { readonly _tag: 'Deleted'; readonly message: string }
  | { readonly _tag: 'WrongVersion'; readonly actual: StreamVersion; readonly message: string }
  | { readonly _tag: 'TooLarge'; readonly max: number; readonly message: string }
  /** The store behind the server has archived the stream: servers of Watersmeet say so, by a word of their own. */
  | { readonly _tag: 'Archived'; readonly message: string }
  /** The server will not do it; nothing was done. */
  | { readonly _tag: 'Refused'; readonly message: string }
  /** No answer came. Whether the server has done it, or will yet do it, is not known. `isLate`: the time that the call had was up. */
  | { readonly _tag: 'Lost'; readonly isLate?: boolean; readonly message: string }
  | StoreClosed;

interface GrpcError {
  readonly code?: unknown;
  readonly details?: unknown;
  readonly type?: unknown;
  readonly actualVersion?: unknown;
  readonly maxAppendSize?: unknown;
  readonly metadata?: { readonly get?: (key: string) => ReadonlyArray<unknown> };
  /** The client's own errors keep what they were made of. */
  readonly _raw?: GrpcError | null;
}

/**
 * Statuses by which a server says that it will not do it: invalid argument, not found, permission denied, failed precondition, out of range,
 * unimplemented, unauthenticated. Any other may come from a proxy, or from the connection, after the server had the call.
 */
const refusalCodes: ReadonlySet<unknown> = new Set([3, 5, 7, 9, 11, 12, 16]);
const deadlineExceeded = 4;

/** An error that carries a fault. */
export interface FaultError extends Error {
  readonly fault: ServerFault;
}

export const faultError = (fault: ServerFault): FaultError =>
  Object.assign(new Error('message' in fault ? fault.message : 'the store is closed'), { fault });

const textIn = (error: GrpcError, key: string): string | undefined => {
  const value = error.metadata?.get?.(key)?.[0];
  return value === undefined ? undefined : String(value);
};

/** The revision that the server names is that of the last event; without one there is no stream. */
const actualOf = (error: GrpcError, raw: GrpcError): StreamVersion => {
  const revision = textIn(raw, 'actual-version') ?? error.actualVersion;
  return (/^\d+$/.test(String(revision)) ? Number(revision) + 1 : 0) as StreamVersion;
};

/** By status alone. What has none was thrown on this side of the wire, while the call was put together or the host was looked for. */
const byCode = ({ code }: GrpcError, message: string): ServerFault => {
  if (refusalCodes.has(code)) return { _tag: 'Refused', message };
  return code === deadlineExceeded ? { _tag: 'Lost', isLate: true, message } : { _tag: 'Lost', message };
};

/** Reads any thrown value as a fault. */
export const faultOf = (thrown: unknown): ServerFault => {
  const carried = (thrown as Partial<FaultError> | null | undefined)?.fault;
  if (carried !== undefined) return carried;
  const error = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as GrpcError;
  const raw = error._raw ?? error;
  const message = thrownMessage(thrown);
  if (textIn(raw, 'watersmeet') === 'stream-archived') return { _tag: 'Archived', message };
  switch (textIn(raw, 'exception') ?? error.type) {
    case 'not-leader':
      return { _tag: 'NotLeader', message };
    case 'stream-deleted':
      return { _tag: 'Deleted', message };
    case 'wrong-expected-version':
      return { _tag: 'WrongVersion', actual: actualOf(error, raw), message };
    case 'maximum-append-size-exceeded':
      return {
        _tag: 'TooLarge',
        max: Number(textIn(raw, 'maximum-append-size') ?? error.maxAppendSize ?? 0),
        message,
      };
    case undefined:
    default:
      return byCode(raw, message);
  }
};

/** For calls that change nothing, or of which it is known that they have changed nothing. */
export const unreachable = (fault: ServerFault): StoreUnavailable | StoreClosed =>
  fault._tag === 'StoreClosed' ? fault : { _tag: 'StoreUnavailable', message: fault.message };
