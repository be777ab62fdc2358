/** The adaptive strategy in memory: by key, by type, critical, and told of each switch. */
import { describe, expect, it } from '@jest/globals';
import {
  adaptive,
  type AdaptiveOptions,
  type AdaptiveSwitch,
} from '../../src/runtime/concurrency/adaptive.js';
import { dice } from '../../src/runtime/dice.js';

const rig = (options: AdaptiveOptions = {}) => {
  const switches: AdaptiveSwitch[] = [];
  const strategy = adaptive({ ...options, onSwitch: (notice) => switches.push(notice) });
  let nowMs = 0;
  const decide = (key: string, hasResolver = false) =>
    strategy.decide({ aggregateType: 'item', key, hasResolver, nowMs });
  /** Saves one by one, each under what is decided for it. */
  const save = (key: string, count: number, met: (save: number) => boolean, everyMs = 20) => {
    for (let index = 0; index < count; index += 1) {
      nowMs += everyMs;
      strategy.observe({ aggregateType: 'item', key, contended: met(index), nowMs });
    }
  };
  return { strategy, switches, decide, save, wait: (ms: number) => void (nowMs += ms) };
};

const never = (): boolean => false;
const everySecond = (save: number): boolean => save % 2 === 0;

describe('an adaptive strategy', () => {
  it('begins with the first row, and says that it knows too little', () => {
    const { decide, save } = rig();
    expect(decide('item-1')).toEqual({
      strategy: 'expectedVersion',
      reason: 'item-1: too few saves yet (0 of 20): expectedVersion',
      by: 'default',
    });
    save('item-1', 3, everySecond);
    expect(decide('item-1').reason).toBe('item-1: too few saves yet (2 of 20): expectedVersion');
  });

  it('meets a hot key with a lock, or with a merge where there is a resolver, and leaves the calm ones alone', () => {
    const { decide, save, switches } = rig();
    save('item-7', 60, everySecond);
    save('item-8', 60, never);
    expect(decide('item-7').strategy).toBe('pessimistic');
    expect(decide('item-7', true).strategy).toBe('merge');
    expect(decide('item-7')).toMatchObject({ by: 'key' });
    expect(decide('item-7').reason).toMatch(
      /^item-7: \d+(\.\d)? % of the last \d+ saves met another writer \(above 5 %\): pessimistic instead of expectedVersion$/,
    );
    expect(decide('item-8')).toEqual({
      strategy: 'expectedVersion',
      reason: 'item-8: 0 % of the last 56 saves met another writer: expectedVersion',
      by: 'key',
    });
    expect(switches.filter(({ key }) => key === 'item-7')).toEqual([
      {
        aggregateType: 'item',
        key: 'item-7',
        from: 'expectedVersion',
        to: 'pessimistic',
        reason: decide('item-7').reason,
        nowMs: 420,
      },
    ]);
  });

  it('keeps the lock while writers wait for each other, though no append is refused any more', () => {
    const { decide, save, switches } = rig();
    const random = dice(3);
    save('item-7', 5_000, () => random() < 0.3);
    expect(decide('item-7').strategy).toBe('pessimistic');
    expect(switches.filter(({ key }) => key === 'item-7')).toHaveLength(1);
  });

  it('comes back when the key is calm for long, and says why', () => {
    const { decide, save, switches } = rig();
    save('item-7', 200, everySecond);
    save('item-7', 5_000, never);
    expect(decide('item-7').strategy).toBe('expectedVersion');
    const path = switches.filter(({ key }) => key === 'item-7').map(({ to }) => to);
    expect(path).toEqual(['pessimistic', 'retry', 'expectedVersion']);
    expect(decide('item-7').reason).toMatch(/\(below 0\.5 %\): expectedVersion instead of retry$/);
  });

  it('takes keys with few saves as such keys of their type have turned out, and not as the hot key beside them', () => {
    const { decide, save } = rig();
    for (let key = 0; key < 20; key += 1) save(`item-${key}`, 4, everySecond);
    expect(decide('item-new')).toMatchObject({ strategy: 'pessimistic', by: 'type' });
    expect(decide('item-new').reason).toMatch(
      /^item-new is one of them; keys of item with few saves: .* \(above 5 %\): pessimistic/,
    );
    const other = rig();
    for (let key = 0; key < 30; key += 1) other.save(`item-${key}`, 2, never);
    // Its first saves count for the type too, and are few among the others.
    other.save('item-hot', 2_000, (save) => save >= 10 && everySecond(save));
    expect(other.decide('item-hot').strategy).toBe('pessimistic');
    expect(other.decide('item-new').strategy).not.toBe('pessimistic');
  });

  it('puts writers in line where most saves meet, with a resolver too', () => {
    const { decide, save } = rig();
    save('item-7', 60, (index) => index % 5 !== 0);
    expect(decide('item-7', true).strategy).toBe('pessimistic');
    expect(decide('item-7', true).reason).toMatch(/\(above 50 %\): pessimistic/);
  });

  it('does not take a type for hot since a few of its keys are, while they have too few saves to say so themselves', () => {
    const { decide, save } = rig();
    for (let key = 0; key < 200; key += 1) save(`item-${key}`, 1, never);
    for (let key = 0; key < 2; key += 1) save(`item-hot-${key}`, 19, () => true);
    expect(decide('item-new').strategy).not.toBe('pessimistic');
  });

  it('forgets a key that was not saved for long', () => {
    const { decide, save, wait, switches } = rig();
    for (let key = 0; key < 30; key += 1) save(`item-${key}`, 2, never);
    save('item-7', 100, everySecond);
    wait(600_000);
    expect(decide('item-7')).toMatchObject({ strategy: 'expectedVersion', by: 'default' });
    save('item-7', 1, never);
    expect(switches.map(({ reason }) => reason)).toContain(
      'item-7: nearly no saves for long: expectedVersion instead of pessimistic',
    );
  });

  it('meets what is critical with the last row from the first save, by key or by type', () => {
    const byKey = rig({ critical: (name) => name === 'item-7' });
    expect(byKey.decide('item-7')).toEqual({
      strategy: 'pessimistic',
      reason: 'item-7 is critical: pessimistic',
      by: 'critical',
    });
    expect(byKey.decide('item-8').by).toBe('default');
    const byType = rig({ critical: (name) => name === 'item' });
    expect(byType.decide('item-8', true)).toMatchObject({ strategy: 'pessimistic', by: 'critical' });
  });

  it('follows a table of your own', () => {
    const { decide, save } = rig({
      table: [
        { above: 0, strategy: 'retry' },
        { above: 0.3, strategy: 'merge' },
      ],
    });
    expect(decide('item-7').strategy).toBe('retry');
    save('item-7', 60, (index) => index % 5 === 0);
    expect(decide('item-7').strategy).toBe('retry');
    save('item-7', 200, everySecond);
    expect(decide('item-7').strategy).toBe('merge');
  });

  it('explains a key, and knows nothing of one that was never saved', () => {
    const { strategy, save, decide } = rig();
    expect(strategy.explain('item-7')).toBeUndefined();
    save('item-7', 60, everySecond);
    const explained = strategy.explain('item-7');
    expect(explained).toMatchObject({ aggregateType: 'item', key: 'item-7', ...decide('item-7') });
    expect(explained?.share).toBeCloseTo(0.5, 1);
    expect(explained?.saves).toBeGreaterThan(50);
  });

  it('remembers so many keys and no more, and among them those that are busy', () => {
    const { strategy, save, decide } = rig({ keysMax: 50 });
    save('item-hot', 100, everySecond);
    for (let key = 0; key < 2_000; key += 1) {
      save(`item-${key}`, 1, never);
      if (key % 10 === 0) save('item-hot', 1, everySecond);
    }
    const kept = Array.from({ length: 2_000 }, (_, key) => strategy.explain(`item-${key}`)).filter(Boolean);
    expect(kept.length).toBeLessThan(50);
    expect(decide('item-hot')).toMatchObject({ strategy: 'pessimistic', by: 'key' });
  });

  it.each([
    [{ table: [] }, 'the first row of the table must be for above 0'],
    [{ table: [{ above: 0.1, strategy: 'retry' }] }, 'the first row of the table must be for above 0'],
    [
      {
        table: [
          { above: 0, strategy: 'retry' },
          { above: 0, strategy: 'merge' },
        ],
      },
      'row 2 must be for above more than the row before, and below 1',
    ],
    [{ table: [{ above: 0, strategy: 'token' }] }, 'row 1 must choose one of expectedVersion, retry, '],
    [{ windowMs: 0 }, 'windowMs must be 1 or more'],
    [{ savesMax: 10 }, 'savesMax must be 50 or more'],
    [{ minSaves: 0 }, 'minSaves must be from 1 to savesMax'],
    [{ hysteresis: 1 }, 'hysteresis must be from 0 up to 1'],
    [{ dwellMs: Number.NaN }, 'dwellMs must be 0 or more'],
    [{ keysMax: 0.5 }, 'keysMax must be from 1'],
  ])('refuses options that cannot work: %j', (options, message) => {
    expect(() => adaptive(options as AdaptiveOptions)).toThrow(TypeError);
    expect(() => adaptive(options as AdaptiveOptions)).toThrow(`adaptive: ${message}`);
  });
});
