/** Snapshots, on every store that keeps them: the newest of a codec is kept, and another codec's replaces it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { memoryStore } from '../../src/adapters/memory/index.js';
import type { StreamVersion } from '../../src/core/stream.js';
import type { Snapshot, Snapshots } from '../../src/store/snapshots.js';
import { aStream, aTenant, refused, right } from '../../src/testing/contract/support.js';
import { whyNoServer } from '../support/postgres.js';
import { openTestPGlite, openTestPostgres } from '../support/stores.js';

interface Opened {
  readonly store: { readonly snapshots: Snapshots };
  readonly dispose: () => Promise<void>;
}

const subjects: ReadonlyArray<readonly [string, string | undefined, () => Promise<Opened>]> = [
  ['memory', undefined, async () => ({ store: memoryStore(), dispose: async () => undefined })],
  ['pglite', undefined, () => openTestPGlite()],
  ['postgres', whyNoServer(), () => openTestPostgres()],
];

const snapshot = (version: number, codecVersion = '1', state: Snapshot['state'] = { version }): Snapshot => ({
  version: version as StreamVersion,
  codecVersion,
  state,
});

for (const [name, skip, open] of subjects) {
  const suite = skip === undefined ? describe : describe.skip;
  suite(`snapshots [${name}]${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.dispose());

    it('none is there before one is saved, and each stream of each tenant has its own', async () => {
      const { snapshots } = opened.store;
      const key = { tenant: aTenant(), streamName: aStream() };
      expect(await right(snapshots.load(key))).toBeUndefined();
      await right(snapshots.save(key, snapshot(3, '1', { items: [1, 'two', null, { three: 3.5 }] })));
      expect(await right(snapshots.load(key))).toEqual(
        snapshot(3, '1', { items: [1, 'two', null, { three: 3.5 }] }),
      );
      expect(await right(snapshots.load({ ...key, tenant: aTenant() }))).toBeUndefined();
      expect(await right(snapshots.load({ ...key, streamName: aStream() }))).toBeUndefined();
    });

    it('an older one of the same codec does not replace a newer one', async () => {
      const { snapshots } = opened.store;
      const key = { streamName: aStream() };
      for (const version of [5, 3, 4]) await right(snapshots.save(key, snapshot(version)));
      expect(await right(snapshots.load(key))).toEqual(snapshot(5));
      await right(snapshots.save(key, snapshot(6)));
      expect((await right(snapshots.load(key)))?.version).toBe(6);
    });

    it('one of another codec replaces it, whatever its version', async () => {
      const { snapshots } = opened.store;
      const key = { streamName: aStream() };
      await right(snapshots.save(key, snapshot(5, '1')));
      await right(snapshots.save(key, snapshot(2, '2')));
      expect(await right(snapshots.load(key))).toEqual(snapshot(2, '2'));
    });

    if (name !== 'memory')
      it('a name or state that cannot be stored is refused', async () => {
        const { snapshots } = opened.store;
        await refused(snapshots.load({ streamName: '' as never }), 'InvalidName');
        await refused(snapshots.save({ streamName: '' as never }, snapshot(1)), 'InvalidName');
        const bad = snapshot(1, '1', { a: [NaN] });
        expect((await refused(snapshots.save({ streamName: aStream() }, bad), 'InvalidRequest')).field).toBe(
          'state.a[0]',
        );
      });
  });
}
