/** The handling of a message, observed: a span of its own, linked to where the message comes from. */
import { type Histogram, SpanKind } from '@opentelemetry/api';
import type { EventMetadata } from '../core/event.js';
import { attribute, messagingSystem, metric } from './names.js';
import {
  observe,
  type Operation,
  secondsOf,
  type Telemetry,
  telemetryOf,
  type TelemetryOptions,
} from './telemetry.js';
import { linksTo, remembering } from './trace-context.js';

/** What is told of a message; never its data. */
export interface ToldMessage {
  readonly id: string;
  readonly type: string;
  readonly metadata?: EventMetadata;
}

export const processDurationOf = (telemetry: Telemetry): Histogram =>
  secondsOf(telemetry, metric.processDuration, 'Duration of handling a message.');

/**
 * An operation on one message: `process` handles it, `dispatch` hands it to somebody else. Its type comes from outside: durations
 * are counted by it only where `types` knows it.
 */
export const messageOperation = (
  name: 'process' | 'dispatch',
  destination: string,
  message: ToldMessage,
  duration: Histogram,
  types?: object,
): Operation => {
  const isKnown = types !== undefined && Object.hasOwn(types, String(message?.type));
  const correlationId = message?.metadata?.correlationId;
  return {
    name: `${name} ${destination}`,
    kind: name === 'process' ? SpanKind.CONSUMER : SpanKind.PRODUCER,
    duration,
    attributes: {
      [attribute.messagingSystem]: messagingSystem,
      [attribute.messagingOperation]: name,
      [attribute.messagingOperationType]: name === 'process' ? 'process' : 'send',
      [attribute.messagingDestination]: destination,
      ...(types !== undefined && { [attribute.messageType]: isKnown ? message.type : '_OTHER' }),
    },
    details: {
      [attribute.messageType]: message?.type,
      [attribute.messagingMessageId]: message?.id,
      ...(correlationId !== undefined && { [attribute.messagingConversation]: correlationId }),
    },
    links: linksTo([message?.metadata]),
  };
};

/** The message as it goes on: with `propagate`, its metadata tells of this span. */
export const placedIn =
  (telemetry: Telemetry) =>
  <M extends ToldMessage>(message: M, span: Parameters<typeof remembering>[1]): M =>
    telemetry.propagate ? { ...message, metadata: remembering(message.metadata ?? {}, span) } : message;

/**
 * Wraps a function that handles messages, for example those of a queue's worker: a span `process <destination>`, linked to the
 * message's own trace, and `messaging.process.duration`. A rejection, or a `Left` that it resolves to, is told by its tag.
 */
export const observedHandler = <M extends ToldMessage, Rest extends ReadonlyArray<unknown>, A>(
  destination: string,
  handle: (message: M, ...rest: Rest) => Promise<A>,
  options: TelemetryOptions = {},
): ((message: M, ...rest: Rest) => Promise<A>) => {
  const telemetry = telemetryOf(options);
  const duration = processDurationOf(telemetry);
  const place = placedIn(telemetry);
  return (message, ...rest) =>
    observe(telemetry, messageOperation('process', destination, message, duration), (span) =>
      handle(place(message, span), ...rest),
    );
};
