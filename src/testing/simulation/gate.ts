/** Where one simulated process meets the world: each of its steps waits there, may fail, and may be its last. */
import * as E from 'fp-ts/lib/Either.js';
import type {
  AppendRequest,
  AppendResult,
  ReadAllRequest,
  ReadStreamRequest,
  StreamPage,
} from '../../store/event-store.js';
import type { FailedRequest, QueuedMessage, TakenMessage, TakeRequest } from '../../store/message-queue.js';
import type { Stage, Step } from '../stage.js';
import type { World } from './world.js';

/** Where a process meets the world: it waits there, and may not come back. */
export interface Gate {
  readonly name: string;
  readonly isDead: () => boolean;
  /** Milliseconds until it goes on, where the process is stopped; 0 where it runs. */
  readonly stoppedMs: () => number;
  /** Waits for the step to be let go. `undefined`: go on; otherwise that is the answer. */
  readonly enter: Stage['enter'];
}

const unavailable = { _tag: 'StoreUnavailable', message: 'made to fail by the simulation' } as const;

const unknown = ({ streamName, events }: AppendRequest) =>
  ({
    _tag: 'OutcomeUnknown',
    streamName,
    eventIds: events.map(({ eventId }) => eventId),
    message: 'made to fail by the simulation',
  }) as const;

const isStoreCall = (operation: string): boolean =>
  operation === 'append' ||
  operation.startsWith('read') ||
  operation.endsWith('Checkpoint') ||
  operation.endsWith('Lease') ||
  operation.startsWith('queue');

/** What the store answers in its own place, where a fault strikes. */
const faultAt = (world: World, step: Step): { readonly instead: unknown } | undefined => {
  const { faults, figures, strikes, random } = world;
  if (!isStoreCall(step.operation)) return undefined;
  const lost = () => (random() < 0.5 ? unknown(step.request as AppendRequest) : unavailable);
  if (step.phase === 'call' && strikes(faults.unavailable)) {
    figures.unavailable += 1;
    return { instead: E.left(step.operation === 'append' ? lost() : unavailable) };
  }
  if (step.phase === 'answer' && step.operation === 'append' && strikes(faults.answerLost)) {
    figures.answersLost += 1;
    return { instead: E.left(lost()) };
  }
  if (step.phase === 'answer' && step.operation.startsWith('queue') && strikes(faults.answerLost)) {
    figures.queueAnswersLost += 1;
    return { instead: E.left(unavailable) };
  }
  return undefined;
};

const describeQueueRequest = (request: unknown): string => {
  if (Array.isArray(request))
    return ` ${(request as ReadonlyArray<QueuedMessage>).map(({ queue, id }) => `${queue}/${id}`).join(' ')}`;
  const { partition, message, then, queue, id } = request as Partial<
    TakeRequest & FailedRequest & QueuedMessage
  >;
  if (partition !== undefined) return ` ${partition.queue} ${partition.index + 1} of ${partition.of}`;
  if (message === undefined) return ` ${queue}/${id}`;
  return ` ${message.queue}/${message.id} ${then === 'park' ? then : `again in ${then?.retryInMs}`}`;
};

const describeRequest = ({ operation, request }: Step): string => {
  if (operation.startsWith('queue')) return describeQueueRequest(request);
  if (operation.endsWith('Lease')) return ` ${(request as { name: string }).name}`;
  if (operation === 'append') {
    const { expected, events } = request as AppendRequest;
    const at = expected._tag === 'exactly' ? `at ${expected.version}` : expected._tag;
    return ` ${at} ${events.map(({ type }) => type).join('+')}`;
  }
  if (operation === 'readStream') return ` from ${(request as ReadStreamRequest).from ?? 1}`;
  if (operation === 'readAll') return ` after ${(request as ReadAllRequest).after ?? 'nothing'}`;
  return typeof request === 'string' ? ` ${request}` : '';
};

const describeResult = (result: unknown): string => {
  const answer = result as E.Either<{ _tag: string }, Partial<AppendResult & StreamPage>> | undefined;
  if (answer === undefined) return '';
  if (E.isLeft(answer)) return ` ${answer.left._tag}`;
  if (Array.isArray(answer.right))
    return ` ${(answer.right as ReadonlyArray<Partial<TakenMessage>>).map(({ id = '', attempt }) => (attempt === undefined ? '' : `${id} attempt ${attempt}`)).join(' ')}`;
  const { version, events, idempotent } = answer.right ?? {};
  return `${idempotent ? ' repeat' : ''}${version === undefined ? '' : ` v${version}`}${events === undefined ? '' : ` ${events.length} events`}`;
};

/** Longer than the leases of queues and timeouts last, in milliseconds. */
const stopMs = (random: () => number): number => 800 + 800 * random();

/** A gate whose steps are let go by the clock. `die` ends the process. */
export const makeGate = (world: World, name: string, isDead: () => boolean, die: () => void): Gate => {
  let stoppedUntil = 0;
  const stoppedMs = (): number => Math.max(0, stoppedUntil - world.time.now());
  const stop = (): void => {
    stoppedUntil = world.time.now() + stopMs(world.random);
    world.figures.stops += 1;
    world.note(`${name} is stopped until ${stoppedUntil.toFixed(1)}`);
  };
  return {
    name,
    isDead,
    stoppedMs,
    enter: (step) =>
      new Promise((resolve) => {
        if (world.phase === 3) return resolve(undefined);
        const arrive = (): void => {
          if (isDead()) return;
          const what = step.phase === 'call' ? describeRequest(step) : describeResult(step.result);
          if (world.strikes(world.faults.crash)) {
            world.note(`${name} dies at ${step.operation} ${step.phase}${what}`);
            return die();
          }
          if (stoppedMs() === 0 && world.hasQueues() && world.strikes(world.faults.stop)) stop();
          const waitMs = stoppedMs();
          if (waitMs > 0) return void world.time.after(waitMs, arrive);
          const fault = faultAt(world, step);
          world.note(`${name} ${step.operation} ${step.phase}${what}${fault === undefined ? '' : ' FAULT'}`);
          resolve(fault);
        };
        world.time.after(world.latency(), arrive);
      }),
  };
};
