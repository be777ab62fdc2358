/** What is read only when somebody measures: how much waits in queues, and how far subscribers are behind. */
import * as E from 'fp-ts/lib/Either.js';
import type { EventFilter, EventStore } from '../store/event-store.js';
import type { MessageQueue } from '../store/message-queue.js';
import { attribute, metric } from './names.js';
import { telemetryOf, type TelemetryOptions } from './telemetry.js';

export interface DepthOptions extends Pick<TelemetryOptions, 'meterProvider'> {
  readonly queue: string;
  /** How many partitions its workers divide it into, 1 to 1,024. */
  readonly partitions: number;
}

/**
 * Depth, age of the oldest message and number of parked messages of each partition, asked of the store at each collection. A
 * store that does not answer leaves the values out. Answers the function that ends it.
 */
export const observeDepths = (
  messages: MessageQueue,
  { queue, partitions, meterProvider }: DepthOptions,
): (() => void) => {
  const { meter } = telemetryOf(meterProvider && { meterProvider });
  const depth = meter.createObservableGauge(metric.queueDepth, {
    unit: '{message}',
    description: 'Messages that wait or are being handled.',
  });
  const oldest = meter.createObservableGauge(metric.queueOldest, {
    unit: 's',
    description: 'Age of the oldest message that is due.',
  });
  const parked = meter.createObservableGauge(metric.queueParked, {
    unit: '{message}',
    description: 'Messages that are parked.',
  });
  const gauges = [depth, oldest, parked];
  const observe: Parameters<typeof meter.addBatchObservableCallback>[0] = async (result) => {
    const depths = await messages.depths(queue, partitions)();
    if (E.isLeft(depths)) return;
    for (const { index, depth: waiting, oldestMs, parked: kept } of depths.right) {
      const attributes = { [attribute.messagingDestination]: queue, [attribute.partition]: index };
      result.observe(depth, waiting, attributes);
      result.observe(oldest, oldestMs / 1_000, attributes);
      result.observe(parked, kept, attributes);
    }
  };
  meter.addBatchObservableCallback(observe, gauges);
  return () => meter.removeBatchObservableCallback(observe, gauges);
};

export interface LagOptions extends Pick<TelemetryOptions, 'meterProvider'> {
  /** The name that its checkpoint is kept under. */
  readonly subscriber: string;
  /** What it subscribes to. Default: everything. */
  readonly filter?: EventFilter;
}

/**
 * How far a subscriber is behind: the age of the first event after its checkpoint, 0 where there is none. Asked of the store
 * at each collection, hence told also while the subscriber is down. Answers the function that ends it.
 */
export const observeLag = (
  store: Pick<EventStore, 'checkpoints' | 'readAll'>,
  { subscriber, filter, meterProvider }: LagOptions,
): (() => void) => {
  const { meter } = telemetryOf(meterProvider && { meterProvider });
  const gauge = meter.createObservableGauge(metric.subscriberLag, {
    unit: 's',
    description: 'Age of the first event after the checkpoint of a subscriber.',
  });
  const observe: Parameters<typeof gauge.addCallback>[0] = async (result) => {
    const checkpoint = await store.checkpoints.load(subscriber)();
    if (E.isLeft(checkpoint)) return;
    const after = checkpoint.right?.position;
    const page = await store.readAll({ maxCount: 1, ...(after && { after }), ...(filter && { filter }) })();
    if (E.isLeft(page)) return;
    const [first] = page.right.events;
    const lagMs = first === undefined ? 0 : Math.max(0, Date.now() - Date.parse(first.recordedAt));
    result.observe(lagMs / 1_000, { [attribute.subscriber]: subscriber });
  };
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
};
