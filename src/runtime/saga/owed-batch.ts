/** The work that a batch of records asks for: what to dispatch, what to merge, what to compensate. */
import type { RecordedEvent } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import { recordTypes } from '../../core/saga/saga.js';
import type { SagaLog } from '../../core/saga/saga-log.js';
import { headerOf } from '../../core/saga/saga-records.js';
import { comparePositions } from '../../core/stream.js';
import type { Checkpoint } from '../../store/event-store.js';
import type { DoOwed } from './do-owed.js';
import { unlessClosed, unlessUnreadable } from './owed-closed.js';
import type { Lanes } from './owed-dispatch.js';
import { changesSince, type TimeoutChange, type TimeoutKeeper } from './owed-timeouts.js';
import { saysTimeouts } from './owed-timeouts-kept.js';
import type { Patience } from '../outage.js';
import type { SagaShell } from './saga-context.js';

/** What a batch touched of one saga. */
interface Touched {
  readonly instance: Instance;
  /** Where the subscription stood before the first of these records. */
  readonly before: Checkpoint | undefined;
  readonly first: number;
  last: number;
  sends: boolean;
  merges: boolean;
  compensates: boolean;
  /** Asks for timeouts, or cancels some. */
  times: boolean;
}

export interface Batch {
  /** Where the subscription stood when it began. */
  readonly before: Checkpoint | undefined;
  readonly sagas: Map<string, Touched>;
  size: number;
  checkpoint: Checkpoint | undefined;
}

export const emptyBatch = (before: Checkpoint | undefined): Batch => ({
  before,
  sagas: new Map(),
  size: 0,
  checkpoint: undefined,
});

/** Remembers what a record asks for. */
export const note = (
  batch: Batch,
  instance: Instance,
  event: RecordedEvent,
  before: Checkpoint | undefined,
): void => {
  const key = instance.key;
  const touched = batch.sagas.get(key) ?? {
    instance,
    before,
    first: event.version,
    last: event.version,
    sends: false,
    merges: false,
    compensates: false,
    times: false,
  };
  batch.sagas.set(key, touched);
  touched.last = event.version;
  if (saysTimeouts(event)) touched.times = true;
  if (event.type === recordTypes.mergeSagaState) touched.merges = true;
  else if (event.type === recordTypes.sagaMerged) touched.sends = touched.compensates = true;
  else if (event.type === recordTypes.compensationApplied) touched.sends = true;
  else if (event.type === recordTypes.compensationFailed) touched.compensates = true;
  else if (headerOf(event.metadata)?.sends !== undefined) touched.sends = true;
};

export interface BatchOptions {
  /** Takes the messages out; `undefined` where nobody wants them. */
  readonly lanes: Lanes | undefined;
  readonly timeouts: TimeoutKeeper;
  /** Every call of the store goes through it; each may be repeated. */
  readonly patience: Patience;
  /** How long a branch may wait for its own writer before it is merged here, in milliseconds. */
  readonly mergeAfterMs: number;
}

/** The one that stands further back; `undefined` is before everything. */
const earlier = (a: Checkpoint | undefined, b: Checkpoint | undefined): Checkpoint | undefined =>
  a === undefined || b === undefined ? undefined : comparePositions(b.position, a.position) < 0 ? b : a;

/** Work on a saga that could not be done, to be tried again with the next batch. */
const merged = (held: Touched, more: Touched): Touched => ({
  ...held,
  last: Math.max(held.last, more.last),
  sends: held.sends || more.sends,
  merges: held.merges || more.merges,
  compensates: held.compensates || more.compensates,
  times: held.times || more.times,
});

export interface BatchWork {
  /** Does what a batch asks for. Messages are on their way then, and need not have arrived. */
  readonly work: (batch: Batch) => Promise<void>;
  /**
   * What is to be saved when everything up to `seen` has been taken in: that; or the checkpoint before the first records of a
   * saga that could not be read, or whose messages have not arrived, so that they come again after a restart.
   */
  readonly checkpoint: (seen: Checkpoint | undefined) => Checkpoint | undefined;
}

/** What is asked of the store about one saga; while it is away they wait, and closed streams owe nothing. */
const asking = <S, Ev extends AnyEvent>(
  { loader }: SagaShell<S, Ev>,
  doOwed: DoOwed,
  { through }: Patience,
) => {
  const logOf = ({ instance, last }: Touched) =>
    through(async () => unlessClosed(await loader.loadUpTo(instance, last)));
  return {
    logOf,
    changesOf: async (touched: Touched): Promise<ReadonlyArray<TimeoutChange>> => {
      const log = await logOf(touched);
      return log === undefined
        ? []
        : changesSince(touched.instance, log as unknown as SagaLog, touched.first);
    },
    doAll: ({ instance }: Touched): Promise<void> =>
      through(async () => void unlessClosed(await doOwed(instance))),
  };
};

/** Works on batches, one after another. A saga that cannot be read keeps no other from going on. */
export const workOn = <S, Ev extends AnyEvent>(
  shell: SagaShell<S, Ev>,
  doOwed: DoOwed,
  { lanes, timeouts, patience, mergeAfterMs }: BatchOptions,
): BatchWork => {
  const poisoned = new Map<string, Touched>();
  /** Those held from before that are being tried again: until that is over, and where it was broken off, they are not done. */
  let inWork: ReadonlyArray<Touched> = [];
  /** Those that have been told of. */
  let known: ReadonlySet<string> = new Set();

  const { logOf, changesOf, doAll } = asking(shell, doOwed, patience);

  /** Does one part of the work on a saga, unless the saga cannot be used: then all of it is kept for later. */
  const attempt = async (touched: Touched, work: () => Promise<void>): Promise<void> => {
    const error = await unlessUnreadable(work);
    if (error === undefined) return;
    const { key, streamName } = touched.instance;
    if (!known.has(key) && !poisoned.has(key)) shell.hooks.onUnreadable?.({ streamName, error });
    poisoned.set(key, touched);
  };

  const dispatchReleased = async (touched: Touched): Promise<void> => {
    const { instance, before, first, last } = touched;
    // Read here already, so that one that cannot be read is known as such.
    await logOf(touched);
    await lanes?.add(instance, { before, first, last });
  };

  const waitsForMerge = async (touched: Touched): Promise<boolean> => {
    const log = await logOf(touched);
    return log !== undefined && log.owed().merges.length > 0;
  };

  /** Branches are merged by their own writers, who are at it now; only what is left after a while is taken up here. */
  const finishMerges = async (merging: ReadonlyArray<Touched>): Promise<void> => {
    const waiting: Touched[] = [];
    for (const touched of merging)
      await attempt(touched, async () => {
        if (await waitsForMerge(touched)) waiting.push(touched);
      });
    if (waiting.length === 0) return;
    await shell.environment.sleep(mergeAfterMs);
    for (const touched of waiting) await attempt(touched, () => doAll(touched));
  };

  const work = async (batch: Batch): Promise<void> => {
    known = new Set(poisoned.keys());
    inWork = [...poisoned.values()];
    // Those held from before come first, so that the oldest of them stays the first.
    const sagas = new Map(poisoned);
    poisoned.clear();
    for (const [key, touched] of batch.sagas) {
      const held = sagas.get(key);
      sagas.set(key, held === undefined ? touched : merged(held, touched));
    }
    const changes: TimeoutChange[] = [];
    for (const touched of sagas.values())
      await attempt(touched, async () => {
        if (touched.times) changes.push(...(await changesOf(touched)));
      });
    // All at once, and before anything that may take long: their time begins now.
    if (changes.length > 0) await patience.through(() => timeouts.take(changes, batch.checkpoint));
    for (const touched of sagas.values())
      await attempt(touched, async () => {
        if (touched.sends && lanes !== undefined) await dispatchReleased(touched);
        if (touched.compensates) await doAll(touched);
      });
    await finishMerges([...sagas.values()].filter(({ merges }) => merges));
    inWork = [];
  };
  return {
    work,
    checkpoint: (seen) => {
      const unfinished = [...inWork, ...poisoned.values()]
        .map(({ before }) => before)
        .concat(lanes?.before() ?? []);
      return unfinished.reduce(earlier, seen);
    },
  };
};
