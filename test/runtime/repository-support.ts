/** What the tests of repositories share: a product that many hands work on, and writers that begin together. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { type MemoryStore, memoryStore } from '../../src/adapters/memory/index.js';
import { accept, aggregate, type EventOf, reject, type StateOf } from '../../src/core/decider.js';
import { ownership } from '../../src/core/concurrency/ownership.js';
import type { StreamName } from '../../src/core/stream.js';
import { repository } from '../../src/runtime/repository/repository.js';
import type { RepositoryContext, SaveOptions } from '../../src/runtime/repository/context.js';
import type { EventStore } from '../../src/store/event-store.js';
import { newId } from '../../src/store/ids.js';
import { right, stillEnvironment, withRival } from '../support/handling.js';

const Amount = t.type({ amount: t.number });
const Name = t.type({ name: t.string });
const Price = t.type({ price: t.number });
const Url = t.type({ url: t.string });

export const product = aggregate({
  category: 'product',
  commands: { Create: Name, Rename: Name, SetPrice: Price, AddStock: Amount, TakeStock: Amount, ShowAs: Url },
  events: {
    Created: Name,
    Renamed: Name,
    PriceSet: Price,
    StockAdded: Amount,
    StockTaken: Amount,
    Shown: Url,
  },
  state: t.type({ name: t.string, price: t.number, stock: t.number, thumbnail: t.string }),
  initialState: { name: '', price: 0, stock: 0, thumbnail: '' },
  evolve: {
    Created: (state, { name }) => ({ ...state, name }),
    Renamed: (state, { name }) => ({ ...state, name }),
    PriceSet: (state, { price }) => ({ ...state, price }),
    StockAdded: (state, { amount }) => ({ ...state, stock: state.stock + amount }),
    StockTaken: (state, { amount }) => ({ ...state, stock: state.stock - amount }),
    Shown: (state, { url }) => ({ ...state, thumbnail: url }),
  },
  decide: {
    Create: (state, { name }) =>
      state.name === '' ? accept({ type: 'Created', data: { name } }) : reject({ _tag: 'Exists' }),
    Rename: (state, { name }) =>
      state.name === name ? accept() : accept({ type: 'Renamed', data: { name } }),
    SetPrice: (_, { price }) => accept({ type: 'PriceSet', data: { price } }),
    AddStock: (_, { amount }) => accept({ type: 'StockAdded', data: { amount } }),
    TakeStock: (state, { amount }) =>
      state.stock < amount
        ? reject({ _tag: 'OutOfStock', stock: state.stock })
        : accept({ type: 'StockTaken', data: { amount } }),
    ShowAs: (_, { url }) => accept({ type: 'Shown', data: { url } }),
  },
});

export type State = StateOf<typeof product>;
export type Event = EventOf<typeof product>;

export const rename = (name: string) => ({ type: 'Rename', data: { name } }) as const;
export const setPrice = (price: number) => ({ type: 'SetPrice', data: { price } }) as const;
export const addStock = (amount: number) => ({ type: 'AddStock', data: { amount } }) as const;
export const takeStock = (amount: number) => ({ type: 'TakeStock', data: { amount } }) as const;
export const showAs = (url: string) => ({ type: 'ShowAs', data: { url } }) as const;

/** Editors own the texts, the system what it makes of them; prices and stock are everybody's. */
export const productOwnership = ownership({
  owners: { editor: ['name'], system: ['thumbnail'] },
  shared: { price: 'skip', stock: 'merge' },
  events: {
    Created: ['name'],
    Renamed: ['name'],
    PriceSet: ['price'],
    StockAdded: ['stock'],
    StockTaken: ['stock'],
    Shown: ['thumbnail'],
  },
  roleOf: (actor) => (actor?.startsWith('worker') ? 'system' : 'editor'),
});

export const secret = 'a secret of at least thirty-two bytes, for tests';

export const products = (store: EventStore, context: Partial<RepositoryContext> = {}) =>
  repository({ store, tokenSecret: secret, ...context })(product);

export type Products = ReturnType<typeof products>;

/** A product that no other test uses, with some stock. */
export const aProduct = async (store: EventStore, stock = 0): Promise<string> => {
  const id = newId().replaceAll('-', '');
  const created = { type: 'Create', data: { name: 'Lamp' } } as const;
  await right(products(store).update(id, stock > 0 ? [created, addStock(stock)] : [created]));
  return id;
};

export const streamOf = (id: string): StreamName => `product-${id}` as StreamName;

/** A change that the product accepts. */
export const changed = (
  repo: Products,
  copy: Parameters<Products['change']>[0],
  ...commands: ReadonlyArray<Parameters<Products['change']>[1]>
) => {
  let result = copy;
  for (const command of commands) {
    const one = repo.change(result, command);
    if (E.isLeft(one)) throw new Error(`refused: ${JSON.stringify(one.left)}`);
    result = one.right;
  }
  if (!('original' in result)) throw new Error('there was no command');
  return result;
};

export const eventsOf = async (store: EventStore, id: string) =>
  (await right(store.readStream({ streamName: streamOf(id), maxCount: 4_096 }))).events;
export const typesOf = async (store: EventStore, id: string) =>
  (await eventsOf(store, id)).map(({ type }) => type);

/** A store with one product, and a repository in the hands of Ada. */
export const opened = async (stock = 0) => {
  const store = memoryStore();
  const id = await aProduct(store, stock);
  return { store, id, repo: products(store, { actor: 'ada' }) };
};

/** A product on which a rival is first before each of the next `times` appends. */
export const withRivals = async (
  times: number,
  rival: (store: MemoryStore, id: string) => Promise<unknown>,
  context: Partial<RepositoryContext> = {},
  stock = 5,
) => {
  const store = memoryStore();
  const id = await aProduct(store, stock);
  const environment = stillEnvironment();
  const rivalled = withRival(store, times, () => rival(store, id));
  const repo = products(rivalled, { environment, actor: 'ada', ...context });
  return { store, id, repo, environment };
};
export const rivalAdds = (store: EventStore, id: string) => right(products(store).update(id, addStock(1)));
export const using = (
  strategy: NonNullable<SaveOptions['settings']>['strategy'],
  more: SaveOptions['settings'] = {},
): SaveOptions => ({ settings: { ...(strategy !== undefined && { strategy }), jitter: 0, ...more } });

/** Lets go of everybody once the last has come. */
export const startingLine = (count: number): (() => Promise<void>) => {
  const waiting: Array<() => void> = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length === count) for (const go of waiting) go();
    });
};
