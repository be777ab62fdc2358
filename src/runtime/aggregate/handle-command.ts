/** Handles one command: load, decide, append at the loaded version; on a conflict decide anew, a bounded number of times. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Definitions, EncodeFailed, TaggedOf } from '../../core/codec.js';
import { encodeEvent, type EventDecodeFailed } from '../../core/aggregate-codec.js';
import { type Aggregate, fold } from '../../core/decider.js';
import type { EventData } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import { deepFreeze } from '../../core/json.js';
import { meets } from '../../core/stream.js';
import type { AppendResult, ReadError, VersionConflict } from '../../store/event-store.js';
import { newId } from '../../store/ids.js';
import {
  type AggregateContext,
  idsRemembered,
  type Loaded,
  remember,
  type Source,
} from './aggregate-context.js';
import { saveSnapshot } from './aggregate-snapshots.js';
import { delayAfter } from '../../core/retry.js';
import { realEnvironment } from '../environment.js';
import { at, callersConflict, lastConflict } from './command-conflict.js';
import {
  type CommandHandled,
  type CommandRequest,
  type HandleCommandError,
  type Rejected,
  type Work,
  workOf,
} from './command-request.js';
import { foldOn, load, readOn } from './load-aggregate.js';

/** Events that a command came to on `before`, ready to be written. */
interface Proposal<State, Event> {
  readonly before: Loaded<State>;
  readonly state: State;
  readonly events: ReadonlyArray<Event>;
  readonly written: ReadonlyArray<EventData>;
}

/** Events of a refusal that are asked for: enough for a retry without another read, unless the stream is very busy. */
const tailMax = 256;

type Identity = Pick<Source<Definitions, unknown>, 'tenant' | 'streamName'>;

/** Id of the command's event at `index`: derived where the command has an id, else new. */
const eventId = ({ tenant, streamName }: Identity, commandId: string | undefined, index: number): string =>
  commandId === undefined ? newId() : derivedId(tenant, streamName, commandId, index);

/** Decides on `before`. Also folds the events, so that a rule that throws does so before anything is written. */
const propose = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  work: Work<Commands, Events, State, Rejection>,
  before: Loaded<State>,
): E.Either<Rejected<Rejection> | EncodeFailed, Proposal<State, TaggedOf<Events>>> => {
  const { rules, metadata } = work;
  const decision = rules.decide(deepFreeze(before.state), work.command);
  if (E.isLeft(decision)) return E.left({ _tag: 'Rejected', rejection: decision.left });
  const events: TaggedOf<Events>[] = [];
  const written: EventData[] = [];
  for (const [index, decided] of decision.right.entries()) {
    const encoded = encodeEvent(rules.events, decided);
    if (E.isLeft(encoded)) return encoded;
    events.push(encoded.right.event);
    written.push({
      eventId: eventId(work.source, work.commandId, index),
      ...encoded.right.encoded,
      metadata,
    });
  }
  return E.right({ before, state: fold(rules, events, before.state), events, written });
};

type Outcome<Events extends Definitions, State, Rejection> = E.Either<
  HandleCommandError<Rejection>,
  CommandHandled<State, TaggedOf<Events>>
>;

/** Nothing was added: nothing had to happen, or it had happened before. */
const unchanged = <Events extends Definitions, State>(
  { streamName }: Source<Events, State>,
  { version, state }: Loaded<State>,
  duplicate: boolean,
  attempts: number,
): E.Either<never, CommandHandled<State, TaggedOf<Events>>> =>
  E.right({
    streamName,
    version,
    state: deepFreeze(state),
    events: [],
    position: undefined,
    duplicate,
    attempts,
  });

const finished = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  { source, rules, commandId }: Work<Commands, Events, State, Rejection>,
  { before, state, events, written: data }: Proposal<State, TaggedOf<Events>>,
  { version, position, idempotent }: AppendResult,
  attempts: number,
): Promise<Outcome<Events, State, Rejection>> => {
  const ids = remember(
    before.ids,
    data.map((event) => event.eventId),
    idsRemembered(rules),
  );
  await saveSnapshot(source, before, { version, state, ids });
  // Without an id of the command, ids are new: then an idempotent answer is the store's own second try.
  const duplicate = idempotent && commandId !== undefined;
  return E.right({ streamName: source.streamName, version, state, events, position, duplicate, attempts });
};

/** The fold up to where a refusal found the stream: by the events it handed over if they are just those that lack, else by reading. */
const afterRefusal = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  before: Loaded<State>,
  { tail = [], actual }: VersionConflict,
  knownId: string | undefined,
): Promise<E.Either<ReadError | EventDecodeFailed, Loaded<State>>> => {
  const isWhole = tail.length > 0 && tail.length === actual - before.version;
  const isNext = tail.every((event, index) => event.version === before.version + index + 1);
  return isWhole && isNext ? foldOn(source, before, tail, knownId) : readOn(source, before, knownId);
};

const run = async <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  work: Work<Commands, Events, State, Rejection>,
): Promise<Outcome<Events, State, Rejection>> => {
  const { source, expected, fence, retry } = work;
  const { context, tenant, streamName } = source;
  const { random, sleep } = context.environment ?? realEnvironment;
  const knownId = work.commandId === undefined ? undefined : eventId(source, work.commandId, 0);
  const isPinned = expected._tag === 'exactly' || expected._tag === 'noStream';
  let loaded = await load(source, knownId);
  for (let attempt = 1; ; attempt += 1) {
    if (E.isLeft(loaded)) return loaded;
    const before: Loaded<State> = loaded.right;
    if (before.isKnown) return unchanged(source, before, true, attempt);
    if (!meets(expected, before.version))
      return E.left(await callersConflict(source, expected, before.version));
    const proposal = propose(work, before);
    if (E.isLeft(proposal)) return proposal;
    const { written: events } = proposal.right;
    if (events.length === 0) return unchanged(source, before, false, attempt);
    const appended = await context.store.append({
      tenant,
      streamName,
      expected: at(before.version),
      events,
      tailMax,
      ...(fence !== undefined && { fence }),
    })();
    if (E.isRight(appended)) return finished(work, proposal.right, appended.right, attempt);
    const refusal = appended.left;
    if (refusal._tag !== 'VersionConflict') return E.left(refusal);
    loaded = await afterRefusal(source, before, refusal, knownId);
    if (E.isLeft(loaded)) return loaded;
    // The other writer may have been a second copy of this very command.
    if (loaded.right.isKnown) return unchanged(source, loaded.right, true, attempt);
    const isLast = isPinned || attempt >= retry.attemptsMax;
    context.hooks?.onConflict?.({
      ...{ streamName, attempt, base: before.version, actual: refusal.actual, theirs: refusal.tail ?? [] },
      answer: isLast ? 'reject' : 'retry',
    });
    if (isLast) return E.left(lastConflict(refusal, attempt, events, expected));
    const delayMs = delayAfter(retry, attempt, random);
    context.hooks?.onRetry?.({
      streamName,
      attempt,
      expected: refusal.expected,
      actual: refusal.actual,
      delayMs,
    });
    await sleep(delayMs);
    // One rival is settled with the tail alone. Where there was a second one the stream is busy, and has moved during the wait.
    if (attempt > 1) loaded = await readOn(source, loaded.right, knownId);
  }
};

/**
 * Handles one command of an aggregate: loads it, decides, appends at the loaded version. Where another writer was first
 * it decides anew on the state as it is then, `retry.attemptsMax` times in all, with growing waits.
 *
 * ```ts
 * const command = { type: 'Deposit', data: { amount: 5 } } as const;
 * const handled = await handleCommand({ store })(account, { id: '42', command, commandId: 'transfer-7' })();
 * ```
 * The events are written all or none. What `decide`, `evolve` or an upcaster throws is a bug: it rejects the promise as
 * it is, and nothing was written.
 */
export const handleCommand =
  (context: AggregateContext) =>
  <Commands extends Definitions, Events extends Definitions, State, Rejection>(
    rules: Aggregate<Commands, Events, State, Rejection>,
    request: CommandRequest<NoInfer<Commands>>,
  ): TaskEither<HandleCommandError<Rejection>, CommandHandled<State, TaggedOf<Events>>> =>
  async () => {
    const work = workOf(context, rules, request);
    return E.isLeft(work) ? work : run(work.right);
  };
