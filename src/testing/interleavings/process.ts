/** A process of an exploration: the real runtime on a store that answers nothing by itself, so that the explorer decides when each call takes effect. */
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { AppendRequest, Capabilities, EventStore, ReadStreamRequest } from '../../store/event-store.js';

export type Request =
  | { readonly operation: 'append'; readonly request: AppendRequest }
  | { readonly operation: 'readStream'; readonly request: ReadStreamRequest };

/** How a process came to its end. */
export type Ended =
  /** Tag of a right answer of the runtime. */
  | { readonly _tag: 'Answered'; readonly answer: string }
  /** The runtime gave the message back. */
  | { readonly _tag: 'GivenBack'; readonly error: { readonly _tag: string; readonly message?: string } }
  | { readonly _tag: 'Threw'; readonly thrown: unknown };

/** A process that waits for the answer to a call, or has ended. */
export type Turn =
  | {
      readonly _tag: 'Asks';
      readonly request: Request;
      /** Answers the call, once; resolves when the process asks again or has ended. */
      readonly reply: (answer: unknown) => Promise<Turn>;
    }
  | { readonly _tag: 'Ended'; readonly ended: Ended };

/** What a process does with the store it is given. */
export type Work = (store: EventStore) => Promise<Ended>;

const capabilities: Capabilities = {
  atomicAppendMany: false,
  idempotentAny: true,
  exactRepeats: true,
  atomicMarks: true,
  durable: false,
  multiProcess: false,
  leases: false,
  queue: false,
  idempotency: false,
  conditions: false,
};

/** Starts a process; resolves at its first call. A process makes one call at a time, as handlers and mergers do. */
export const launch = (work: Work): Promise<Turn> => {
  let tell: (turn: Turn) => void = () => undefined;
  const nextTurn = (): Promise<Turn> =>
    new Promise((resolve) => {
      tell = resolve;
    });
  const held =
    <R, L, A>(operation: Request['operation']) =>
    (request: R): TaskEither<L, A> =>
    () =>
      new Promise((resolve) => {
        const reply = (answer: unknown): Promise<Turn> => {
          const next = nextTurn();
          resolve(answer as Awaited<ReturnType<TaskEither<L, A>>>);
          return next;
        };
        tell({ _tag: 'Asks', request: { operation, request } as unknown as Request, reply });
      });
  // Without leases, and without anything that handlers and mergers have no business with: a call of it is a TypeError.
  const store = {
    name: 'interleavings',
    capabilities,
    append: held('append'),
    readStream: held('readStream'),
  } as unknown as EventStore;
  const first = nextTurn();
  const end = (ended: Ended): void => tell({ _tag: 'Ended', ended });
  work(store).then(end, (thrown: unknown) => end({ _tag: 'Threw', thrown }));
  return first;
};
