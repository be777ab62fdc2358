/** A subscription, observed: how much it hands over, how late, and how long its reader takes for it. */
import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { RecordedEvent } from '../core/event.js';
import type { EventStore, SubscribeRequest, SubscriptionItem } from '../store/event-store.js';
import { attribute, messagingSystem, metric } from './names.js';
import { errorTypeOf, secondsOf, type Telemetry } from './telemetry.js';
import { linksTo } from './trace-context.js';

/** Lateness is seconds to hours where the duration of an operation is milliseconds. */
const lagBounds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 3_600];

/** A span of deliveries ends when the reader has caught up, or after so many events. */
const spanEventsMax = 512;

const filterOf = (request: SubscribeRequest | undefined): Attributes => {
  const [category, ...others] = request?.filter?.categories ?? [];
  return category === undefined || others.length > 0 ? {} : { [attribute.category]: category };
};

/** One span for what is handed over in one go, with links to where the events come from. */
const batchSpan = ({ tracer }: Telemetry, attributes: Attributes) => {
  let events: RecordedEvent[] = [];
  let startedAtMs = 0;
  return {
    take: (event: RecordedEvent): void => {
      if (events.length === 0) startedAtMs = Date.now();
      events.push(event);
    },
    isFull: () => events.length >= spanEventsMax,
    end: (error?: string): void => {
      if (events.length === 0 && error === undefined) return;
      const category = attributes[attribute.category];
      const span = tracer.startSpan(typeof category === 'string' ? `deliver ${category}` : 'deliver', {
        kind: SpanKind.CONSUMER,
        startTime: events.length === 0 ? Date.now() : startedAtMs,
        links: linksTo(events.map(({ metadata }) => metadata)),
        attributes: {
          [attribute.messagingSystem]: messagingSystem,
          [attribute.messagingOperation]: 'deliver',
          [attribute.messagingOperationType]: 'receive',
          [attribute.eventsCount]: events.length,
          ...attributes,
        },
      });
      if (error !== undefined) {
        span.setAttribute(attribute.errorType, error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      }
      span.end();
      events = [];
    },
  };
};

export const deliveries = (
  telemetry: Telemetry,
  subscribe: EventStore['subscribe'],
): EventStore['subscribe'] => {
  const { meter } = telemetry;
  const delivered = meter.createCounter(metric.delivered, {
    unit: '{event}',
    description: 'Events handed over by subscriptions.',
  });
  const lag = secondsOf(telemetry, metric.deliveryLag, 'Age of an event when it is handed over.', lagBounds);
  const heldBack = secondsOf(
    telemetry,
    metric.heldBack,
    'How long newer events had been waiting behind an open transaction when the alarm was raised.',
    lagBounds,
  );
  return async function* (request): AsyncGenerator<SubscriptionItem, void, void> {
    const attributes = filterOf(request);
    const batch = batchSpan(telemetry, attributes);
    try {
      for await (const item of subscribe(request)) {
        if (item._tag === 'Event') {
          batch.take(item.event);
          delivered.add(1, attributes);
          // By two clocks, the store's and this one's; an event from the future is not late.
          lag.record(Math.max(0, Date.now() - Date.parse(item.event.recordedAt)) / 1_000, attributes);
        } else if (item._tag === 'Lag') heldBack.record(item.heldBack.heldBackMs / 1_000, attributes);
        yield item;
        // The reader is back: what it was given is done.
        if (item._tag === 'CaughtUp' || batch.isFull()) batch.end();
      }
    } catch (thrown) {
      batch.end(errorTypeOf(thrown));
      throw thrown;
    } finally {
      batch.end();
    }
  };
};
