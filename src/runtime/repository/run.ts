/** Runs one save from its options to its end: chooses, waits for the lock where there is one, tries, and tells those who measure. */
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions } from '../../core/codec.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Policies } from '../../core/concurrency/policy.js';
import { categoryOf, type StreamName } from '../../core/stream.js';
import { realTimers } from '../../store/timers.js';
import type { Loaded, Source } from '../aggregate/aggregate-context.js';
import { load } from '../aggregate/load-aggregate.js';
import { currentSystemWork } from '../concurrency/system-work.js';
import { type Choice, choose, looksOf, measuredKey, saveContextOf } from './choice.js';
import type { RepositoryContext, Saved, SaveError, SaveOptions } from './context.js';
import { type AggregateCopy, type Changed, type Decided, decideOn, type Rules } from './copy.js';
import { type Locked, underLock } from './lock.js';
import { refusedBy } from './refusal.js';
import { holdsOn } from './check.js';
import { type SaveResult, saveOn, type Tally } from './save.js';
import { settle } from './settle.js';
import { hasMoved, moveOn, type Stand, standOn } from './stand.js';
import { type Identity, identityOf, metadataOf, type SaveWork } from './work.js';

/** One repository as the parts of a save see it. */
export interface Shop<State> {
  readonly context: RepositoryContext;
  readonly rules: Rules<State, unknown>;
  readonly policies: Policies;
}

/** One save before its aggregate is in hand. */
export interface Order<State> {
  readonly shop: Shop<State>;
  readonly source: Source<Definitions, State>;
  readonly id: string;
  readonly commands: ReadonlyArray<{ readonly type: string }>;
  readonly options: SaveOptions;
  readonly choice: Choice;
  readonly identity: Identity;
}

/** Chooses how the save goes about it. */
export const orderOf = <State>(
  shop: Shop<State>,
  source: Source<Definitions, State>,
  save: Pick<Order<State>, 'id' | 'commands' | 'options'> & { readonly changed?: object },
): E.Either<SaveError<never>, Order<State>> => {
  const { context, rules, policies } = shop;
  const { id, commands, options, changed } = save;
  const about = saveContextOf(
    context,
    rules,
    commands.map(({ type }) => type),
    options,
  );
  const choice = choose(context, policies, about, source, options);
  if (E.isLeft(choice)) return choice;
  const identity = identityOf(source, changed, options.commandId);
  if (E.isLeft(identity)) return identity;
  return E.right({ shop, source, id, commands, options, choice: choice.right, identity: identity.right });
};

/** All that is fixed before the first try, now that the copy is known that checks are read against. */
export const workOn = <State>(
  { shop, source, id, commands, options, choice, identity }: Order<State>,
  copy: AggregateCopy<State>,
  lock: SaveWork<State>['lock'],
): E.Either<SaveError<never>, SaveWork<State>> => {
  const { context, rules } = shop;
  const looks = looksOf(context, choice, options, copy);
  if (E.isLeft(looks)) return looks;
  const actor = options.actor ?? context.actor;
  return E.right({
    ...{ context, rules, source, id, commands, choice, identity, actor, lock },
    looks: looks.right,
    metadata: metadataOf(options, actor),
    fence: options.fence,
    system: currentSystemWork(),
  });
};

const nothing = <State>(state: State): Decided<State> => ({ events: [], encoded: [], state });

/** The stand of a copy under the lock: others may have written since it was loaded. */
const underLockStand = async <State>(
  work: SaveWork<State>,
  start: Stand<State>,
): Promise<E.Either<SaveError<unknown>, Stand<State>>> => {
  const moved = await moveOn(work.source, start, undefined, work.identity.eventId(0));
  if (E.isLeft(moved) || moved.right.current.isKnown || !hasMoved(moved.right)) return moved;
  const { given } = work.looks;
  if (given !== undefined && !holdsOn(given, moved.right.current))
    return E.left(await refusedBy(work, given, moved.right, 1));
  const settled = settle(work, moved.right, 1);
  return E.isLeft(settled) ? settled : E.right(settled.right.stand);
};

/** Does the work under the lock where the strategy is `pessimistic`, and says how it went. */
const measured = async <State>(
  order: Order<State>,
  run: (locked: Locked | undefined, tally: Tally) => Promise<SaveResult<State>>,
): Promise<SaveResult<State>> => {
  const { shop, source, choice, options } = order;
  const { context } = shop;
  const tally: Tally = { attempts: 1, conflicts: 0, appendMs: 0, contended: false };
  let waitedMs: number | undefined;
  const { now } = context.environment?.timers ?? realTimers;
  const began = now();
  const result =
    choice.strategy === 'pessimistic'
      ? await underLock(context, source, choice.settings.lockWaitMaxMs, options, (locked) => {
          waitedMs = locked.lock.waitedMs;
          tally.contended ||= locked.contended;
          return run(locked, tally);
        })
      : await run(undefined, tally);
  if (E.isLeft(result) && result.left._tag === 'LockTimeout') {
    waitedMs = now() - began;
    tally.contended = true;
  }
  tell(order, tally, waitedMs, result);
  return result;
};

interface SaidOf extends Pick<Order<unknown>, 'choice'> {
  readonly shop: Pick<Shop<unknown>, 'context'>;
  readonly source: { readonly streamName: StreamName };
}

const tell = (
  { shop: { context }, source: { streamName }, choice }: SaidOf,
  { attempts, conflicts, appendMs, contended }: Tally,
  waitedMs: number | undefined,
  result: SaveResult<unknown>,
): void => {
  const aggregateType = categoryOf(streamName);
  const key = measuredKey(context, streamName);
  const nowMs = (context.environment?.timers ?? realTimers).now();
  choice.adaptive?.observe({ aggregateType, key, contended, nowMs });
  context.stats?.observe({
    ...{ aggregateType, key, strategy: choice.strategy, attempts, conflicts, contended, appendMs },
    isSystemWork: currentSystemWork() !== undefined,
    ...(waitedMs !== undefined && { waitedMs }),
    ...(E.isLeft(result) && { failure: result.left._tag }),
  });
};

/** Whether a save under this command id is in the stream, wherever: the copy was loaded without looking for it. */
const savedBefore = async <State>({
  source,
  options,
  identity,
}: Order<State>): Promise<E.Either<SaveError<never>, Loaded<State> | undefined>> => {
  if (options.commandId === undefined) return E.right(undefined);
  const loaded = await load(source, identity.eventId(0));
  if (E.isLeft(loaded)) return loaded;
  return E.right(loaded.right.isKnown ? loaded.right : undefined);
};

/** Saves a changed copy. */
export const saveChanged = async <State>(
  shop: Shop<State>,
  changed: Changed<State>,
  options: SaveOptions,
): Promise<SaveResult<State>> => {
  const { original, commands, events, encoded, state } = changed;
  const { source, loaded } = original.kept;
  const order = orderOf(shop, source, {
    id: original.id,
    commands: commands as Order<State>['commands'],
    ...{ options, changed },
  });
  if (E.isLeft(order)) return order;
  return measured(order.right, async (locked, tally) => {
    const work = workOn(order.right, original, locked?.lock);
    if (E.isLeft(work)) return work;
    const before = await savedBefore(order.right);
    if (E.isLeft(before)) return before;
    const known = before.right;
    if (known !== undefined) return saveOn(work.right, standOn(known, nothing(known.state)), tally);
    const start = standOn(loaded, { events, encoded, state });
    if (locked === undefined) return saveOn(work.right, start, tally);
    const stand = await underLockStand(work.right, start);
    if (E.isLeft(stand)) return stand;
    tally.contended ||= stand.right.current.version !== loaded.version;
    return saveOn(work.right, stand.right, tally);
  });
};

/** Loads, decides and saves. Under `pessimistic` the lock is taken before the load. */
export const updateOne = async <State>(
  order: Order<State>,
  loadCopy: (knownId: string | undefined) => Promise<E.Either<SaveError<never>, AggregateCopy<State>>>,
): Promise<E.Either<SaveError<unknown>, Saved<State, AnyEvent>>> =>
  measured(order, async (locked, tally) => {
    const { identity, options, shop, commands } = order;
    const copy = await loadCopy(options.commandId === undefined ? undefined : identity.eventId(0));
    if (E.isLeft(copy)) return copy;
    const work = workOn(order, copy.right, locked?.lock);
    if (E.isLeft(work)) return work;
    const loaded: Loaded<State> = copy.right.kept.loaded;
    const decided = loaded.isKnown
      ? E.right(nothing(loaded.state))
      : decideOn(shop.rules, loaded.state, commands);
    return E.isLeft(decided) ? decided : saveOn(work.right, standOn(loaded, decided.right), tally);
  });
