/** What must be so of poison messages while they are parked, and what is done with them then. */
import { toPromise } from '../../src/core/fault.js';
import type { RecordedEvent } from '../../src/index.js';
import type { DeadLetter } from '../../src/store/message-queue.js';
import type { SqlStore } from '../../src/adapters/postgres/index.js';
import { pause } from './faults.js';
import type { StorePlace } from './places.js';
import { deadly, type Poison } from './poisons.js';
import { causeOf, everyEvent } from './prove.js';
import { chaosQueue } from './queue-side.js';
import type { Team } from './team.js';
import type { Task } from './workload.js';

interface Ward {
  readonly place: StorePlace;
  readonly tasks: ReadonlyArray<Task>;
  readonly team: Team;
  readonly attemptsMax: number;
  readonly wrong: () => string | undefined;
  readonly count: (what: string) => void;
}

export interface Treated {
  readonly problems: ReadonlyArray<string>;
  /** Given up: they have no effect. */
  readonly discarded: ReadonlyArray<string>;
}

/** Poison that is not parked so long after everything was delivered never will be. */
const parkMaxMs = 90_000;

type Poisoned = Task & { readonly poison: Poison };

const isPoisoned = (task: Task): task is Poisoned => task.poison !== undefined;

/** What the last error of a dead letter must say. One whose process died each time could tell nobody. */
const lastWords = (poison: Poison): RegExp => {
  const neverEnded = 'AttemptsUsedUp.*never ended';
  const own = { throws: 'this message is poison', hangs: 'took longer than', spins: 'took longer than' };
  // The last attempt may have ended with a process that another poison message killed.
  return new RegExp(
    deadly.has(poison) ? neverEnded : `${own[poison as keyof typeof own]}|${neverEnded}`,
    's',
  );
};

const effectsIn = (events: ReadonlyArray<RecordedEvent>, category: string): ReadonlySet<string> =>
  new Set(
    events
      .filter(({ type, streamName }) => type === 'Done' && streamName.startsWith(`${category}-`))
      .map(causeOf),
  );

/** Messages that stand behind a poison one of their key. */
const behind = (tasks: ReadonlyArray<Task>, poisoned: ReadonlyArray<Poisoned>): ReadonlyArray<Task> =>
  tasks.filter((task) =>
    poisoned.some(({ kind, key, number }) => task.kind === kind && task.key === key && task.number > number),
  );

const lettersIn = ({ queue }: SqlStore): Promise<ReadonlyArray<DeadLetter>> =>
  toPromise(queue.deadLetters.list({ queue: chaosQueue }));

const innocent = ({ id, key, type, history }: DeadLetter): string =>
  `${type} ${id} of ${key} is parked and is no poison: ${JSON.stringify(history)}`;

/** Waits until all poison is parked, and all other keys of the queue are done meanwhile. */
const untilParked = async (store: SqlStore, ward: Ward): Promise<void> => {
  const { tasks, team, attemptsMax, wrong } = ward;
  const poisoned = tasks.filter(isPoisoned);
  const held = new Set([...poisoned, ...behind(tasks, poisoned)]);
  const free = tasks.filter((task) => task.kind === 'queue' && !held.has(task));
  const keysHeld = new Set(poisoned.map(({ key }) => key));
  const end = performance.now() + parkMaxMs;
  for (;;) {
    const over = [...team.began].find(([, count]) => count > attemptsMax);
    if (over !== undefined) throw new Error(`the handler of ${over[0]} has begun ${over[1]} times`);
    const letters = await lettersIn(store);
    const good = letters.filter(({ id }) => !poisoned.some((task) => task.id === id));
    if (good.length > 0) throw new Error(good.map(innocent).join('; '));
    const parked = new Set(letters.map(({ id }) => id));
    const events = await everyEvent(store);
    const work = effectsIn(events, 'work');
    const echo = effectsIn(events, 'echo');
    const left = [
      ...poisoned.filter(({ id }) => !parked.has(id)),
      ...free.filter(({ id, key }) => !work.has(id) || (!keysHeld.has(key) && !echo.has(id))),
    ];
    if (left.length === 0) return;
    const failure = wrong() ?? (performance.now() < end ? undefined : `not parked after ${parkMaxMs} ms`);
    if (failure !== undefined)
      throw new Error(`${failure}; neither parked nor done: ${left.map(({ id }) => id).join(', ')}`);
    await pause(50);
  }
};

const problemsOf = (letter: DeadLetter, task: Poisoned, later: number, ward: Ward): ReadonlyArray<string> => {
  const { attemptsMax, team } = ward;
  const { attempt, history, waiting } = letter;
  const problems: string[] = [];
  const must = (isSo: boolean, what: string): void =>
    void (isSo || problems.push(`${task.id} is parked: ${what}`));
  const runs = team.began.get(task.id) ?? 0;
  must(runs > 0 && runs <= attemptsMax, `its handler has begun ${runs} times`);
  // Taken once more, where nobody was left to note the last one.
  must(attempt >= attemptsMax && attempt <= attemptsMax + 1, `it counts ${attempt} attempts`);
  must(waiting >= later, `${waiting} messages wait behind it, not ${later}`);
  const last = history.at(-1);
  must(last !== undefined && last.attempt === attempt, `its history ends with attempt ${last?.attempt}`);
  must(lastWords(task.poison).test(last?.error ?? ''), `its last error is ${last?.error}`);
  const inOrder = history.every(
    (one, index) => index === 0 || one.attempt > (history[index - 1]?.attempt ?? 0),
  );
  must(inOrder, `its history is ${JSON.stringify(history)}`);
  return problems;
};

/** Everything is parked that must be, nothing else is, and nothing behind it was handled. */
const checkParked = async (store: SqlStore, ward: Ward): Promise<ReadonlyArray<string>> => {
  const poisoned = ward.tasks.filter(isPoisoned);
  const later = behind(ward.tasks, poisoned);
  const events = await everyEvent(store);
  const handled = new Set([...effectsIn(events, 'work'), ...effectsIn(events, 'echo')]);
  const letters = await lettersIn(store);
  const problems = [...poisoned, ...later]
    .filter(({ id }) => handled.has(id))
    .map(({ id, poison }) => `${id} was handled, ${poison ? 'which is poison' : 'behind a parked message'}`);
  for (const letter of letters) {
    const task = poisoned.find(({ id }) => id === letter.id);
    if (task === undefined) {
      problems.push(innocent(letter));
      continue;
    }
    ward.count(`poison ${task.poison}`);
    const ofKey = later.filter(({ key }) => key === task.key).length;
    problems.push(...problemsOf(letter, task, ofKey, ward));
  }
  return problems;
};

/**
 * Waits until every poison message is parked, and judges it. Then the one half is discarded; of the other half the handler is
 * mended, and they are tried again. Answers when that is said: the rest of each key must go on now.
 */
export const treatPoison = async (ward: Ward): Promise<Treated> => {
  const { place, tasks, team, wrong, count } = ward;
  const store = await toPromise(place.open);
  try {
    await untilParked(store, ward);
    const problems = await checkParked(store, ward);
    // One that was seized must be over: what is said to it now it never hears.
    const isWell = (): boolean => team.all().every((one) => one.isReady() && one.silentMs() < 300);
    while (!isWell()) {
      if (wrong() !== undefined) throw new Error(wrong());
      await pause(20);
    }
    team.stopWatching();
    const poisoned = tasks.filter(isPoisoned);
    // Drawn with the message.
    const discarded = poisoned.filter(({ by }) => by % 2 === 0);
    const cured = poisoned.filter(({ by }) => by % 2 === 1);
    team.cure(cured.map(({ id }) => id));
    const letters = await lettersIn(store);
    const letterOf = ({ id }: Task): DeadLetter => letters.find((letter) => letter.id === id) as DeadLetter;
    for (const task of discarded) await toPromise(store.queue.deadLetters.discard(letterOf(task)));
    for (const task of cured) await toPromise(store.queue.deadLetters.retry(letterOf(task)));
    for (const { poison } of discarded) count(`poison discarded: ${poison}`);
    for (const { poison } of cured) count(`poison tried again: ${poison}`);
    return { problems, discarded: discarded.map(({ id }) => id) };
  } finally {
    await store.close();
  }
};
