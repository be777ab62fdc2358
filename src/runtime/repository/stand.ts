/** Where a save stands between its tries: what it was decided on, what others wrote since, and what is to be appended now. */
import * as E from 'fp-ts/lib/Either.js';
import { decodeEvent, type EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { Definitions } from '../../core/codec.js';
import type { RecordedEvent } from '../../core/event.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { StreamVersion } from '../../core/stream.js';
import type { ReadError, VersionConflict } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import type { Loaded, Source } from '../aggregate/aggregate-context.js';
import { isWholeTail } from '../aggregate/after-refusal.js';
import { foldOn, load } from '../aggregate/load-aggregate.js';
import type { Decided } from './copy.js';

/** So many events of others are held in memory at most; a copy that is further behind than that is not merged any more. */
export const theirsMax = 4_096;

export interface Stand<State> {
  /** What `decided` was decided on. */
  readonly base: Loaded<State>;
  readonly decided: Decided<State>;
  /** What others wrote after `base` up to `current`, oldest first; not whole where that is more than `theirsMax`. */
  readonly theirs: ReadonlyArray<RecordedEvent>;
  readonly isWhole: boolean;
  /** The fold that the append is tried on. */
  readonly current: Loaded<State>;
  /** What is to be appended on `current`. */
  readonly proposal: Decided<State>;
  /** How a conflict was merged, in words. */
  readonly resolution: string | undefined;
}

export const standOn = <State>(base: Loaded<State>, decided: Decided<State>): Stand<State> => ({
  base,
  decided,
  theirs: [],
  isWhole: true,
  current: base,
  proposal: decided,
  resolution: undefined,
});

interface Forward<State> {
  readonly loaded: Loaded<State>;
  readonly tail: ReadonlyArray<RecordedEvent>;
  readonly isWhole: boolean;
}

type Forwarded<State> = Promise<E.Either<ReadError | EventDecodeFailed, Forward<State>>>;

/** Folds what the stream has after `from`, to its end or `upTo`, and keeps what it saw. */
export const readForward = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  from: Loaded<State>,
  knownId: string | undefined,
  upTo = Infinity,
): Forwarded<State> => {
  const { context, tenant, streamName } = source;
  const tail: RecordedEvent[] = [];
  let loaded = from;
  while (loaded.version < upTo) {
    const maxCount = Math.min(pageMax, upTo - loaded.version);
    const request = { tenant, streamName, from: loaded.version + 1, maxCount };
    const page = await context.store.readStream(request)();
    if (E.isLeft(page)) return page;
    const { events, version, next } = page.right;
    if (version < from.version) {
      // The store was restored to an earlier time: what was loaded never happened in it.
      const again = await load(source, knownId);
      return E.isLeft(again) ? again : E.right({ loaded: again.right, tail: [], isWhole: false });
    }
    const folded = foldOn(source, loaded, events, knownId);
    if (E.isLeft(folded)) return folded;
    loaded = folded.right;
    tail.push(...events.slice(0, Math.max(0, theirsMax - tail.length)));
    if (next === undefined) break;
  }
  return E.right({ loaded, tail, isWhole: tail.length === loaded.version - from.version });
};

/** As `afterRefusal`, and keeps what it saw. */
const forwardAfter = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  from: Loaded<State>,
  refusal: VersionConflict,
  knownId: string | undefined,
): Forwarded<State> => {
  if (!isWholeTail(from.version, refusal)) return readForward(source, from, knownId);
  const { tail = [] } = refusal;
  const folded = foldOn(source, from, tail, knownId);
  return E.isLeft(folded) ? folded : E.right({ loaded: folded.right, tail, isWhole: true });
};

/** The same work on the stream as it is now; what to append there is not settled yet. */
export const moveOn = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  stand: Stand<State>,
  refusal: VersionConflict | undefined,
  knownId: string | undefined,
): Promise<E.Either<ReadError | EventDecodeFailed, Stand<State>>> => {
  const { current } = stand;
  const moved =
    refusal === undefined
      ? await readForward(source, current, knownId)
      : await forwardAfter(source, current, refusal, knownId);
  if (E.isLeft(moved)) return moved;
  const { loaded, tail, isWhole } = moved.right;
  const theirs = [...stand.theirs, ...tail].slice(0, theirsMax);
  return E.right({
    ...stand,
    current: loaded,
    theirs,
    isWhole: stand.isWhole && isWhole && theirs.length === loaded.version - stand.base.version,
  });
};

/** What others wrote, decoded. */
export const decodedTheirs = <Events extends Definitions, State>(
  { rules }: Source<Events, State>,
  { theirs }: Pick<Stand<State>, 'theirs'>,
): E.Either<EventDecodeFailed, ReadonlyArray<AnyEvent>> => {
  const events: AnyEvent[] = [];
  for (const recorded of theirs) {
    const decoded = decodeEvent(rules.events, recorded);
    if (E.isLeft(decoded)) return decoded;
    events.push(decoded.right);
  }
  return E.right(events);
};

/** Whether others have written since the save was decided. */
export const hasMoved = ({ base, current }: Pick<Stand<unknown>, 'base' | 'current'>): boolean =>
  (current.version as number) !== (base.version as StreamVersion);
