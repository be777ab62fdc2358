/** Several changed copies in one append: all of them or none. */
import * as E from 'fp-ts/lib/Either.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { checkWrite } from '../../core/concurrency/ownership.js';
import { startPosition, type StreamName } from '../../core/stream.js';
import type {
  AppendManyError,
  AppendResult,
  NotSupported,
  VersionConflict,
} from '../../store/event-store.js';
import { at } from '../aggregate/command-conflict.js';
import type { ConcurrencyConflict } from '../aggregate/concurrency-conflict.js';
import { holdsOn, invalid } from './check.js';
import type { Saved, SaveError, SaveOptions } from './context.js';
import type { Changed } from './copy.js';
import { lostTo, refusedBy } from './refusal.js';
import { orderOf, type Shop, workOn } from './run.js';
import { moveOn, type Stand, standOn } from './stand.js';
import { eventsOf, type SaveWork } from './work.js';

/** Copies that others were first on. Nothing of any of them was written. Load those again, make their changes anew, and save all. */
export interface SaveAllConflict {
  readonly _tag: 'SaveAllConflict';
  readonly conflicts: ReadonlyArray<{
    /** Which of the copies, from 0. */
    readonly index: number;
    readonly conflict: ConcurrencyConflict;
  }>;
  readonly message: string;
}

export type SaveAllError =
  | SaveAllConflict
  | SaveError<never>
  | NotSupported
  | Exclude<AppendManyError, VersionConflict>;

/** One copy to be saved with others, and what is said about it. */
export interface SaveItem<State, Command = unknown, Event = AnyEvent> {
  readonly changed: Changed<State, Command, Event>;
  /**
   * Strategies answer no conflict here: every copy must stand as it was loaded. Checks and metadata count. A repeat is recognised by
   * the changed copies themselves.
   */
  readonly options?: Omit<SaveOptions<State>, 'commandId' | 'signal'>;
}

interface Part<State> {
  readonly work: SaveWork<State>;
  readonly stand: Stand<State>;
}

type Result<State> = E.Either<SaveAllError, ReadonlyArray<Saved<State, AnyEvent>>>;

const partOf = async <State>(
  shop: Shop<State>,
  { changed, options = {} }: SaveItem<State>,
): Promise<E.Either<SaveError<never>, Part<State>>> => {
  const { original, commands, events, encoded, state } = changed;
  const { source, loaded } = original.kept;
  const said: SaveOptions = { ...options, settings: { ...options.settings, strategy: 'expectedVersion' } };
  const order = orderOf(shop, source, {
    id: original.id,
    commands: commands as ReadonlyArray<{ readonly type: string }>,
    ...{ options: said, changed },
  });
  if (E.isLeft(order)) return order;
  const work = workOn(order.right, original, undefined);
  if (E.isLeft(work)) return work;
  const stand = standOn(loaded, { events, encoded, state });
  const { given } = work.right.looks;
  if (given !== undefined && !holdsOn(given, loaded))
    return E.left(await refusedBy(work.right, given, stand, 1));
  const { ownership } = shop.context;
  const { actor, rules } = work.right;
  const may =
    ownership === undefined
      ? E.right(undefined)
      : checkWrite(ownership, { actor, rules, before: loaded.state, events });
  return E.isLeft(may) ? may : E.right({ work: work.right, stand });
};

const savedOf = <State>({ work, stand }: Part<State>, result: AppendResult): Saved<State, AnyEvent> => {
  const { decided, base } = stand;
  const isWritten = decided.events.length > 0;
  const isRevision = isWritten && work.system === undefined;
  return {
    streamName: work.source.streamName,
    id: work.id,
    version: result.version,
    revision: base.about.revision + (isRevision ? 1 : 0),
    state: decided.state,
    events: decided.events,
    position: isWritten ? result.position : undefined,
    duplicate: isWritten && result.idempotent,
    attempts: 1,
    strategy: 'expectedVersion',
    policy: work.choice.policy,
    saveId: work.identity.saveId,
    waitedMs: undefined,
    resolution: undefined,
  };
};

/** What the events of a copy came to where an earlier call has written them; `undefined` where none has. */
const writtenBefore = <State>(
  { work, stand }: Part<State>,
  { theirs }: Stand<State>,
): AppendResult | undefined => {
  const ids = new Set(eventsOf(work, stand.decided, 1).map(({ eventId }) => eventId));
  const last = theirs.findLast(({ eventId }) => ids.has(eventId));
  return (
    last && {
      streamName: work.source.streamName,
      version: last.version,
      position: last.position,
      idempotent: true,
    }
  );
};

/** A copy without events, as it had to stand. */
const stoodAt = <State>({ work, stand }: Part<State>): AppendResult => ({
  streamName: work.source.streamName,
  version: stand.base.version,
  position: startPosition,
  idempotent: true,
});

/** Names every copy that others were first on, not only the one that the store refused. */
const conflictOf = <State>(
  parts: ReadonlyArray<Part<State>>,
  moved: ReadonlyArray<Stand<State>>,
  refusal: VersionConflict,
): SaveAllConflict => {
  const conflicts: Array<SaveAllConflict['conflicts'][number]> = [];
  for (const [index, { work, stand }] of parts.entries()) {
    const there = moved[index] as Stand<State>;
    const isRefused = refusal.streamName === work.source.streamName;
    if (isRefused || there.current.version !== stand.base.version)
      conflicts.push({ index, conflict: lostTo(work, there, 1) });
  }
  const names = conflicts.map(({ conflict }) => conflict.streamName).join(', ');
  const message = `Nothing was written. Others were first on ${conflicts.length} of ${parts.length}: ${names}`;
  return { _tag: 'SaveAllConflict', conflicts, message };
};

/** What stands in the way; or that an earlier call wrote all there was to write, and only what had to stand has moved since. */
const afterConflict = async <State>(
  parts: ReadonlyArray<Part<State>>,
  refusal: VersionConflict,
): Promise<Result<State>> => {
  const moved: Stand<State>[] = [];
  for (const { work, stand } of parts) {
    const one = await moveOn(work.source, stand, undefined, undefined);
    if (E.isLeft(one)) return one;
    moved.push(one.right);
  }
  const written = parts.map((part, index) => writtenBefore(part, moved[index] as Stand<State>));
  const isWriting = ({ stand }: Part<State>): boolean => stand.decided.events.length > 0;
  if (parts.some(isWriting) && parts.every((part, index) => !isWriting(part) || written[index] !== undefined))
    return E.right(parts.map((part, index) => savedOf(part, written[index] ?? stoodAt(part))));
  return E.left(conflictOf(parts, moved, refusal));
};

const twice = (names: ReadonlyArray<StreamName>): StreamName | undefined =>
  names.find((name, index) => names.indexOf(name) !== index);

/** Saves copies of one repository together. A copy without events is a condition: it must stand as it was loaded. */
export const saveTogether = async <State>(
  shop: Shop<State>,
  items: ReadonlyArray<SaveItem<State>>,
): Promise<Result<State>> => {
  const { store } = shop.context;
  if (!store.capabilities.atomicAppendMany)
    return E.left({ _tag: 'NotSupported', capability: 'atomicAppendMany' });
  const repeated = twice(items.map(({ changed }) => changed.original.streamName));
  if (repeated !== undefined)
    return E.left(invalid('changed', `${repeated} is given twice: change the changed copy instead`));
  const parts: Part<State>[] = [];
  for (const item of items) {
    const part = await partOf(shop, item);
    if (E.isLeft(part)) return part;
    parts.push(part.right);
  }
  if (parts.length === 0) return E.right([]);
  const appended = await store.appendMany(
    parts.map(({ work, stand }) => ({
      tenant: work.source.tenant,
      streamName: work.source.streamName,
      expected: at(stand.base.version),
      events: eventsOf(work, stand.decided, 1),
    })),
  )();
  if (E.isRight(appended))
    return E.right(parts.map((part, index) => savedOf(part, appended.right[index] as AppendResult)));
  if (appended.left._tag !== 'VersionConflict') return appended as E.Left<SaveAllError>;
  return afterConflict(parts, appended.left);
};
