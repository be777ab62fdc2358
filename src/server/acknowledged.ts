/**
 * What the server acknowledged is in the order of all streams for whoever asks afterwards. A store may show it there later only, once
 * every transaction has ended that could still come before it; so the server remembers how far it acknowledged, and who reads to the
 * end of the order waits.
 */
import * as TE from 'fp-ts/lib/TaskEither.js';
import { pipe } from 'fp-ts/lib/function.js';
import { comparePositions, type Position, startPosition } from '../core/stream.js';
import type { AllPage, AppendResult, EventStore } from '../store/event-store.js';
import type { Timers } from '../store/timers.js';
import type { Feed } from './feed-items.js';

/**
 * Whether the page is to be read again, or read on after; resolves when that may show more. `newest` is the newest position that
 * the page shows. False at once where it lacks nothing, and in the end where it was waited for long enough.
 */
export type LookAgain = (newest: Position, page: Pick<AllPage, 'heldBack'>) => Promise<boolean>;

export interface Acknowledged {
  readonly note: (position: Position) => void;
  /** The greatest position noted in the life that the store lives now; `startPosition` where there is none. */
  readonly newest: () => Position;
  /**
   * For one who reads now, and is to be shown what was noted up to now. It waits so many milliseconds in all, or until the signal
   * aborts; default: for ever.
   */
  readonly lookAgain: (signal: AbortSignal, patienceMs?: number) => LookAgain;
}

/** How long a read waits for what is held back: longer than others write, and short enough for who only wants to see what there is. */
export const readPatienceMs = 2_000;

/** Who waits looks now and then by itself: what it waits for may be gone with a former life of the store. */
const lookMs = 1_000;

export const later = (a: Position, b: Position): Position => (comparePositions(a, b) < 0 ? b : a);

export const openAcknowledged = (
  feed: Pick<Feed, 'epoch' | 'hasShown' | 'waitForMore'>,
  timers: Timers,
): Acknowledged => {
  // Positions of another life mean nothing in this one.
  let life = feed.epoch();
  let greatest = startPosition;
  const newest = (): Position => (life === feed.epoch() ? greatest : startPosition);
  return {
    newest,
    note: (position) => {
      greatest = later(newest(), position);
      life = feed.epoch();
    },
    lookAgain: (signal, patienceMs = Infinity) => {
      const [wanted, epoch] = [newest(), feed.epoch()];
      let untilMs: number | undefined;
      let isShown = false;
      return async (position, { heldBack }) => {
        // The first of these is all that it costs where nothing is held back, as in memory.
        if (heldBack === undefined || isShown || comparePositions(position, wanted) >= 0) return false;
        untilMs ??= timers.now() + patienceMs;
        const leftMs = untilMs - timers.now();
        const lookAtMs = timers.now() + Math.min(leftMs, lookMs);
        const look = (): boolean => (isShown = feed.hasShown(wanted) || feed.epoch() !== epoch);
        while (!look() && !signal.aborted && timers.now() < lookAtMs)
          await feed.waitForMore(lookAtMs - timers.now(), signal);
        return !signal.aborted && (isShown || leftMs > 0);
      };
    },
  };
};

/** The store, with all that is appended through it noted. */
export const noting = (store: EventStore, note: Acknowledged['note']): EventStore => {
  const noteResult = ({ position }: AppendResult): void => note(position);
  return {
    ...store,
    append: (request) =>
      pipe(
        store.append(request),
        TE.tapIO((result) => () => noteResult(result)),
      ),
    appendMany: (requests) =>
      pipe(
        store.appendMany(requests),
        TE.tapIO((results) => () => results.forEach(noteResult)),
      ),
  };
};
