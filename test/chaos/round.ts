/** One round: a fresh store, workers, messages, faults by seed, and the proof. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPGlite } from '../../src/adapters/pglite/index.js';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import { dice } from '../../src/runtime/dice.js';
import { type CrewEvents, startWorker, type Worker } from './crew.js';
import { places, startCuttingProxy } from './cutting-proxy.js';
import { delivery, type Delivery } from './delivery.js';
import { cutter, inject, type Kind, pause, type Scene } from './faults.js';
import { prove } from './prove.js';
import type { WorkerSetup } from './words.js';
import { type Size, tasksOf } from './workload.js';

/** The PostgreSQL of a run, and fresh databases of it. */
export interface Server {
  readonly createDatabase: () => Promise<string>;
  readonly dropDatabase: (url: string) => Promise<void>;
  readonly crash: (downMs: number) => Promise<void>;
}

export interface RoundResult {
  readonly kind: Kind;
  readonly seed: number;
  readonly seconds: number;
  readonly problems: ReadonlyArray<string>;
  /** Faults, and what came of the messages. */
  readonly figures: Record<string, number>;
  /** What workers answered, and how often. */
  readonly answers: Record<string, number>;
}

interface Plan {
  readonly workers: number;
  readonly size: Size;
  /** Faults of a round; of a round of cuts, at each place. */
  readonly faults: number;
  readonly handsMax: number;
  /** What a worker has not answered after so long is delivered to another one as well. */
  readonly againAfterMs: number;
  readonly lease: WorkerSetup['lease'];
  readonly pollMs: number;
  readonly isFenced: boolean;
  readonly slowMs: number;
}

const usual = {
  workers: 3,
  size: { keys: 6, messages: 16, kinds: ['saga', 'command', 'queue'] },
  handsMax: 6,
  againAfterMs: 3_000,
  lease: { ttlMs: 700, partitions: 4 },
  pollMs: 20,
  isFenced: false,
  slowMs: 0,
} as const;

const plans: Record<Kind, Plan> = {
  kill: { ...usual, faults: 10 },
  restart: { ...usual, faults: 3 },
  cut: { ...usual, size: { ...usual.size, keys: 6, messages: 24 }, faults: 40 },
  stop: {
    ...usual,
    size: { keys: 8, messages: 20, kinds: ['saga', 'queue'] },
    faults: 8,
    handsMax: 4,
    againAfterMs: 250,
    lease: { ttlMs: 400, partitions: 6 },
    isFenced: true,
    slowMs: 50,
  },
  pglite: {
    ...usual,
    workers: 1,
    size: { ...usual.size, keys: 3, messages: 8 },
    faults: 4,
    againAfterMs: 60_000,
    // One connection serves all of them: asked too often it does little else.
    lease: { ttlMs: 700, partitions: 2 },
    pollMs: 100,
  },
};

/** Faults of a short round. */
const fewFaults: Record<Kind, number> = { kill: 2, restart: 1, cut: 5, stop: 2, pglite: 1 };

/** A short round, for every test run. */
const shortened = (plan: Plan, kind: Kind): Plan => ({
  ...plan,
  workers: Math.min(2, plan.workers),
  size: { ...plan.size, keys: Math.min(4, plan.size.keys), messages: 8 },
  faults: fewFaults[kind],
});

/** A round that has not ended after so long never will. */
const roundMaxMs = 240_000;

interface Place {
  readonly store: WorkerSetup['store'];
  readonly open: TaskEither<{ readonly _tag: string }, SqlStore>;
  readonly remove: () => Promise<void>;
}

const inDirectory = (): Place => {
  const parent = mkdtempSync(join(tmpdir(), 'watersmeet-chaos-'));
  const directory = join(parent, 'data');
  const removeNow = (): void => rmSync(parent, { recursive: true, force: true });
  // Also where the run is interrupted.
  process.once('exit', removeNow);
  const remove = async (): Promise<void> => {
    process.off('exit', removeNow);
    removeNow();
  };
  return { store: { directory }, open: openPGlite({ directory }), remove };
};

/** A database of the server; behind the proxy where requests are to be cut. */
const inDatabase = async (
  server: Server,
  cut?: ReturnType<typeof cutter>,
  random = Math.random,
): Promise<Place> => {
  const url = await server.createDatabase();
  const proxy = cut && (await startCuttingProxy(url, cut, random));
  const remove = async (): Promise<void> => {
    await proxy?.close();
    await server.dropDatabase(url);
  };
  return { store: { url: proxy?.url ?? url }, open: openPostgres({ connectionString: url }), remove };
};

/** Resolves when it is so; rejects when the round has gone wrong or takes too long. */
const until = async (isSo: () => boolean, failure: () => string | undefined): Promise<void> => {
  while (!isSo()) {
    const wrong = failure();
    if (wrong !== undefined) throw new Error(wrong);
    await pause(4);
  }
};

/** Runs one round; in a directory of PGlite where there is no server. Ends all that it started. */
export const runRound = async (
  kind: Kind,
  seed: number,
  server: Server | undefined,
  isShort = false,
): Promise<RoundResult> => {
  const startedAtMs = performance.now();
  const plan = isShort ? shortened(plans[kind], kind) : plans[kind];
  const random = dice(seed ^ 0xc4a05);
  const figures: Record<string, number> = {};
  const count = (what: string, by = 1): void => void (figures[what] = (figures[what] ?? 0) + by);
  const cut = kind === 'cut' ? cutter(random, plan.faults, places, count) : undefined;
  const place = server === undefined ? inDirectory() : await inDatabase(server, cut, random);

  const tasks = tasksOf(seed, plan.size);
  const crew = new Map<string, Worker>();
  const settled = new Set<string>();
  let failure: string | undefined;
  const mail: Delivery = delivery(tasks, {
    ...plan,
    random,
    losesAnswers: kind === 'cut',
    workers: () => [...crew.values()],
  });
  const events: CrewEvents = {
    said: (worker, words) => {
      if (words.say === 'settled') settled.add(worker.name);
      mail.said(worker, words);
    },
    gone: (worker) => mail.gone(worker),
    failed: (message) => {
      failure ??= message;
    },
  };
  const start = (name: string): void => {
    if (failure !== undefined) return;
    const { lease, pollMs, isFenced, slowMs } = plan;
    crew.set(name, startWorker({ name, store: place.store, lease, pollMs, isFenced, slowMs }, events));
  };
  const wrong = (): string | undefined => {
    if (failure !== undefined) return failure;
    if (performance.now() - startedAtMs < roundMaxMs) return undefined;
    const left = mail.missing();
    return `not finished after ${roundMaxMs} ms: ${left.length === 0 ? 'workers still have work that is owed' : left.join(', ')}`;
  };
  const share = (): number => mail.ledger.acknowledged.size / tasks.length;
  const scene: Scene = {
    random,
    count,
    workers: () => [...crew.values()],
    inHand: mail.inHand,
    reached: async (wanted) => {
      await until(() => share() >= wanted || mail.isDone(), wrong);
      return !mail.isDone();
    },
    replace: ({ name }) => start(name),
    crash: async (downMs) => server?.crash(downMs),
    leaseMs: plan.lease.ttlMs,
  };

  const problems: string[] = [];
  const turns = setInterval(mail.turn, 3);
  for (let index = 1; index <= plan.workers; index += 1) start(`worker-${index}`);
  const faults = inject[kind](scene, plan.faults);
  try {
    await Promise.all([faults, until(mail.isDone, wrong)]);
    await until(() => [...crew.values()].every((worker) => worker.isReady()), wrong);
    // Two of each message of the queue, and one of each timeout.
    const counted = { Work: 2, Tell: 1 } as Record<string, number>;
    const effects = tasks.reduce((total, { type }) => total + (counted[type] ?? 0), 0);
    for (const worker of crew.values()) worker.say({ say: 'settle', effects });
    await until(() => settled.size === crew.size, wrong);
    await Promise.all([...crew.values()].map((worker) => worker.end()));
    if (failure !== undefined) throw new Error(failure);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    clearInterval(turns);
    failure ??= 'the round is over';
    await faults.catch(() => undefined);
    await Promise.all([...crew.values()].map((worker) => worker.kill()));
  }
  try {
    // Also where the round did not end: what is lost says why.
    const store = await toPromise(place.open);
    const proof = await prove(store, tasks, mail.ledger, [...crew.keys()]).finally(store.close);
    problems.push(...proof.problems);
    Object.assign(figures, proof.figures);
  } finally {
    await place.remove();
  }
  const seconds = Math.round((performance.now() - startedAtMs) / 10) / 100;
  return { kind, seed, seconds, problems, figures, answers: mail.ledger.answers };
};
