/** A durable message queue, observed: what goes in, what is taken, what fails, and how much waits. */
import { type Attributes, type Counter, type Histogram, type Span, SpanKind } from '@opentelemetry/api';
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { EventMetadata } from '../core/event.js';
import type { Tagged } from '../core/fault.js';
import type { MessageQueue } from '../store/message-queue.js';
import { attribute, messagingSystem, metric } from './names.js';
import { observe, secondsOf, type Telemetry, telemetryOf, type TelemetryOptions } from './telemetry.js';
import { linksTo, remembering } from './trace-context.js';

interface InQueue {
  readonly queue?: string;
  readonly id?: string;
  readonly metadata?: EventMetadata;
}

const listOf = (value: unknown): ReadonlyArray<InQueue> =>
  Array.isArray(value) ? (value as ReadonlyArray<InQueue>) : [];

/** The queue that all of them are in; none where they are in several. */
const destinationOf = (messages: ReadonlyArray<InQueue | undefined>): Attributes => {
  const queue = messages[0]?.queue;
  const isOne = typeof queue === 'string' && messages.every((message) => message?.queue === queue);
  return isOne ? { [attribute.messagingDestination]: queue } : {};
};

type Kind = 'send' | 'receive' | 'settle';

const kinds: Readonly<Record<Kind, SpanKind>> = {
  send: SpanKind.PRODUCER,
  receive: SpanKind.CONSUMER,
  settle: SpanKind.CLIENT,
};

const operationOf = (
  duration: Histogram,
  name: string,
  type: Kind | undefined,
  messages: ReadonlyArray<InQueue | undefined>,
) => {
  const destination = destinationOf(messages);
  const queue = destination[attribute.messagingDestination];
  return {
    name: typeof queue === 'string' ? `${name} ${queue}` : name,
    kind: type === undefined ? SpanKind.CLIENT : kinds[type],
    duration,
    attributes: {
      [attribute.messagingSystem]: messagingSystem,
      [attribute.messagingOperation]: name,
      ...(type !== undefined && { [attribute.messagingOperationType]: type }),
      ...destination,
    },
  };
};

export const messagingDurationOf = (telemetry: Telemetry): Histogram =>
  secondsOf(telemetry, metric.messagingDuration, 'Duration of enqueuing, taking, settling and dispatching.');

export const sentCounter = ({ meter }: Telemetry): Counter =>
  meter.createCounter(metric.sent, { unit: '{message}', description: 'Messages enqueued or dispatched.' });

/** What a message that is enqueued together with an append is counted under. */
export const toQueueAttributes = (queue: string): Attributes => ({
  [attribute.messagingSystem]: messagingSystem,
  [attribute.messagingOperation]: 'enqueue',
  [attribute.messagingOperationType]: 'send',
  [attribute.messagingDestination]: queue,
});

const observedMoves = (telemetry: Telemetry, queue: MessageQueue, duration: Histogram) => {
  const { meter } = telemetry;
  const sent = sentCounter(telemetry);
  const consumed = meter.createCounter(metric.consumed, {
    unit: '{message}',
    description: 'Messages taken.',
  });
  const enqueue: MessageQueue['enqueue'] = (messages, options) => () => {
    const all = listOf(messages);
    const operation = operationOf(duration, 'enqueue', 'send', all);
    const placed = (span: Span): typeof messages =>
      telemetry.propagate && all.length > 0
        ? messages.map((message) =>
            message?.metadata?.headers?.['traceparent'] === undefined
              ? { ...message, metadata: remembering(message.metadata ?? {}, span) }
              : message,
          )
        : messages;
    const details = { [attribute.messagingBatchCount]: all.length };
    return observe(
      telemetry,
      { ...operation, details },
      (span) => queue.enqueue(placed(span), options)(),
      (result) => {
        if (E.isRight(result) && result.right.added.length > 0)
          sent.add(result.right.added.length, operation.attributes);
      },
    );
  };
  // Workers ask again and again: only what brought something, or failed, is told, hence after the fact.
  const take: MessageQueue['take'] = (request) => async () => {
    const startedAtMs = Date.now();
    const result = await queue.take(request)();
    const taken = E.isRight(result) ? result.right : [];
    if (E.isRight(result) && taken.length === 0) return result;
    const operation = operationOf(duration, 'take', 'receive', [request?.partition]);
    const details = {
      [attribute.messagingBatchCount]: taken.length,
      [attribute.partition]: request?.partition?.index,
    };
    const links = linksTo(taken.map(({ metadata }) => metadata));
    if (taken.length > 0) consumed.add(taken.length, operation.attributes);
    return observe(telemetry, { ...operation, details, links, startedAtMs }, () => result);
  };
  return { enqueue, take };
};

const observedEnds = (telemetry: Telemetry, queue: MessageQueue, duration: Histogram) => {
  const { meter } = telemetry;
  const retries = meter.createCounter(metric.queueRetries, {
    unit: '{retry}',
    description: 'Attempts that failed and are tried again.',
  });
  const parkings = meter.createCounter(metric.queueParkings, {
    unit: '{message}',
    description: 'Messages parked because their attempts were used up.',
  });
  const settle = <L extends Tagged, A>(
    name: string,
    messages: ReadonlyArray<InQueue | undefined>,
    work: TaskEither<L, A>,
  ): TaskEither<L, A> => {
    const details = { [attribute.messagingBatchCount]: messages.length };
    return () => observe(telemetry, { ...operationOf(duration, name, 'settle', messages), details }, work);
  };
  const failed: MessageQueue['failed'] = (request) => async () => {
    const result = await settle('failed', [request?.message], queue.failed(request))();
    if (E.isRight(result))
      (request.then === 'park' ? parkings : retries).add(1, destinationOf([request.message]));
    return result;
  };
  return {
    failed,
    done: (messages, fence) => settle('done', listOf(messages), queue.done(messages, fence)),
    cancel: (message) => settle('cancel', [message], queue.cancel(message)),
  } satisfies Partial<MessageQueue>;
};

/** The queue, with spans and metrics around what is asked of it. A take that brought nothing is not told. */
export const observedQueue = (queue: MessageQueue, options: TelemetryOptions = {}): MessageQueue => {
  const telemetry = telemetryOf(options);
  const duration = messagingDurationOf(telemetry);
  const plain = <L extends Tagged, A>(
    name: string,
    about: ReadonlyArray<InQueue | undefined>,
    work: TaskEither<L, A>,
  ): TaskEither<L, A> => {
    return () => observe(telemetry, operationOf(duration, name, undefined, about), work);
  };
  const { deadLetters } = queue;
  return {
    ...queue,
    ...observedMoves(telemetry, queue, duration),
    ...observedEnds(telemetry, queue, duration),
    names: () => plain('names', [], queue.names()),
    depths: (name, partitions) => plain('depths', [{ queue: name }], queue.depths(name, partitions)),
    deadLetters: {
      list: (request) => plain('deadLetters.list', [request], deadLetters.list(request)),
      retry: (letter) => plain('deadLetters.retry', [letter], deadLetters.retry(letter)),
      discard: (letter) => plain('deadLetters.discard', [letter], deadLetters.discard(letter)),
    },
    forget: (olderThanMs) => plain('forget', [], queue.forget(olderThanMs)),
  };
};
