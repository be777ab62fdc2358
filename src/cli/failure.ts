/** From any error to one readable line and an exit code: a user's mistake never shows a stack trace. */
import { describeTagged, type Tagged, taggedOf } from '../core/fault.js';
import { escapeForDisplay } from '../core/stream.js';

/** What the exit codes mean; shown by `--help`. */
export const exitCodes = {
  ok: 0,
  /** `--verify` or `copy` found a difference, or a saga is parked or left with work. */
  difference: 1,
  /** A mistake in the command, or in what it was given. */
  usage: 2,
  /** The store cannot be used: unreachable, locked, not migrated, its driver not installed. */
  store: 3,
  /** `replay` found that the code gives other states than were recorded, or cannot fold the history. */
  otherStates: 4,
  /** A defect of a program: of this one, or of the saga that was run. */
  bug: 70,
  interrupted: 130,
} as const;

/** An option's value cannot be used. Nothing was done. Give another one. */
export interface BadOption {
  readonly _tag: 'BadOption';
  readonly option: string;
  readonly message: string;
}

/** `--store` names no store. Nothing was done. Name `memory`, `pglite:<dir>` or `postgres://...`. */
export interface UnknownStore {
  readonly _tag: 'UnknownStore';
  readonly message: string;
}

/** There is no database in the directory. Nothing was done, nor made. `watersmeet run` and `watersmeet migrate` make one. */
export interface StoreMissing {
  readonly _tag: 'StoreMissing';
  readonly message: string;
}

/** The name is neither a bundled saga nor a module. Nothing was done. */
export interface UnknownSaga {
  readonly _tag: 'UnknownSaga';
  readonly message: string;
}

/** The module cannot be loaded, or its default export is no program. Nothing was done. */
export interface ProgramUnusable {
  readonly _tag: 'ProgramUnusable';
  readonly message: string;
}

/** There is no such stream, or it is empty. Nothing was done. */
export interface StreamMissing {
  readonly _tag: 'StreamMissing';
  readonly message: string;
}

export type CliError =
  | BadOption
  | UnknownStore
  | StoreMissing
  | UnknownSaga
  | ProgramUnusable
  | StreamMissing;

export interface Failure {
  /** One line. */
  readonly line: string;
  readonly exitCode: number;
}

const lineCharactersMax = 1_000;

const storeTags: ReadonlySet<string> = new Set([
  'StoreUnavailable',
  'OutcomeUnknown',
  'StoreClosed',
  'MigrationMissing',
  'MigrationChanged',
  'MigrationUnknown',
  'MigrationFailed',
  'EpochChanged',
  'NotSupported',
  'NotConnected',
  'ConnectionLost',
  'SqlRefused',
  'DirectoryLocked',
  'DriverMissing',
]);

/** Two stores that should be the same are not. */
const differenceTags: ReadonlySet<string> = new Set(['CopyDiverged', 'CopyTruncated', 'CopyRefused']);

/** These come of the code of a saga or a store, not of what was typed. */
const bugTags: ReadonlySet<string> = new Set([
  'ReactionFailed',
  'EncodeFailed',
  'InvalidExpectedVersion',
  'VersionConflict',
]);

type Fields = Readonly<Record<string, unknown>>;
const text = (value: unknown): string => String(value);

/** Words for tags whose fields alone say too little; the others bring a message of their own. */
const words: Readonly<Record<string, (fields: Fields) => string>> = {
  StoreUnavailable: ({ message }) => `the store cannot be used: ${text(message)}`,
  MigrationMissing: ({ message }) => `the store is not migrated: ${text(message)}`,
  OutcomeUnknown: ({ streamName }) =>
    `the connection was lost while ${text(streamName)} was written; run the same again, nothing is done twice`,
  StoreClosed: () => 'the store was closed; run the same again',
  LeaseLost: ({ lease }) => `the lease ${text(lease)} went to another process; run the same again`,
  IdempotencyLost: ({ scope, key }) =>
    `the operation ${text(scope)} ${text(key)} went to another process; run the same again`,
  StreamArchived: ({ streamName }) =>
    `the stream ${text(streamName)} is archived; open it again to write to it`,
  StreamTombstoned: ({ streamName }) =>
    `the stream ${text(streamName)} is tombstoned: its events are gone for good`,
  InvalidName: ({ field, value, reason }) => `the ${text(field)} "${text(value)}" ${text(reason)}`,
  InvalidRequest: ({ field, reason }) => `${text(field)} ${text(reason)}`,
  InvalidEvent: ({ type, path, reason }) =>
    `an event ${text(type)} cannot be stored: ${text(path)} ${text(reason)}`,
  LimitExceeded: ({ limit, max, found }) =>
    `more than the store takes: ${text(limit)} is ${text(max)}, found ${text(found)}`,
  EpochChanged: () =>
    'the store was restored elsewhere, and the checkpoint is of its former life; begin anew without it',
  NotSupported: ({ capability }) => `this store cannot do that (${text(capability)})`,
  DeadLetterMissing: ({ queue, id }) =>
    `there is no dead letter ${text(id)}${queue === '' ? '' : ` in the queue ${text(queue)}`}; watersmeet dead-letters list shows what there is`,
  ReactionFailed: ({ streamName, messageType, message }) =>
    `the saga's handler of ${text(messageType)} threw in ${text(streamName)}: ${text(message)}`,
  MessageInvalid: ({ messageId, message }) =>
    `the message ${text(messageId)} does not fit its codec: ${text(message)}`,
  SagaUnreadable: ({ message }) => `the stream does not fit the saga's codecs: ${text(message)}`,
  VersionConflict: ({ streamName, actual }) =>
    `${text(streamName)} has moved on to version ${text(actual)}; run the same again`,
};

const sentenceOf = (tagged: Tagged, error: unknown): string => {
  const worded = words[tagged._tag];
  if (worded !== undefined) return worded(tagged as unknown as Fields);
  const { message } = tagged as { readonly message?: unknown };
  if (typeof message === 'string') return message;
  // What reads an input words its own errors, with file and line.
  return error instanceof Error ? error.message : describeTagged(tagged);
};

const exitCodeOf = (tag: string): number => {
  if (storeTags.has(tag)) return exitCodes.store;
  if (differenceTags.has(tag)) return exitCodes.difference;
  return bugTags.has(tag) ? exitCodes.bug : exitCodes.usage;
};

const systemErrors: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is no directory',
};

/** A refusal of the operating system is nobody's defect. */
const systemFailure = (error: unknown): string | undefined => {
  const { code, path } = (error ?? {}) as { readonly code?: unknown; readonly path?: unknown };
  const reason = typeof code === 'string' ? systemErrors[code] : undefined;
  return reason === undefined ? undefined : `${typeof path === 'string' ? `${path}: ` : ''}${reason}`;
};

const oneLine = (line: string): string => escapeForDisplay(line.replace(/\s*\n\s*/g, ' '), lineCharactersMax);

export const failureOf = (error: unknown): Failure => {
  const tagged = taggedOf(error);
  if (tagged !== undefined)
    return {
      line: oneLine(`${sentenceOf(tagged, error)} (${tagged._tag})`),
      exitCode: exitCodeOf(tagged._tag),
    };
  const refused = systemFailure(error);
  if (refused !== undefined) return { line: oneLine(refused), exitCode: exitCodes.usage };
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return {
    line: oneLine(`this should not have happened: ${message} (set WATERSMEET_DEBUG=1 to see where)`),
    exitCode: exitCodes.bug,
  };
};

/** Where a defect happened, for those who mend it. */
export const stackOf = (error: unknown): string | undefined => {
  const thrown = (taggedOf(error) as { readonly thrown?: unknown } | undefined)?.thrown ?? error;
  return thrown instanceof Error ? thrown.stack : undefined;
};
