/** Saves and switches are counted under few attributes, and keys are never among them. */
import { describe, expect, it } from '@jest/globals';
import { saveTelemetry } from 'watersmeet/opentelemetry';
import { adaptive } from '../../src/runtime/concurrency/adaptive.js';
import { concurrencyStats, type SaveNotice } from '../../src/runtime/concurrency/concurrency-stats.js';
import { recording } from './recording.js';

const category = { 'watersmeet.stream.category': 'item' };
const retried = { ...category, 'watersmeet.save.strategy': 'retry' };
const locked = { ...category, 'watersmeet.save.strategy': 'pessimistic' };

const rig = () => {
  const told = recording();
  const { onSave, onSwitch } = saveTelemetry(told.options);
  const stats = concurrencyStats({ onSave });
  const save = (about: Partial<SaveNotice> = {}): void =>
    stats.observe({
      ...{ aggregateType: 'item', key: 'item-1', strategy: 'retry', attempts: 1, conflicts: 0 },
      ...about,
    });
  return { told, save, onSwitch };
};

describe('saveTelemetry', () => {
  it('counts saves by type, strategy and failure', async () => {
    const { told, save } = rig();
    save();
    save({ key: 'item-2' });
    save({ isSystemWork: true });
    save({ failure: 'ConcurrencyConflict', attempts: 3, conflicts: 3 });
    expect(await told.points('watersmeet.saves')).toEqual([
      { attributes: retried, value: 2 },
      { attributes: { ...retried, 'watersmeet.save.system_work': true }, value: 1 },
      { attributes: { ...retried, 'error.type': 'ConcurrencyConflict' }, value: 1 },
    ]);
  });

  it('counts what it took when saves met', async () => {
    const { told, save } = rig();
    save({ appendMs: 4 });
    save({ attempts: 3, conflicts: 2, appendMs: 9 });
    save({ strategy: 'pessimistic', waitedMs: 20, contended: true });
    save({ strategy: 'pessimistic', waitedMs: 0, contended: false });
    expect(await told.points('watersmeet.saves.contended')).toEqual([
      { attributes: retried, value: 1 },
      { attributes: locked, value: 1 },
    ]);
    expect(await told.points('watersmeet.save.conflicts')).toEqual([{ attributes: retried, value: 2 }]);
    expect(await told.points('watersmeet.save.attempts')).toEqual([
      { attributes: retried, value: 2 },
      { attributes: locked, value: 2 },
    ]);
    expect(await told.points('watersmeet.save.lock_wait')).toEqual([{ attributes: locked, value: 2 }]);
    expect(await told.points('watersmeet.save.append_time')).toEqual([{ attributes: retried, value: 2 }]);
  });

  it('counts the moves of an adaptive strategy, of keys and of types', async () => {
    const { told, onSwitch } = rig();
    const strategy = adaptive({ onSwitch });
    for (let save = 0; save < 40; save += 1)
      strategy.observe({ aggregateType: 'item', key: 'item-7', contended: save % 4 === 0, nowMs: save });
    // One hot key does not speak for its type: many do.
    for (let save = 0; save < 400; save += 1)
      strategy.observe({
        aggregateType: 'item',
        key: `item-${save}`,
        contended: save % 4 === 0,
        nowMs: 100 + save,
      });
    const moved = {
      ...locked,
      'watersmeet.save.strategy.before': 'expectedVersion',
    };
    expect(await told.points('watersmeet.adaptive.switches')).toEqual([
      { attributes: { ...moved, 'watersmeet.adaptive.of': 'key' }, value: 1 },
      { attributes: { ...moved, 'watersmeet.adaptive.of': 'type' }, value: 1 },
    ]);
  });
});
