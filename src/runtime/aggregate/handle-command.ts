/** Handles one command: load or take what is kept, decide, append at its version; on a conflict decide anew, a bounded number of times. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { Definitions, TaggedOf } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import type { StreamVersion } from '../../core/stream.js';
import type { AppendError, AppendResult, ReadError } from '../../store/event-store.js';
import { type AggregateContext, type Fold, idsRemembered, learnIds, remember } from './aggregate-context.js';
import { afterRefusal, tailMax, tellConflict } from './after-refusal.js';
import { saveSnapshot } from './aggregate-snapshots.js';
import { delayAfter } from '../../core/retry.js';
import { realEnvironment } from '../environment.js';
import { at, lastConflict } from './command-conflict.js';
import {
  type CommandHandled,
  type CommandRequest,
  type HandleCommandError,
  workOf,
} from './command-request.js';
import {
  decideOn,
  eventId,
  type KeptWork,
  type Outcome,
  type Proposal,
  unchanged,
} from './decide-command.js';
import { keptFolds } from './kept-folds.js';
import { load, readOn } from './load-aggregate.js';

/** The fold after an append of this process, without `about`: when the events were recorded is not known before they are read. */
const after = <State>(
  before: Fold<State>,
  state: State,
  version: StreamVersion,
  eventIds: ReadonlyArray<string>,
  idsMax: number,
): Fold<State> => {
  const { snapshotVersion, known, about } = before;
  return {
    version,
    state,
    lastAbout: about === undefined ? before.lastAbout : { version: before.version, about },
    snapshotVersion,
    ids: remember(before.ids, eventIds, idsMax),
    isKnown: false,
    known: known && learnIds(known, before.version, eventIds),
  };
};

interface Written<State> {
  readonly result: AppendResult;
  readonly next: Fold<State>;
}

const append = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  { source, rules, commandId, fence, kept }: KeptWork<Commands, Events, State, Rejection>,
  { before, state, written: events }: Proposal<State, TaggedOf<Events>>,
): Promise<E.Either<AppendError, Written<State>>> => {
  const { context, tenant, streamName } = source;
  const expected = at(before.version);
  const request = { tenant, streamName, expected, events, tailMax, ...(fence !== undefined && { fence }) };
  const appended = await context.store.append(request)();
  if (E.isLeft(appended)) {
    if (appended.left._tag !== 'VersionConflict') kept.drop();
    return appended;
  }
  const eventIds = events.map(({ eventId: id }) => id);
  const next = after(before, state, appended.right.version, eventIds, idsRemembered(rules));
  // A repeat may have come to something else than what was decided here.
  if (!appended.right.idempotent || commandId === undefined) kept.keep(next);
  return E.right({ result: appended.right, next });
};

const finished = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  { source, kept }: KeptWork<Commands, Events, State, Rejection>,
  { before, state, events }: Proposal<State, TaggedOf<Events>>,
  { result: { version, position }, next }: Written<State>,
  attempts: number,
): Promise<Outcome<Events, State, Rejection>> => {
  const { snapshotVersion } = before;
  const about = await saveSnapshot(source, { ...next.lastAbout, snapshotVersion }, next);
  if (about !== undefined) kept.saved(version, about);
  const { streamName } = source;
  return E.right({ streamName, version, state, events, position, duplicate: false, attempts });
};

type Read<State> = E.Either<ReadError | EventDecodeFailed, Fold<State>>;

/** The stream as it is now, whatever was kept of it. */
const loadAnew = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  { source, kept }: KeptWork<Commands, Events, State, Rejection>,
  knownId: string | undefined,
): Promise<Read<State>> => {
  const loaded = await load(source, knownId, kept.isKeeping ? new Map() : undefined);
  if (E.isRight(loaded)) kept.keep(loaded.right);
  return loaded;
};

/** What is newer than `before`, read. */
const lookAgain = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  { source, kept }: KeptWork<Commands, Events, State, Rejection>,
  before: Fold<State>,
  knownId: string | undefined,
): Promise<Read<State>> => {
  const read: Read<State> = await readOn(source, before, knownId);
  if (E.isRight(read)) kept.moved(before.version, read.right);
  return read;
};

const run = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  work: KeptWork<Commands, Events, State, Rejection>,
): Promise<Outcome<Events, State, Rejection>> => {
  const { source, expected, retry, kept } = work;
  const { context, streamName } = source;
  const { random, sleep } = context.environment ?? realEnvironment;
  const knownId = work.commandId === undefined ? undefined : eventId(source, work.commandId, 0);
  const isPinned = expected._tag === 'exactly' || expected._tag === 'noStream';
  const found = kept.find(knownId);
  /** Whether the stream was looked at for this command, as it must be before an answer that writes nothing. */
  let isRead = found === undefined || found.isShared;
  let loaded: Read<State>;
  if (found === undefined) loaded = await loadAnew(work, knownId);
  else loaded = isRead ? await lookAgain(work, found.fold, knownId) : E.right(found.fold);
  for (let attempt = 1; ; ) {
    if (E.isLeft(loaded)) return loaded;
    const before: Fold<State> = loaded.right;
    const decided = decideOn(work, before, attempt);
    if (E.isLeft(decided)) {
      if (isRead) return decided.left();
      isRead = true;
      loaded = await lookAgain(work, before, knownId);
      if (E.isRight(loaded) && loaded.right.version === before.version) return decided.left();
      continue;
    }
    const proposal = decided.right;
    // What it comes to is kept before it counts as ended: another command's refusal must not take it for that of others.
    const appended = await kept.whileWriting(() => append(work, proposal));
    if (E.isRight(appended) && appended.right.result.idempotent && knownId !== undefined) {
      // Another copy of the command was first, and what it came to is in the stream: not what was decided here.
      const there = await loadAnew(work, knownId);
      return E.isLeft(there) ? there : unchanged(source, there.right, true, attempt);
    }
    if (E.isRight(appended)) return finished(work, proposal, appended.right, attempt);
    const refusal = appended.left;
    if (refusal._tag !== 'VersionConflict') return E.left(refusal);
    const newer: Read<State> = await afterRefusal(source, before, refusal, knownId);
    if (E.isLeft(newer)) return newer;
    const isNews = kept.moved(before.version, newer.right);
    loaded = newer;
    const wasRead = isRead;
    isRead = true;
    // What others wrote before the command came is no conflict with it: a load would have brought it.
    if (!wasRead && isNews) continue;
    // The other writer may have been a second copy of this very command.
    if (newer.right.isKnown) return unchanged(source, newer.right, true, attempt);
    const isLast = isPinned || attempt >= retry.attemptsMax;
    const delayMs = isLast ? undefined : delayAfter(retry, attempt, random);
    tellConflict(context.hooks, { streamName, base: before.version }, refusal, attempt, delayMs);
    if (delayMs === undefined) return E.left(lastConflict(refusal, attempt, proposal.written, expected));
    await sleep(delayMs);
    // One rival is settled with the tail alone. Where there was a second one the stream is busy, and has moved during the wait.
    if (attempt > 1) loaded = await lookAgain(work, newer.right, knownId);
    attempt += 1;
  }
};

/**
 * Handles one command of an aggregate: loads it, decides, appends at the loaded version. Where another writer was first
 * it decides anew on the state as it is then, `retry.attemptsMax` times in all, with growing waits.
 * Make it once from its context and use it for all commands: it keeps the folds of the aggregates used last (`aggregatesKept`).
 *
 * ```ts
 * const command = { type: 'Deposit', data: { amount: 5 } } as const;
 * const handled = await handleCommand({ store })(account, { id: '42', command, commandId: 'transfer-7' })();
 * ```
 * The events are written all or none. What `decide`, `evolve` or an upcaster throws is a bug: it rejects the promise as
 * it is, and nothing was written.
 */
export const handleCommand = (context: AggregateContext) => {
  const folds = keptFolds(context.aggregatesKept);
  return <Commands extends Definitions, Events extends Definitions, State, Rejection>(
    rules: Aggregate<Commands, Events, State, Rejection>,
    request: CommandRequest<NoInfer<Commands>>,
  ): TaskEither<HandleCommandError<Rejection>, CommandHandled<State, TaggedOf<Events>>> =>
    async () => {
      const work = workOf(context, rules, request);
      return E.isLeft(work) ? work : run({ ...work.right, kept: folds(work.right.source) });
    };
};
