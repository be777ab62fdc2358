/** One process of a simulation: a saga runtime that handles messages and follows, until it dies; then another takes its place. */
import type * as E from 'fp-ts/lib/Either.js';
import { type Tagged, taggedError } from '../../core/fault.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { SagaMessage } from '../../core/saga/reacting.js';
import type { CompensationHook, Saga } from '../../core/saga/saga.js';
import type { Dispatched, Following } from '../../runtime/saga/owed-subscription.js';
import type { Handled, HandleError, SagaHooks } from '../../runtime/saga/saga-context.js';
import { sagaRuntime, type SagaRuntime } from '../../runtime/saga/saga-runtime.js';
import type { MessageQueue } from '../../store/message-queue.js';
import type { Timers } from '../../store/timers.js';
import { type Gate, makeGate } from './gate.js';
import { storeOfHolder } from './holder-store.js';
import { noneSeen, processStore } from './process-store.js';
import { keepWorking, queuedMessage } from './process-worker.js';
import { attemptsMax, type Shape } from './shape.js';
import type { World } from './world.js';

export type AnySaga = Saga;
export type Answer = E.Either<HandleError, Handled>;

export interface SimulatedProcess {
  readonly name: string;
  readonly isDead: () => boolean;
  readonly runtime: SagaRuntime<unknown, AnyEvent>;
  readonly handle: (message: SagaMessage) => Promise<Answer>;
  /** The subscription under way; `undefined` where this process does not follow. */
  readonly following: () => Following | undefined;
  readonly die: () => void;
  /** Puts a message into the queue, in one of its saga's lines. */
  readonly enqueue: (message: SagaMessage, line: number) => Promise<E.Either<Tagged, unknown>>;
}

export interface ProcessOptions {
  readonly name: string;
  readonly saga: AnySaga;
  readonly shape: Shape;
  /** The name its checkpoint is kept under; `undefined`: it does not follow. */
  readonly subscriber: string | undefined;
  /** Ids that each subscriber has handed over. */
  readonly dispatched: Map<string, Set<string>>;
  readonly onDeath: (isCrash: boolean) => void;
  /** While a check folds streams: mergers must not be asked. */
  readonly isReplaying: () => boolean;
}

const simulated = (): Error =>
  taggedError({ _tag: 'StoreUnavailable', message: 'made to fail by the simulation' });

/** The saga with hooks that take time and may fail, and a merger that knows when it must not be asked. */
const sagaOf = (
  world: World,
  gate: Gate,
  { saga, isReplaying }: ProcessOptions,
  mayRun: (id: string, streamName: string, attempt: number) => void,
): AnySaga => {
  const hooks: Record<string, CompensationHook<AnyEvent>> = {};
  // To the very end: a hook that keeps failing is parked, and that ends it.
  const fails = (): boolean => world.random() < world.faults.hookFails / 2;
  for (const [name, hook] of Object.entries(saga.hooks))
    hooks[name] = async (data, info) => {
      const step = { process: gate.name, operation: 'hook', request: info.id };
      mayRun(info.id, `${saga.name}-${info.sagaId}`, info.attempt);
      await gate.enter({ ...step, phase: 'call' });
      if (fails()) throw simulated();
      const answer = await hook(data, info);
      await gate.enter({ ...step, phase: 'answer' });
      if (fails()) throw simulated();
      return answer;
    };
  const { merger } = saga;
  return {
    ...saga,
    hooks,
    merger: merger && {
      description: merger.description,
      merge: (conflict) => {
        if (isReplaying()) world.broken('a merger was asked by a replay');
        return merger.merge(conflict);
      },
    },
  };
};

/** Hands messages over: only what is released, in order, and known under one id. */
const dispatcher = (world: World, gate: Gate, { subscriber, dispatched, saga }: ProcessOptions) => {
  const last = new Map<string, number>();
  const handed = dispatched.get(subscriber as string) ?? new Set<string>();
  dispatched.set(subscriber as string, handed);
  return async (message: Dispatched): Promise<void> => {
    const { id, streamName, version } = message;
    const step = { process: gate.name, operation: 'dispatch', request: `${message.type} v${version}` };
    await gate.enter({ ...step, phase: 'call' });
    if (world.strikes(world.faults.dispatchFails / 2)) throw simulated();
    const released = world.watchOf(streamName).released.get(id);
    if (released === undefined)
      world.broken(`${saga.name}: message ${id} (${message.type}) left and was never released`);
    else if (released.version !== version)
      world.broken(`message ${id} left as of version ${version}, released at ${released.version}`);
    if (version < (last.get(streamName) ?? 0)) world.broken(`${streamName}: messages left out of order`);
    last.set(streamName, version);
    handed.add(id);
    world.figures.dispatched += 1;
    await gate.enter({ ...step, phase: 'answer' });
    if (world.strikes(world.faults.dispatchFails / 2)) throw simulated();
  };
};

const countingHooks = ({ figures }: World): SagaHooks => ({
  onConflict: ({ answer }) => {
    if (answer === 'fastForward') figures.fastForwards += 1;
    else figures.conflicts += 1;
  },
  onMerged: ({ branchIds }) => {
    figures.merges += 1;
    figures.branchesMerged += branchIds.length;
  },
  onParked: () => void (figures.refusals += 1),
  onOutage: () => void (figures.outages += 1),
  onCompensated: ({ error }) => {
    if (error === undefined) figures.compensations += 1;
    else figures.compensationsFailed += 1;
  },
});

/** The handler of a timeout runs in its time, and not where its process must have seen that it was cancelled. */
const mayReact = (world: World, messageId: string, knownVersion: number): void => {
  const timeout = world.timeoutOf(messageId)?.timeout;
  if (timeout === undefined) return;
  if (world.time.now() < timeout.dueAt)
    world.broken(`the handler of timeout ${messageId} ran before its time`);
  if (timeout.fate === 'cancelled' && timeout.fateVersion <= knownVersion)
    world.broken(
      `the handler of timeout ${messageId} ran although it had been cancelled before it was given out`,
    );
};

export const startProcess = (world: World, options: ProcessOptions): SimulatedProcess => {
  const { name, shape, subscriber } = options;
  const { time, random } = world;
  let dead = false;
  const die = (isCrash: boolean): void => {
    dead = true;
    options.onDeath(isCrash);
  };
  const isDead = (): boolean => dead;
  const gate = makeGate(world, name, isDead, () => die(true));
  const later = (ms: number, what: string, run: () => void): (() => void) => {
    let callOff = (): void => undefined;
    const due = (): void => {
      if (dead) return;
      const waitMs = gate.stoppedMs();
      if (waitMs > 0) {
        callOff = time.after(waitMs, due);
        return;
      }
      world.note(`${name} ${what}`);
      run();
    };
    callOff = time.after(ms, due);
    return () => callOff();
  };
  const timers: Timers = {
    now: time.now,
    after: (ms, run) => later(ms, 'timer', run),
    soon: (run) => void later(0, 'woken', run),
  };
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => later(ms, 'slept', resolve));
  const seen = noneSeen(world);
  const before = new Map([...world.watches].map(([stream, watch]) => [stream, watch.version()]));
  const mayRun = (id: string, streamName: string, attempt: number): void => {
    const known = world.watchOf(streamName).compensations.get(id);
    if (known === undefined) return world.broken(`the hook of ${id} ran before its merge was recorded`);
    const isOld = known.appliedAt !== undefined && known.appliedAt <= (before.get(streamName) ?? 0);
    if (isOld || seen.applied.has(id)) world.broken(`the hook of ${id} ran again after its success`);
    if (attempt > known.failures + 1)
      world.broken(`attempt ${attempt} of ${id} after ${known.failures} failures`);
  };
  /** Messages whose effect this process had seen before it took them in hand; and how often each is in hand. */
  const known = new Set<string>();
  const inHand = new Map<string, number>();
  const saga = sagaOf(world, gate, options, mayRun);
  const environment = { random, sleep, timers };
  const hooks = countingHooks(world);
  const context = {
    retry: { delayMs: 1, delayMaxMs: 40, attemptsMax },
    sagasKept: shape.sagasKept,
    checkDeterminism: shape.checkDeterminism,
    leaseAfter: shape.leaseAfter,
    holder: name,
  };
  const hasQueue = !shape.timeouts.isKept;
  const store = processStore(world, {
    ...{ shape, gate, timers, seen, hasQueue },
    store: storeOfHolder(world, name),
  });
  const runtime = sagaRuntime(saga, {
    ...{ store, environment, ...context },
    hooks: {
      ...hooks,
      onReacted: ({ streamName, messageId }) => {
        if (known.has(messageId))
          world.broken(`the handler ran for message ${messageId} although its effect had been seen`);
        const knownVersion = hasQueue ? seen.takenAt.get(messageId) : seen.readFrom.get(streamName);
        mayReact(world, messageId, knownVersion ?? 0);
      },
    },
  }) as SagaRuntime<unknown, AnyEvent>;

  let following: Following | undefined;
  const follow = (): void => {
    const started = runtime.follow({
      subscriber: subscriber as string,
      dispatch: dispatcher(world, gate, options),
      mergeAfterMs: shape.mergeAfterMs,
      batchMax: shape.batchMax,
      pollMs: shape.pollMs,
      timeouts: shape.timeouts,
    });
    following = started;
    started.done.catch((error: unknown) => {
      if (dead) return;
      following = undefined;
      world.broken(
        `${name}: the subscription ended with ${error instanceof Error ? error.stack : String(error)}`,
      );
    });
  };
  if (subscriber !== undefined) follow();

  const queueOf = (workerId: string) => {
    const told = noneSeen(world);
    const parts = { shape, gate, timers, seen: told, hasQueue: true };
    return {
      told: told.leases,
      store: processStore(world, { ...parts, store: storeOfHolder(world, workerId) }),
    };
  };
  const sender = shape.worker && queueOf(name).store.queue;
  if (shape.worker !== undefined)
    keepWorking(world, {
      ...{ name, saga, shape: shape.worker, environment, isDead, queueOf },
      streamNameOf: runtime.streamNameOf,
      context: { ...context, hooks },
      later: (ms, what, run) => void later(ms, what, run),
    });

  return {
    name,
    isDead,
    runtime,
    following: () => following,
    die: () => die(false),
    enqueue: (message, line) => (sender as MessageQueue).enqueue([queuedMessage(message, line)])(),
    handle: async (message) => {
      const { id } = message;
      const streamName = runtime.streamNameOf(message.sagaId);
      const at = world.watchOf(streamName).handledAt.get(id);
      const others = inHand.get(id) ?? 0;
      // Where it is in hand already, that work may be older than what has been seen since.
      if (others === 0 && at !== undefined && at <= (seen.versions.get(streamName) ?? 0)) known.add(id);
      inHand.set(id, others + 1);
      const answer = await runtime.handle(message as never)();
      inHand.set(id, (inHand.get(id) ?? 1) - 1);
      if (inHand.get(id) === 0) known.delete(id);
      return answer;
    },
  };
};
