/** The adaptive strategy at work under real writers: it leaves calm products alone, locks the one that is fought over, and loses nothing. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import type { EventOf } from '../../src/core/decider.js';
import { always } from '../../src/core/concurrency/policy-predicates.js';
import { type ConcurrencySettings, policies, when } from '../../src/core/concurrency/policy.js';
import { commuting } from '../../src/core/concurrency/resolvers.js';
import { adaptive, type AdaptiveSwitch } from '../../src/runtime/concurrency/adaptive.js';
import { concurrencyStats } from '../../src/runtime/concurrency/concurrency-stats.js';
import type { OpenedStore } from '../../src/testing/contract/subject.js';
import { right } from '../support/handling.js';
import { whyNoServer } from '../support/postgres.js';
import { allSubjects, itOn } from '../support/subjects.js';
import { addStock, aProduct, type product, products, startingLine, streamOf } from './repository-support.js';

const writers = 8;
const table = [
  { above: 0, strategy: 'retry' },
  { above: 0.05, strategy: 'pessimistic', withResolver: 'merge' },
] as const;

for (const subject of allSubjects) {
  const skip = subject.name === 'postgres' ? whyNoServer() : undefined;
  const suite = skip === undefined ? describe : describe.skip;
  suite(`the adaptive strategy [${subject.name}]${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
    let opened: OpenedStore;
    beforeAll(async () => {
      opened = await subject.open();
      // A cold pool starts its writers one after another, which hides races.
      await Promise.all(Array.from({ length: writers }, () => right(opened.store.readAll({}))));
    }, 60_000);
    afterAll(() => opened.dispose());

    const rig = (more: { readonly hasResolver?: boolean } = {}) => {
      const switches: AdaptiveSwitch[] = [];
      const strategy = adaptive({ table, onSwitch: (notice) => switches.push(notice) });
      const stats = concurrencyStats();
      const settings: Partial<ConcurrencySettings> = {
        strategy: 'adaptive',
        adaptive: strategy,
        ...{ attemptsMax: 200, delayMs: 1, delayMaxMs: 10, lockWaitMaxMs: 60_000 },
        ...(more.hasResolver === true && {
          resolver: commuting<EventOf<typeof product>>({ StockAdded: { StockAdded: true } }),
        }),
      };
      const repo = products(opened.store, { stats, policies: policies(when(always, 'all').then(settings)) });
      /** All writers save so often, each time together, each its own choice of product. */
      const work = async (each: number, idOf: (writer: number) => string): Promise<void> => {
        const rounds = Array.from({ length: each }, () => startingLine(writers));
        const write = async (writer: number): Promise<void> => {
          for (const line of rounds) {
            await line();
            const saved = await repo.update(idOf(writer), addStock(1))();
            if (E.isLeft(saved)) throw new Error(JSON.stringify(saved.left));
          }
        };
        await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
      };
      const stockOf = async (id: string): Promise<number> => (await right(repo.load(id))).state.stock;
      return { switches, strategy, stats, work, stockOf };
    };

    it('leaves products alone that nobody fights over', async () => {
      const { work, stats, switches, stockOf } = rig();
      const ids = await Promise.all(Array.from({ length: writers }, () => aProduct(opened.store)));
      await work(5, (writer) => ids[writer] as string);
      expect(switches).toEqual([]);
      expect(stats.read().types).toMatchObject([
        { saves: 40, failed: 0, contended: 0, strategies: { retry: 40 } },
      ]);
      expect(await Promise.all(ids.map(stockOf))).toEqual(ids.map(() => 5));
    });

    itOn(subject, 'leases')('locks the one that is fought over, keeps to it, and loses nothing', async () => {
      const { work, stats, switches, strategy, stockOf } = rig();
      const id = await aProduct(opened.store);
      await work(10, () => id);
      expect(await stockOf(id)).toBe(80);
      const key = streamOf(id);
      // Up once, and not back while they wait for each other.
      expect(switches.filter((notice) => notice.key === key)).toMatchObject([
        { from: 'retry', to: 'pessimistic' },
      ]);
      expect(strategy.explain(key)).toMatchObject({ strategy: 'pessimistic', by: 'key' });
      const [type] = stats.read().types;
      expect(type).toMatchObject({ saves: 80, failed: 0 });
      expect(type?.strategies.pessimistic).toBeGreaterThan(0);
      expect(type?.lockWaits.count).toBe(type?.strategies.pessimistic);
      expect(stats.read().keys[0]?.key).toBe(key);
    });

    it('merges instead where there is a resolver', async () => {
      const { work, stats, strategy, stockOf } = rig({ hasResolver: true });
      const id = await aProduct(opened.store);
      await work(10, () => id);
      expect(await stockOf(id)).toBe(80);
      expect(strategy.explain(streamOf(id))).toMatchObject({ strategy: 'merge', by: 'key' });
      expect(stats.read().types[0]?.strategies.merge).toBeGreaterThan(0);
    });
  });
}
