/** Writes runs of events to the target, each at the version it has in the source, and sees what is there already. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { describeTagged, taggedError, toPromise } from '../../core/fault.js';
import { any, exactly, type StreamName, type StreamVersion, type Tenant } from '../../core/stream.js';
import { isSameEvent } from '../../core/stream-digest.js';
import type {
  AppendError,
  AppendRequest,
  EventStore,
  ReadError,
  StreamPage,
} from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import { type Run, runsOfStream } from './batches.js';

/**
 * A stream of the target does not begin as the source's does: it holds another event at `version`, it is tombstoned, or somebody else
 * writes to it. Nothing was written over; what was copied before stands. Copy into a store of its own, or leave the stream out.
 */
export interface CopyDiverged {
  readonly _tag: 'CopyDiverged';
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  /** The first version that is not the source's. */
  readonly version: StreamVersion;
  readonly message: string;
}

/**
 * The beginning of a stream is gone in the source, and no store can begin a stream at a later version. The stream was not
 * written to; what was copied before stands. Copy other categories or tenants, or delete the stream in the source.
 */
export interface CopyTruncated {
  readonly _tag: 'CopyTruncated';
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  /** The first version that the source still has. */
  readonly version: StreamVersion;
  readonly message: string;
}

/**
 * The target does not take an event: it is larger than its limits, or cannot be stored there. The event was not written; what was
 * copied before stands. Raise the target's limit and copy again: it goes on there.
 */
export interface CopyRefused {
  readonly _tag: 'CopyRefused';
  readonly tenant: Tenant;
  readonly streamName: StreamName;
  /** Of the first event of the append that was refused. */
  readonly version: StreamVersion;
  readonly refusal: AppendError;
  readonly message: string;
}

export interface Sides {
  readonly from: EventStore;
  readonly to: EventStore;
}

/** What became of a run: events that were written, and events that were there before. */
export interface Written {
  readonly copied: number;
  readonly known: number;
}

/** Sum of what became of several. */
export const together = (all: ReadonlyArray<Written>): Written =>
  all.reduce((sum, { copied, known }) => ({ copied: sum.copied + copied, known: sum.known + known }), {
    copied: 0,
    known: 0,
  });

const where = ({ streamName, version }: RecordedEvent): string => `${streamName} at version ${version}`;

const diverged = (event: RecordedEvent, message: string): Error => {
  const { tenant, streamName, version } = event;
  return taggedError<CopyDiverged>({ _tag: 'CopyDiverged', tenant, streamName, version, message });
};

const requestOf = ({ tenant, streamName, events }: Run): AppendRequest => ({
  tenant,
  streamName,
  expected: exactly((events[0] as RecordedEvent).version - 1),
  events: events.map(({ eventId, type, schemaVersion, data, metadata }) => ({
    eventId,
    type,
    schemaVersion,
    data,
    metadata,
  })),
});

/** What an append that was not taken means for the copy. */
const refusalOf = (run: Run, refusal: AppendError): Error => {
  const first = run.events[0] as RecordedEvent;
  const { tenant, streamName, version } = first;
  switch (refusal._tag) {
    case 'StoreUnavailable':
    case 'StoreClosed':
    case 'MigrationMissing':
    case 'OutcomeUnknown':
      return taggedError(refusal);
    case 'StreamTombstoned':
      return diverged(first, `${streamName} is tombstoned in the target, and has events in the source`);
    case 'VersionConflict':
    case 'StreamArchived':
      return diverged(first, `somebody else writes to ${streamName} in the target`);
    case 'LimitExceeded':
    case 'InvalidEvent':
    case 'InvalidName':
    case 'InvalidRequest':
    case 'InvalidExpectedVersion':
    case 'ConditionFailed':
    case 'EpochChanged':
    case 'LeaseLost':
    case 'IdempotencyLost': {
      const message = `the target does not take the events of ${where(first)}: ${describeTagged(refusal)}`;
      return taggedError<CopyRefused>({ _tag: 'CopyRefused', tenant, streamName, version, refusal, message });
    }
  }
};

interface Standing {
  /** Of the target's stream. */
  readonly version: number;
  /** The run's events that the target lacks. */
  readonly rest: ReadonlyArray<RecordedEvent>;
}

/** Compares a run with what the target holds in its place. */
const standingOf = async ({ to }: Sides, { tenant, streamName, events }: Run): Promise<Standing> => {
  const first = events[0] as RecordedEvent;
  let [version, rest] = [0, events];
  let from: number | undefined = first.version;
  while (from !== undefined && rest.length > 0) {
    const maxCount = Math.min(pageMax, rest.length);
    const read = await to.readStream({ tenant, streamName, from, maxCount, includeArchived: true })();
    if (E.isLeft(read)) {
      if (read.left._tag === 'StreamTombstoned')
        throw refusalOf({ tenant, streamName, events, bytes: 0 }, read.left);
      throw taggedError(read.left);
    }
    for (const [index, event] of read.right.events.entries()) {
      const own = rest[index] as RecordedEvent;
      if (!isSameEvent(event, own))
        throw diverged(own, `the target holds another event than the source in ${where(own)}`);
    }
    rest = rest.slice(read.right.events.length);
    ({ version, next: from } = read.right);
  }
  return { version, rest };
};

/** Writes the events of a stream from one version to another, read from the stream itself: those that the pages did not bring. */
export const fillStream = async (
  sides: Sides,
  { tenant, streamName }: Pick<Run, 'tenant' | 'streamName'>,
  fromVersion: number,
  toVersion: number,
): Promise<Written> => {
  const written: Written[] = [];
  let from: number | undefined = fromVersion;
  while (from !== undefined && from <= toVersion) {
    const maxCount = Math.min(pageMax, toVersion - from + 1);
    const read: E.Either<ReadError, StreamPage> = await sides.from.readStream({
      ...{ tenant, streamName, from, maxCount },
      includeArchived: true,
    })();
    // Tombstoned since it was seen: nothing is left to be copied.
    if (E.isLeft(read) && read.left._tag === 'StreamTombstoned') break;
    if (E.isLeft(read)) throw taggedError(read.left);
    const { events } = read.right;
    const [first] = events;
    if (first === undefined || first.version > from) {
      const version = first?.version ?? ((toVersion + 1) as StreamVersion);
      const message = `${streamName} begins at version ${version} in the source: what was before is gone`;
      throw taggedError<CopyTruncated>({ _tag: 'CopyTruncated', tenant, streamName, version, message });
    }
    for (const run of runsOfStream(events, sides.to.limits)) written.push(await writeRun(sides, run, false));
    from = read.right.next;
  }
  return together(written);
};

/** Others may move the target's stream between a look and an append, but not for long: it is this copy's. */
const looksMax = 3;

const appendOnce = async ({ to }: Sides, run: Run): Promise<E.Either<AppendError, Written>> => {
  const result = await to.append(requestOf(run))();
  if (E.isLeft(result)) return result;
  const { length } = run.events;
  return E.right(result.right.idempotent ? { copied: 0, known: length } : { copied: length, known: 0 });
};

/** Writes a run, whatever of it, or before it, the target holds already. */
export const writeRun = async (sides: Sides, run: Run, fillsHoles = true): Promise<Written> => {
  let answer = await appendOnce(sides, run);
  let filled: Written = { copied: 0, known: 0 };
  for (let look = 1; E.isLeft(answer) && look <= looksMax; look += 1) {
    const { _tag } = answer.left;
    if (_tag !== 'VersionConflict' && _tag !== 'StreamArchived') break;
    const { tenant, streamName, events } = run;
    const { version, rest } = await standingOf(sides, run);
    const [first] = rest;
    if (first === undefined) return together([filled, { copied: 0, known: events.length }]);
    // The source has it open again, or will have it marked again at the end.
    if (_tag === 'StreamArchived')
      await toPromise(sides.to.markStream({ tenant, streamName, as: 'open', expected: any }));
    if (version < first.version - 1) {
      if (!fillsHoles) break;
      filled = together([filled, await fillStream(sides, run, version + 1, first.version - 1)]);
    }
    const known = events.length - rest.length;
    const appended = await appendRuns(sides, rest);
    answer = E.isLeft(appended)
      ? appended
      : E.right(together([filled, appended.right, { copied: 0, known }]));
  }
  if (E.isLeft(answer)) throw refusalOf(run, answer.left);
  return answer.right;
};

const appendRuns = async (
  sides: Sides,
  events: ReadonlyArray<RecordedEvent>,
): Promise<E.Either<AppendError, Written>> => {
  const written: Written[] = [];
  for (const run of runsOfStream(events, sides.to.limits)) {
    const one = await appendOnce(sides, run);
    if (E.isLeft(one)) return one;
    written.push(one.right);
  }
  return E.right(together(written));
};

/** Writes the runs of a step: in one append over all of their streams where the target has that, else one after the other. */
export const writeStep = async (sides: Sides, step: ReadonlyArray<Run>): Promise<Written> => {
  if (step.length > 1) {
    const all = await sides.to.appendMany(step.map(requestOf))();
    if (E.isRight(all))
      return together(
        step.map(({ events: { length } }, index) =>
          all.right[index]?.idempotent === true ? { copied: 0, known: length } : { copied: length, known: 0 },
        ),
      );
    // Whatever refused it: one by one it is seen which stream it was, and what is there already.
  }
  const written: Written[] = [];
  for (const run of step) written.push(await writeRun(sides, run));
  return together(written);
};
