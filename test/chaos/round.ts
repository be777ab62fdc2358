/** One round: a fresh store, workers, messages, faults by seed, and the proof. */
import { toPromise } from '../../src/core/fault.js';
import { dice } from '../../src/runtime/dice.js';
import { places } from './cutting-proxy.js';
import { delivery, type Delivery } from './delivery.js';
import { cutter, inject, type Kind, pause, type Scene } from './faults.js';
import { inDatabase, inDirectory, type Server, type StorePlace } from './places.js';
import { type Plan, planOf } from './plans.js';
import { treatPoison } from './poison-round.js';
import { prove } from './prove.js';
import { makeTeam, type Team } from './team.js';
import { type Task, tasksOf } from './workload.js';

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

/** What a round is played with. */
interface Stage {
  readonly kind: Kind;
  readonly plan: Plan;
  readonly place: StorePlace;
  readonly tasks: ReadonlyArray<Task>;
  readonly mail: Delivery;
  readonly team: Team;
  readonly scene: Scene;
  readonly figures: Record<string, number>;
  /** Messages that were given up while the round went on, which have no effect. */
  readonly discarded: Set<string>;
  /** Why the round cannot end well any more. */
  readonly wrong: () => string | undefined;
}

/** A round that has not ended after so long never will. */
const roundMaxMs = 240_000;

/** Resolves when it is so; rejects when the round has gone wrong or takes too long. */
const until = async (isSo: () => boolean, failure: () => string | undefined): Promise<void> => {
  while (!isSo()) {
    const wrong = failure();
    if (wrong !== undefined) throw new Error(wrong);
    await pause(4);
  }
};

const timeLimit = (team: Team, mail: Delivery): (() => string | undefined) => {
  const startedAtMs = performance.now();
  return () => {
    if (team.failure() !== undefined) return team.failure();
    if (performance.now() - startedAtMs < roundMaxMs) return undefined;
    const left = mail.missing();
    return `not finished after ${roundMaxMs} ms: ${left.length === 0 ? 'workers still have work that is owed' : left.join(', ')}`;
  };
};

const setStage = async (
  kind: Kind,
  seed: number,
  server: Server | undefined,
  isShort: boolean,
): Promise<Stage> => {
  const plan = planOf(kind, isShort);
  const random = dice(seed ^ 0xc4a05);
  const figures: Record<string, number> = {};
  const count = (what: string, by = 1): void => void (figures[what] = (figures[what] ?? 0) + by);
  const cut = kind === 'cut' ? cutter(random, plan.faults, places, count) : undefined;
  const place = server === undefined ? inDirectory() : await inDatabase(server, cut, random);
  const tasks = tasksOf(seed, plan.size);
  const mail: Delivery = delivery(tasks, {
    ...plan,
    random,
    losesAnswers: kind === 'cut',
    workers: () => team.all(),
  });
  const team = makeTeam({ plan, place, mail, count });
  const wrong = timeLimit(team, mail);
  const share = (): number => mail.ledger.acknowledged.size / tasks.length;
  const scene: Scene = {
    random,
    count,
    workers: team.all,
    inHand: mail.inHand,
    reached: async (wanted) => {
      await until(() => share() >= wanted || mail.isDone(), wrong);
      return !mail.isDone();
    },
    replace: ({ name }) => team.start(name),
    crash: async (downMs) => server?.crash(downMs),
    leaseMs: plan.lease.ttlMs,
  };
  return { kind, plan, place, tasks, mail, team, scene, figures, wrong, discarded: new Set() };
};

/** Events that messages of the queue and timeouts must leave: two of each message of the queue, and one of each timeout. */
const effectsOf = (tasks: ReadonlyArray<Task>): number => {
  const counted = { Work: 2, Tell: 1 } as Record<string, number>;
  return tasks.reduce((total, { type }) => total + (counted[type] ?? 0), 0);
};

const goodTasks = ({ tasks, discarded }: Stage): ReadonlyArray<Task> =>
  tasks.filter(({ id }) => !discarded.has(id));

/** Everything is delivered and all that is owed is done, whatever strikes. What is wrong is thrown, or answered. */
const play = async (stage: Stage, faults: Promise<void>): Promise<ReadonlyArray<string>> => {
  const { kind, plan, place, tasks, mail, team, scene, wrong, discarded } = stage;
  const problems: string[] = [];
  await Promise.all([faults, until(mail.isDone, wrong)]);
  if (kind === 'poison') {
    const { attemptsMax } = plan.handling;
    const treated = await treatPoison({ place, tasks, team, attemptsMax, wrong, count: scene.count });
    problems.push(...treated.problems);
    for (const id of treated.discarded) discarded.add(id);
  }
  await until(() => team.all().every((worker) => worker.isReady()), wrong);
  const effects = effectsOf(goodTasks(stage));
  for (const worker of team.all()) worker.say({ say: 'settle', effects });
  await until(team.hasSettled, wrong);
  await team.end();
  return problems;
};

/** Ends all that the round has started, and reads what it came to: also where it did not end, since what is lost says why. */
const judge = async (stage: Stage): Promise<ReadonlyArray<string>> => {
  const { place, mail, team, figures } = stage;
  const names = team.all().map(({ name }) => name);
  try {
    const store = await toPromise(place.open);
    const proof = await prove(store, goodTasks(stage), mail.ledger, names).finally(store.close);
    Object.assign(figures, proof.figures);
    return proof.problems;
  } finally {
    await place.remove();
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
  const stage = await setStage(kind, seed, server, isShort);
  const { plan, mail, team, scene, figures } = stage;
  const problems: string[] = [];
  const turns = setInterval(mail.turn, 3);
  for (let index = 1; index <= plan.workers; index += 1) team.start(`worker-${index}`);
  const faults = inject[kind](scene, plan.faults);
  try {
    problems.push(...(await play(stage, faults)));
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    clearInterval(turns);
    const closed = team.close();
    await faults.catch(() => undefined);
    await closed;
  }
  problems.push(...(await judge(stage)));
  const seconds = Math.round((performance.now() - startedAtMs) / 10) / 100;
  return { kind, seed, seconds, problems, figures, answers: mail.ledger.answers };
};
