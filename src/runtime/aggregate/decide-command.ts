/** What one command comes to on one fold of its aggregate: events to write, or an answer without any. */
import * as E from 'fp-ts/lib/Either.js';
import {
  type DecidedEvent,
  decodeEvent,
  encodeEvent,
  type EventDecodeFailed,
} from '../../core/aggregate-codec.js';
import type { Definitions, EncodeFailed, TaggedOf } from '../../core/codec.js';
import { fold } from '../../core/decider.js';
import type { EventData } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import { deepFreeze, type Json } from '../../core/json.js';
import { meets } from '../../core/stream.js';
import { newId } from '../../store/ids.js';
import type { Fold, Source } from './aggregate-context.js';
import { callersConflict } from './command-conflict.js';
import type { CommandHandled, HandleCommandError, Rejected, Work } from './command-request.js';
import type { KeptFold } from './kept-folds.js';

/** One command, and what is kept of its aggregate. */
export interface KeptWork<Commands extends Definitions, Events extends Definitions, State, Rejection>
  extends Work<Commands, Events, State, Rejection> {
  readonly kept: KeptFold<State>;
}

/** Events that a command came to on `before`, ready to be written. */
export interface Proposal<State, Event> {
  readonly before: Fold<State>;
  readonly state: State;
  readonly events: ReadonlyArray<Event>;
  readonly written: ReadonlyArray<EventData>;
}

type Identity = Pick<Source<Definitions, unknown>, 'tenant' | 'streamName'>;

/** Id of the command's event at `index`: derived where the command has an id, else new. */
export const eventId = (
  { tenant, streamName }: Identity,
  commandId: string | undefined,
  index: number,
): string => (commandId === undefined ? newId() : derivedId(tenant, streamName, commandId, index));

/** The event as it is read back. A state that is kept, and so is frozen, must hold no part of what the caller brought. */
const foldedEvent = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  { rules, source: { streamName }, kept }: KeptWork<Commands, Events, State, Rejection>,
  version: number,
  { encoded, event }: DecidedEvent<TaggedOf<Events>>,
): E.Either<EventDecodeFailed, TaggedOf<Events>> => {
  if (!kept.isKeeping) return E.right(event);
  const data = JSON.parse(JSON.stringify(encoded.data)) as Json;
  return decodeEvent(rules.events, { ...encoded, data, streamName, version });
};

/** Decides on `before`. Also folds the events, so that a rule that throws does so before anything is written. */
const propose = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  work: KeptWork<Commands, Events, State, Rejection>,
  before: Fold<State>,
): E.Either<Rejected<Rejection> | EncodeFailed | EventDecodeFailed, Proposal<State, TaggedOf<Events>>> => {
  const { rules, metadata } = work;
  const decision = rules.decide(deepFreeze(before.state), work.command);
  if (E.isLeft(decision)) return E.left({ _tag: 'Rejected', rejection: decision.left });
  const events: TaggedOf<Events>[] = [];
  const written: EventData[] = [];
  for (const [index, decided] of decision.right.entries()) {
    const encoded = encodeEvent(rules.events, decided);
    if (E.isLeft(encoded)) return encoded;
    const event = foldedEvent(work, before.version + index + 1, encoded.right);
    if (E.isLeft(event)) return event;
    events.push(event.right);
    written.push({
      eventId: eventId(work.source, work.commandId, index),
      ...encoded.right.encoded,
      metadata,
    });
  }
  return E.right({ before, state: fold(rules, events, before.state), events, written });
};

export type Outcome<Events extends Definitions, State, Rejection> = E.Either<
  HandleCommandError<Rejection>,
  CommandHandled<State, TaggedOf<Events>>
>;

/** Nothing was added: nothing had to happen, or it had happened before. */
export const unchanged = <Events extends Definitions, State>(
  { streamName }: Source<Events, State>,
  { version, state }: Fold<State>,
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

/** Gives the answer of a command that writes nothing. */
type Answer<Events extends Definitions, State, Rejection> = () =>
  | Outcome<Events, State, Rejection>
  | Promise<Outcome<Events, State, Rejection>>;

/** What the command comes to on `before`; what a rule throws is kept until it is clear that it stands. */
export const decideOn = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  work: KeptWork<Commands, Events, State, Rejection>,
  before: Fold<State>,
  attempt: number,
): E.Either<Answer<Events, State, Rejection>, Proposal<State, TaggedOf<Events>>> => {
  const { source, expected } = work;
  if (before.isKnown) return E.left(() => unchanged(source, before, true, attempt));
  if (!meets(expected, before.version))
    return E.left(async () => E.left(await callersConflict(source, expected, before.version)));
  try {
    const proposal = propose(work, before);
    if (E.isLeft(proposal)) return E.left(() => proposal);
    return proposal.right.events.length > 0
      ? proposal
      : E.left(() => unchanged(source, before, false, attempt));
  } catch (thrown) {
    return E.left(() => {
      throw thrown;
    });
  }
};
