/** The transport of a round: delivers each message until it is acknowledged, sometimes again after that, and keeps the ledger. */
import type { Worker } from './crew.js';
import type { FromWorker } from './words.js';
import type { Task } from './workload.js';

export interface Ledger {
  /** Ids that were acknowledged. */
  readonly acknowledged: Set<string>;
  /** By subscriber: what was dispatched to it, in the order of its coming, repeats included. */
  readonly dispatched: Map<
    string,
    Array<{ readonly id: string; readonly sagaId: string; readonly text: string }>
  >;
  /** How often what was answered. */
  readonly answers: Record<string, number>;
  /** Answers that may not be. */
  readonly wrong: string[];
}

export interface DeliveryOptions {
  readonly random: () => number;
  /** Messages in the hands of one worker at once. */
  readonly handsMax: number;
  /** What a worker has not answered after so long is delivered to another one as well. */
  readonly againAfterMs: number;
  /**
   * Answers are lost on the way. An append whose answer was lost is repeated by the store, which finds the very events there and
   * cannot tell whose they are: a worker that held an older state may then answer `Appended` to a message that another one has
   * handled. That the effect is there once is proven from the stream.
   */
  readonly losesAnswers: boolean;
  readonly workers: () => ReadonlyArray<Worker>;
}

interface Parcel {
  readonly task: Task;
  readonly worker: Worker;
  readonly sentAtMs: number;
  /** It was acknowledged before it was sent: it must be known. */
  readonly isRepeat: boolean;
}

export interface Delivery {
  readonly ledger: Ledger;
  readonly said: (worker: Worker, words: FromWorker) => void;
  readonly gone: (worker: Worker) => void;
  /** Hands out what may be handed out now; called again and again. */
  readonly turn: () => void;
  readonly inHand: (worker: Worker) => number;
  readonly isDone: () => boolean;
  /** What is not acknowledged yet, for the report of a round that does not end. */
  readonly missing: () => ReadonlyArray<string>;
}

/** An acknowledged message is now and then delivered again, as transports do. */
const repeatShare = 0.06;
/** A message that leaves takes so long to arrive, at most; with a worker that dies meanwhile it is lost. */
const slowestMs = 25;
/** What a worker refuses is delivered again after so long. */
const refusedMs = 15;

export const delivery = (
  tasks: ReadonlyArray<Task>,
  { random, handsMax, againAfterMs, losesAnswers, workers }: DeliveryOptions,
): Delivery => {
  const ledger: Ledger = { acknowledged: new Set(), dispatched: new Map(), answers: {}, wrong: [] };
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const ofKey = new Map<string, Task[]>();
  for (const task of tasks) {
    const key = `${task.kind}/${task.key}`;
    ofKey.set(key, [...(ofKey.get(key) ?? []), task]);
  }
  const waiting = new Set(tasks);
  const repeats: Task[] = [];
  const parcels = new Set<Parcel>();
  const dead = new Set<Worker>();

  const isAcknowledged = ({ id }: Task): boolean => ledger.acknowledged.has(id);
  /** An ordered message waits for all that stand before it. */
  const isDue = (task: Task): boolean =>
    !task.ordered ||
    (ofKey.get(`${task.kind}/${task.key}`) ?? []).every(
      (other) => other.number >= task.number || isAcknowledged(other),
    );
  const inHand = (worker: Worker): number => [...parcels].filter((parcel) => parcel.worker === worker).length;

  const drop = (worker: Worker, id?: string): ReadonlyArray<Parcel> => {
    const dropped = [...parcels].filter(
      (parcel) => parcel.worker === worker && (id === undefined || parcel.task.id === id),
    );
    for (const parcel of dropped) parcels.delete(parcel);
    return dropped;
  };
  const again = (task: Task): void => {
    if (!isAcknowledged(task)) waiting.add(task);
  };
  const count = (what: string): void => {
    ledger.answers[what] = (ledger.answers[what] ?? 0) + 1;
  };

  const handled = (worker: Worker, id: string, as: string): void => {
    const task = byId.get(id) as Task;
    count(as);
    const isRepeat = drop(worker, id).some((parcel) => parcel.isRepeat);
    const isKnown = as === 'Duplicate' || (losesAnswers && as === 'Appended');
    if (isRepeat && !isKnown) ledger.wrong.push(`${id} was acknowledged before, and then ${as}`);
    if (isAcknowledged(task)) return;
    // A saga is closed last: nothing may find it closed, or have nothing to do.
    if (as === 'Completed' || as === 'Nothing') ledger.wrong.push(`${id} was answered ${as}`);
    ledger.acknowledged.add(id);
    waiting.delete(task);
    if (random() < repeatShare) repeats.push(task);
  };

  const said = (worker: Worker, words: FromWorker): void => {
    if (words.say === 'handled') handled(worker, words.id, words.as);
    else if (words.say === 'refused') {
      count(`refused: ${words.tag}`);
      for (const { task } of drop(worker, words.id)) setTimeout(() => again(task), refusedMs).unref();
    } else if (words.say === 'refollowed') count(`follower failed: ${words.tag}`);
    else if (words.say === 'dispatch') {
      setTimeout(() => take(worker, words), slowestMs * random());
    }
  };

  const take = (worker: Worker, words: Extract<FromWorker, { say: 'dispatch' }>): void => {
    if (dead.has(worker)) return;
    const { id, sagaId, text } = words;
    const taken = ledger.dispatched.get(worker.name) ?? [];
    ledger.dispatched.set(worker.name, [...taken, { id, sagaId, text }]);
    worker.say({ say: 'taken', number: words.number });
  };

  const send = (task: Task, worker: Worker): void => {
    parcels.add({ task, worker, sentAtMs: performance.now(), isRepeat: isAcknowledged(task) });
    worker.say({ say: 'handle', task });
  };

  const turn = (): void => {
    const late = performance.now() - againAfterMs;
    for (const { task, sentAtMs } of parcels) if (sentAtMs < late) again(task);
    const free = workers().filter((worker) => worker.isReady() && inHand(worker) < handsMax);
    while (free.length > 0) {
      const worker = free[Math.floor(random() * free.length)] as Worker;
      const task = repeats.pop() ?? nextFor(worker);
      if (task === undefined) return;
      waiting.delete(task);
      send(task, worker);
      if (inHand(worker) >= handsMax) free.splice(free.indexOf(worker), 1);
    }
  };

  const nextFor = (worker: Worker): Task | undefined => {
    const isHere = ({ id }: Task): boolean =>
      [...parcels].some((parcel) => parcel.task.id === id && parcel.worker === worker);
    const due = [...waiting].filter((task) => isDue(task) && !isHere(task));
    return due[Math.floor(random() * due.length)];
  };

  return {
    ledger,
    said,
    gone: (worker) => {
      dead.add(worker);
      for (const { task } of drop(worker)) again(task);
    },
    turn,
    inHand,
    isDone: () => ledger.acknowledged.size === tasks.length && repeats.length === 0 && parcels.size === 0,
    missing: () => tasks.filter((task) => !isAcknowledged(task)).map(({ id }) => id),
  };
};
