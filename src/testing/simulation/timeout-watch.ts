/**
 * Watches what one saga's stream says of timeouts: which of them wait, whether one comes before its time, and whether a merge
 * keeps the rules. Like the watch over the stream, a reading of the records that shares nothing with the engine's fold.
 */
import type {
  MergeSagaStateRecord,
  SagaMergedRecord,
  TimeoutRecord,
  TimeoutWishes,
} from '../../core/saga/saga-records.js';
import { must } from './promises.js';

export interface WatchedTimeout {
  readonly id: string;
  readonly afterMs: number;
  readonly epoch: number;
  /** Before this nobody may give it out, by the store's clock, which is everybody's here. */
  readonly dueAt: number;
  fate: 'waits' | 'cancelled' | 'delivered' | 'ignored';
  /** Version of the record that says so. */
  fateVersion: number;
}

export interface TimeoutWatch {
  readonly all: ReadonlyMap<string, WatchedTimeout>;
  readonly waiting: () => ReadonlyArray<WatchedTimeout>;
  /** What a handler has said on the trunk. */
  readonly said: (wishes: TimeoutWishes, at: number, epoch: number) => void;
  readonly merged: (
    record: SagaMergedRecord,
    taken: ReadonlyArray<MergeSagaStateRecord>,
    at: number,
    epoch: number,
  ) => void;
  /** A message took effect; where it is a timeout, that one has been delivered. */
  readonly handled: (messageId: string, at: number) => void;
  /** It was ignored: its epoch is not the one that runs. */
  readonly ignored: (id: string, at: number, epoch: number, isCompleted: boolean) => void;
}

/** What the trunk has said of a key in this epoch. */
interface Word {
  readonly id: string | undefined;
  readonly askedAt: number;
  readonly cancelledAt: number;
}

const silence: Word = { id: undefined, askedAt: 0, cancelledAt: 0 };

const short = (id: string): string => id.slice(0, 8);

interface MergeFacts {
  readonly late: SagaMergedRecord['late'];
  readonly cancels: ReadonlyArray<string>;
  readonly releasedKeys: ReadonlySet<string>;
  readonly words: ReadonlyMap<string, Word>;
}

/** Whether a wish of a branch stands: nothing that was said without knowing of it may be against it. */
const stands = (
  { late, cancels, releasedKeys, words }: MergeFacts,
  base: number,
  key: string | undefined,
): boolean => {
  if (late === 'reject' || late === 'absorb') return false;
  if (key === undefined) return true;
  const { askedAt, cancelledAt } = words.get(key) ?? silence;
  return !cancels.includes(key) && !releasedKeys.has(key) && askedAt <= base && cancelledAt <= base;
};

export const watchTimeouts = (now: () => number): TimeoutWatch => {
  const all = new Map<string, WatchedTimeout>();
  let words = new Map<string, Word>();

  const end = (id: string | undefined, fate: WatchedTimeout['fate'], at: number): void => {
    const one = id === undefined ? undefined : all.get(id);
    if (one?.fate !== 'waits') return;
    one.fate = fate;
    one.fateVersion = at;
  };

  const cancel = (key: string, at: number): void => {
    const word = words.get(key) ?? silence;
    end(word.id, 'cancelled', at);
    words.set(key, { ...word, cancelledAt: at });
  };

  const ask = ({ id, key, afterMs }: TimeoutRecord, at: number, epoch: number): void => {
    must(!all.has(id), () => `timeout ${short(id)} was asked for twice`);
    if (key !== undefined) {
      const word = words.get(key) ?? silence;
      end(word.id, 'cancelled', at);
      words.set(key, { ...word, id, askedAt: at });
    }
    all.set(id, { id, afterMs, epoch, dueAt: now() + afterMs, fate: 'waits', fateVersion: at });
  };

  const said: TimeoutWatch['said'] = ({ timeouts = [], cancelTimeouts = [] }, at, epoch) => {
    for (const key of cancelTimeouts) cancel(key, at);
    for (const timeout of timeouts) ask(timeout, at, epoch);
  };

  const isInTime = ({ id, dueAt }: WatchedTimeout): void =>
    must(now() >= dueAt, () => `timeout ${short(id)} came ${(dueAt - now()).toFixed(1)} ms before its time`);

  return {
    all,
    waiting: () => [...all.values()].filter(({ fate }) => fate === 'waits'),
    said,
    merged: ({ late, timeouts }, taken, at, epoch) => {
      const { fates = [], cancels = [], then = {} } = timeouts ?? {};
      const held = taken.flatMap(({ branchId, base, timeouts: asked = [] }) =>
        asked.map((timeout) => ({ branchId, base, timeout })),
      );
      must(fates.length === held.length, () => 'a merge forgot the fate of a timeout that was held');
      const wanted = late === 'reject' ? [] : taken.flatMap(({ cancelTimeouts = [] }) => cancelTimeouts);
      must(
        wanted.every((key) => cancels.includes(key)) && cancels.every((key) => wanted.includes(key)),
        () => 'a merge cancels other timeouts than its branches',
      );
      // What was said in the epoch before does not count in the next one.
      if (late === 'reopen') words = new Map();
      const releasedKeys = new Set<string>();
      const facts = { late, cancels: wanted, releasedKeys, words: new Map(words) };
      for (const key of cancels) cancel(key, at);
      for (const { id, branchId, fate } of fates) {
        const wish = held.find((one) => one.branchId === branchId && one.timeout.id === id);
        must(wish !== undefined, () => `a merge decided on timeout ${short(id)}, which was not held`);
        const { timeout, base } = wish as (typeof held)[number];
        must(
          stands(facts, base, timeout.key) === (fate === 'release'),
          () => `a merge decided to ${fate} timeout ${short(id)} against the rules`,
        );
        if (fate !== 'release') continue;
        if (timeout.key !== undefined) releasedKeys.add(timeout.key);
        ask(timeout, at, epoch);
      }
      said(then, at, epoch);
    },
    handled: (messageId, at) => {
      const one = all.get(messageId);
      if (one === undefined) return;
      isInTime(one);
      end(messageId, 'delivered', at);
    },
    ignored: (id, at, epoch, isCompleted) => {
      const one = all.get(id);
      must(one !== undefined, () => `timeout ${short(id)} was ignored, and nobody had asked for it`);
      const known = one as WatchedTimeout;
      isInTime(known);
      must(known.fate === 'waits', () => `timeout ${short(id)} was ignored after it was ${known.fate}`);
      must(
        isCompleted || known.epoch < epoch,
        () => `timeout ${short(id)} was ignored in the epoch that asked for it`,
      );
      end(id, 'ignored', at);
    },
  };
};
