/** Each strategy under writers that begin together, on every store: what it promises holds whoever is first. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import type { AdaptiveObservation, AdaptiveStrategy } from '../../src/core/concurrency/adaptive.js';
import type { EventOf } from '../../src/core/decider.js';
import type { ConcurrencyStrategy } from '../../src/core/concurrency/policy.js';
import { commuting } from '../../src/core/concurrency/resolvers.js';
import type { SaveOptions } from '../../src/runtime/repository/context.js';
import { systemWork } from '../../src/runtime/concurrency/system-work.js';
import type { OpenedStore } from '../../src/testing/contract/subject.js';
import type { EventStore } from '../../src/store/event-store.js';
import { right } from '../support/handling.js';
import { allSubjects, itOn } from '../support/subjects.js';
import { whyNoServer } from '../support/postgres.js';
import type { product } from './repository-support.js';
import {
  addStock,
  aProduct,
  changed,
  productOwnership,
  products,
  type Products,
  rename,
  setPrice,
  showAs,
  startingLine,
  streamOf,
  takeStock,
} from './repository-support.js';

const writers = 12;
type Command = Parameters<Products['change']>[1];
type Answer = E.Either<{ readonly _tag: string }, { readonly attempts: number; readonly version: number }>;

const patient = { attemptsMax: 100, delayMs: 1, delayMaxMs: 20 };
const using = (strategy: ConcurrencyStrategy, more: SaveOptions['settings'] = {}): SaveOptions => ({
  settings: { strategy, ...patient, ...more },
});
const won = (answers: ReadonlyArray<Answer>) => answers.filter(E.isRight).map(({ right: saved }) => saved);
const tags = (answers: ReadonlyArray<Answer>) => answers.filter(E.isLeft).map(({ left }) => left._tag);

for (const subject of allSubjects) {
  const skip = subject.name === 'postgres' ? whyNoServer() : undefined;
  const suite = skip === undefined ? describe : describe.skip;
  suite(`writers who begin together [${subject.name}]${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
    let opened: OpenedStore;
    let stores: ReadonlyArray<EventStore>;
    beforeAll(async () => {
      opened = await subject.open();
      const isShared = opened.store.capabilities.multiProcess;
      stores = isShared ? [opened.store, await opened.secondHandle()] : [opened.store];
      // A cold pool starts its writers one after another, which hides races.
      await Promise.all(
        stores.flatMap((store) => Array.from({ length: 12 }, () => right(store.readAll({})))),
      );
    }, 60_000);
    afterAll(() => opened.dispose());

    const storeOf = (index: number): EventStore => stores[index % stores.length] as EventStore;

    /** Each loads a copy of its own, changes it, waits for all, and saves. */
    const together = async (
      id: string,
      command: (index: number) => Command,
      options: (index: number) => SaveOptions,
      load: (repo: Products) => ReturnType<Products['load']> = (repo) => repo.load(id),
    ): Promise<ReadonlyArray<Answer>> => {
      const ready = startingLine(writers);
      return Promise.all(
        Array.from({ length: writers }, async (_, index): Promise<Answer> => {
          const repo = products(storeOf(index), { actor: `editor ${index}` });
          const change = changed(repo, await right(load(repo)), command(index));
          await ready();
          return repo.trySave(change, options(index))();
        }),
      );
    };
    const stateOf = async (id: string) => (await right(products(opened.store).load(id))).state;
    const versionOf = async (id: string) => (await right(products(opened.store).load(id))).version;

    it('expectedVersion: exactly one is written, and every other is told by whom it was beaten', async () => {
      const id = await aProduct(opened.store);
      const answers = await together(
        id,
        (n) => rename(`name ${n}`),
        () => ({}),
      );
      expect(won(answers)).toHaveLength(1);
      expect(new Set(tags(answers))).toEqual(new Set(['ConcurrencyConflict']));
      for (const answer of answers)
        if (E.isLeft(answer))
          expect(answer.left).toMatchObject({
            expected: { version: 1 },
            actual: 2,
            theirs: ['Renamed'],
            ours: ['Renamed'],
          });
      expect(await versionOf(id)).toBe(2);
    });

    it.each<ConcurrencyStrategy>(['expectedRevision', 'ifNotModifiedSince'])(
      '%s: exactly one editor is written, and the work of the system stands in nobody’s way',
      async (strategy) => {
        const id = await aProduct(opened.store);
        const system = Promise.all(
          Array.from({ length: 6 }, (_, n) =>
            systemWork('thumbnail', () =>
              right(products(storeOf(n)).update(id, showAs(`/${n}`), using('retry'))),
            ),
          ),
        );
        const answers = await together(
          id,
          (n) => rename(`name ${n}`),
          () => using(strategy),
        );
        await system;
        expect(won(answers)).toHaveLength(1);
        expect(new Set(tags(answers))).toEqual(new Set(['ConcurrencyConflict']));
        const { version, revision } = await right(products(opened.store).load(id));
        expect({ version, revision }).toEqual({ version: 8, revision: 2 });
      },
    );

    it('token: exactly one is written, and the other tokens are stale', async () => {
      const id = await aProduct(opened.store);
      const answers = await together(
        id,
        (n) => rename(`name ${n}`),
        () => using('token'),
        (repo) => repo.loadWithToken(id),
      );
      expect(won(answers)).toHaveLength(1);
      expect(new Set(tags(answers))).toEqual(new Set(['TokenStale']));
      expect(await versionOf(id)).toBe(2);
    });

    it('condition: holds on the very state that is appended to, so that no more is taken than there is', async () => {
      const id = await aProduct(opened.store, 5);
      const options = using('condition', { condition: ({ stock }: { stock: number }) => stock >= 1 });
      const answers = await together(
        id,
        () => takeStock(1),
        () => options,
      );
      expect(won(answers)).toHaveLength(5);
      expect(tags(answers)).toEqual(Array.from({ length: writers - 5 }, () => 'ConditionNotMet'));
      expect((await stateOf(id)).stock).toBe(0);
    });

    for (const [strategy, needs] of [
      ['retry', []],
      ['pessimistic', ['leases']],
    ] as const)
      itOn(subject, ...needs)(
        `${strategy}: decides anew on what stands there, so that no more is taken than there is and the rest is rejected`,
        async () => {
          const id = await aProduct(opened.store, 7);
          const answers = await together(
            id,
            () => takeStock(1),
            () => using(strategy),
          );
          expect(won(answers)).toHaveLength(7);
          expect(tags(answers)).toEqual(Array.from({ length: writers - 7 }, () => 'Rejected'));
          expect((await stateOf(id)).stock).toBe(0);
        },
      );

    itOn(subject, 'leases')(
      'pessimistic: who takes the lock before the load meets no conflict at all',
      async () => {
        const id = await aProduct(opened.store);
        const ready = startingLine(writers);
        const answers = await Promise.all(
          Array.from({ length: writers }, async (_, n) => {
            await ready();
            return products(storeOf(n)).update(id, addStock(2 ** n), using('pessimistic'))();
          }),
        );
        expect(won(answers).map(({ attempts }) => attempts)).toEqual(
          Array.from({ length: writers }, () => 1),
        );
        expect((await stateOf(id)).stock).toBe(2 ** writers - 1);
      },
    );

    it('lastWriteWins: every write lands, and the last one stands', async () => {
      const id = await aProduct(opened.store);
      const answers = await together(
        id,
        (n) => setPrice(n + 1),
        () => using('lastWriteWins'),
      );
      const saved = won(answers);
      expect(saved.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: writers }, (_, n) => n + 2),
      );
      const last = answers.findIndex((answer) => E.isRight(answer) && answer.right.version === writers + 1);
      expect((await stateOf(id)).price).toBe(last + 1);
    });

    it('merge: every write lands, merged with those that were first', async () => {
      const id = await aProduct(opened.store);
      const resolver = commuting<EventOf<typeof product>>({ StockAdded: { StockAdded: true } });
      const answers = await together(
        id,
        (n) => addStock(2 ** n),
        () => using('merge', { resolver }),
      );
      expect(tags(answers)).toEqual([]);
      // Powers of two: any write that is lost or doubled would show in the sum.
      expect((await stateOf(id)).stock).toBe(2 ** writers - 1);
    });

    it('adaptive: saves by what was chosen, and tells the one who chooses how it went', async () => {
      const id = await aProduct(opened.store);
      const seen: AdaptiveObservation[] = [];
      const adaptive: AdaptiveStrategy = {
        decide: () => ({ strategy: 'retry', reason: 'they meet' }) as ReturnType<AdaptiveStrategy['decide']>,
        observe: (observation) => void seen.push(observation),
        explain: () => undefined,
      };
      const answers = await together(
        id,
        (n) => addStock(2 ** n),
        () => using('adaptive', { adaptive }),
      );
      expect(tags(answers)).toEqual([]);
      expect((await stateOf(id)).stock).toBe(2 ** writers - 1);
      expect(seen).toHaveLength(writers);
      expect(seen.filter(({ contended }) => contended).length).toBeGreaterThanOrEqual(writers - 2);
      expect(seen[0]).toMatchObject({ aggregateType: 'product', key: streamOf(id) });
    });

    it('ownership: fields that nobody else wrote are no conflict, whatever the strategy', async () => {
      const id = await aProduct(opened.store);
      const copies = [
        { actor: 'ada', command: rename('Floor lamp') },
        { actor: 'worker 1', command: showAs('/1') },
        { actor: 'erp', command: setPrice(9) },
      ];
      const ready = startingLine(copies.length);
      const answers = await Promise.all(
        copies.map(async ({ actor, command }, n) => {
          const repo = products(storeOf(n), { actor, ownership: productOwnership });
          const change = changed(repo, await right(repo.load(id)), command);
          await ready();
          return repo.trySave(change)();
        }),
      );
      expect(tags(answers)).toEqual([]);
      expect(await stateOf(id)).toEqual({ name: 'Floor lamp', price: 9, stock: 0, thumbnail: '/1' });
    });

    itOn(subject, 'atomicAppendMany')(
      'saveAll: two copies are written both or neither, by exactly one of the writers',
      async () => {
        const ids = [await aProduct(opened.store), await aProduct(opened.store)] as const;
        const ready = startingLine(writers);
        const answers = await Promise.all(
          Array.from({ length: writers }, async (_, n) => {
            const repo = products(storeOf(n));
            // Half of them name the streams the other way round.
            const order = n % 2 === 0 ? ids : ids.toReversed();
            const items = await Promise.all(
              order.map(async (id) => ({
                changed: changed(repo, await right(repo.load(id)), rename(`of ${n}`)),
              })),
            );
            await ready();
            return repo.saveAll(items)();
          }),
        );
        expect(answers.filter(E.isRight)).toHaveLength(1);
        for (const answer of answers)
          if (E.isLeft(answer))
            expect(answer.left).toMatchObject({
              _tag: 'SaveAllConflict',
              conflicts: [{ index: 0 }, { index: 1 }],
            });
        const [one, other] = await Promise.all(ids.map(stateOf));
        expect(one?.name).toBe(other?.name);
        expect(await versionOf(ids[0])).toBe(2);
      },
    );

    it('one save that is sent by several processes under one command id is written once', async () => {
      const id = await aProduct(opened.store);
      const options = { ...using('retry'), commandId: 'import 7' };
      const answers = await together(
        id,
        () => addStock(1),
        () => options,
      );
      expect(tags(answers)).toEqual([]);
      expect((await stateOf(id)).stock).toBe(1);
    });
  });
}
