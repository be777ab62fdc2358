/** What a command is sent with, what it is answered, and the one command as its handling knows it. */
import * as E from 'fp-ts/lib/Either.js';
import { type CommandInput, decodeCommand, type EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { DecodeFailed, Definitions, EncodeFailed, TaggedOf } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import type { EventMetadata } from '../../core/event.js';
import {
  any,
  checkExpectedVersion,
  checkName,
  type ExpectedVersion,
  type Position,
  type StreamName,
  type StreamVersion,
} from '../../core/stream.js';
import type { AppendError, ReadError, VersionConflict } from '../../store/event-store.js';
import { checkFence } from '../../store/checks.js';
import type { Fence } from '../../store/leases.js';
import { newId } from '../../store/ids.js';
import { withSaveHeader } from '../../core/concurrency/save-header.js';
import { currentSystemWork } from '../concurrency/system-work.js';
import { type AggregateContext, type Source, sourceOf } from './aggregate-context.js';
import { defaultRetry, type RetryPolicy } from '../../core/retry.js';
import type { ConcurrencyConflict } from './concurrency-conflict.js';

/** The aggregate refuses the command, with a value of its own type. Nothing was written. It is an answer: tell whoever asked. */
export interface Rejected<Rejection> {
  readonly _tag: 'Rejected';
  readonly rejection: Rejection;
}

/**
 * Why a command was not handled. Nothing was written, except perhaps after `OutcomeUnknown`. A `DecodeFailed` with a
 * `streamName` speaks of a recorded event, one without of the command.
 */
export type HandleCommandError<Rejection> =
  | Rejected<Rejection>
  | ConcurrencyConflict
  | DecodeFailed
  | EventDecodeFailed
  | EncodeFailed
  | Exclude<AppendError, VersionConflict>
  | ReadError;

export interface CommandRequest<Commands extends Definitions> {
  /** Which aggregate; its stream is `<category>-<id>`. */
  readonly id: string;
  /** As it comes from outside; its codec decodes it. */
  readonly command: CommandInput<Commands>;
  /** Goes to each event as it is. `causationId` and `correlationId` are the command's id where it has one and nothing else is given. */
  readonly metadata?: EventMetadata;
  /**
   * The command's own id, the same each time it is sent, 1 to 512 bytes. Event ids derive from it, so that a repeat is
   * recognised and not decided again.
   *
   * Promised: a repeat is recognised while the command's first event is among those that are folded, which without
   * snapshots is for ever; and behind a snapshot while it is one of the last `idsRemembered` events of commands with
   * an id. A repeat older than that is decided again like a new command. A command that was rejected, or decided no
   * events, left no trace: its repeat is decided again too.
   */
  readonly commandId?: string;
  /** What the caller saw; another version is a conflict at once, which no retry can settle. Default `any`. */
  readonly expected?: ExpectedVersion;
  /** The lease that the command is handled under: its events are refused with `LeaseLost` once the lease is another's. */
  readonly fence?: Fence;
}

/** The command is handled. */
export interface CommandHandled<State, Event> {
  readonly streamName: StreamName;
  /** `state` is the fold of the stream's first `version` events. */
  readonly version: StreamVersion;
  readonly state: State;
  /** What was decided, as it will be read; none where nothing had to happen, or a repeat was recognised in the stream. */
  readonly events: ReadonlyArray<Event>;
  /** Of the last event; undefined where none was written. */
  readonly position: Position | undefined;
  /** True where this command had been handled before. Nothing was added. */
  readonly duplicate: boolean;
  /** How often it was tried; 1 is the first. */
  readonly attempts: number;
}

/** One command on one stream. */
export interface Work<Commands extends Definitions, Events extends Definitions, State, Rejection> {
  readonly rules: Aggregate<Commands, Events, State, Rejection>;
  readonly source: Source<Events, State>;
  readonly command: TaggedOf<Commands>;
  readonly expected: ExpectedVersion;
  readonly metadata: EventMetadata;
  readonly commandId: string | undefined;
  readonly fence: Fence | undefined;
  readonly retry: RetryPolicy;
}

/** Marked as work of the system, where it is. */
const asSystemWork = (metadata: EventMetadata): EventMetadata => {
  const system = currentSystemWork();
  if (system === undefined) return metadata;
  const { operation } = system;
  return withSaveHeader(metadata, { id: newId(), strategy: 'retry', attempts: 1, work: 'system', operation });
};

/** Checks what was sent before anything is read. */
export const workOf = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  context: AggregateContext,
  rules: Aggregate<Commands, Events, State, Rejection>,
  request: CommandRequest<Commands>,
): E.Either<HandleCommandError<never>, Work<Commands, Events, State, Rejection>> => {
  const { id, commandId, metadata = {} } = request;
  const source = sourceOf(context, rules, id);
  if (E.isLeft(source)) return source;
  const expected = checkExpectedVersion(request.expected ?? any);
  if (E.isLeft(expected)) return expected;
  if (commandId !== undefined) {
    const checked = checkName('commandId', commandId, 512);
    if (E.isLeft(checked)) return checked;
  }
  const fence = checkFence(request.fence);
  if (E.isLeft(fence)) return fence;
  const command = decodeCommand(rules.commands, request.command);
  if (E.isLeft(command)) return command;
  const given =
    commandId === undefined ? metadata : { correlationId: commandId, causationId: commandId, ...metadata };
  return E.right({
    rules,
    source: source.right,
    command: command.right,
    expected: expected.right,
    metadata: asSystemWork(given),
    commandId,
    fence: request.fence,
    retry: { ...defaultRetry, ...rules.retry },
  });
};
