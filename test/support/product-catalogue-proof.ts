/** Holds the ledgers of a catalogue's writers against what the store has: nothing confirmed is lost, and nothing else was written. */
import * as TE from 'fp-ts/lib/TaskEither.js';
import {
  disjoint,
  type EventStore,
  type RecordedEvent,
  saveHeaderOf,
  streamName,
  type StreamPage,
  toPromise,
  touched,
} from 'watersmeet';
import {
  catalogue,
  checksumOf,
  product,
  type Product,
  type ProductEvent,
  productFields,
  roleOf,
  wordsOf,
} from '../../sagas/product-catalogue/index.js';
import { type Confirmed, type Run, thumbnailOf } from './product-catalogue-run.js';

/** One promise: how many cases of it were looked at, and which of them did not keep it. */
export interface Check {
  readonly promise: string;
  readonly looked: number;
  readonly wrong: ReadonlyArray<string>;
}

/** How confirmed saves went that others had come before. */
export interface Meetings {
  /** Written as they were, without a conflict: others had written other fields. */
  readonly disjoint: number;
  readonly merged: number;
  readonly skipped: number;
  readonly decidedAgain: number;
}

export interface Proof {
  readonly checks: ReadonlyArray<Check>;
  readonly meetings: Meetings;
  readonly events: number;
}

/** All that is known of one product after a run. */
interface Case {
  readonly id: string;
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly confirmed: ReadonlyArray<Confirmed>;
  readonly state: Product;
  readonly revision: number;
  readonly history: ReadonlyArray<{ readonly by: string | undefined; readonly saveId: string | undefined }>;
  readonly operations: ReadonlyArray<{ readonly saveId: string | undefined }>;
}

/** Every event of a stream, oldest first. */
export const wholeStream = async (store: EventStore, name: string): Promise<ReadonlyArray<RecordedEvent>> => {
  const stream = await toPromise(TE.fromEither(streamName(name)));
  const events: RecordedEvent[] = [];
  let from: number | undefined = 1;
  while (from !== undefined) {
    const page: StreamPage = await toPromise(store.readStream({ streamName: stream, from, maxCount: 1_000 }));
    events.push(...page.events);
    from = page.next;
  }
  return events;
};

type Page<Entry> = { readonly entries: ReadonlyArray<Entry>; readonly next: unknown };

const allPages = async <Entry, P extends Page<Entry>>(
  read: (from: P['next'] | undefined) => Promise<P>,
): Promise<ReadonlyArray<Entry>> => {
  const entries: Entry[] = [];
  let page: P | undefined;
  do {
    page = await read(page?.next);
    entries.push(...page.entries);
  } while (page.next !== undefined);
  return entries;
};

const caseOf = async (store: EventStore, run: Run, id: string): Promise<Case> => {
  const { products } = catalogue({ store });
  const { state, revision } = await toPromise(products.load(id));
  const request = (from: unknown) => ({ maxCount: 500, ...(from !== undefined && { from: from as never }) });
  return {
    ...{ id, state, revision },
    events: await wholeStream(store, `product-${id}`),
    confirmed: run.confirmed.filter(({ productId }) => productId === id),
    history: await allPages((from) => toPromise(products.history(id, request(from)))),
    operations: await allPages((from) => toPromise(products.operationLog(id, request(from)))),
  };
};

const json = (value: unknown): string => JSON.stringify(value);
const written = ({ save }: Confirmed): boolean => save.events.length > 0 && !save.duplicate;
const saveIdOf = (event: RecordedEvent): string => saveHeaderOf(event)?.id ?? event.eventId;
const shown = ({ type, data }: { readonly type: string; readonly data: unknown }) => ({ type, data });

/** Each confirmed save stands in the stream once: its very events, side by side, and ending at the version it was told. */
const confirmedOnce = (all: ReadonlyArray<Case>): Check => {
  const wrong: string[] = [];
  let looked = 0;
  for (const { id, events, confirmed } of all)
    for (const { save, actor } of confirmed.filter(written)) {
      looked += 1;
      const found = events.slice(save.version - save.events.length, save.version);
      const isThere =
        json(found.map(shown)) === json(save.events.map(shown)) &&
        found.every((event) => saveIdOf(event) === save.saveId && event.metadata.actor === actor);
      if (!isThere) wrong.push(`${id}: ${actor} at version ${save.version}`);
    }
  return { promise: 'a confirmed save is in the stream, whole, where it was said to be', looked, wrong };
};

/** What stands in a stream was confirmed to somebody, once. */
const nothingElse = (all: ReadonlyArray<Case>): Check => {
  const wrong: string[] = [];
  let looked = 0;
  for (const { id, events, confirmed } of all) {
    const left = new Map(
      confirmed.filter(written).map(({ save }) => [save.saveId, save.events.length] as const),
    );
    for (const event of events) {
      looked += 1;
      const more = left.get(saveIdOf(event)) ?? 0;
      if (more === 0) wrong.push(`${id}: ${event.type} at version ${event.version} was confirmed to nobody`);
      left.set(saveIdOf(event), more - 1);
    }
  }
  return { promise: 'an event in the stream is of a confirmed save, and there once', looked, wrong };
};

const replaced: Readonly<Record<string, (data: never) => readonly [keyof Product, unknown]>> = {
  Renamed: ({ name }) => ['name', name],
  Described: ({ description }) => ['description', description],
  ImagesChosen: ({ images }) => ['images', images],
  ThumbnailMade: ({ url }) => ['thumbnail', url],
  Indexed: ({ words }) => ['searchIndex', words],
  Sealed: ({ checksum }) => ['checksum', checksum],
  PriceSet: ({ price }) => ['price', price],
  BadgeSet: ({ badge }) => ['badge', badge],
};

/** What each field must be by the events alone, told without the aggregate's own rules. */
const expectedOf = (events: ReadonlyArray<{ readonly type: string; readonly data: unknown }>): Product => {
  const expected: Record<string, unknown> = { ...product.initialState };
  const categories = new Set<string>();
  let availability = 0;
  for (const { type, data } of events) {
    const set = replaced[type]?.(data as never);
    if (set !== undefined) expected[set[0]] = set[1];
    if (type === 'StockMoved') availability += (data as { readonly by: number }).by;
    const { category } = data as { readonly category: string };
    if (type === 'CategoryAdded') categories.add(category);
    if (type === 'CategoryRemoved') categories.delete(category);
  }
  return { ...(expected as unknown as Product), availability, categories: [...categories] };
};

const fieldsAre = (
  promise: string,
  all: ReadonlyArray<Case>,
  of: (one: Case) => Partial<Record<keyof Product, unknown>>,
): Check => {
  const wrong: string[] = [];
  let looked = 0;
  for (const one of all)
    for (const [field, expected] of Object.entries(of(one))) {
      looked += 1;
      const found = one.state[field as keyof Product];
      if (json(found) !== json(expected))
        wrong.push(`${one.id}: ${field} is ${json(found)}, not ${json(expected)}`);
    }
  return { promise, looked, wrong };
};

const declared = (type: string): ReadonlyArray<string> =>
  productFields.definition.events[type as ProductEvent['type']] ?? [];

/** An event changed fields of its own only, and was written by somebody who may. */
const ownFields = (all: ReadonlyArray<Case>): Check => {
  const wrong: string[] = [];
  let looked = 0;
  for (const { id, events } of all) {
    let state: Product = product.initialState;
    for (const { type, data, metadata, version } of events) {
      looked += 1;
      const after = product.evolve(state, { type, data } as ProductEvent);
      const [field = ''] = declared(type);
      const foreign = touched(state, after).filter((changed) => changed !== field);
      const owner = Object.entries(productFields.definition.owners).find(([, own]) => own.includes(field));
      const isTheirs = owner !== undefined && owner[0] !== roleOf(metadata.actor);
      if (foreign.length > 0 || isTheirs)
        wrong.push(`${id}: ${type} at version ${version} by ${metadata.actor}`);
      state = after;
    }
  }
  return { promise: 'a field is changed by its own events and its own writers only', looked, wrong };
};

const same = (a: Iterable<string | undefined>, b: Iterable<string | undefined>): boolean =>
  json([...a].sort()) === json([...b].sort());

const isEditors = ({ actor }: Confirmed): boolean => roleOf(actor) === 'editor';

/** People see what editors did, and the operation log has the rest. */
const revisions = (all: ReadonlyArray<Case>): Check => {
  const wrong: string[] = [];
  let looked = 0;
  for (const { id, confirmed, revision, history, operations } of all) {
    looked += confirmed.length;
    const saves = confirmed.filter(written);
    const editors = saves.filter(isEditors).map(({ save }) => save.saveId);
    const systems = saves.filter((one) => !isEditors(one)).map(({ save }) => save.saveId);
    const saveIds = history.map(({ saveId }) => saveId);
    if (revision !== editors.length) wrong.push(`${id}: revision ${revision} after ${editors.length} edits`);
    if (!same(saveIds, editors)) wrong.push(`${id}: the history is not what editors saved`);
    if (!history.every(({ by }) => roleOf(by) === 'editor'))
      wrong.push(`${id}: the system is in the history`);
    const logged = operations.map(({ saveId }) => saveId);
    if (!same(logged, systems)) wrong.push(`${id}: the operation log is not what the system saved`);
  }
  return {
    promise: 'revisions are the saves of editors, and the log has those of the system',
    looked,
    wrong,
  };
};

/** Every record was done once, and stock is what the records add up to. */
const imports = (all: ReadonlyArray<Case>, { imported }: Run): Check => {
  const wrong = [...imported]
    .filter(([, { done }]) => done !== 1)
    .map(([key, { done }]) => `${key}: ${done} times`);
  for (const { id, state } of all) {
    const records = [...imported.values()].filter(({ record }) => record.productId === id);
    const sum = records.reduce((total, { record }) => total + (record.moved ?? 0), 0);
    if (state.availability !== sum) wrong.push(`${id}: ${state.availability} units, and records for ${sum}`);
  }
  return {
    promise: 'a record that was delivered twice is imported once, and stock adds up',
    looked: imported.size,
    wrong,
  };
};

const foreignWrites = ({ foreign: { tried, refused } }: Run): Check => ({
  promise: 'a write to a field of another owner is refused',
  looked: tried,
  wrong: tried === refused ? [] : [`${tried - refused} were not refused as such`],
});

const meetingsOf = (all: ReadonlyArray<Case>): Meetings => {
  const meetings = { disjoint: 0, merged: 0, skipped: 0, decidedAgain: 0 };
  for (const { events, confirmed } of all)
    for (const { save } of confirmed) {
      if (save.resolution?.startsWith('skipped') === true) meetings.skipped += 1;
      if (!written({ save } as Confirmed)) continue;
      const theirs = events.slice(save.loadedVersion, save.version - save.events.length);
      if (theirs.length === 0 || save.resolution?.startsWith('skipped') === true) continue;
      if (disjoint(productFields, save.events, theirs)) meetings.disjoint += 1;
      else if (save.resolution !== undefined) meetings.merged += 1;
      else meetings.decidedAgain += 1;
    }
  return meetings;
};

/** Looks at everything that a run left in the store. */
export const proveCatalogue = async (store: EventStore, run: Run): Promise<Proof> => {
  const all = await Promise.all(run.ids.map((id) => caseOf(store, run, id)));
  return {
    checks: [
      confirmedOnce(all),
      nothingElse(all),
      fieldsAre(
        'a field is as the last write to it, in stream order, has left it',
        all,
        ({ events, state }) => {
          const expected = expectedOf(events);
          // A set: what is in it counts, and not the order.
          const isSameSet = same(expected.categories, state.categories);
          return { ...expected, categories: isSameSet ? state.categories : expected.categories };
        },
      ),
      ownFields(all),
      fieldsAre('what workers made belongs to what editors wrote last', all, ({ state }) => ({
        thumbnail: thumbnailOf(state.images),
        searchIndex: wordsOf(state),
        checksum: checksumOf(state),
      })),
      revisions(all),
      imports(all, run),
      foreignWrites(run),
    ],
    meetings: meetingsOf(all),
    events: all.reduce((sum, { events }) => sum + events.length, 0),
  };
};
