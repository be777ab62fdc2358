/** Editors, workers and an ERP on a few hot products at once, each keeping a ledger of what was confirmed to it. */
import * as E from 'fp-ts/lib/Either.js';
import { concurrencyStats, type ConcurrencySnapshot, type EventStore, toPromise } from 'watersmeet';
import { setTimeout as pause } from 'node:timers/promises';
import {
  catalogue,
  type Catalogue,
  type CatalogueSave,
  type ErpRecord,
  importKey,
  type ProductCommand,
} from '../../sagas/product-catalogue/index.js';

export interface RunOptions {
  /** Handles on the same events, as processes have them; writers take turns among them. */
  readonly stores: ReadonlyArray<EventStore>;
  readonly writers: number;
  readonly runMs: number;
  /** Hot products. Default 4. */
  readonly products?: number;
  /** How long an editor looks and a worker works, in milliseconds. Default 5. */
  readonly workMs?: number;
  /** Begins the products' ids, so that runs on one store do not meet. */
  readonly prefix: string;
}

export const kinds = ['editor', 'thumbnails', 'search', 'ERP', 'editor', 'checksums', 'warehouse'] as const;
export type Kind = (typeof kinds)[number];

/** A save that was confirmed to its writer. */
export interface Confirmed {
  readonly productId: string;
  readonly kind: Kind;
  readonly actor: string;
  readonly save: CatalogueSave;
  /** From the call to the answer, the worker's own work included. */
  readonly ms: number;
}

export interface Ledger {
  readonly ids: ReadonlyArray<string>;
  readonly confirmed: Confirmed[];
  /** Records by their keys: what they moved, and how often a delivery was told that it has done it. */
  readonly imported: Map<string, { readonly record: ErpRecord; done: number }>;
  /** What was asked for and not written, by kind of writer and tag. */
  readonly refused: Map<string, number>;
  /** Writes to fields of others, tried on purpose. */
  readonly foreign: { tried: number; refused: number };
  /** Waits for a lease, in milliseconds. */
  readonly leaseWaits: number[];
  deliveries: number;
  elapsedMs: number;
}

export interface Run extends Ledger {
  readonly stats: ConcurrencySnapshot;
}

/** Numbers from 0 up to 1, the same for the same seed. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

export const pick = <A>(random: () => number, all: ReadonlyArray<A>): A =>
  all[Math.floor(random() * all.length)] as A;

interface Writer {
  readonly kind: Kind;
  readonly actor: string;
  readonly desk: Catalogue;
  readonly ledger: Ledger;
  readonly random: () => number;
  readonly workMs: number;
}

const render = (workMs: number) => async (images: ReadonlyArray<string>) => {
  await pause(workMs);
  return thumbnailOf(images);
};

/** The thumbnail that belongs to these images. */
export const thumbnailOf = (images: ReadonlyArray<string>): string => `${images.join('+')}.webp`;

const refuse = ({ ledger: { refused }, kind }: Writer, tag: string): void =>
  void refused.set(`${kind}: ${tag}`, (refused.get(`${kind}: ${tag}`) ?? 0) + 1);

const note = (
  writer: Writer,
  productId: string,
  began: number,
  answer: E.Either<{ readonly _tag: string }, CatalogueSave>,
): void => {
  const { kind, actor, ledger } = writer;
  if (E.isLeft(answer)) return refuse(writer, tagOf(answer.left));
  ledger.confirmed.push({ productId, kind, actor, save: answer.right, ms: performance.now() - began });
};

const tagOf = (failure: { readonly _tag: string; readonly rejection?: { readonly _tag: string } }): string =>
  failure.rejection === undefined ? failure._tag : `${failure._tag} (${failure.rejection._tag})`;

const categories = Array.from({ length: 12 }, (_, index) => `category ${index + 1}`);

/** What an editor might do, each with a text of its own. */
export const editorCommand = (random: () => number, told: string): ProductCommand => {
  const category = pick(random, categories);
  const all: ReadonlyArray<ProductCommand> = [
    { type: 'Rename', data: { name: `name ${told}` } },
    { type: 'Describe', data: { description: `description ${told}` } },
    { type: 'ChooseImages', data: { images: [`${told} front`, `${told} back`] } },
    { type: 'SetPrice', data: { price: Math.floor(random() * 100_000) } },
    { type: 'SetBadge', data: { badge: `badge ${told}` } },
    { type: 'AddCategory', data: { category } },
    { type: 'RemoveCategory', data: { category } },
  ];
  return pick(random, all);
};

/** Times that somebody looks at what another has written, and makes the change anew. */
const looksMax = 20;

const edit = async (writer: Writer, id: string, told: string): Promise<void> => {
  const { desk, actor, random, workMs } = writer;
  const command = editorCommand(random, told);
  for (let look = 1; look <= looksMax; look += 1) {
    const shown = await toPromise(desk.products.load(id));
    await pause(workMs);
    const began = performance.now();
    const saved = await desk.edit(actor, shown, command)();
    note(writer, id, began, saved);
    if (E.isRight(saved) || saved.left._tag !== 'ConcurrencyConflict') return;
  }
};

/** A record of the ERP carries a price, a movement of stock or both; one of a warehouse a movement. */
const recordOf = ({ kind, random }: Writer, productId: string, told: string): ErpRecord => {
  const what = kind === 'warehouse' ? 0 : random();
  const moved = 1 + Math.floor(random() * 9) - (random() < 0.4 ? 10 : 0);
  return {
    ...{ recordId: told, batchId: 'b1', productId },
    ...(what > 0.3 && { price: Math.floor(random() * 100_000) }),
    ...(what < 0.7 && { moved }),
  };
};

const deliver = async (writer: Writer, record: ErpRecord): Promise<void> => {
  const { ledger, desk, actor } = writer;
  const began = performance.now();
  ledger.deliveries += 1;
  const answer = await desk.importRecord(actor, record)();
  if (E.isLeft(answer)) return refuse(writer, tagOf(answer.left));
  if (answer.right._tag !== 'Done') return;
  const key = importKey(record);
  const entry = ledger.imported.get(key) ?? { record, done: 0 };
  entry.done += 1;
  ledger.imported.set(key, entry);
  note(writer, record.productId, began, E.right(answer.right.value));
};

/** At least once, as transports do: each record twice, now and then at the same moment. */
const importTwice = async (writer: Writer, id: string, told: string): Promise<void> => {
  const record = recordOf(writer, id, told);
  await pause(writer.workMs);
  if (writer.random() < 0.2)
    return void (await Promise.all([deliver(writer, record), deliver(writer, record)]));
  await deliver(writer, record);
  await deliver(writer, record);
};

/** Somebody writes a field of another owner. */
const trespass = async (writer: Writer, id: string, told: string): Promise<void> => {
  const { desk, actor, kind, ledger } = writer;
  const shown = await toPromise(desk.products.load(id));
  const { images } = shown.state;
  const saved = await desk.edit(
    actor,
    shown,
    kind === 'editor'
      ? { type: 'MakeThumbnail', data: { url: `${told}.webp`, images } }
      : { type: 'Rename', data: { name: told } },
  )();
  ledger.foreign.tried += 1;
  if (E.isLeft(saved) && saved.left._tag === 'FieldNotOwned') ledger.foreign.refused += 1;
};

const turn = async (writer: Writer, id: string, told: string): Promise<void> => {
  const { desk, actor, kind, workMs } = writer;
  const began = performance.now();
  switch (kind) {
    case 'editor':
      return edit(writer, id, told);
    case 'thumbnails':
      return note(writer, id, began, await desk.makeThumbnail(actor, id, render(workMs))());
    case 'search':
      return note(writer, id, began, await desk.index(actor, id, () => pause(workMs))());
    case 'checksums':
      await pause(workMs);
      return note(writer, id, performance.now(), await desk.seal(actor, id)());
    case 'ERP':
    case 'warehouse':
      return importTwice(writer, id, told);
  }
};

const actorOf = (kind: Kind, index: number): string =>
  kind === 'editor'
    ? `editor:${index}`
    : kind === 'ERP' || kind === 'warehouse'
      ? `${kind}:${index}`
      : `worker:${kind}-${index}`;

const emptyLedger = (ids: ReadonlyArray<string>): Ledger => ({
  ids,
  confirmed: [],
  imported: new Map(),
  refused: new Map(),
  foreign: { tried: 0, refused: 0 },
  leaseWaits: [],
  ...{ deliveries: 0, elapsedMs: 0 },
});

/** After everybody has gone home the workers look once at each product, so that what they made can be held against the text. */
const close = async (worker: Writer, ids: ReadonlyArray<string>): Promise<void> => {
  for (const id of ids) {
    const began = performance.now();
    const made = await worker.desk.refresh(worker.actor, id, render(0))();
    if (E.isLeft(made)) refuse(worker, made.left._tag);
    else for (const save of made.right) note(worker, id, began, E.right(save));
    note(worker, id, began, await worker.desk.seal(worker.actor, id)());
  }
};

export const idsOf = (prefix: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);

/** Runs all writers until the time is over. */
export const runCatalogue = async (options: RunOptions): Promise<Run> => {
  const { stores, writers, runMs, products = 4, workMs = 5, prefix } = options;
  const ledger = emptyLedger(idsOf(prefix, products));
  const stats = concurrencyStats();
  const leaseHooks = {
    onAcquired: ({ waitedMs }: { readonly waitedMs: number }) => void ledger.leaseWaits.push(waitedMs),
  };
  const desks = stores.map((store) => catalogue({ store, stats, leaseHooks }));
  const writerOf = (index: number): Writer => {
    const kind = kinds[index % kinds.length] as Kind;
    const desk = desks[index % desks.length] as Catalogue;
    return { kind, actor: actorOf(kind, index), desk, ledger, random: randomOf(index + 1), workMs };
  };
  const began = performance.now();
  const write = async (index: number): Promise<void> => {
    const writer = writerOf(index);
    for (let count = 1; performance.now() - began < runMs; count += 1) {
      const id = pick(writer.random, ledger.ids);
      const told = `${index}.${count}`;
      await (count % 20 === 3 ? trespass(writer, id, told) : turn(writer, id, told));
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, index) => write(index)));
  ledger.elapsedMs = performance.now() - began;
  await close(writerOf(kinds.indexOf('thumbnails')), ledger.ids);
  return { ...ledger, stats: stats.read() };
};
