/** All workers of a round by their names: started, started again, watched over, and ended together. */
import { type CrewEvents, startWorker, type Worker } from './crew.js';
import type { Delivery } from './delivery.js';
import type { StorePlace } from './places.js';
import type { Plan } from './plans.js';
import { poisonExit } from './poisons.js';
import type { FromWorker, WorkerSetup } from './words.js';

/** A worker that has said nothing for so long, of those that are watched, is taken for dead and killed. */
const silentMaxMs = 2_500;
/** A clock that was told to jump shows what it should, give or take the way there. */
const clockErrorMaxMs = 30_000;

export interface Team {
  readonly all: () => ReadonlyArray<Worker>;
  readonly start: (name: string) => void;
  /** Why the round cannot end well any more. */
  readonly failure: () => string | undefined;
  readonly hasSettled: () => boolean;
  /** How often the handler of each poison message has begun. */
  readonly began: ReadonlyMap<string, number>;
  /** These do no harm any more, in no worker. */
  readonly cure: (ids: ReadonlyArray<string>) => void;
  readonly stopWatching: () => void;
  /** In good order. */
  readonly end: () => Promise<void>;
  /** Kills all of them, and starts no more. */
  readonly close: () => Promise<void>;
}

export interface TeamOptions {
  readonly plan: Plan;
  readonly place: StorePlace;
  readonly mail: Pick<Delivery, 'said' | 'gone'>;
  readonly count: (what: string) => void;
}

export const makeTeam = ({ plan, place, mail, count }: TeamOptions): Team => {
  const { lease, pollMs, isFenced, slowMs, handling, isWatched } = plan;
  const workers = new Map<string, Worker>();
  const settled = new Set<string>();
  const began = new Map<string, number>();
  const cured: string[] = [];
  let failure: string | undefined;
  const fail = (message: string): void => {
    failure ??= message;
  };

  const hear = ({ name }: Worker, words: FromWorker): void => {
    if (words.say === 'settled') settled.add(name);
    else if (words.say === 'began') began.set(words.id, (began.get(words.id) ?? 0) + 1);
    else if (words.say === 'jumped') {
      count('clock jumps');
      if (Math.abs(words.nowMs - Date.now() - words.offsetMs) > clockErrorMaxMs)
        fail(`${name}: its clock has not jumped`);
    }
  };
  const events: CrewEvents = {
    said: (worker, words) => {
      hear(worker, words);
      mail.said(worker, words);
    },
    gone: (worker) => mail.gone(worker),
    ended: ({ name }, how) => {
      // Out of memory the engine aborts.
      if (!isWatched || !(how === poisonExit || how === 'SIGABRT' || how === 134)) return false;
      count(how === poisonExit ? 'workers that exited' : 'workers out of memory');
      start(name);
      return true;
    },
    failed: fail,
  };
  const start = (name: string): void => {
    if (failure !== undefined) return;
    const setup: WorkerSetup = {
      ...{ name, store: place.store, lease, pollMs, isFenced, slowMs, handling, isWatched },
      cured: [...cured],
    };
    workers.set(name, startWorker(setup, plan, events));
  };
  const all = (): ReadonlyArray<Worker> => [...workers.values()];

  const dying = new Set<Worker>();
  const killSilent = (): void => {
    for (const worker of all())
      if (worker.isReady() && worker.silentMs() > silentMaxMs && !dying.has(worker)) {
        dying.add(worker);
        count('workers killed for their silence');
        void worker.kill().then(() => start(worker.name));
      }
  };
  const watch = isWatched ? setInterval(killSilent, 100) : undefined;

  return {
    ...{ all, start, began },
    failure: () => failure,
    hasSettled: () => settled.size === workers.size,
    cure: (ids) => {
      cured.push(...ids);
      for (const worker of all()) worker.say({ say: 'cure', ids });
    },
    stopWatching: () => clearInterval(watch),
    end: async () => {
      await Promise.all(all().map((worker) => worker.end()));
      if (failure !== undefined) throw new Error(failure);
    },
    close: async () => {
      clearInterval(watch);
      fail('the round is over');
      await Promise.all(all().map((worker) => worker.kill()));
    },
  };
};
