/** Handles one command: load, decide, append at the loaded version; on a conflict decide anew, a bounded number of times. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import type { Definitions, EncodeFailed, TaggedOf } from '../../core/codec.js';
import { encodeEvent } from '../../core/aggregate-codec.js';
import { type Aggregate, fold } from '../../core/decider.js';
import type { EventData } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import { deepFreeze } from '../../core/json.js';
import { meets } from '../../core/stream.js';
import type { AppendResult } from '../../store/event-store.js';
import { newId } from '../../store/ids.js';
import {
  type AggregateContext,
  idsRemembered,
  type Loaded,
  remember,
  type Source,
} from './aggregate-context.js';
import { afterRefusal, tailMax, tellConflict } from './after-refusal.js';
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
import { load, readOn } from './load-aggregate.js';

/** Events that a command came to on `before`, ready to be written. */
interface Proposal<State, Event> {
  readonly before: Loaded<State>;
  readonly state: State;
  readonly events: ReadonlyArray<Event>;
  readonly written: ReadonlyArray<EventData>;
}

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
  { source, rules }: Work<Commands, Events, State, Rejection>,
  { before, state, events, written: data }: Proposal<State, TaggedOf<Events>>,
  { version, position }: AppendResult,
  attempts: number,
): Promise<Outcome<Events, State, Rejection>> => {
  const ids = remember(
    before.ids,
    data.map((event) => event.eventId),
    idsRemembered(rules),
  );
  await saveSnapshot(source, before, { version, state, ids });
  const { streamName } = source;
  return E.right({ streamName, version, state, events, position, duplicate: false, attempts });
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
    if (E.isRight(appended) && appended.right.idempotent && knownId !== undefined) {
      // Another copy of the command was first, and what it came to is in the stream: not what was decided here.
      const there = await load(source, knownId);
      return E.isLeft(there) ? there : unchanged(source, there.right, true, attempt);
    }
    if (E.isRight(appended)) return finished(work, proposal.right, appended.right, attempt);
    const refusal = appended.left;
    if (refusal._tag !== 'VersionConflict') return E.left(refusal);
    loaded = await afterRefusal(source, before, refusal, knownId);
    if (E.isLeft(loaded)) return loaded;
    // The other writer may have been a second copy of this very command.
    if (loaded.right.isKnown) return unchanged(source, loaded.right, true, attempt);
    const isLast = isPinned || attempt >= retry.attemptsMax;
    const delayMs = isLast ? undefined : delayAfter(retry, attempt, random);
    tellConflict(context.hooks, { streamName, base: before.version }, refusal, attempt, delayMs);
    if (delayMs === undefined) return E.left(lastConflict(refusal, attempt, events, expected));
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
