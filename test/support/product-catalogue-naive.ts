/** The way without ownership: load the whole record, change one field, save the whole record, and whoever is last has won. */
import * as E from 'fp-ts/lib/Either.js';
import { accept, aggregate, type EventStore, repository, saveHeaderOf, toPromise } from 'watersmeet';
import { setTimeout as pause } from 'node:timers/promises';
import { checksumOf, product, type Product, wordsOf } from '../../sagas/product-catalogue/index.js';
import { wholeStream } from './product-catalogue-proof.js';
import {
  idsOf,
  type Kind,
  kinds,
  pick,
  randomOf,
  type RunOptions,
  thumbnailOf,
} from './product-catalogue-run.js';

const record = aggregate({
  category: 'productRecord',
  commands: { SaveRecord: product.state },
  events: { RecordSaved: product.state },
  state: product.state,
  initialState: product.initialState,
  evolve: { RecordSaved: (_state, data) => data },
  decide: { SaveRecord: (_state, data) => accept({ type: 'RecordSaved', data }) },
});

type Field = keyof Product;

export interface NaiveResult {
  /** Saves that were confirmed, each of one field. */
  readonly saves: number;
  readonly elapsedMs: number;
  /** Of them, those that another save has undone without meaning to. */
  readonly lost: number;
  readonly lostByField: Readonly<Partial<Record<Field, number>>>;
  /** Units that were moved, in confirmed saves, and what of them is in the final stock. */
  readonly stock: { readonly moved: number; readonly found: number };
}

const edited = (random: () => number, told: string, state: Product): Product => {
  const edits: ReadonlyArray<() => Product> = [
    () => ({ ...state, name: `name ${told}` }),
    () => ({ ...state, description: `description ${told}` }),
    () => ({ ...state, images: [`${told} front`, `${told} back`] }),
    () => ({ ...state, badge: `badge ${told}` }),
    () => ({ ...state, categories: [...state.categories, `category ${told}`].slice(-6) }),
  ];
  return pick(random, edits)();
};

/** The record with what this kind of writer does to it. */
const changed = (kind: Kind, random: () => number, told: string, state: Product): Product => {
  switch (kind) {
    case 'editor':
      return edited(random, told, state);
    case 'thumbnails':
      return { ...state, thumbnail: thumbnailOf(state.images) };
    case 'search':
      return { ...state, searchIndex: wordsOf(state) };
    case 'checksums':
      return { ...state, checksum: checksumOf(state) };
    case 'ERP':
      return { ...state, price: Math.floor(random() * 100_000) };
    case 'warehouse':
      return { ...state, availability: state.availability + 1 };
  }
};

const json = (value: unknown): string => JSON.stringify(value);

const differing = (a: Product, b: Product): ReadonlyArray<Field> =>
  (Object.keys(product.initialState) as ReadonlyArray<Field>).filter(
    (field) => json(a[field]) !== json(b[field]),
  );

/** Whose fields each save meant to change, by the save's id. */
type Meant = ReadonlyMap<string, { readonly field: Field; readonly base: Product }>;

/**
 * Confirmed saves whose field another save changed without meaning to, each counted once: it wrote down what it had loaded, over what
 * they had written since. A number that was counted on from an old one undoes the save between too.
 */
const lossesIn = async (store: EventStore, id: string, meant: Meant) => {
  const lost: Partial<Record<Field, number>> = {};
  const standing = new Set<Field>();
  let state: Product = record.initialState;
  for (const event of await wholeStream(store, `productRecord-${id}`)) {
    const saved = meant.get(saveHeaderOf(event)?.id ?? '');
    const after = event.data as unknown as Product;
    for (const field of differing(state, after)) {
      const isMeant =
        saved?.field === field && (field !== 'availability' || saved.base[field] === state[field]);
      if (!isMeant && standing.delete(field)) lost[field] = (lost[field] ?? 0) + 1;
    }
    if (saved !== undefined) standing.add(saved.field);
    state = after;
  }
  return { lost, found: state.availability };
};

/** The same kinds of writers on the same number of products, for as long as it is told. */
export const runNaive = async (options: RunOptions): Promise<NaiveResult> => {
  const { stores, writers, runMs, products = 4, workMs = 5, prefix } = options;
  const ids = idsOf(prefix, products);
  const meant = new Map<string, { readonly field: Field; readonly base: Product }>();
  const settings = { strategy: 'lastWriteWins' } as const;
  const desks = stores.map((store) =>
    repository({ store })(record, { cache: { max: 100, maxAgeMs: 600_000 } }),
  );
  let [moved, saves] = [0, 0];
  const began = performance.now();
  const write = async (index: number): Promise<void> => {
    const records = desks[index % desks.length] as (typeof desks)[number];
    const kind = kinds[index % kinds.length] as Kind;
    const random = randomOf(index + 1);
    for (let count = 1; performance.now() - began < runMs; count += 1) {
      const copy = await toPromise(records.load(pick(random, ids)));
      await pause(workMs);
      const next = changed(kind, random, `${index}.${count}`, copy.state);
      const [field] = differing(copy.state, next);
      if (field === undefined) continue;
      const saving = records.change(copy, { type: 'SaveRecord', data: next });
      if (E.isLeft(saving)) throw new Error(saving.left._tag);
      const { saveId } = await records.save(saving.right, { settings });
      meant.set(saveId, { field, base: copy.state });
      saves += 1;
      if (field === 'availability') moved += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, index) => write(index)));
  const elapsedMs = performance.now() - began;
  const lostByField: Partial<Record<Field, number>> = {};
  let [lost, found] = [0, 0];
  for (const one of await Promise.all(ids.map((id) => lossesIn(stores[0] as EventStore, id, meant)))) {
    found += one.found;
    for (const [field, count] of Object.entries(one.lost) as ReadonlyArray<[Field, number]>) {
      lostByField[field] = (lostByField[field] ?? 0) + count;
      lost += count;
    }
  }
  return { saves, elapsedMs, lost, lostByField, stock: { moved, found } };
};
