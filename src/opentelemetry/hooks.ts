/** Hooks that count what sagas and aggregates go through, and note it on the span in hand. */
import { type Attributes, trace } from '@opentelemetry/api';
import type {
  AggregateHooks,
  CommandConflictNotice,
  RetryNotice,
} from '../runtime/aggregate/aggregate-context.js';
import type { ConflictNotice, MessageRetryNotice, SagaHooks } from '../runtime/saga/saga-context.js';
import { categoryOf, type StreamName } from '../core/stream.js';
import { attribute, metric } from './names.js';
import { type Telemetry, telemetryOf, type TelemetryOptions } from './telemetry.js';

/** Counts, and notes on the active span under the same name. */
const tally = ({ meter }: Telemetry, name: string, unit: string, description: string) => {
  const counter = meter.createCounter(name, { unit, description });
  return (streamName: string, few: Attributes = {}, details: Attributes = {}): void => {
    const attributes = { [attribute.category]: categoryOf(streamName as StreamName), ...few };
    counter.add(1, attributes);
    const span = trace.getActiveSpan();
    if (span?.isRecording() === true) span.addEvent(name, { ...few, ...details });
  };
};

/** For `SagaContext.hooks` and `AggregateContext.hooks`; `mergeHooks` joins them with your own. `observedSaga` has them already. */
export const telemetryHooks = (options: TelemetryOptions = {}): SagaHooks & AggregateHooks => {
  const telemetry = telemetryOf(options);
  const conflict = tally(telemetry, metric.conflicts, '{conflict}', 'Conflicts by how they were answered.');
  const retry = tally(telemetry, metric.retries, '{retry}', 'Messages and commands decided anew.');
  const reaction = tally(telemetry, metric.reactions, '{run}', 'Runs of handlers of sagas.');
  const merge = tally(telemetry, metric.merges, '{merge}', 'Merges written.');
  const parked = tally(
    telemetry,
    metric.parked,
    '{saga}',
    'Sagas parked: a merge was refused, or a delivery given up.',
  );
  const compensation = tally(telemetry, metric.compensations, '{run}', 'Runs of compensations by outcome.');
  const unreadable = tally(telemetry, metric.unreadable, '{saga}', 'Sagas that a follower could not read.');
  const branches = telemetry.meter.createCounter(metric.mergedBranches, {
    unit: '{branch}',
    description: 'Branches taken in by merges.',
  });
  return {
    onReacted: ({ streamName, attempt }) => reaction(streamName, {}, { [attribute.attempt]: attempt }),
    onConflict: ({ streamName, base, actual, answer }: ConflictNotice | CommandConflictNotice) =>
      conflict(
        streamName,
        { [attribute.answer]: answer },
        { [attribute.expectedVersion]: String(base), [attribute.actualVersion]: actual },
      ),
    onRetry: ({ streamName, attempt }: MessageRetryNotice | RetryNotice) =>
      retry(streamName, {}, { [attribute.attempt]: attempt }),
    onMerged: ({ streamName, branchIds }) => {
      branches.add(branchIds.length, { [attribute.category]: categoryOf(streamName as StreamName) });
      merge(streamName, {}, { [attribute.branches]: branchIds.length });
    },
    onParked: ({ streamName, branchIds }) =>
      parked(streamName, { [attribute.parkedKind]: 'merge' }, { [attribute.branches]: branchIds.length }),
    onDeliveryParked: ({ streamName, kind }) => parked(streamName, { [attribute.parkedKind]: kind }),
    onCompensated: ({ streamName, attempt, error, isParked }) => {
      const outcome = isParked === true ? 'parked' : error === undefined ? 'applied' : 'failed';
      compensation(streamName, { [attribute.outcome]: outcome }, { [attribute.attempt]: attempt });
    },
    onUnreadable: ({ streamName, error }) => unreadable(streamName, { [attribute.errorType]: error._tag }),
  };
};
