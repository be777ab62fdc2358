/** Copies the streams of one store into another, of whatever kind they are, and proves by hash that they are the same. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { taggedError, toPromise } from '../../core/fault.js';
import { hashOf } from '../../core/json.js';
import { comparePositions, type Position, startPosition } from '../../core/stream.js';
import { compareDigests, type Comparison, keyOf, type StreamDigests } from '../../core/stream-digest.js';
import type {
  Checkpoint,
  CheckpointError,
  EventStore,
  HeldBack,
  InvalidRequest,
  MarkError,
  ReadAllError,
  ReadError,
} from '../../store/event-store.js';
import { checkCount, pageDefault, pageMax } from '../../store/limits.js';
import { type Environment, realEnvironment } from '../environment.js';
import type { CopyOrder } from './batches.js';
import { digestsOf } from './digests.js';
import { lifted } from './lifted.js';
import { writePage } from './page-writing.js';
import { type CopyScope, endOf, pagesOf, type Reading } from './pages.js';
import { goneStreams, settle, type StreamOfTenant, tombstoneAll } from './settling.js';
import {
  type CopyDiverged,
  type CopyRefused,
  type CopyTruncated,
  together,
  type Written,
} from './writing.js';

export type CompareError = ReadAllError;
export type CopyError =
  | CopyDiverged
  | CopyTruncated
  | CopyRefused
  | ReadError
  | MarkError
  | CheckpointError
  | CompareError;

/** How far a copy is. */
export interface CopyProgress {
  /** `copying`, then `hashing` of the source, `marking`, and `comparing` of the target. */
  readonly phase: 'copying' | 'hashing' | 'marking' | 'comparing';
  /** Events that this phase has seen. */
  readonly events: number;
  /** The part of the phase that is done as far as positions tell, 0 to 1. */
  readonly done: number;
}

export interface CompareOptions extends CopyScope {
  /** Events a page, 1 to 4,096. Default 512. */
  readonly maxCount?: number;
  /** How long events that wait behind an open transaction are waited for, in milliseconds. Default 10,000. */
  readonly heldBackMaxMs?: number;
  /** Stops between two appends or two pages. What was copied stays, and the next copy goes on there. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Default: the machine's clock. */
  readonly environment?: Environment;
}

export interface CopyOptions extends CompareOptions {
  /**
   * Default `strict`: the target's global order is the source's. `pages`: only from page to page, while within a page each stream's events
   * go in one append, and several streams at a time. For targets without `atomicAppendMany`, where it saves appends.
   */
  readonly order?: CopyOrder;
  /** Tombstone what is tombstoned in the source and not in the target. That is for ever. Default false: `gone` tells which they are. */
  readonly tombstone?: boolean;
}

/** How two stores compare, and whether all of them was read. */
export interface StoreComparison extends Comparison {
  /**
   * Set where newer events of a store still wait behind an open transaction after all patience: those were not read, and in the
   * target they count as a difference.
   */
  readonly heldBack: { readonly source: HeldBack | undefined; readonly target: HeldBack | undefined };
}

export interface CopyReport extends Written {
  /** Streams whose mark was changed in the target. */
  readonly marked: number;
  /** The place in the source up to which everything is copied. */
  readonly through: Position;
  /** Streams of the target that are tombstoned in the source; with `tombstone` they are now tombstoned in the target too. */
  readonly gone: ReadonlyArray<StreamOfTenant>;
  /** Both sides read again, up to `through`. `undefined` where the signal ended the copy. */
  readonly comparison: StoreComparison | undefined;
}

const readingOf = (store: EventStore, options: CompareOptions): Reading => {
  const { tenant, category, includeArchived, maxCount, heldBackMaxMs, signal, environment } = options;
  return {
    store,
    scope: {
      ...(tenant !== undefined && { tenant }),
      ...(category !== undefined && { category }),
      ...(includeArchived !== undefined && { includeArchived }),
    },
    maxCount: maxCount ?? pageDefault,
    heldBackMaxMs: heldBackMaxMs ?? 10_000,
    environment: environment ?? realEnvironment,
    signal,
  };
};

const isStopped = ({ signal }: Reading): boolean => signal?.aborted === true;

const sequenceOf = (position: Position): number => Number(position.slice(position.indexOf('/') + 1));

/** How far a phase is that began at one place and ends at another. */
const meter = (
  { onProgress }: CompareOptions,
  phase: CopyProgress['phase'],
  [begin, end]: readonly [Position, Position],
) => {
  const [first, length] = [sequenceOf(begin), Math.max(1, sequenceOf(end) - sequenceOf(begin))];
  return (events: number, position: Position): void =>
    onProgress?.({ phase, events, done: Math.min(1, Math.max(0, (sequenceOf(position) - first) / length)) });
};

/** The name of the copy's checkpoint in the target: one for each source, in each of its lives, and each scope. */
const checkpointName = (epoch: string, { tenant, category, includeArchived = true }: CopyScope): string => {
  const isAll = tenant === undefined && category === undefined && includeArchived;
  const scope = [tenant ?? null, category ?? null, includeArchived];
  return isAll ? `copy:${epoch}` : `copy:${epoch}:${hashOf(scope).slice(0, 16)}`;
};

interface Copying {
  readonly from: EventStore;
  readonly to: EventStore;
  readonly options: CopyOptions;
  readonly source: Reading;
  readonly target: Reading;
  readonly subscriber: string;
  /** Of the target: its checkpoints belong to it. */
  readonly epoch: string;
  readonly begin: Position | undefined;
}

const problemOf = (options: CopyOptions): InvalidRequest | undefined => {
  const count = checkCount('maxCount', options.maxCount, pageDefault, 1, pageMax);
  if (count._tag === 'Left') return count.left;
  const patience = checkCount('heldBackMaxMs', options.heldBackMaxMs, 0, 0, Number.MAX_SAFE_INTEGER);
  return patience._tag === 'Left' ? patience.left : undefined;
};

const invalid = (field: string, reason: string): Error =>
  taggedError<InvalidRequest>({ _tag: 'InvalidRequest', field, reason });

/** A checkpoint of another life of the target is not believed: all is copied again, and recognised. */
const begun = async (from: EventStore, to: EventStore, options: CopyOptions): Promise<Copying> => {
  const problem = problemOf(options);
  if (problem !== undefined) throw taggedError(problem);
  const [sourceEpoch, epoch] = [await toPromise(from.epoch()), await toPromise(to.epoch())];
  // A database that was cloned within its cluster has the epoch of the first.
  if (sourceEpoch === epoch && from.name === to.name)
    throw invalid('to', 'must be another store than the one that is copied');
  const source = readingOf(from, options);
  const subscriber = checkpointName(sourceEpoch, source.scope);
  const kept: Checkpoint | undefined = await toPromise(to.checkpoints.load(subscriber));
  const begin = kept?.epoch === epoch ? kept.position : undefined;
  return { from, to, options, source, target: readingOf(to, options), subscriber, epoch, begin };
};

interface Copied extends Written {
  readonly through: Position;
  readonly heldBack: HeldBack | undefined;
}

/** Copies to the end of the source's order; the checkpoint moves after each page. */
const copyEvents = async (copying: Copying): Promise<Copied> => {
  const { to, options, source, subscriber, epoch, begin = startPosition } = copying;
  const tell = meter(options, 'copying', [begin, await endOf(source)]);
  let done: Written = { copied: 0, known: 0 };
  let through = begin;
  const pages = pagesOf(source, begin);
  for (;;) {
    const next = await pages.next();
    if (next.done === true) return { ...done, through, heldBack: next.value };
    const page = next.value;
    done = together([done, await writePage(copying, page.events, options.order ?? 'strict', source.signal)]);
    if (isStopped(source)) return { ...done, through, heldBack: undefined };
    if (comparePositions(page.last, through) > 0) {
      through = page.last;
      await toPromise(to.checkpoints.save(subscriber, { position: through, epoch }));
    }
    tell(done.copied + done.known, through);
  }
};

/** Reads the target, and answers how it compares; streams that are gone in the source are tombstoned where that is wanted. */
const compared = async (
  { from, to, options, target }: Copying,
  streams: StreamDigests,
  heldBack: HeldBack | undefined,
): Promise<Pick<CopyReport, 'gone' | 'comparison'>> => {
  const comparing = meter(options, 'comparing', [startPosition, await endOf(target)]);
  const copied = await digestsOf(target, undefined, comparing);
  if (isStopped(target)) return { gone: [], comparison: undefined };
  const gone = await goneStreams(from, streams, copied.streams);
  const left = new Map(copied.streams);
  if (options.tombstone === true) {
    await tombstoneAll(to, gone);
    for (const { tenant, streamName } of gone) left.delete(keyOf(tenant, streamName));
  }
  const comparison = {
    ...compareDigests(streams, left),
    heldBack: { source: heldBack, target: copied.heldBack },
  };
  return { gone, comparison };
};

const copy = async (from: EventStore, to: EventStore, options: CopyOptions): Promise<CopyReport> => {
  const copying = await begun(from, to, options);
  const { source } = copying;
  const { heldBack, ...events } = await copyEvents(copying);
  const unfinished: CopyReport = { ...events, marked: 0, gone: [], comparison: undefined };
  if (isStopped(source)) return unfinished;
  const hashing = meter(options, 'hashing', [startPosition, events.through]);
  const { streams } = await digestsOf(source, events.through, hashing);
  if (isStopped(source)) return unfinished;
  options.onProgress?.({ phase: 'marking', events: 0, done: 0 });
  const { signal, scope } = source;
  const settled = await settle({ sides: copying, scope, source: streams, signal });
  const report = { ...events, ...together([events, settled]), marked: settled.marked };
  return { ...report, ...(await compared(copying, streams, heldBack)) };
};

/**
 * Copies events with their ids, types, schema versions, data, metadata and versions, and how streams are marked; `recordedAt` and
 * positions are the target's own. In the source's global order, as `order` says. Progress is kept in a checkpoint of the target, named
 * `copy:<epoch of the source>`, so that a copy that was ended goes on where it was; what is there already is recognised, and nothing
 * is written twice. What comes to the source meanwhile is copied too, until its end is reached. Then both sides are read and compared.
 *
 * Tombstoned streams have no events that could be read: they are not copied, and their names are free in the target. Snapshots,
 * queues, leases, operations and subscribers’ checkpoints are not copied; see `moveCheckpoint`.
 */
export const copyStore = (
  from: EventStore,
  to: EventStore,
  options: CopyOptions = {},
): TaskEither<CopyError, CopyReport> => lifted(() => copy(from, to, options));

/** Reads both stores to their ends and compares the hashes of their streams. Writes nothing. `undefined` where the signal ended it. */
export const compareStores = (
  from: EventStore,
  to: EventStore,
  options: CompareOptions = {},
): TaskEither<CompareError, StoreComparison | undefined> =>
  lifted(async () => {
    const problem = problemOf(options);
    if (problem !== undefined) throw taggedError(problem);
    const [source, target] = [readingOf(from, options), readingOf(to, options)];
    const hashing = meter(options, 'hashing', [startPosition, await endOf(source)]);
    const read = await digestsOf(source, undefined, hashing);
    const comparing = meter(options, 'comparing', [startPosition, await endOf(target)]);
    const other = await digestsOf(target, undefined, comparing);
    if (isStopped(source)) return undefined;
    const heldBack = { source: read.heldBack, target: other.heldBack };
    return { ...compareDigests(read.streams, other.streams), heldBack };
  });
