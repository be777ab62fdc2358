/** What the store asks of a driver: run a statement, run a transaction; and what can go wrong between here and the server. */
import { taggedError, taggedOf } from '../../core/fault.js';
import type { MigrationMissing, StoreClosed, StoreUnavailable } from '../../store/event-store.js';

/** A row as the statements give it: every column is text or null, so that no driver's idea of types matters. */
export interface Row {
  readonly [column: string]: string | null;
}

/** A statement with its schema filled in. The name is the same for the same text, so that a server can keep it prepared. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export type Parameters = ReadonlyArray<string | null>;

export interface Transaction {
  readonly query: (statement: Statement, parameters?: Parameters) => Promise<ReadonlyArray<Row>>;
  /** Runs a script of several statements. */
  readonly run: (script: string) => Promise<void>;
}

export interface Executor {
  /** One statement, a transaction of its own. Rejects with a `TaggedError` of `SqlFault`. */
  readonly query: (
    statement: Statement,
    parameters?: Parameters,
    options?: { readonly timeoutMs?: number },
  ) => Promise<ReadonlyArray<Row>>;
  /** Commits when `work` resolves, rolls back when it rejects. Inside, use the transaction that is handed over. */
  readonly transaction: <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

/** The server was never asked: nothing was written. */
export interface NotConnected {
  readonly _tag: 'NotConnected';
  readonly message: string;
}
/** The connection was lost after the statement was sent: it may have been executed, or may yet be. */
export interface ConnectionLost {
  readonly _tag: 'ConnectionLost';
  readonly message: string;
}
/** The server refused the statement: nothing was written. */
export interface SqlRefused {
  readonly _tag: 'SqlRefused';
  /** The five characters of SQLSTATE. */
  readonly code: string;
  readonly constraint: string | undefined;
  readonly message: string;
}
export type SqlFault = NotConnected | ConnectionLost | SqlRefused | StoreClosed;

const faultTags: ReadonlySet<string> = new Set([
  'NotConnected',
  'ConnectionLost',
  'SqlRefused',
  'StoreClosed',
]);

/** The fault that a rejection carries; a bug is thrown on. */
export const faultOf = (error: unknown): SqlFault => {
  const tagged = taggedOf(error);
  if (tagged === undefined || !faultTags.has(tagged._tag)) throw error;
  return tagged as SqlFault;
};

export const closedError = () => taggedError<StoreClosed>({ _tag: 'StoreClosed' });

interface ServerError {
  readonly code: string;
  readonly severity: string;
  readonly constraint?: string;
}

// A network error has a code too (EPIPE has even five characters), but only a server tells a severity.
const isServerError = (error: unknown): error is ServerError => {
  const { code, severity } = (error ?? {}) as Partial<ServerError>;
  return typeof severity === 'string' && typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code);
};

/** One line without what a driver appends, for people. */
export const messageOf = (error: unknown): string => {
  const { message, code, errors } = (error ?? {}) as {
    message?: unknown;
    code?: unknown;
    errors?: unknown[];
  };
  // Node tries each address of a host, and tells of each; the first is enough.
  if (Array.isArray(errors) && errors.length > 0) return messageOf(errors[0]);
  const text = typeof message === 'string' && message !== '' ? message : String(code ?? error);
  return text.split('\n')[0] as string;
};

/**
 * What an error of a driver's `query` means. Connection exceptions (08), and a server that shuts down or crashed (57P),
 * leave open whether the statement was executed.
 */
export const queryFault = (error: unknown): Error => {
  if (taggedOf(error) !== undefined) return error as Error;
  if (isServerError(error)) {
    const { code, constraint } = error;
    const message = messageOf(error);
    return code.startsWith('08') || code.startsWith('57P')
      ? taggedError<ConnectionLost>({ _tag: 'ConnectionLost', message })
      : taggedError<SqlRefused>({ _tag: 'SqlRefused', code, constraint, message });
  }
  // What a driver throws without having asked anybody is a bug of ours.
  if (error instanceof TypeError || error instanceof RangeError) return error;
  return taggedError<ConnectionLost>({ _tag: 'ConnectionLost', message: messageOf(error) });
};

export const connectFault = (error: unknown): Error =>
  taggedOf(error) !== undefined
    ? (error as Error)
    : taggedError<NotConnected>({ _tag: 'NotConnected', message: messageOf(error) });

export const migrateAdvice = 'run `watersmeet migrate`, or open the store with `migrate: true`';

// Undefined schema, table, function, column: the server is there, our tables are not.
const missingCodes: ReadonlySet<string> = new Set(['3F000', '42P01', '42883', '42703']);

/** A fault in the words of the port, for calls that change nothing. */
export const unreachable = (fault: SqlFault): StoreUnavailable | MigrationMissing | StoreClosed => {
  if (fault._tag === 'StoreClosed') return fault;
  if (fault._tag === 'SqlRefused' && missingCodes.has(fault.code))
    return { _tag: 'MigrationMissing', message: `${fault.message}; ${migrateAdvice}` };
  const where = fault._tag === 'SqlRefused' ? ` (SQLSTATE ${fault.code})` : '';
  return { _tag: 'StoreUnavailable', message: `${fault.message}${where}` };
};
