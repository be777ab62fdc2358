/** What the driver of a round and its workers say to each other over the channel between the processes. */
import type { Task } from './workload.js';

/** What a worker is started with. */
export interface WorkerSetup {
  /** Its name; kept over restarts, as its subscriber's checkpoint is. */
  readonly name: string;
  readonly store: { readonly url: string } | { readonly directory: string };
  /** Partitions of the queue, and how long their leases last. */
  readonly lease: { readonly ttlMs: number; readonly partitions: number };
  /** How often queues and streams are looked at. */
  readonly pollMs: number;
  /** Messages of sagas too are handled only under a lease of the key's partition, and their appends fenced with it. */
  readonly isFenced: boolean;
  /** An append begins up to so many milliseconds after it was decided on. */
  readonly slowMs: number;
  /** Attempts at a message of the queue, and how long one may take. */
  readonly handling: { readonly attemptsMax: number; readonly timeMaxMs: number };
  /** Says every now and then that it is alive, for whoever ends workers that are not. */
  readonly isWatched: boolean;
  /** Poison messages that do no harm any more, as if their handler had been mended. */
  readonly cured: ReadonlyArray<string>;
}

export type ToWorker =
  | { readonly say: 'handle'; readonly task: Task }
  /** The transport has taken the message that was dispatched. */
  | { readonly say: 'taken'; readonly number: number }
  /** The wall clock jumps: it differs by so much from the machine's from now on. */
  | { readonly say: 'jump'; readonly offsetMs: number }
  /** These messages do no harm any more. */
  | { readonly say: 'cure'; readonly ids: ReadonlyArray<string> }
  /** Do all that is owed, then tell. */
  | {
      readonly say: 'settle';
      /** Events that the messages of the queue and the timeouts must leave. */
      readonly effects: number;
    }
  /** Stop in good order, and exit. */
  | { readonly say: 'end' };

export type FromWorker =
  | { readonly say: 'ready' }
  /** Acknowledged. */
  | { readonly say: 'handled'; readonly id: string; readonly as: string }
  /** Not acknowledged: deliver it again. */
  | { readonly say: 'refused'; readonly id: string; readonly tag: string }
  /** A message that leaves; waits for `taken`. */
  | {
      readonly say: 'dispatch';
      readonly number: number;
      readonly id: string;
      readonly sagaId: string;
      readonly text: string;
    }
  | { readonly say: 'settled' }
  | { readonly say: 'alive' }
  /** What its wall clock shows after a jump. */
  | { readonly say: 'jumped'; readonly offsetMs: number; readonly nowMs: number }
  /** The handler of a poison message has begun. */
  | { readonly say: 'began'; readonly id: string }
  /** The follower ended with an error and was begun again. */
  | { readonly say: 'refollowed'; readonly tag: string };
