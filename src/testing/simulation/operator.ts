/** The person who looks after the queues once faults are over: opens dead letters, and sees that nothing comes too late. */
import * as E from 'fp-ts/lib/Either.js';
import type { DeadLetter } from '../../store/message-queue.js';
import { messageQueueName } from './queue-watch.js';
import type { WatchedTimeout } from './timeout-watch.js';
import type { World } from './world.js';

/** Between two looks, in milliseconds. */
const lookMs = 100;
/** So often one message is let go: where nothing fails any more, it must come through at last. */
const retriesMax = 30;
/** So late a timeout may come once faults are over: a follower asks a saga that is parked again after a minute. */
const lateMaxMs = 90_000;

/** Timeouts that wait and are not given up: what was discarded stays asked for in its stream. */
export const waitingTimeouts = (world: World): ReadonlyArray<WatchedTimeout> =>
  [...world.watches.values()]
    .flatMap(({ timeouts }) => (timeouts.all.size === 0 ? [] : timeouts.waiting()))
    .filter(({ id }) => !world.givenUp.has(id));

/** Whether all messages and timeouts are over. */
export const isNothingWaiting = (world: World): boolean =>
  world.queues.unfinished().length === 0 && waitingTimeouts(world).length === 0;

/** What has not come to an end, for a message to people. */
export const whatWaits = (world: World): string => {
  const messages = world.queues
    .unfinished()
    .map(({ queue, id, isParked }) => `${queue}/${id}${isParked ? ' (parked)' : ''}`);
  const timeouts = waitingTimeouts(world).map(({ id, dueAt }) => `timeout ${id} due at ${dueAt.toFixed(1)}`);
  return [...messages, ...timeouts].join(', ') || 'it is the sagas that do not come to rest';
};

const isTooLate = (world: World, since: number): string | undefined => {
  const late = waitingTimeouts(world).find(
    ({ dueAt }) => world.time.now() > Math.max(since, dueAt) + lateMaxMs,
  );
  return late && `timeout ${late.id} was due at ${late.dueAt.toFixed(1)} and does not come`;
};

/** One letter: what can never succeed is given up, everything else is tried again. */
const open = async (world: World, letter: DeadLetter, hopeless: ReadonlySet<string>): Promise<void> => {
  const { queue, id, history } = letter;
  const why = history.at(-1)?.error.split(':')[0] ?? '';
  const { deadLetters } = world.store.queue;
  const retries = world.queues.find(id)?.retries ?? 0;
  if (retries >= retriesMax)
    return world.broken(`message ${id} was parked ${retries} times, at last for ${why}`);
  const isHopeless = hopeless.has(why);
  world.note(`${queue}/${id} is ${isHopeless ? 'given up' : 'let go'} after ${why}`);
  if (isHopeless) {
    world.figures.lettersDiscarded += 1;
    if (queue !== messageQueueName) world.givenUp.add(id);
    await deadLetters.discard(letter)();
  } else {
    world.figures.lettersRetried += 1;
    await deadLetters.retry(letter)();
  }
};

const openAll = async (world: World, hopeless: ReadonlySet<string>): Promise<void> => {
  const listed = await world.raw.queue.deadLetters.list({})();
  const letters = E.isRight(listed) ? listed.right : [];
  const expected = world.queues.parked().map(({ id }) => id);
  if (letters.length !== expected.length || letters.some(({ id }) => !expected.includes(id)))
    world.broken(
      `the dead letters are ${letters.map(({ id }) => id).join()}, and ${expected.join()} were parked`,
    );
  // Keys that nothing is parked of must not need this.
  const isTurn = world.queues.isHeldUp();
  for (const letter of letters)
    if (isTurn || letter.queue !== messageQueueName) await open(world, letter, hopeless);
};

/** Looks now and then, when it is asked to. `hopeless` are errors after which trying again does not help. */
export const makeOperator = (world: World, hopeless: ReadonlySet<string>): { readonly look: () => void } => {
  const { time, queues } = world;
  let since: number | undefined;
  let looksAt = 0;
  return {
    look: () => {
      if (time.now() < looksAt) return;
      looksAt = time.now() + lookMs;
      since ??= time.now();
      const late = isTooLate(world, since);
      if (late !== undefined) return world.broken(late);
      if (queues.parked().length > 0) void openAll(world, hopeless);
    },
  };
};
