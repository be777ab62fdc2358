/** Saves: looks at what must hold, appends at exactly the version it looked at, and settles anew where others were first. */
import * as E from 'fp-ts/lib/Either.js';
import { checkWrite } from '../../core/concurrency/ownership.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { deepFreeze } from '../../core/json.js';
import { delayAfter } from '../../core/retry.js';
import { any } from '../../core/stream.js';
import type { AppendResult, OutcomeUnknown, VersionConflict } from '../../store/event-store.js';
import { realTimers } from '../../store/timers.js';
import { idsRemembered, remember } from '../aggregate/aggregate-context.js';
import { tailMax, tellConflict } from '../aggregate/after-refusal.js';
import { saveSnapshot } from '../aggregate/aggregate-snapshots.js';
import { at } from '../aggregate/command-conflict.js';
import { load } from '../aggregate/load-aggregate.js';
import { realEnvironment } from '../environment.js';
import { holdsOn } from './check.js';
import type { Saved, SaveError } from './context.js';
import { lostTo, refusedBy } from './refusal.js';
import { settle, triesMin } from './settle.js';
import { moveOn, readForward, type Stand } from './stand.js';
import { eventsOf, type SaveWork } from './work.js';

export type SaveResult<State> = E.Either<SaveError<unknown>, Saved<State, AnyEvent>>;

/** What is counted on the way, for those who measure. */
export interface Tally {
  attempts: number;
  conflicts: number;
  appendMs: number;
  contended: boolean;
}

const savedOn = <State>(
  { source, id, choice, identity, lock }: SaveWork<State>,
  { current, resolution }: Stand<State>,
  attempts: number,
): Saved<State, AnyEvent> => ({
  streamName: source.streamName,
  id,
  version: current.version,
  revision: current.about.revision,
  state: deepFreeze(current.state),
  events: [],
  position: undefined,
  duplicate: false,
  attempts,
  strategy: choice.strategy,
  policy: choice.policy,
  saveId: identity.saveId,
  waitedMs: lock?.waitedMs,
  resolution,
});

/** What the first check that does not hold is answered with. */
const looksRefused = async <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  attempt: number,
): Promise<SaveError<never> | undefined> => {
  for (const look of [work.looks.given, work.looks.own])
    if (look !== undefined && !holdsOn(look, stand.current)) return refusedBy(work, look, stand, attempt);
  return undefined;
};

/** Why this cannot be tried on the stand at all, or that nothing has to be. */
const beforeAppend = async <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  attempts: number,
): Promise<SaveResult<State> | undefined> => {
  const { current, proposal } = stand;
  if (current.isKnown) return E.right({ ...savedOn(work, stand, attempts), duplicate: true });
  const refused = await looksRefused(work, stand, attempts);
  if (refused !== undefined) return E.left(refused);
  const { ownership } = work.context;
  if (ownership !== undefined) {
    const { actor, rules } = work;
    const write = { actor, rules, before: current.state, events: proposal.events };
    const may = checkWrite(ownership, write);
    if (E.isLeft(may)) return may;
  }
  return proposal.events.length === 0 ? E.right(savedOn(work, stand, attempts)) : undefined;
};

/** Whether the last try may go past whoever is first: nothing was asked for that could fail to hold. */
const isPastAll = <State>({ choice, looks }: SaveWork<State>, attempts: number): boolean =>
  choice.strategy === 'lastWriteWins' && looks.given === undefined && attempts > triesMin;

const appendOnce = async <State>(work: SaveWork<State>, stand: Stand<State>, tally: Tally) => {
  const { context, source, fence = work.lock?.fence } = work;
  const { tenant, streamName } = source;
  const { now } = context.environment?.timers ?? realTimers;
  const began = now();
  const appended = await context.store.append({
    tenant,
    streamName,
    expected: isPastAll(work, tally.attempts) ? any : at(stand.current.version),
    events: eventsOf(work, stand.proposal, tally.attempts),
    tailMax,
    ...(fence !== undefined && { fence }),
  })();
  tally.appendMs += now() - began;
  return appended;
};

/** The events of a write that went past others are in the stream; what stands before them has to be read. */
const pastOthers = async <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  { version }: AppendResult,
): Promise<E.Either<OutcomeUnknown, Stand<State>>> => {
  const { length } = stand.proposal.events;
  const before = await readForward(work.source, stand.current, undefined, version - length);
  if (E.isRight(before)) {
    const current = before.right.loaded;
    const { rules } = work;
    const state = stand.proposal.events.reduce(
      (folded, event) => rules.evolve(folded, event as never),
      current.state,
    );
    return E.right({ ...stand, current, proposal: { ...stand.proposal, state } });
  }
  const eventIds = eventsOf(work, stand.proposal, 1).map(({ eventId }) => eventId);
  const message = `written up to version ${version}, and then the stream could not be read (${before.left._tag}); the same save again is recognised`;
  return E.left({ _tag: 'OutcomeUnknown', streamName: work.source.streamName, eventIds, message });
};

const finished = async <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  appended: AppendResult,
  attempts: number,
): Promise<SaveResult<State>> => {
  const { source, rules, system } = work;
  const { proposal, current } = stand;
  const { version, position, idempotent } = appended;
  const written = proposal.encoded.map((_, index) => work.identity.eventId(index));
  const ids = remember(current.ids, written, idsRemembered(rules));
  await saveSnapshot(source, current, { version, state: proposal.state, ids });
  return E.right({
    ...savedOn(work, stand, attempts),
    version,
    position,
    revision: current.about.revision + (system === undefined ? 1 : 0),
    state: deepFreeze(proposal.state),
    events: proposal.events,
    duplicate: idempotent,
  });
};

/** Another save under the same command id was first, and what it came to is in the stream: not what was decided here. */
const byAnother = async <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  attempts: number,
): Promise<SaveResult<State>> => {
  const loaded = await load(work.source, undefined);
  if (E.isLeft(loaded)) return loaded;
  return E.right({
    ...savedOn(work, { ...stand, current: loaded.right, resolution: undefined }, attempts),
    duplicate: true,
  });
};

/** What to try next, after a wait where the stream is busy. */
const afterConflict = async <State>(
  work: SaveWork<State>,
  stand: Stand<State>,
  refusal: VersionConflict,
  attempt: number,
): Promise<E.Either<SaveResult<State>, Stand<State>>> => {
  const { source, identity, choice, context } = work;
  const knownId = identity.eventId(0);
  const told = { streamName: source.streamName, base: stand.current.version };
  const tell = (delayMs: number | undefined) => tellConflict(context.hooks, told, refusal, attempt, delayMs);
  const moved = await moveOn(source, stand, refusal, knownId);
  if (E.isLeft(moved)) return E.left(moved);
  const isKnown = moved.right.current.isKnown || refusal.alreadyRecorded.includes(knownId);
  const there = { ...moved.right, current: { ...moved.right.current, isKnown } };
  // The other writer may have been a first try of this very save.
  if (isKnown) return E.right(there);
  const refused = await looksRefused(work, there, attempt);
  const settled = refused === undefined ? settle(work, there, attempt) : E.left(refused);
  if (E.isLeft(settled)) {
    tell(undefined);
    return E.left(settled);
  }
  const isPast = isPastAll(work, attempt);
  const isLast = isPast || (attempt >= settled.right.attemptsMax && !isPastAll(work, attempt + 1));
  if (isLast) {
    tell(undefined);
    return E.left(E.left(lostTo(work, there, attempt)));
  }
  const { random, sleep } = context.environment ?? realEnvironment;
  const waitsFor = settled.right.waits ? attempt : attempt - 1;
  const delayMs = waitsFor === 0 ? 0 : delayAfter(choice.settings, waitsFor, random);
  tell(delayMs);
  if (delayMs === 0) return E.right(settled.right.stand);
  await sleep(delayMs);
  // One rival is settled with the tail alone. Where there was a second one the stream is busy, and has moved during the wait.
  if (attempt === 1) return E.right(settled.right.stand);
  const again = await moveOn(source, there, undefined, knownId);
  if (E.isLeft(again)) return E.left(again);
  if (again.right.current.isKnown) return E.right(again.right);
  const anew = settle(work, again.right, attempt);
  return E.isLeft(anew) ? E.left(anew) : E.right(anew.right.stand);
};

/** Tries until it is written, or there is nothing more to try. */
export const saveOn = async <State>(
  work: SaveWork<State>,
  start: Stand<State>,
  tally: Tally,
): Promise<SaveResult<State>> => {
  let stand = start;
  for (tally.attempts = 1; ; tally.attempts += 1) {
    const ended = await beforeAppend(work, stand, tally.attempts);
    if (ended !== undefined) return ended;
    const appended = await appendOnce(work, stand, tally);
    if (E.isRight(appended)) {
      if (appended.right.idempotent && work.identity.isCommands)
        return byAnother(work, stand, tally.attempts);
      const isWhereItWas = appended.right.version === stand.current.version + stand.proposal.events.length;
      const there = isWhereItWas ? E.right(stand) : await pastOthers(work, stand, appended.right);
      return E.isLeft(there) ? there : finished(work, there.right, appended.right, tally.attempts);
    }
    if (appended.left._tag !== 'VersionConflict') return appended as E.Left<SaveError<unknown>>;
    tally.contended = true;
    tally.conflicts += 1;
    const next = await afterConflict(work, stand, appended.left, tally.attempts);
    if (E.isLeft(next)) return next.left;
    stand = next.right;
  }
};
