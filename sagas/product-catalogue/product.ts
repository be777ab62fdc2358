/** A product as an aggregate: what editors write, what workers make of it, and what the ERP knows. */
import * as t from 'io-ts';
import { accept, aggregate, type CommandInput, type EventOf, reject, type StateOf } from 'watersmeet';
import { checksumOf } from './derived.js';

const text = t.readonlyArray(t.string);
const name = t.type({ name: t.string });
const description = t.type({ description: t.string });
const images = t.type({ images: text });
const url = t.type({ url: t.string });
const words = t.type({ words: text });
const price = t.type({ price: t.number });
const badge = t.type({ badge: t.string });
const moved = t.type({ by: t.number });
const category = t.type({ category: t.string });

const isSame = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);

/** What a worker made belongs to what it was made from. Make it again from what is there now. */
const outdated = (field: string) => reject({ _tag: 'Outdated', field });

export const product = aggregate({
  category: 'product',
  commands: {
    Rename: name,
    Describe: description,
    ChooseImages: images,
    /** `images` are those that it was made from, as are `name` and `description` below. */
    MakeThumbnail: t.intersection([url, images]),
    Index: t.intersection([words, name, description]),
    Seal: t.type({}),
    SetPrice: t.type({ price: t.Int }),
    SetBadge: badge,
    MoveStock: t.type({ by: t.Int }),
    AddCategory: category,
    RemoveCategory: category,
  },
  events: {
    ...{ Renamed: name, Described: description, ImagesChosen: images },
    ...{ ThumbnailMade: url, Indexed: words, Sealed: t.type({ checksum: t.string }) },
    ...{ PriceSet: price, BadgeSet: badge, StockMoved: moved },
    ...{ CategoryAdded: category, CategoryRemoved: category },
  },
  state: t.readonly(
    t.type({
      ...{ name: t.string, description: t.string, images: text },
      ...{ thumbnail: t.string, searchIndex: text, checksum: t.string },
      /** In cents. */
      price: t.number,
      badge: t.string,
      /** Units; below zero where more were sold than are there. */
      availability: t.number,
      categories: text,
    }),
  ),
  initialState: {
    ...{ name: '', description: '', images: [], thumbnail: '', searchIndex: [], checksum: '' },
    ...{ price: 0, badge: '', availability: 0, categories: [] },
  },
  evolve: {
    Renamed: (state, data) => ({ ...state, name: data.name }),
    Described: (state, data) => ({ ...state, description: data.description }),
    ImagesChosen: (state, data) => ({ ...state, images: data.images }),
    ThumbnailMade: (state, data) => ({ ...state, thumbnail: data.url }),
    Indexed: (state, data) => ({ ...state, searchIndex: data.words }),
    Sealed: (state, { checksum }) => ({ ...state, checksum }),
    PriceSet: (state, data) => ({ ...state, price: data.price }),
    BadgeSet: (state, data) => ({ ...state, badge: data.badge }),
    StockMoved: (state, { by }) => ({ ...state, availability: state.availability + by }),
    CategoryAdded: (state, data) =>
      state.categories.includes(data.category)
        ? state
        : { ...state, categories: [...state.categories, data.category] },
    CategoryRemoved: (state, data) => ({
      ...state,
      categories: state.categories.filter((other) => other !== data.category),
    }),
  },
  decide: {
    Rename: (_state, data) => accept({ type: 'Renamed', data }),
    Describe: (_state, data) => accept({ type: 'Described', data }),
    ChooseImages: (_state, data) => accept({ type: 'ImagesChosen', data }),
    MakeThumbnail: (state, made) => {
      if (!isSame(made.images, state.images)) return outdated('thumbnail');
      return made.url === state.thumbnail
        ? accept()
        : accept({ type: 'ThumbnailMade', data: { url: made.url } });
    },
    Index: (state, made) => {
      if (made.name !== state.name || made.description !== state.description) return outdated('searchIndex');
      return isSame(made.words, state.searchIndex)
        ? accept()
        : accept({ type: 'Indexed', data: { words: made.words } });
    },
    Seal: (state) => {
      const checksum = checksumOf(state);
      return checksum === state.checksum ? accept() : accept({ type: 'Sealed', data: { checksum } });
    },
    SetPrice: (_state, { price: wanted }: { readonly price: number }) =>
      wanted < 0
        ? reject({ _tag: 'Negative', price: wanted })
        : accept({ type: 'PriceSet', data: { price: wanted } }),
    SetBadge: (_state, data) => accept({ type: 'BadgeSet', data }),
    MoveStock: (_state, data) => accept({ type: 'StockMoved', data }),
    AddCategory: (_state, data) => accept({ type: 'CategoryAdded', data }),
    RemoveCategory: (_state, data) => accept({ type: 'CategoryRemoved', data }),
  },
});

export type Product = StateOf<typeof product>;
export type ProductEvent = EventOf<typeof product>;
/** As it comes from outside. */
export type ProductCommand = CommandInput<(typeof product)['commands']>;
