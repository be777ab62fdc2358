/** What is done to the workers and the server while they work: one function for each kind of fault. */
import type { Worker } from './crew.js';
import type { Place } from './cutting-proxy.js';

export const kinds = ['kill', 'restart', 'cut', 'stop', 'clock', 'poison', 'pglite'] as const;
export type Kind = (typeof kinds)[number];

/** What a fault is done with. */
export interface Scene {
  readonly random: () => number;
  readonly workers: () => ReadonlyArray<Worker>;
  readonly inHand: (worker: Worker) => number;
  /** Resolves when this share of the messages is acknowledged; false where the round ended before. */
  readonly reached: (share: number) => Promise<boolean>;
  /** Starts a worker again that was killed. */
  readonly replace: (worker: Worker) => void;
  /** Stops PostgreSQL with `immediate`, and starts it again after so long. */
  readonly crash: (downMs: number) => Promise<void>;
  readonly leaseMs: number;
  readonly count: (what: string, by?: number) => void;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const oneOf = <A>(items: ReadonlyArray<A>, random: () => number): A | undefined =>
  items[Math.floor(random() * items.length)];

/** Faults at even shares of the work, each a little later than its share. */
const spread = async (
  { random, reached }: Scene,
  faults: number,
  laterMs: number,
  fault: () => Promise<void>,
): Promise<void> => {
  for (let number = 0; number < faults; number += 1) {
    if (!(await reached((number + random()) / (faults + 0.5)))) return;
    await pause(laterMs * random());
    await fault();
  }
};

const kill = (scene: Scene, faults: number): Promise<void> =>
  spread(scene, faults, 12, async () => {
    const { random, workers, inHand, replace, count } = scene;
    const ready = workers().filter((worker) => worker.isReady());
    const busy = ready.filter((worker) => inHand(worker) > 0);
    const worker = oneOf(busy.length > 0 ? busy : ready, random);
    if (worker === undefined) return;
    count('kills');
    if (inHand(worker) > 0) count('kills with messages in hand');
    await worker.kill();
    replace(worker);
  });

const restart = (scene: Scene, faults: number): Promise<void> =>
  spread(scene, faults, 12, async () => {
    scene.count('restarts');
    await scene.crash(20 + 180 * scene.random());
  });

const stop = (scene: Scene, faults: number): Promise<void> =>
  spread(scene, faults, 30, async () => {
    const { random, workers, inHand, leaseMs, count } = scene;
    const busy = workers().filter((worker) => worker.isReady() && inHand(worker) > 0);
    const worker = oneOf(busy, random);
    if (worker === undefined) return;
    count('stops');
    worker.stop();
    await pause(leaseMs * (1.3 + random()));
    worker.goOn();
    await pause(100);
  });

/** From a minute to four hours, forwards or backwards. */
const jumpOf = (random: () => number): number => {
  const way = random() < 0.5 ? -1 : 1;
  return Math.round(way * 60_000 * 240 ** random());
};

/** Every third jump is found by a process that was stopped past its lease meanwhile, as a machine that sleeps finds one. */
const clock = (scene: Scene, faults: number): Promise<void> => {
  let number = 0;
  return spread(scene, faults, 12, async () => {
    const { random, workers, leaseMs, count } = scene;
    const worker = oneOf(
      workers().filter((one) => one.isReady()),
      random,
    );
    if (worker === undefined) return;
    const isStopped = number % 3 === 2;
    number += 1;
    if (isStopped) {
      count('jumps of a stopped process');
      worker.stop();
      await pause(leaseMs * (1.3 + random()));
    }
    worker.say({ say: 'jump', offsetMs: jumpOf(random) });
    if (isStopped) worker.goOn();
  });
};

/** Faults that are done by the driver; cuts are done by the proxy, request by request, and poison is among the messages. */
export const inject: Record<Kind, (scene: Scene, faults: number) => Promise<void>> = {
  kill,
  restart,
  stop,
  clock,
  pglite: kill,
  cut: async () => undefined,
  poison: async () => undefined,
};

/** Requests that write. Statements carry their names over the wire. */
const writes = /watersmeet_(append|checkpointSave|lease|message(Enqueue|Take|Finish|Fail|Release))/i;

/** Chooses which requests are cut, `faults` for each place at most. */
export const cutter = (
  random: () => number,
  faults: number,
  all: ReadonlyArray<Place>,
  count: Scene['count'],
) => {
  const left = new Map(all.map((place) => [place, faults]));
  return (request: string): Place | undefined => {
    const isWrite = writes.test(request);
    if (random() > (isWrite ? 0.2 : 0.03)) return undefined;
    const open = all.filter((place) => (left.get(place) ?? 0) > 0);
    const place = oneOf(open, random);
    if (place === undefined) return undefined;
    left.set(place, (left.get(place) ?? 0) - 1);
    count(`cuts ${place}`);
    if (isWrite) count('cuts of a request that writes');
    return place;
  };
};
