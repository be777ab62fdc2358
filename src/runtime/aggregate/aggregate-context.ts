/** What the aggregates' runtime is given, what it tells, and one aggregate's stream as its parts share it. */
import * as E from 'fp-ts/lib/Either.js';
import type { About } from '../../core/concurrency/about.js';
import type { Definitions } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import type { Folding } from '../../core/decider.js';
import {
  checkName,
  defaultTenant,
  type ExpectedVersion,
  type InvalidName,
  streamName,
  type StreamName,
  streamNameBytesMax,
  type StreamVersion,
  type Tenant,
} from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { Snapshots } from '../../store/snapshots.js';
import type { Environment } from '../environment.js';

/** Where an append of a command was refused, and what was done about it. */
export interface CommandConflictNotice {
  readonly streamName: StreamName;
  /** The attempt that was refused; 1 is the first. */
  readonly attempt: number;
  /** The version that the command was decided on. */
  readonly base: StreamVersion;
  /** Where the stream stood when the append was refused. */
  readonly actual: StreamVersion;
  /** What the other writers recorded in between, as far as the refusal handed it over. */
  readonly theirs: ReadonlyArray<RecordedEvent>;
  readonly answer: 'retry' | 'reject';
}

export interface RetryNotice {
  readonly streamName: StreamName;
  /** The attempt that was refused; 1 is the first. */
  readonly attempt: number;
  readonly expected: ExpectedVersion;
  readonly actual: StreamVersion;
  /** How long the next attempt waits, in milliseconds. */
  readonly delayMs: number;
}

/** Why a snapshot was not used. The stream is folded from its beginning instead. */
export interface SnapshotIgnored {
  readonly streamName: StreamName;
  readonly reason: 'otherCodecVersion' | 'unreadable' | 'beyondStream' | 'unavailable';
  readonly message: string;
}

export interface SnapshotNotSaved {
  readonly streamName: StreamName;
  readonly version: StreamVersion;
  /** A tagged value, or what was thrown. */
  readonly error: unknown;
}

/** For those who want to watch. A hook that throws is a bug and surfaces as a rejection of the call in hand. */
export interface AggregateHooks {
  readonly onConflict?: (notice: CommandConflictNotice) => void;
  readonly onRetry?: (notice: RetryNotice) => void;
  readonly onSnapshotIgnored?: (notice: SnapshotIgnored) => void;
  /** Called after the command's events were written; what it throws is dropped, so that the command stays handled. */
  readonly onSnapshotNotSaved?: (notice: SnapshotNotSaved) => void;
}

export interface AggregateContext {
  readonly store: EventStore;
  /** Where snapshots are kept. Default: nowhere, whatever an aggregate's policy says. */
  readonly snapshots?: Snapshots;
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
  /** Default: the real clock and dice. */
  readonly environment?: Environment;
  readonly hooks?: AggregateHooks;
  /**
   * Aggregates whose fold is kept in memory between commands of one handler. Default 1,000; 0 reads each stream from its beginning (or
   * its snapshot) each time. Only `handleCommand` keeps folds; another number than a whole one of 0 or more is a TypeError there.
   *
   * A kept fold is never trusted with an answer: every append names the version that it was decided on, and what writes nothing is
   * answered after a look at what is newer. Kept with it are the ids of the aggregate's identified commands, 1,000 at most. After a
   * store was restored to an earlier time, restart its processes: a fold of what never happened in it is found out by its version
   * alone, while the stream is shorter than that.
   */
  readonly aggregatesKept?: number;
}

/** One aggregate's stream, and how it is read. */
export interface Source<Events extends Definitions, State> {
  readonly rules: Folding<Events, State>;
  readonly context: AggregateContext;
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  /** A copy of the store may answer that has the stream this far. Default: the store itself. */
  readonly atLeast?: number;
}

/** Ids of commands' events, by which a repeat is recognised, with the versions that they stand at. */
export type KnownIds = Map<string, number>;

/** The fold, and what a command needs to know of the events that went into it. */
export interface Fold<State> {
  readonly version: StreamVersion;
  readonly state: State;
  /** Absent where it went on by an append of this process, which does not say when the events were recorded. */
  readonly about?: About;
  /** Where `about` was known last. */
  readonly lastAbout: Pick<Loaded<unknown>, 'version' | 'about'>;
  /** Version of the snapshot it began with; 0 without one. */
  readonly snapshotVersion: StreamVersion;
  /** Ids of the last events of identified commands, oldest first; only where the aggregate has snapshots. */
  readonly ids: ReadonlyArray<string>;
  /** Whether an event with the id that was looked for is in the fold. */
  readonly isKnown: boolean;
  /**
   * All ids in the stream up to `version` that derive from a command's id. Folds of one stream share it, so it may hold later ones too.
   * Absent where nobody asked for it, where the fold began with a snapshot, and where there are too many.
   */
  readonly known?: KnownIds | undefined;
}

/** A fold whose events were all read. */
export interface Loaded<State> extends Fold<State> {
  readonly about: About;
}

export const sourceOf = <Events extends Definitions, State>(
  context: AggregateContext,
  rules: Folding<Events, State>,
  id: string,
): E.Either<InvalidName, Source<Events, State>> => {
  const checked = checkName('id', id, streamNameBytesMax);
  if (E.isLeft(checked)) return checked;
  const name = streamName(`${rules.category}-${id}`);
  if (E.isLeft(name)) return name;
  return E.right({ rules, context, tenant: context.tenant ?? defaultTenant, streamName: name.right });
};

export const idsRemembered = (rules: Pick<Folding<Definitions, unknown>, 'snapshot'>): number =>
  rules.snapshot === undefined ? 0 : (rules.snapshot.idsRemembered ?? 256);

/** Whether an event's id derives from a command's id: its UUID is of version 5. */
const derives = (id: string): boolean => id[14] === '5';

const knownIdsMax = 1_000;

/** Takes in the ids of events that follow on `version`; undefined once there are too many to keep. */
export const learnIds = (
  known: KnownIds,
  version: StreamVersion,
  ids: ReadonlyArray<string>,
): KnownIds | undefined => {
  for (const [index, id] of ids.entries())
    if (derives(id) && !known.has(id)) known.set(id, version + index + 1);
  return known.size <= knownIdsMax ? known : undefined;
};

/** The newest `max` ids of those that derive from a command's id. */
export const remember = (
  ids: ReadonlyArray<string>,
  more: ReadonlyArray<string>,
  max: number,
): ReadonlyArray<string> => {
  if (max === 0) return [];
  const derived = more.filter(derives);
  return derived.length === 0 ? ids : [...ids, ...derived].slice(-max);
};
