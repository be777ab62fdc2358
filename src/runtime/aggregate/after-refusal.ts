/** What follows a refused append, whoever made it: the fold of the stream as it is now, and what the hooks are told. */
import type * as E from 'fp-ts/lib/Either.js';
import type { EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { Definitions } from '../../core/codec.js';
import type { StreamName, StreamVersion } from '../../core/stream.js';
import type { ReadError, VersionConflict } from '../../store/event-store.js';
import type { AggregateHooks, Fold, Loaded, Source } from './aggregate-context.js';
import { foldOn, readOn } from './load-aggregate.js';

/** Events of a refusal that are asked for: enough to go on without another read, unless the stream is very busy. */
export const tailMax = 256;

/** Whether a refusal handed over all events after `version`, and no others. */
export const isWholeTail = (version: StreamVersion, { tail = [], actual }: VersionConflict): boolean =>
  tail.length > 0 &&
  tail.length === actual - version &&
  tail.every((event, index) => event.version === version + index + 1);

/** The fold up to where a refusal found the stream: by the events it handed over if they are just those that lack, else by reading. */
export const afterRefusal = async <Events extends Definitions, State, F extends Fold<State> = Loaded<State>>(
  source: Source<Events, State>,
  before: F,
  refusal: VersionConflict,
  knownId: string | undefined,
): Promise<E.Either<ReadError | EventDecodeFailed, F>> =>
  isWholeTail(before.version, refusal)
    ? foldOn(source, before, refusal.tail ?? [], knownId)
    : readOn(source, before, knownId);

/** `base` is the version that was decided on; `delayMs` is undefined where there is no other attempt. */
export const tellConflict = (
  hooks: AggregateHooks | undefined,
  { streamName, base }: { readonly streamName: StreamName; readonly base: StreamVersion },
  { expected, actual, tail: theirs = [] }: VersionConflict,
  attempt: number,
  delayMs: number | undefined,
): void => {
  const answer = delayMs === undefined ? 'reject' : 'retry';
  hooks?.onConflict?.({ streamName, attempt, base, actual, theirs, answer });
  if (delayMs !== undefined) hooks?.onRetry?.({ streamName, attempt, expected, actual, delayMs });
};
