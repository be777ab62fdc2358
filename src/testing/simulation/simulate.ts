/**
 * Runs a saga's messages through several processes on one store, with faults, in virtual time, all drawn from one seed; then
 * lets them finish, and holds what is recorded against what the engine promises.
 */
import type { AnyEvent, ReleasedMessage } from '../../core/merge/merge.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { Saga } from '../../core/saga/saga.js';
import type { SagaView } from '../../core/saga/saga-view.js';
import { endText } from './end-checks.js';
import { drawFaults, type Faults, noFaults } from './faults.js';
import type { AnySaga } from './process.js';
import { whatWaits } from './operator.js';
import { makeRun, type Run } from './run.js';
import { simulationFailed } from './violation.js';
import { makeWorld, type SimulationFigures, type World } from './world.js';

/** What a saga has come to at the end of a simulation. */
export interface SimulatedEnd<S> {
  readonly sagaId: string;
  readonly view: SagaView<S>;
  /** All messages it has sent, oldest first. */
  readonly sent: ReadonlyArray<ReleasedMessage>;
  /** Ids of the messages whose effect is on its stream. */
  readonly handled: ReadonlyArray<string>;
  /** How often it has completed; once for each epoch at most. */
  readonly completions: number;
}

export interface SimulateOptions<S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent> {
  readonly messages: ReadonlyArray<SagaMessage<M>>;
  /** 0 to 2^32 - 1. The same seed does the same again, step by step. */
  readonly seed: number;
  /** Parts that are given replace those that the seed would draw; `none` for a run without faults. */
  readonly faults?: Partial<Faults> | 'none';
  /** 1 to 4. Default: drawn from the seed. */
  readonly processes?: number;
  /** Whether messages come through a durable queue and its workers, most of them or all. Default: drawn from the seed. */
  readonly queue?: boolean;
  /** The same saga with a mended merger and another `mergerVersion`, as it is deployed once faults are over, and by chance before. */
  readonly mended?: Saga<S, Ev, M, Out>;
  /** Your own promises about the ends, one for each saga: throw where one is broken. */
  readonly check?: (ends: ReadonlyArray<SimulatedEnd<S>>) => void;
  /** What to tell people who want to see a failure again. Default: this call with the seed. */
  readonly replay?: (seed: number) => string;
}

export interface Simulated<S> {
  readonly seed: number;
  /** The same for the same seed, saga and version of the engine: over every step, its answer, and the ends. */
  readonly hash: string;
  readonly figures: SimulationFigures;
  readonly ends: ReadonlyArray<SimulatedEnd<S>>;
  /** Every step, oldest first; put together when it is called. */
  readonly trace: () => ReadonlyArray<string>;
}

/** A run that does not come to rest within so many steps is broken. */
const stepsMax = 40_000;

/** All that can move has moved when the event loop takes its next turn: nothing here waits for anything real. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Asks all who follow whether they are done; true once they all are and nothing was appended since the question. */
const restAsker = (world: World, run: Run): (() => boolean) => {
  const written = (): number => [...world.watches.values()].reduce((sum, watch) => sum + watch.version(), 0);
  let asked: { readonly at: number; waiting: number; hasFailed: boolean } | undefined;
  return () => {
    if (!run.isQuiet()) return false;
    if (asked !== undefined && !asked.hasFailed) {
      if (asked.waiting > 0) return false;
      if (asked.at === written()) return true;
    }
    const followings = run.processes().flatMap((process) => process.following() ?? []);
    const question = { at: written(), waiting: followings.length, hasFailed: false };
    asked = question;
    for (const following of followings)
      following.caughtUp().then(
        () => void (question.waiting -= 1),
        () => void (question.hasFailed = true),
      );
    return false;
  };
};

/** Moves the world until it rests. Answers what is broken. */
const play = async (world: World, run: Run): Promise<string | undefined> => {
  const isAtRest = restAsker(world, run);
  run.begin();
  for (;;) {
    if (world.phase === 1 && (world.figures.steps >= run.faultSteps || run.isDelivered())) {
      world.phase = 2;
      world.note('faults are over');
      run.deploy();
    }
    if (world.phase === 2) run.lookAfter();
    if (!world.time.step()) return `nothing moves any more, and work is left: ${whatWaits(world)}`;
    world.figures.steps += 1;
    await settled();
    const broken = world.firstBroken();
    if (broken !== undefined) return broken;
    if (world.figures.steps > stepsMax) return `no rest after ${stepsMax} steps: ${whatWaits(world)}`;
    if (world.phase === 2 && isAtRest()) return undefined;
  }
};

const countEnds = ({ watches, figures }: World): void => {
  for (const watch of watches.values()) {
    figures.completions += watch.completions();
    for (const { fate } of watch.timeouts.all.values()) {
      figures.timeoutsAsked += 1;
      if (fate === 'delivered') figures.timeoutsDelivered += 1;
      if (fate === 'cancelled') figures.timeoutsCancelled += 1;
      if (fate === 'ignored') figures.timeoutsIgnored += 1;
    }
  }
};

/**
 * Simulates a saga. Resolves when every promise was kept; rejects with a `TaggedError` of `SimulationFailed` when one was broken,
 * whose message tells the seed, which promise, the last steps, and how to run exactly that again.
 */
export const simulate = async <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  options: SimulateOptions<S, Ev, M, Out>,
): Promise<Simulated<S>> => {
  const { seed, messages, faults = {}, check } = options;
  const replay = (options.replay ?? ((of) => `simulate(${saga.name}, { ...options, seed: ${of} })`))(seed);
  const world = makeWorld(seed, (random) =>
    faults === 'none' ? noFaults : { ...drawFaults(random), ...faults },
  );
  const mended = (options.mended ?? saga) as unknown as AnySaga;
  const sent = messages as unknown as ReadonlyArray<SagaMessage>;
  const run = makeRun(world, saga as unknown as AnySaga, mended, sent, options);
  world.figures.messages = messages.length;
  const fail = (broken: string): never => {
    throw simulationFailed(seed, broken, replay, world.trace.lines());
  };
  const broken = await play(world, run);
  if (broken !== undefined) return fail(broken);
  world.phase = 3;
  const logs = await run.end();
  const atEnd = world.firstBroken();
  if (atEnd !== undefined) return fail(atEnd);
  world.note(`the end ${endText(mended, logs)}`);
  countEnds(world);
  const ends = [...logs].map(([streamName, log]) => ({
    sagaId: streamName.slice(saga.name.length + 1),
    view: log.view() as SagaView<S>,
    sent: log.owed().messages,
    handled: [...world.watchOf(streamName).handledAt.keys()],
    completions: world.watchOf(streamName).completions(),
  }));
  try {
    check?.(ends);
  } catch (thrown) {
    return fail(thrown instanceof Error ? thrown.message : String(thrown));
  }
  return { seed, hash: world.trace.hash(), figures: world.figures, ends, trace: world.trace.lines };
};
