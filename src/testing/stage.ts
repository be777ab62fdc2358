/** A stage on which a scheduler decides who moves: every call of a store waits twice, before it takes effect and before its answer is seen. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Checkpoint, EventStore } from '../store/event-store.js';

/** A point at which a process is held. */
export interface Step {
  /** Which process; any name. */
  readonly process: string;
  /** What it is about to do: the name of the store's method, or a word of the test's own such as `sleep`. */
  readonly operation: string;
  /** `call`: nothing has happened yet. `answer`: it has happened, and the process does not know. */
  readonly phase: 'call' | 'answer';
  /** What the call was given. */
  readonly request?: unknown;
  /** Phase `answer`: what it came to. */
  readonly result?: unknown;
}

/** A held step, in the hands of the scheduler. One that is never let go is a process that died there. */
export interface Held {
  readonly step: Step;
  /** Lets the process go on. */
  readonly go: () => void;
  /** Lets the process go on with this in place of the store's own answer; the call itself is not made, if it was not made yet. */
  readonly answer: (result: unknown) => void;
}

export interface Stage {
  /** Waits until the scheduler lets the step go; resolves to what to answer in its place, if anything. */
  readonly enter: (step: Step) => Promise<{ readonly instead: unknown } | undefined>;
  /** Those who wait, in the order in which they came. */
  readonly held: () => ReadonlyArray<Held>;
  /** Resolves when nobody can move any more unless a step is let go. Nothing on the stage may wait for a timer of its own. */
  readonly settled: () => Promise<void>;
}

export const makeStage = (): Stage => {
  const held = new Set<Held>();
  return {
    enter: (step) =>
      new Promise((resolve) => {
        const leave = (answer: { readonly instead: unknown } | undefined): void => {
          if (held.delete(one)) resolve(answer);
        };
        const one: Held = {
          step,
          go: () => leave(undefined),
          answer: (result) => leave({ instead: result }),
        };
        held.add(one);
      }),
    held: () => [...held],
    // All promises that can move have moved before the event loop takes its next turn.
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
};

export type StagedOperation =
  | 'append'
  | 'appendMany'
  | 'readStream'
  | 'readAll'
  | 'markStream'
  | 'loadCheckpoint'
  | 'saveCheckpoint';

/** The store as one process on the stage sees it. Phases that `isWatched` turns down are not held. */
export const stagedStore = (
  store: EventStore,
  stage: Stage,
  process: string,
  isWatched: (operation: StagedOperation, phase: Step['phase']) => boolean = () => true,
): EventStore => {
  const staged =
    <R, E, A>(operation: StagedOperation, call: (request: R) => TaskEither<E, A>) =>
    (request: R): TaskEither<E, A> =>
    async () => {
      const step = { process, operation, request };
      if (isWatched(operation, 'call')) {
        const before = await stage.enter({ ...step, phase: 'call' });
        if (before !== undefined) return before.instead as Awaited<ReturnType<TaskEither<E, A>>>;
      }
      const result = await call(request)();
      if (!isWatched(operation, 'answer')) return result;
      const after = await stage.enter({ ...step, phase: 'answer', result });
      return after === undefined ? result : (after.instead as typeof result);
    };
  const stagedCheckpoints = {
    load: staged('loadCheckpoint', store.checkpoints.load),
    save: staged('saveCheckpoint', (request: { subscriber: string; checkpoint: Checkpoint }) =>
      store.checkpoints.save(request.subscriber, request.checkpoint),
    ),
  };
  return {
    ...store,
    append: staged('append', store.append),
    appendMany: staged('appendMany', store.appendMany),
    readStream: staged('readStream', store.readStream),
    readAll: staged('readAll', store.readAll),
    markStream: staged('markStream', store.markStream),
    checkpoints: {
      load: (subscriber) => stagedCheckpoints.load(subscriber),
      save: (subscriber, checkpoint) => stagedCheckpoints.save({ subscriber, checkpoint }),
    },
  };
};
