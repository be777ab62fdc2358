/** Metrics of saves: how many met another writer, what that took, and when an adaptive strategy moved. */
import type { Attributes } from '@opentelemetry/api';
import type { AdaptiveOptions } from '../runtime/concurrency/adaptive.js';
import type { ConcurrencyStatsOptions, SaveNotice } from '../runtime/concurrency/concurrency-stats.js';
import { attribute, metric } from './names.js';
import { secondsOf, telemetryOf, type TelemetryOptions } from './telemetry.js';

type Watched = Required<Pick<ConcurrencyStatsOptions, 'onSave'> & Pick<AdaptiveOptions, 'onSwitch'>>;

const attributesOf = ({ aggregateType, strategy, failure, isSystemWork }: SaveNotice): Attributes => ({
  [attribute.category]: aggregateType,
  [attribute.strategy]: strategy,
  ...(failure !== undefined && { [attribute.errorType]: failure }),
  ...(isSystemWork === true && { [attribute.systemWork]: true }),
});

const saveMeters = (telemetry: ReturnType<typeof telemetryOf>) => {
  const { meter } = telemetry;
  return {
    saves: meter.createCounter(metric.saves, { unit: '{save}', description: 'Saves that have ended.' }),
    contended: meter.createCounter(metric.savesContended, {
      unit: '{save}',
      description: 'Saves that met another writer: refused, kept waiting, or with events in between.',
    }),
    conflicts: meter.createCounter(metric.saveConflicts, {
      unit: '{conflict}',
      description: 'Appends of saves that were refused because another writer was first.',
    }),
    attempts: meter.createHistogram(metric.saveAttempts, {
      unit: '{attempt}',
      description: 'Appends that a save tried.',
      advice: { explicitBucketBoundaries: [1, 2, 3, 4, 8, 16] },
    }),
    lockWait: secondsOf(telemetry, metric.lockWait, 'How long a save waited for its lock.'),
    appendDuration: secondsOf(telemetry, metric.saveAppends, 'Time that a save spent in its appends.'),
  };
};

/**
 * For `concurrencyStats` and `adaptive`, which tell of saves and of switches.
 *
 * ```ts
 * const { onSave, onSwitch } = saveTelemetry();
 * const stats = concurrencyStats({ onSave });
 * const strategy = adaptive({ onSwitch });
 * ```
 */
export const saveTelemetry = (options: TelemetryOptions = {}): Watched => {
  const telemetry = telemetryOf(options);
  const meters = saveMeters(telemetry);
  const switches = telemetry.meter.createCounter(metric.adaptiveSwitches, {
    unit: '{switch}',
    description: 'Moves of an adaptive strategy from one row of its table to another.',
  });
  return {
    onSave: (save) => {
      const attributes = attributesOf(save);
      const { conflicts, contended = conflicts > 0, attempts, waitedMs, appendMs } = save;
      meters.saves.add(1, attributes);
      if (contended) meters.contended.add(1, attributes);
      if (conflicts > 0) meters.conflicts.add(conflicts, attributes);
      meters.attempts.record(attempts, attributes);
      if (waitedMs !== undefined) meters.lockWait.record(waitedMs / 1_000, attributes);
      if (appendMs !== undefined) meters.appendDuration.record(appendMs / 1_000, attributes);
    },
    onSwitch: ({ aggregateType, key, from, to }) =>
      switches.add(1, {
        [attribute.category]: aggregateType,
        [attribute.adaptiveOf]: key === undefined ? 'type' : 'key',
        [attribute.strategy]: to,
        [attribute.strategyBefore]: from,
      }),
  };
};
