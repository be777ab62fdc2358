/** The guide's table names every metric and every attribute that there is, each metric with its unit. */
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { memoryStore } from 'watersmeet';
import { observedSaga, observeDepths, observeLag, saveTelemetry } from 'watersmeet/opentelemetry';
import { attribute, metric } from '../../src/opentelemetry/names.js';
import type { MessageQueue } from '../../src/store/message-queue.js';
import { basketSaga } from '../support/basket.js';
import { recording } from './recording.js';

const guide = readFileSync('docs/guides/telemetry.md', 'utf8');
const rows = new Map(
  [...guide.matchAll(/^\| `([\w.]+)` \| (histogram|counter|gauge) \| (\S+) \|/gm)].map(
    ([, name = '', kind = '', unit = '']) => [name, { kind, unit }] as const,
  ),
);

describe('the guide to telemetry', () => {
  it('names every metric, and no other', () => {
    expect([...rows.keys()].sort()).toEqual([...Object.values(metric)].sort());
  });

  it('names every attribute', () => {
    const spoken = ['watersmeet.stream.name', 'watersmeet.tenant', 'watersmeet.lease.name'];
    const missing = Object.values(attribute).filter(
      (name) => !guide.includes(`\`${name}\``) && !spoken.includes(name),
    );
    expect(missing).toEqual([]);
  });

  it('says the units that the instruments have', async () => {
    const units = new Map<string, string>();
    const told = recording();
    const meter = told.options.meterProvider.getMeter('watersmeet');
    const noting =
      <K extends 'createCounter' | 'createHistogram' | 'createObservableGauge'>(create: K, kind: string) =>
      (name: string, options: { readonly unit?: string }) => {
        units.set(name, `${kind} ${options.unit ?? ''}`);
        return meter[create](name, options as never);
      };
    const noted = {
      createCounter: noting('createCounter', 'counter'),
      createHistogram: noting('createHistogram', 'histogram'),
      createObservableGauge: noting('createObservableGauge', 'gauge'),
      addBatchObservableCallback: meter.addBatchObservableCallback.bind(meter),
      removeBatchObservableCallback: meter.removeBatchObservableCallback.bind(meter),
    };
    const meterProvider = { getMeter: () => noted as never };
    const store = memoryStore();
    const following = observedSaga(basketSaga(), { store }, { meterProvider }).follow({
      dispatch: () => undefined,
    });
    observeDepths(store.queue as MessageQueue, { queue: 'q', partitions: 1, meterProvider })();
    observeLag(store, { subscriber: 's', meterProvider })();
    saveTelemetry({ meterProvider });
    await following.stop();
    expect(new Map([...units].sort())).toEqual(
      new Map([...rows].map(([name, { kind, unit }]) => [name, `${kind} ${unit}`] as const).sort()),
    );
  });
});
