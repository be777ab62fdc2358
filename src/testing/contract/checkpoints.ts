/** Contract: checkpoints that the store keeps for its subscribers. */
import { strict as assert } from 'node:assert';
import { startPosition } from '../../core/stream.js';
import type { ContractPart, ContractTest } from './subject.js';
import { refused, right, same, streamAt, unique } from './support.js';

const tests: ReadonlyArray<ContractTest> = [
  {
    title: 'a subscriber that saved none has none, and one that saved one finds it again',
    run: async ({ store: { checkpoints, ...store }, secondHandle }, { lacks }) => {
      const subscriber = `subscriber ${unique()}`;
      same(await right(checkpoints.load(subscriber)), undefined);
      const epoch = await right(store.epoch());
      const { position } = await streamAt({ checkpoints, ...store }, 1);
      await right(checkpoints.save(subscriber, { position, epoch }));
      same(await right(checkpoints.load(subscriber)), { position, epoch });
      same(await right(checkpoints.load(`${subscriber} another`)), undefined);
      if (lacks?.multiProcess !== undefined) return;
      same(await right((await secondHandle()).checkpoints.load(subscriber)), { position, epoch });
    },
  },
  {
    title: 'a checkpoint never goes back',
    run: async ({ store }) => {
      const subscriber = unique();
      const epoch = await right(store.epoch());
      const [first, second] = [await streamAt(store, 1), await streamAt(store, 1)];
      const saved = async (position: typeof startPosition): Promise<unknown> => {
        await right(store.checkpoints.save(subscriber, { position, epoch }));
        return (await right(store.checkpoints.load(subscriber)))?.position;
      };
      assert.equal(await saved(first.position), first.position);
      assert.equal(await saved(second.position), second.position);
      assert.equal(await saved(first.position), second.position);
      assert.equal(await saved(startPosition), second.position);
    },
  },
  {
    title: 'positions are compared as numbers, not as text',
    run: async ({ store }) => {
      const subscriber = unique();
      const epoch = await right(store.epoch());
      for (const position of ['9/9', '10/1', '10/20', '10/3'] as (typeof startPosition)[])
        await right(store.checkpoints.save(subscriber, { position, epoch }));
      assert.equal((await right(store.checkpoints.load(subscriber)))?.position, '10/20');
    },
  },
  {
    title: 'a checkpoint of another epoch is refused, and the saved one stays',
    run: async ({ store }) => {
      const subscriber = unique();
      const epoch = await right(store.epoch());
      const { position } = await streamAt(store, 1);
      await right(store.checkpoints.save(subscriber, { position, epoch }));
      const refusal = await refused(
        store.checkpoints.save(subscriber, { position, epoch: 'another life' }),
        'EpochChanged',
      );
      same(refusal, { _tag: 'EpochChanged', checkpointEpoch: 'another life', storeEpoch: epoch });
      same(await right(store.checkpoints.load(subscriber)), { position, epoch });
    },
  },
  {
    title: 'a subscriber whose name cannot be stored, and a position that is none, are refused',
    run: async ({ store: { checkpoints, epoch } }) => {
      const checkpoint = { position: startPosition, epoch: await right(epoch()) };
      for (const name of ['', ' ', 'a\u0000b', '\ud800', 'x'.repeat(3_000)]) {
        await refused(checkpoints.save(name, checkpoint), 'InvalidName');
        await refused(checkpoints.load(name), 'InvalidName');
      }
      for (const position of ['', 'x', '1/', "1/1'; --"])
        await refused(
          checkpoints.save(unique(), { ...checkpoint, position: position as never }),
          'InvalidRequest',
        );
    },
  },
  {
    title: 'names that mean something to JavaScript or SQL are names of subscribers like any other',
    run: async ({ store }) => {
      const epoch = await right(store.epoch());
      const { position } = await streamAt(store, 1);
      for (const name of [
        '__proto__',
        'constructor',
        'toString',
        "a'); drop table checkpoints; --",
        '$1',
        '%',
      ]) {
        same(await right(store.checkpoints.load(name)), undefined, name);
        await right(store.checkpoints.save(name, { position, epoch }));
        same(await right(store.checkpoints.load(name)), { position, epoch }, name);
      }
    },
  },
];

export const checkpointsPart: ContractPart = { title: 'checkpoints:', tests };
