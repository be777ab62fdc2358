/** What the collector counts of saves, by type and by key, and how it tells it. */
import { describe, expect, it } from '@jest/globals';
import * as t from 'io-ts';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { toPromise } from '../../src/core/fault.js';
import { counter, record } from '../../src/core/merge/mergers.js';
import { exactly } from '../../src/core/stream.js';
import { saga } from '../../src/core/saga/saga.js';
import {
  type ConcurrencyStatsOptions,
  concurrencyStats,
  type SaveNotice,
} from '../../src/runtime/concurrency/concurrency-stats.js';
import { countedCommands } from '../../src/runtime/concurrency/counted-commands.js';
import { dice } from '../../src/runtime/dice.js';
import { sagaRuntime } from '../../src/runtime/saga/saga-runtime.js';
import { account } from '../support/account.js';
import { spread } from '../../src/runtime/concurrency/spread.js';

const rig = (options: ConcurrencyStatsOptions = {}) => {
  const clock = { nowMs: 0 };
  const stats = concurrencyStats({ timers: { now: () => clock.nowMs }, ...options });
  const save = (about: Partial<SaveNotice> = {}): void =>
    stats.observe({
      ...{ aggregateType: 'item', key: 'item-1', strategy: 'retry', attempts: 1, conflicts: 0 },
      ...about,
    });
  return { clock, stats, save };
};

describe('concurrency stats', () => {
  it('count nothing at first', () => {
    const { stats } = rig();
    expect(stats.read()).toEqual({ types: [], keys: [] });
    expect(stats.text()).toBe('no saves yet');
  });

  it('count saves, refused appends, attempts and failures of a type', () => {
    const { stats, save } = rig();
    for (const attempts of [1, 1, 2, 4, 5, 8, 9, 30]) save({ attempts, conflicts: attempts - 1 });
    save({ attempts: 3, conflicts: 3, failure: 'ConcurrencyConflict', isSystemWork: true });
    save({ failure: 'Rejected', strategy: 'pessimistic' });
    const [type] = stats.read().types;
    expect(type).toMatchObject({
      aggregateType: 'item',
      key: 'item',
      saves: 10,
      failed: 2,
      conflicts: 55,
      contended: 7,
      failures: { ConcurrencyConflict: 1, Rejected: 1 },
      strategies: { retry: 9, pessimistic: 1 },
      strategy: 'pessimistic',
      systemWork: 1,
      attempts: { mean: 6.4, max: 30, saves: { '1': 3, '2': 1, '3': 1, '4': 1, '5-8': 2, '9+': 2 } },
    });
  });

  it('tell of now by a share that fades with time, while counts stay', () => {
    const { stats, save, clock } = rig({ windowMs: 1_000 });
    for (let count = 0; count < 10; count += 1) save({ conflicts: 1, attempts: 2 });
    expect(stats.read().types[0]?.rate.share).toBe(1);
    clock.nowMs = 10_000;
    for (let count = 0; count < 10; count += 1) save();
    const [type] = stats.read().types;
    expect(type?.rate.share).toBeLessThan(0.01);
    expect(type).toMatchObject({ saves: 20, contended: 10 });
  });

  it('take a wait or events in between for a meeting where the save says so', () => {
    const { stats, save } = rig();
    save({ strategy: 'pessimistic', waitedMs: 12, contended: true });
    save({ strategy: 'pessimistic', waitedMs: 0.2, contended: false });
    expect(stats.read().types[0]).toMatchObject({
      contended: 1,
      conflicts: 0,
      lockWaits: { count: 2, maxMs: 12 },
    });
  });

  it('name the hottest keys first', () => {
    const { stats, save } = rig();
    for (let count = 0; count < 100; count += 1) save({ key: 'item-calm' });
    for (let count = 0; count < 20; count += 1) save({ key: 'item-hot', conflicts: 1, attempts: 2 });
    save({ key: 'item-warm', conflicts: 1, attempts: 2 });
    const { keys } = stats.read();
    expect(keys.map(({ key }) => key)).toEqual(['item-hot', 'item-warm', 'item-calm']);
    expect(keys[0]).toMatchObject({ aggregateType: 'item', saves: 20, attempts: { mean: 2, max: 2 } });
  });

  it('keep so many keys and no more, and the busy ones among them', () => {
    const { stats, save } = rig({ keysMax: 100 });
    for (let key = 0; key < 5_000; key += 1) {
      save({ key: `item-${key}`, aggregateType: `type ${key % 7}` });
      if (key % 20 === 0) save({ key: 'item-hot', conflicts: 1 });
    }
    const { keys, types } = stats.read();
    expect(keys.length).toBeLessThanOrEqual(100);
    expect(keys[0]).toMatchObject({ key: 'item-hot', saves: 250 });
    expect(types.reduce((sum, { saves }) => sum + saves, 0)).toBe(5_250);
  });

  it('are read as of then, and cannot be changed', () => {
    const { stats, save } = rig();
    save();
    const before = stats.read();
    save();
    expect(before.types[0]?.saves).toBe(1);
    expect(Object.isFrozen(before)).toBe(true);
    expect(() => Object.assign(before.types[0]?.attempts ?? {}, { mean: 0 })).toThrow(TypeError);
  });

  it('tell every save to whoever watches', () => {
    const seen: SaveNotice[] = [];
    const { save } = rig({ onSave: (notice) => seen.push(notice) });
    save({ attempts: 2 });
    expect(seen).toMatchObject([{ key: 'item-1', attempts: 2 }]);
  });

  it('are two tables for people', () => {
    const { stats, save } = rig();
    save({ attempts: 2, conflicts: 1, appendMs: 4 });
    save({ key: 'item-2', failure: 'Rejected' });
    save({ key: 'item-2', strategy: 'pessimistic', waitedMs: 20, contended: true });
    expect(stats.text()).toBe(
      [
        'type  saves  met now  refused  attempts  max  lock waits  ms, p50/p99/max  saves by attempts 1/2/3/4/5-8/9+  append ms, p50/p99/max  strategies              failures',
        'item      3   66.7 %        1      1.33    2           1     20 / 20 / 20                       2/1/0/0/0/0      3.86 / 3.86 / 4.00  retry 2, pessimistic 1  Rejected 1',
        '',
        'hottest  saves  met now  refused  attempts  max  lock waits  ms, p50/p99/max  strategy',
        'item-2       2   50.1 %        0      1.00    1           1     20 / 20 / 20  pessimistic',
        'item-1       1  100.0 %        1      2.00    2           0                -  retry',
      ].join('\n'),
    );
  });

  it.each([{ windowMs: 0 }, { windowMs: Number.NaN }, { keysMax: 0 }, { keysMax: 1.5 }, { keysMax: 1e9 }])(
    'refuse options that cannot work: %j',
    (options) => expect(() => concurrencyStats(options)).toThrow(TypeError),
  );
});

const tally = (onConflict: 'merge' | 'retry') =>
  saga({
    name: 'tally',
    messages: { Add: t.type({ by: t.number }) },
    sends: {},
    events: { Added: t.type({ by: t.number }) },
    state: t.type({ count: t.number }),
    initialState: { count: 0 },
    evolve: { Added: (state, { by }) => ({ count: state.count + by }) },
    react: { Add: (_state, { by }) => ({ events: [{ type: 'Added', data: { by } }] }) },
    ...(onConflict === 'merge'
      ? { onConflict, merge: { threeWay: record({ count: counter }) } }
      : { onConflict }),
  });

describe('concurrency stats of sagas', () => {
  const conflictOf = async (onConflict: 'merge' | 'retry') => {
    const stats = concurrencyStats();
    const environment = { random: () => 0, sleep: async () => undefined };
    const runtime = sagaRuntime(tally(onConflict), {
      store: memoryStore(),
      environment,
      hooks: stats.sagaHooks,
    });
    const add = (id: string) => toPromise(runtime.handle({ id, sagaId: '7', type: 'Add', data: { by: 1 } }));
    await add('m1');
    await Promise.all([add('m2'), add('m3')]);
    return stats.read();
  };

  it('count a merged message as a save that met another writer', async () => {
    const { types, keys } = await conflictOf('merge');
    expect(types).toMatchObject([
      {
        ...{ aggregateType: 'tally', saves: 3, contended: 1, conflicts: 1, branches: 1, merges: 1 },
        attempts: { mean: 1, max: 1 },
        strategies: { merge: 1 },
      },
    ]);
    expect(types[0]?.rate.share).toBeCloseTo(1 / 3, 2);
    expect(keys).toMatchObject([{ key: 'tally-7', saves: 3, contended: 1 }]);
  });

  it('count a message that is decided anew once, with its attempts', async () => {
    const { types } = await conflictOf('retry');
    expect(types).toMatchObject([
      {
        ...{ saves: 3, contended: 1, branches: 0, merges: 0, strategies: { retry: 1 } },
        attempts: { max: 2, saves: { '1': 2, '2': 1, '3': 0 } },
      },
    ]);
  });
});

describe('concurrency stats of commands', () => {
  const deposit = { id: '1', command: { type: 'Deposit', data: { amount: 5 } } } as const;
  const rig2 = async () => {
    const store = memoryStore();
    const stats = concurrencyStats();
    const environment = { random: () => 0, sleep: async () => undefined };
    const handle = countedCommands({ store, environment }, stats);
    await toPromise(handle(account, { id: '1', command: { type: 'Open', data: { owner: 'ada' } } }));
    return { handle, stats };
  };

  it('count each command once, with its attempts and the time of its appends', async () => {
    const { handle, stats } = await rig2();
    await Promise.all([deposit, deposit].map((one) => toPromise(handle(account, one))));
    expect(stats.read().types).toMatchObject([
      {
        ...{ aggregateType: 'account', saves: 3, conflicts: 1, contended: 1, failed: 0 },
        attempts: { max: 2, saves: { '1': 2, '2': 1 } },
        append: { count: 3 },
        strategies: { retry: 3 },
      },
    ]);
    expect(stats.read().keys).toMatchObject([{ key: 'account-1', saves: 3 }]);
  });

  it('count those that fail by their tag', async () => {
    const { handle, stats } = await rig2();
    await handle(account, { ...deposit, expected: exactly(7) })();
    await handle(account, { id: '', command: deposit.command })();
    expect(stats.read().types[0]?.failures).toEqual({ ConcurrencyConflict: 1, InvalidName: 1 });
  });
});

describe('a spread of durations', () => {
  it('knows the quantiles within five per cent, and the slowest exactly, in little memory', () => {
    const random = dice(1);
    const all = Array.from({ length: 5_000 }, () => 0.05 * 10 ** (5 * random()));
    const measured = spread();
    for (const ms of all) measured.add(ms);
    const sorted = [...all].sort((a, b) => a - b);
    const { count, p50Ms, p99Ms, maxMs } = measured.read();
    expect(count).toBe(5_000);
    expect(p50Ms / (sorted[2_499] as number)).toBeGreaterThan(0.95);
    expect(p50Ms / (sorted[2_499] as number)).toBeLessThan(1.05);
    expect(p99Ms / (sorted[4_949] as number)).toBeGreaterThan(0.95);
    expect(p99Ms / (sorted[4_949] as number)).toBeLessThan(1.05);
    expect(maxMs).toBe(sorted[4_999]);
  });

  it('takes nothing that is no duration', () => {
    const measured = spread();
    for (const ms of [Number.NaN, -1, Infinity]) measured.add(ms);
    expect(measured.read()).toEqual({ count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0, totalMs: 0 });
    measured.add(0);
    expect(measured.read()).toMatchObject({ count: 1, p50Ms: 0, p99Ms: 0 });
  });
});
