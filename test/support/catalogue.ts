/** A product of a catalogue, for the tests of resolvers and of ownership: editors name it, workers make its thumbnail. */
import * as t from 'io-ts';
import { accept, aggregate, reject } from 'watersmeet';
import type { EventOf, StateOf } from 'watersmeet';

const tag = t.type({ tag: t.string });
const by = t.type({ by: t.number });
const price = t.type({ price: t.number });
const name = t.type({ name: t.string });
const thumbnail = t.type({ url: t.string });

export const product = aggregate({
  category: 'product',
  commands: {
    Rename: name,
    SetPrice: price,
    AddStock: by,
    AddTag: tag,
    RemoveTag: tag,
    MakeThumbnail: thumbnail,
  },
  events: {
    Renamed: name,
    PriceSet: price,
    StockAdded: by,
    TagAdded: tag,
    TagRemoved: tag,
    ThumbnailMade: thumbnail,
  },
  state: t.type({
    name: t.string,
    price: t.number,
    stock: t.number,
    tags: t.array(t.string),
    thumbnail: t.string,
  }),
  initialState: { name: '', price: 0, stock: 0, tags: [], thumbnail: '' },
  evolve: {
    Renamed: (state, data) => ({ ...state, name: data.name }),
    PriceSet: (state, data) => ({ ...state, price: data.price }),
    StockAdded: (state, data) => ({ ...state, stock: state.stock + data.by }),
    TagAdded: (state, data) =>
      state.tags.includes(data.tag) ? state : { ...state, tags: [...state.tags, data.tag] },
    TagRemoved: (state, data) => ({ ...state, tags: state.tags.filter((other) => other !== data.tag) }),
    ThumbnailMade: (state, data) => ({ ...state, thumbnail: data.url }),
  },
  decide: {
    Rename: (_state, data) => accept({ type: 'Renamed', data }),
    SetPrice: (state, data) =>
      data.price < 0 ? reject({ _tag: 'Negative', was: state.price }) : accept({ type: 'PriceSet', data }),
    AddStock: (_state, data) => accept({ type: 'StockAdded', data }),
    AddTag: (_state, data) => accept({ type: 'TagAdded', data }),
    RemoveTag: (_state, data) => accept({ type: 'TagRemoved', data }),
    MakeThumbnail: (_state, data) => accept({ type: 'ThumbnailMade', data }),
  },
});

export type Product = StateOf<typeof product>;
export type ProductEvent = EventOf<typeof product>;

export const renamed = (to: string) => ({ type: 'Renamed', data: { name: to } }) as const;
export const priceSet = (to: number) => ({ type: 'PriceSet', data: { price: to } }) as const;
export const stockAdded = (more: number) => ({ type: 'StockAdded', data: { by: more } }) as const;
export const tagAdded = (added: string) => ({ type: 'TagAdded', data: { tag: added } }) as const;
export const tagRemoved = (removed: string) => ({ type: 'TagRemoved', data: { tag: removed } }) as const;
export const thumbnailMade = (url: string) => ({ type: 'ThumbnailMade', data: { url } }) as const;
