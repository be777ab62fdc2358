/** Counts the saves that recorded events tell of, event by event, in little memory. */
import type { RecordedEvent } from '../core/event.js';
import { saveHeaderOf, saveMark } from '../core/concurrency/save-header.js';
import { recordTypes } from '../core/saga/saga.js';
import { categoryOf } from '../core/stream.js';
import { type Busiest, busiest } from '../runtime/concurrency/busiest.js';
import { type Counted, countedFor, type TypeStats } from '../runtime/concurrency/concurrency-counts.js';

/** Streams that are told apart; the least fought over make room. */
const streamsMax = 10_000;
/** A store of streams without a `-` has as many categories as streams: those that come later are counted together. */
const categoriesMax = 1_000;
export const otherCategories = '(others)';
/** A lock that was free takes a round trip or two; who waited so long had met somebody. */
const waitedMsMet = 10;

/** A clock that stands still: nothing fades. */
const window = { windowMs: 1, savesMax: Number.MAX_SAFE_INTEGER };

interface Category {
  readonly counted: Counted;
  events: number;
}

export interface StreamHeat {
  readonly streamName: string;
  /** Saves that met another writer, and branches. */
  readonly met: number;
  /** Attempts after the first, and branches: the work that was done again or kept aside. */
  readonly extra: number;
}

export interface CategoryStats
  extends Pick<
    TypeStats,
    'saves' | 'contended' | 'strategies' | 'attempts' | 'lockWaits' | 'systemWork' | 'branches' | 'merges'
  > {
  readonly category: string;
  readonly events: number;
}

export interface SaveSurvey {
  /** The next event in global order. */
  readonly add: (event: RecordedEvent) => void;
  readonly read: () => {
    /** Most events first. */
    readonly categories: ReadonlyArray<CategoryStats>;
    /** Hottest first. */
    readonly streams: ReadonlyArray<StreamHeat>;
  };
}

type Heats = Busiest<{ readonly met: number; readonly extra: number }>;

const heat = (heats: Heats, streamName: string, extra: number): void => {
  const before = heats.get(streamName) ?? { met: 0, extra: 0 };
  heats.set(streamName, { met: before.met + 1, extra: before.extra + extra }, 0);
};

const addSave = (heats: Heats, { counted }: Category, event: RecordedEvent): void => {
  const save = saveHeaderOf(event);
  if (save === undefined) return;
  const { strategy, attempts, waitedMs = 0, work } = save;
  const contended = attempts > 1 || waitedMs >= waitedMsMet;
  counted.add(
    {
      ...{ aggregateType: '', key: '', strategy, attempts, conflicts: attempts - 1, contended },
      isSystemWork: work === 'system',
      ...(save.waitedMs !== undefined && { waitedMs }),
    },
    0,
  );
  if (contended) heat(heats, event.streamName, attempts - 1);
};

const statsOf = (category: string, { events, counted }: Category): CategoryStats => {
  const { saves, contended, strategies, attempts, lockWaits, systemWork, branches, merges } = counted.read(0);
  return {
    ...{ category, events, saves, contended, strategies, attempts },
    ...{ lockWaits, systemWork, branches, merges },
  };
};

export const saveSurvey = (): SaveSurvey => {
  const categories = new Map<string, Category>();
  const heats: Heats = busiest(streamsMax, ({ met }) => met);
  // Events of one append stand side by side in the global order, so that one save is remembered at a time.
  let lastSave = '';
  const categoryFor = (name: string): Category => {
    const known = categories.get(name);
    if (known !== undefined) return known;
    const fresh = { counted: countedFor('', '', window, 0), events: 0 };
    if (categories.size < categoriesMax || name === otherCategories) categories.set(name, fresh);
    else return categoryFor(otherCategories);
    return fresh;
  };
  return {
    add: (event) => {
      const category = categoryFor(categoryOf(event.streamName));
      category.events += 1;
      const { id } = saveMark(event.metadata);
      const save = id === undefined ? '' : `${event.streamName} ${id}`;
      if (save !== '' && save !== lastSave) addSave(heats, category, event);
      lastSave = save;
      if (event.type === recordTypes.mergeSagaState) {
        category.counted.branched();
        heat(heats, event.streamName, 1);
      }
      if (event.type === recordTypes.sagaMerged) category.counted.merged();
    },
    read: () => ({
      categories: [...categories]
        .map(([name, category]) => statsOf(name, category))
        .sort((a, b) => b.events - a.events),
      streams: [...heats.entries()]
        .map(([streamName, found]) => ({ streamName, ...found }))
        .sort((a, b) => b.met - a.met || b.extra - a.extra),
    }),
  };
};
