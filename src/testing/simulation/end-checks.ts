/** What must hold when a simulation has come to rest: nothing is owed, nothing is lost, and every reader sees the same. */
import * as E from 'fp-ts/lib/Either.js';
import type { RecordedEvent } from '../../core/event.js';
import { hashOf, type Json } from '../../core/json.js';
import { stateHash } from '../../core/saga/reacting.js';
import { foldSaga, sagaLog, type SagaLog } from '../../core/saga/saga-log.js';
import type { StreamName } from '../../core/stream.js';
import type { PartitionDepth } from '../../store/message-queue.js';
import type { AnySaga, SimulatedProcess } from './process.js';
import { brokenPromise, must } from './promises.js';
import type { World } from './world.js';

const rightOf = <A>(result: E.Either<{ readonly _tag: string }, A>, what: string): A => {
  must(
    E.isRight(result),
    () => `${what} answered ${(result as E.Left<{ readonly _tag: string }>).left._tag}`,
  );
  return (result as E.Right<A>).right;
};

const hashOfState = (saga: AnySaga, state: unknown): string => {
  const hash = stateHash(saga, state);
  return E.isLeft(hash) ? `none: ${hash.left.message}` : hash.right;
};

/** One text for all that a log says. */
const looks = (saga: AnySaga, log: SagaLog): string => {
  const { state, version, epoch, completed, pending } = log.view();
  const { messages, compensations } = log.owed();
  const parts = [
    hashOfState(saga, state),
    version,
    epoch,
    completed,
    pending.map(({ branchId }) => branchId),
    messages.map(({ id }) => id),
    compensations.map(({ id, attempt }) => [id, attempt]),
  ];
  return JSON.stringify(parts);
};

const prefixes = (
  saga: AnySaga,
  whole: SagaLog,
  events: ReadonlyArray<RecordedEvent>,
  random: () => number,
): void => {
  const cut = Math.floor(random() * (events.length + 1));
  const fresh = JSON.parse(JSON.stringify(events.slice(0, cut))) as ReadonlyArray<RecordedEvent>;
  const once = rightOf(foldSaga(saga, fresh), 'a fold of a prefix') as SagaLog;
  const paged = sagaLog(saga) as SagaLog;
  const size = 1 + Math.floor(random() * 4);
  for (let from = 0; from < cut; from += size)
    rightOf(paged.advance(events.slice(from, Math.min(cut, from + size))), 'a fold in pages');
  must(
    looks(saga, once) === looks(saga, paged),
    () => `version ${cut} folds differently in pages of ${size}`,
  );
  const remembered = hashOfState(saga, whole.stateAt(cut)?.state);
  must(
    hashOfState(saga, once.view().state) === remembered,
    () => `version ${cut} is not what a later reader remembers of it`,
  );
};

const agreesWithWatch = (world: World, streamName: string, log: SagaLog): void => {
  const watch = world.watchOf(streamName);
  const view = log.view();
  must(
    view.version === watch.version(),
    () => `the fold stands at ${view.version}, the stream at ${watch.version()}`,
  );
  must(
    view.epoch === watch.epoch() && view.completed === watch.isCompleted(),
    () => `epoch ${view.epoch} ${view.completed ? 'completed' : 'open'} in the fold, not so on the stream`,
  );
  const owed = log.owed();
  must(
    watch.pending.size === 0 && view.pending.length === 0,
    () => `${Math.max(watch.pending.size, view.pending.length)} branches were never merged`,
  );
  must(
    owed.merges.length === 0 && owed.compensations.length === 0,
    () => `${owed.merges.length} merges and ${owed.compensations.length} compensations are still owed`,
  );
  const released = [...watch.released.keys()].sort().join();
  must(
    owed.messages
      .map(({ id }) => id)
      .sort()
      .join() === released,
    () => 'the fold releases other messages than the stream',
  );
  const waiting = watch.timeouts.waiting().map(({ id }) => id);
  must(
    owed.timeouts
      .map(({ id }) => id)
      .sort()
      .join() === [...waiting].sort().join(),
    () => 'the fold waits for other timeouts than the stream',
  );
  must(
    waiting.every((id) => world.givenUp.has(id)),
    () => `the saga still waits for timeouts ${waiting.join()}`,
  );
  for (const [id, { appliedAt, isParked, failures }] of watch.compensations)
    must(
      appliedAt !== undefined || (isParked && failures >= 3),
      () => `compensation ${id} was neither done nor parked`,
    );
};

/** One stream; answers the log of it. */
const checkStream = async (
  world: World,
  saga: AnySaga,
  streamName: string,
  processes: ReadonlyArray<SimulatedProcess>,
): Promise<SagaLog> => {
  const page = await world.raw.readStream({ streamName: streamName as StreamName, maxCount: 4_096 })();
  const { events } = rightOf(page, 'the stream');
  const log = rightOf(foldSaga(saga, events), 'the fold of the whole stream') as SagaLog;
  agreesWithWatch(world, streamName, log);
  // Folding is what takes most of a check's time; every third seed does it again in pieces.
  if (world.random() < 0.3) prefixes(saga, log, events, world.random);
  const state = hashOfState(saga, log.view().state);
  // Any of them: what each keeps is put together in its own way.
  const one = processes[Math.floor(world.random() * processes.length)];
  if (one !== undefined) {
    const view = rightOf(
      await one.runtime.load(streamName.slice(saga.name.length + 1))(),
      `${one.name} load`,
    );
    must(
      hashOfState(saga, view.state) === state,
      () => `${one.name} sees another state than a reader from the beginning`,
    );
  }
  return log;
};

/** The queues are empty, and what they have acknowledged has been in them. */
const checkQueues = async (world: World, acknowledged: ReadonlySet<string>): Promise<void> => {
  const queues = new Set(world.queues.known().map(({ queue }) => queue));
  for (const queue of queues) {
    const [{ depth, parked }] = rightOf(await world.raw.queue.depths(queue, 1)(), 'the depth of a queue') as [
      PartitionDepth,
    ];
    must(depth + parked === 0, () => `${queue} rests with ${depth} messages and ${parked} parked ones`);
  }
  const known = new Set(world.queues.known().map(({ id }) => id));
  for (const id of acknowledged)
    must(known.has(id), () => `message ${id} was acknowledged by the queue, which has never had it`);
};

export interface EndCheck {
  readonly saga: AnySaga;
  readonly processes: ReadonlyArray<SimulatedProcess>;
  /** Ids of the messages that were acknowledged with an effect, and the stream of each. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Ids of the messages that the queue has said it has. */
  readonly acknowledgedByQueue: ReadonlySet<string>;
  /** Ids handed over, by subscriber. */
  readonly dispatched: ReadonlyMap<string, ReadonlySet<string>>;
}

/** All streams; answers their logs, by stream name. What is broken goes to the world. */
export const checkEnd = async (
  world: World,
  { saga, processes, acknowledged, acknowledgedByQueue, dispatched }: EndCheck,
): Promise<ReadonlyMap<string, SagaLog>> => {
  const logs = new Map<string, SagaLog>();
  let at = '';
  try {
    for (const [streamName, watch] of world.watches) {
      at = streamName;
      if (watch.version() > 0) logs.set(streamName, await checkStream(world, saga, streamName, processes));
    }
    at = 'messages';
    for (const [id, streamName] of acknowledged)
      must(world.watchOf(streamName).handledAt.has(id), () => `message ${id} was acknowledged and is lost`);
    await checkQueues(world, acknowledgedByQueue);
    const released = [...world.watches.values()].flatMap((watch) => [...watch.released.keys()]);
    for (const [subscriber, handed] of dispatched)
      for (const id of released)
        must(handed.has(id), () => `message ${id} was released and never left through ${subscriber}`);
  } catch (thrown) {
    world.broken(`${at}: ${brokenPromise(thrown)}`);
  }
  return logs;
};

/** What the whole simulation came to, as one text: part of its hash. */
export const endText = (saga: AnySaga, logs: ReadonlyMap<string, SagaLog>): string =>
  hashOf([...logs].map(([streamName, log]) => [streamName, looks(saga, log)]) as Json);
