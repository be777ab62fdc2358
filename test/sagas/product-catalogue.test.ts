/** The product catalogue: its rules, and editors, workers and an ERP on the same products at once, of whose fields none is lost. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { type EventStore, memoryStore, repository, toPromise } from 'watersmeet';
import { scenario } from 'watersmeet/testing';
import {
  catalogue,
  checksumOf,
  type ErpRecord,
  groupOf,
  importKey,
  product,
  type ProductCommand,
  productPolicies,
  wordsOf,
} from '../../sagas/product-catalogue/index.js';
import { whyNoServer } from '../support/postgres.js';
import { runNaive } from '../support/product-catalogue-naive.js';
import { type Proof, proveCatalogue } from '../support/product-catalogue-proof.js';
import { runCatalogue } from '../support/product-catalogue-run.js';

const wrongIn = ({ checks }: Proof) =>
  checks.filter(({ wrong }) => wrong.length > 0).map(({ promise, wrong }) => [promise, wrong.slice(0, 5)]);

const proveOn = async (stores: ReadonlyArray<EventStore>, runMs: number): Promise<void> => {
  const options = { stores, writers: 16, runMs, workMs: 3 };
  const run = await runCatalogue({ ...options, prefix: 'lamp' });
  const proof = await proveCatalogue(stores[0] as EventStore, run);
  expect(wrongIn(proof)).toEqual([]);
  // Each promise was looked at on something, and writers did meet.
  for (const { looked, promise } of proof.checks) expect([promise, looked > 0]).toEqual([promise, true]);
  const { disjoint, decidedAgain } = proof.meetings;
  expect(disjoint).toBeGreaterThan(0);
  expect(decidedAgain).toBeGreaterThan(0);
  // The same writers without ownership do lose fields, so that the proof is of something.
  const naive = await runNaive({ ...options, runMs: runMs / 4, prefix: 'record' });
  expect(naive.lost).toBeGreaterThan(0);
};

describe('product catalogue, sixteen writers at once', () => {
  it('loses no field in memory', () => proveOn([memoryStore()], 1_000));

  const reason = whyNoServer();
  (reason === undefined ? it : it.skip)(
    `loses no field on PostgreSQL, from two processes${reason === undefined ? '' : ` (${reason})`}`,
    async () => {
      const { openTestPostgres } = await import('../support/stores.js');
      const opened = await openTestPostgres();
      const stores = [opened.store, await opened.secondHandle()];
      // A cold pool starts its writers one after another.
      await Promise.all(
        stores.flatMap((store) => Array.from({ length: 16 }, () => toPromise(store.readAll({})))),
      );
      await proveOn(stores, 2_000);
      await opened.dispose();
    },
  );
});

const editors: ReadonlyArray<ProductCommand> = [
  { type: 'Rename', data: { name: 'Desk lamp' } },
  { type: 'Describe', data: { description: 'A lamp for the desk' } },
];

describe('the proof of the product catalogue', () => {
  it('finds a save that was confirmed and is not there, one that nobody confirmed, and a field that another wrote', async () => {
    const store = memoryStore();
    const run = await runCatalogue({ stores: [store], writers: 7, runMs: 100, workMs: 1, prefix: 'lamp' });
    const [first, ...others] = run.confirmed.filter(({ save }) => save.events.length > 0);
    if (first === undefined) throw new Error('nothing was saved');
    const found = async (confirmed: typeof run.confirmed) =>
      wrongIn(await proveCatalogue(store, { ...run, confirmed })).map(([promise]) => promise);
    expect(await found(run.confirmed)).toEqual([]);
    expect(await found(others)).toContain('an event in the stream is of a confirmed save, and there once');
    const elsewhere = { ...first, save: { ...first.save, version: (first.save.version + 1) as never } };
    expect(await found([...others, elsewhere])).toContain(
      'a confirmed save is in the stream, whole, where it was said to be',
    );
    const stranger = repository({ store, actor: 'worker:stranger' })(product);
    const rename = { type: 'Rename', data: { name: 'another' } } as const;
    await toPromise(stranger.update(first.productId, rename));
    expect(await found(run.confirmed)).toContain(
      'a field is changed by its own events and its own writers only',
    );
  });
});

describe('product, its rules', () => {
  it('takes a thumbnail for the images that it was made from, and no other', () => {
    const chosen = { type: 'ImagesChosen', data: { images: ['front'] } } as const;
    const made = (...images: ReadonlyArray<string>) =>
      ({ type: 'MakeThumbnail', data: { url: 'front.webp', images } }) as const;
    scenario(product)
      .given([chosen])
      .when(made('front'))
      .then([{ type: 'ThumbnailMade', data: { url: 'front.webp' } }]);
    scenario(product)
      .given([chosen])
      .when(made('back'))
      .thenRejected({ _tag: 'Outdated', field: 'thumbnail' });
  });

  it('writes nothing for work that is done already', () => {
    const indexed = { type: 'Indexed', data: { words: ['lamp'] } } as const;
    scenario(product)
      .given([{ type: 'Renamed', data: { name: 'lamp' } }, indexed])
      .when({ type: 'Index', data: { words: ['lamp'], name: 'lamp', description: '' } })
      .then([]);
  });

  it('seals what editors wrote, so that nothing else changes the checksum', () => {
    const checksum = checksumOf({ name: 'lamp', description: '', images: [] });
    scenario(product)
      .given([{ type: 'Renamed', data: { name: 'lamp' } }])
      .when({ type: 'Seal', data: {} })
      .then([{ type: 'Sealed', data: { checksum } }]);
    scenario(product)
      .given([
        { type: 'Renamed', data: { name: 'lamp' } },
        { type: 'Sealed', data: { checksum } },
        { type: 'PriceSet', data: { price: 5 } },
      ])
      .when({ type: 'Seal', data: {} })
      .then([]);
  });

  it('refuses a price below zero', () => {
    scenario(product)
      .given([])
      .when({ type: 'SetPrice', data: { price: -1 } })
      .thenRejected({ _tag: 'Negative', price: -1 });
  });

  it('indexes each word once, whatever its case', () => {
    expect(wordsOf({ name: 'Lampe Größe 2', description: 'die LAMPE, größe 3' })).toEqual([
      '2',
      '3',
      'die',
      'größe',
      'lampe',
    ]);
  });

  it('has the fields of slow workers in groups of their own, so that they go on side by side', () => {
    expect([groupOf('ThumbnailMade'), groupOf('Indexed'), groupOf('PriceSet')]).toEqual([
      'assets',
      'search',
      'commerce',
    ]);
  });

  it('lets editors see each other, queues the prices of the ERP, and decides the rest again', () => {
    const chosenFor = (actor: string, commandType: string) => {
      const context = {
        aggregateType: 'product',
        commandTypes: [commandType],
        actor,
        tenant: 'default' as never,
      };
      const resolved = productPolicies.resolve({ ...context, tags: new Set(), flags: new Set() });
      return E.isRight(resolved)
        ? `${resolved.right.settings.strategy}: ${resolved.right.chosenBy}`
        : 'failed';
    };
    expect(chosenFor('editor:ada', 'SetPrice')).toBe('expectedVersion: editors');
    expect(chosenFor('ERP:1', 'SetPrice')).toBe('pessimistic: prices of the ERP');
    expect(chosenFor('ERP:1', 'MoveStock')).toBe('retry: everybody');
    expect(chosenFor('worker:search', 'Index')).toBe('retry: everybody');
  });
});

describe('product catalogue', () => {
  const record: ErpRecord = { recordId: 'erp_456', batchId: 'b_1', productId: '7', price: 1_999, moved: 12 };

  it('lets editors, workers and the ERP save copies of one version', async () => {
    const { edit, products, seal, importRecord } = catalogue({ store: memoryStore() });
    const shown = await toPromise(products.load('7'));
    for (const command of editors) await toPromise(edit('editor:ada', shown, command));
    await toPromise(importRecord('ERP:1', record));
    await toPromise(seal('worker:checksums', '7'));
    const { state, revision } = await toPromise(products.load('7'));
    expect(state).toMatchObject({ name: 'Desk lamp', description: 'A lamp for the desk', availability: 12 });
    expect(revision).toBe(2);
    const { entries } = await toPromise(products.operationLog('7'));
    expect(entries.map(({ operation, by }) => [operation, by])).toEqual([
      ['checksum', 'worker:checksums'],
      ['import', 'ERP:1'],
    ]);
  });

  it('shows an editor what another has written to the same field', async () => {
    const { edit, products } = catalogue({ store: memoryStore() });
    const shown = await toPromise(products.load('7'));
    const rename = (name: string) => ({ type: 'Rename', data: { name } }) as const;
    await toPromise(edit('editor:ada', shown, rename('Desk lamp')));
    expect(await edit('editor:ben', shown, rename('Floor lamp'))()).toMatchObject({
      left: { _tag: 'ConcurrencyConflict', policy: 'editors', theirs: ['Renamed'] },
    });
  });

  it('keeps the badge that was there first, and adds up stock and categories', async () => {
    const { edit, products } = catalogue({ store: memoryStore() });
    const shown = await toPromise(products.load('7'));
    const save = (command: ProductCommand) => toPromise(edit('editor:ada', shown, command));
    await save({ type: 'SetBadge', data: { badge: 'new' } });
    const skipped = await save({ type: 'SetBadge', data: { badge: 'sale' } });
    expect(skipped).toMatchObject({ events: [], resolution: 'skipped BadgeSet (badge)' });
    for (const category of ['lamps', 'desk']) await save({ type: 'AddCategory', data: { category } });
    for (const by of [5, -7]) await save({ type: 'MoveStock', data: { by } });
    const { state } = await toPromise(products.load('7'));
    expect(state).toMatchObject({ badge: 'new', categories: ['lamps', 'desk'], availability: -2 });
  });

  it('imports a record once, also where an import died between its save and its mark', async () => {
    const { importRecord, products } = catalogue({ store: memoryStore() });
    await toPromise(
      products.update(
        '7',
        [
          { type: 'SetPrice', data: { price: 1_999 } },
          { type: 'MoveStock', data: { by: 12 } },
        ],
        { actor: 'ERP:1', commandId: importKey(record) },
      ),
    );
    expect(await toPromise(importRecord('ERP:2', record))).toMatchObject({
      _tag: 'Done',
      value: { duplicate: true },
    });
    expect(await toPromise(importRecord('ERP:2', record))).toMatchObject({ _tag: 'AlreadyDone' });
    expect((await toPromise(products.load('7'))).state.availability).toBe(12);
    await toPromise(importRecord('ERP:2', { ...record, batchId: 'b_2' }));
    expect((await toPromise(products.load('7'))).state.availability).toBe(24);
  });

  it('makes a thumbnail again after an editor chose other images while it was made', async () => {
    const { edit, makeThumbnail, products } = catalogue({ store: memoryStore() });
    const choose = async (image: string) =>
      toPromise(
        edit('editor:ada', await toPromise(products.load('7')), {
          type: 'ChooseImages',
          data: { images: [image] },
        }),
      );
    await choose('front');
    const late = makeThumbnail('worker:1', '7', async (images) => {
      await choose('back');
      return `${images.join('+')}.webp`;
    });
    expect(await late()).toMatchObject({
      left: { _tag: 'Rejected', rejection: { _tag: 'Outdated', field: 'thumbnail' } },
    });
    await toPromise(makeThumbnail('worker:1', '7', async (images) => `${images.join('+')}.webp`));
    expect((await toPromise(products.load('7'))).state.thumbnail).toBe('back.webp');
  });

  it('indexes beside a slow thumbnail of the same product, and lets a refresh of all wait for both', async () => {
    const { makeThumbnail, index, refresh } = catalogue({ store: memoryStore() });
    const order: string[] = [];
    let go: () => void = () => {};
    const slow = new Promise<void>((resolve) => (go = resolve));
    const thumbnail = makeThumbnail('worker:1', '7', async () => {
      order.push('thumbnail begins');
      await slow;
      order.push('thumbnail ends');
      return 'a.webp';
    })();
    await toPromise(index('worker:2', '7'));
    order.push('indexed');
    const refreshed = refresh('worker:3', '7', async () => {
      order.push('refreshed');
      return 'b.webp';
    })();
    go();
    await Promise.all([thumbnail, refreshed]);
    expect(order).toEqual(['thumbnail begins', 'indexed', 'thumbnail ends', 'refreshed']);
  });
});
