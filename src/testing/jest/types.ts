/** The matchers as the two typings of `expect` show them: `R` is what a matcher answers, `T` what it was given. */
import type { AnyEvent } from '../../core/merge/merge.js';
import type { InterleavingOptions } from '../interleavings/interleavings.js';
import type { StoredStream } from './look.js';
import type { Expected } from '../scenario/expected.js';
import type { ExpectedCompensation } from '../scenario/saga-checks.js';

/** An event by its type alone, or by those of its fields that are named. */
export type ExpectedEvent =
  | string
  | { readonly type: string; readonly data?: unknown; readonly metadata?: unknown };

/** What has to be read or played first makes a matcher wait: await it. */
type Answer<R, T> = T extends StoredStream | PromiseLike<unknown> | { readonly run: () => unknown }
  ? Promise<void>
  : R;

type EventsOf<T> = T extends { readonly outcome: { readonly events: ReadonlyArray<infer Ev> } }
  ? Expected<Ev>
  : T extends { readonly sent: unknown; readonly events: ReadonlyArray<infer Ev> }
    ? Expected<Ev>
    : T extends { readonly isRejected: boolean; readonly events: ReadonlyArray<infer Ev> }
      ? Expected<Ev>
      : ExpectedEvent;

type StateIn<T> = T extends { readonly sent: unknown; readonly state: infer S } ? Expected<S> : unknown;

type EvolvedBy<T> = T extends { readonly evolve: (state: infer S, event: infer Ev) => unknown }
  ? { readonly state: S; readonly event: Ev }
  : { readonly state: unknown; readonly event: AnyEvent };

/** What is passed on to `exploreInterleavings`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an array of a saga and its messages infers neither
type ExploreOptions = InterleavingOptions<any, any, any>;

export interface WatersmeetMatchers<R, T> {
  /**
   * Just these events came of it, in order: of a scenario's outcome; or as the last ones of a stream, which is given as an
   * array or as `{ store, streamName }`. With `after` all events after that version.
   */
  toHaveAppended(events: ReadonlyArray<EventsOf<T>>, options?: { readonly after?: number }): Answer<R, T>;
  /** The stream holds just these events, records of the engine too. An item that is a string names a type, whatever the data. */
  toMatchStream(events: ReadonlyArray<ExpectedEvent>): Answer<R, T>;
  /** A branch was recorded, and is not void. `pending` and `merged` are how many wait and were merged; a view knows `pending` alone. */
  toHaveDiverged(counts?: { readonly pending?: number; readonly merged?: number }): Answer<R, T>;
  /**
   * Branches were merged, none waits, and this is the state: of an outcome as it is at the end, of a stream as its last
   * `SagaMerged` records it.
   */
  toHaveMergedInto(state: StateIn<T>): Answer<R, T>;
  /** The merges asked for just these compensations, in order. */
  toCompensate(compensations: ReadonlyArray<ExpectedCompensation>): Answer<R, T>;
  /** An aggregate or a saga comes to the same state by both events in either order, over each state of `over` (default: its initial state). */
  toCommute(
    a: EvolvedBy<T>['event'],
    b: EvolvedBy<T>['event'],
    options?: { readonly over?: ReadonlyArray<EvolvedBy<T>['state']> },
  ): R;
  /**
   * `[saga, messages]`: all schedules of the messages' handlers and merges come to the same end. Await it. Messages
   * without `id` or `sagaId` are given some. A result of `exploreInterleavings` is looked at as it is.
   */
  toConverge(options?: ExploreOptions): T extends { readonly ran: unknown } ? R : Promise<void>;
}
