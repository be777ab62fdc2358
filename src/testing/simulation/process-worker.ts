/** The worker of one simulated process: takes the saga's messages from the queue, and is held against what workers promise. */
import * as E from 'fp-ts/lib/Either.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import type { Environment } from '../../runtime/environment.js';
import { handleOnSaga } from '../../runtime/queue/handle-on-saga.js';
import type { Delivery, MessageFailure, MessageOutcome, Ran } from '../../runtime/queue/message-delivery.js';
import { type HandlersByType, messageHandlers } from '../../runtime/queue/message-handlers.js';
import { queueWorker, type QueueWorker } from '../../runtime/queue/queue-worker.js';
import type { WorkerHooks } from '../../runtime/queue/worker-options.js';
import type { SagaContext } from '../../runtime/saga/saga-context.js';
import type { EventStore } from '../../store/event-store.js';
import type { QueuedMessage } from '../../store/message-queue.js';
import type { ToldOfLeases } from './process-queue.js';
import { messageQueueName } from './queue-watch.js';
import { attemptsMax, type WorkerShape } from './shape.js';
import type { World } from './world.js';

/** The key says which saga and which of its lines. */
export const queuedMessage = (
  { id, sagaId, type, data, schemaVersion, metadata }: SagaMessage,
  line: number,
): QueuedMessage => ({
  ...{ queue: messageQueueName, id, key: `${sagaId}/${line}`, type },
  data: data as QueuedMessage['data'],
  ...(schemaVersion !== undefined && { schemaVersion }),
  ...(metadata !== undefined && { metadata }),
});

const sagaIdOf = (key: string): string => key.slice(0, key.lastIndexOf('/'));

export interface WorkerOptions {
  /** Of this worker alone; one that comes back has another. */
  readonly workerId: string;
  readonly saga: Saga;
  readonly shape: WorkerShape;
  readonly store: EventStore;
  readonly environment: Environment;
  readonly context: Omit<SagaContext, 'store' | 'environment'>;
  readonly told: ToldOfLeases;
  readonly isDead: () => boolean;
  readonly streamNameOf: (sagaId: string) => string;
}

type Result = E.Either<MessageFailure, Ran>;

/** Whether the stream bears out what a handler has answered. */
const outcomeProblem = (
  world: World,
  streamName: string,
  id: string,
  { _tag }: MessageOutcome,
): string | undefined => {
  const watch = world.watchOf(streamName);
  if (_tag === 'Nothing') return undefined;
  if (_tag === 'Completed')
    return watch.completions() > 0
      ? undefined
      : `message ${id} was answered Completed by a saga that never was`;
  return watch.holds(id)
    ? undefined
    : `message ${id} came to ${_tag} in a worker, and the stream does not hold it`;
};

/** Runs deliveries as they are, and sees that none runs that must not. */
const watchRuns = (world: World, { workerId, told, isDead, streamNameOf }: WorkerOptions) => {
  const running = new Map<string, string>();
  const begin = ({ message: { id, key, attempt }, fence }: Delivery): void => {
    world.figures.deliveries += 1;
    world.note(`${workerId} begins ${id}, attempt ${attempt}`);
    if (fence === undefined) return world.broken(`${workerId} handles ${id} without a lease`);
    if (told.knowsLost(fence)) world.broken(`${workerId} began ${id} under a lease that it knew was lost`);
    if (attempt > attemptsMax) world.broken(`${workerId} began attempt ${attempt} of ${id}`);
    const other = running.get(`${fence.token} ${key}`);
    if (other !== undefined) world.broken(`${workerId} handles ${other} and ${id} of one key at once`);
    running.set(`${fence.token} ${key}`, id);
  };
  return async (delivery: Delivery, run: () => Promise<Result>): Promise<Result> => {
    begin(delivery);
    const { message, fence, signal } = delivery;
    const answer = await run();
    if (isDead()) return answer;
    running.delete(`${fence?.token} ${message.key}`);
    world.note(
      `${workerId} ends ${message.id} ${E.isLeft(answer) ? answer.left._tag : answer.right.outcome._tag}`,
    );
    const watched = world.queues.find(message.id);
    if (E.isLeft(answer) || signal.aborted) return answer;
    const problem = outcomeProblem(
      world,
      streamNameOf(sagaIdOf(message.key)),
      message.id,
      answer.right.outcome,
    );
    if (problem !== undefined) world.broken(problem);
    if (watched !== undefined) watched.isAnswered = true;
    return answer;
  };
};

const handlersOf = (world: World, options: WorkerOptions) => {
  const { saga, shape } = options;
  const own = saga.onConflict === 'merge' ? 'merge' : 'retry';
  const conflict = shape.conflict === 'own' ? own : shape.conflict;
  const watchRun = watchRuns(world, options);
  const handlers: Record<string, HandlersByType[string]> = {};
  for (const [type, definition] of Object.entries(saga.messages)) {
    const on = {
      id: sagaIdOf,
      load: 'created',
      conflict,
      lockWaitMaxMs: 0,
      validate: undefined,
      type,
    } as const;
    handlers[type] = {
      ...{ definition, key: () => '', batchMax: 1 },
      open: (context) => {
        const run = handleOnSaga(context, saga, on);
        return { run: (_data, delivery) => watchRun(delivery, () => run(delivery.message.key, delivery)) };
      },
    };
  }
  return messageHandlers(handlers);
};

const hooksOf = ({ figures, note }: World, { workerId }: WorkerOptions): WorkerHooks => ({
  onRetry: ({ error }) => {
    figures.messagesRetried += 1;
    if (error._tag === 'HandlerTimedOut') figures.handlersTimedOut += 1;
  },
  onParked: ({ message, error }) => {
    if (error._tag === 'HandlerTimedOut') figures.handlersTimedOut += 1;
    note(`${workerId} parks ${message.id} for ${error._tag}`);
  },
  onPartitionTaken: () => void (figures.partitionsTaken += 1),
  onPartitionLost: ({ reason }) => {
    if (reason === 'lost') figures.partitionsLost += 1;
    else figures.partitionsGivenBack += 1;
  },
});

export const startWorker = (world: World, options: WorkerOptions): QueueWorker => {
  const { workerId, shape, store, environment, context, isDead } = options;
  const { partitions, concurrency, prefetch, ttlMs, pollMs, handlerTimeMaxMs } = shape;
  world.figures.workers += 1;
  world.note(`${workerId} works`);
  const worker = queueWorker({
    ...{ store, environment, workerId, partitions, concurrency, prefetch, ttlMs, pollMs, handlerTimeMaxMs },
    queue: messageQueueName,
    handlers: handlersOf(world, options),
    retry: { attemptsMax, delayMs: 5, delayMaxMs: 80 },
    hooks: hooksOf(world, options),
    saga: context,
  });
  worker.done.catch((thrown: unknown) => {
    if (isDead()) return;
    world.broken(`${workerId} ended with ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
  });
  return worker;
};

export interface WorkingOptions extends Omit<WorkerOptions, 'workerId' | 'store' | 'told'> {
  readonly name: string;
  /** The store as a worker of this name has it. */
  readonly queueOf: (workerId: string) => Pick<WorkerOptions, 'store' | 'told'>;
  readonly later: (ms: number, what: string, run: () => void) => void;
}

/** Works as long as the process lives; and where the seed says so comes late, leaves, and comes back. */
export const keepWorking = (world: World, options: WorkingOptions): void => {
  const { random, figures } = world;
  const { name, shape, queueOf, later } = options;
  const leaves = (): boolean => world.phase === 1 && random() < shape.leaves;
  const begin = (): void => {
    const workerId = `${name}.${figures.workers + 1}`;
    const worker = startWorker(world, { ...options, workerId, ...queueOf(workerId) });
    if (!leaves()) return;
    later(20 + 300 * random(), 'leaves the queue', () => {
      figures.workersLeft += 1;
      // What a stop rejects with is told by `done` too.
      worker.stop(200 * random()).then(
        () => later(100 * random(), 'comes back to the queue', begin),
        () => undefined,
      );
    });
  };
  if (leaves()) later(150 * random(), 'comes to the queue', begin);
  else begin();
};
