/** A loaded aggregate that can be changed, and what changes come to: the commands are kept, so that they can be decided again. */
import * as E from 'fp-ts/lib/Either.js';
import { type CommandInput, decodeCommand, encodeEvent } from '../../core/aggregate-codec.js';
import type { DecodeFailed, Definitions, Encoded, EncodeFailed, TaggedOf } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import { deepFreeze } from '../../core/json.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import type { Loaded, Source } from '../aggregate/aggregate-context.js';
import type { Rejected } from '../aggregate/command-request.js';
import type { LoadedAggregate } from '../aggregate/load-aggregate.js';

// The definitions are not needed by type inside: commands and events were checked against them where they came in.
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
export type Rules<State, Rejection> = Aggregate<any, any, State, Rejection>;

/** An aggregate as it was loaded, to look at and to change. */
export interface AggregateCopy<State> extends LoadedAggregate<State> {
  readonly id: string;
  /** Whether the fold began from the repository's cache. */
  readonly fromCache: boolean;
  /** How long ago the stream was read, in milliseconds; 0 where this load read it. */
  readonly ageMs: number;
  /** True where this load did not look at the stream. A save of it is checked all the same. */
  readonly stale: boolean;
  /** For the repository: where it was loaded from, and the fold to go on from. */
  readonly kept: Kept<State>;
}

export interface Kept<State> {
  readonly source: Source<Definitions, State>;
  readonly rules: Rules<State, unknown>;
  readonly loaded: Loaded<State>;
  /** Only from `loadWithToken`. */
  readonly token: string | undefined;
}

/** A copy with changes that are not saved yet. A value: changing it again gives another. */
export interface Changed<State, Command = unknown, Event = AnyEvent> {
  readonly original: AggregateCopy<State>;
  /** Oldest first. `retry` and `pessimistic` decide them again. */
  readonly commands: ReadonlyArray<Command>;
  readonly events: ReadonlyArray<Event>;
  /** `original` and then `events`. */
  readonly state: State;
  /** The events as they will be written. */
  readonly encoded: ReadonlyArray<Encoded>;
}

/** What commands came to on a state. */
export interface Decided<State> {
  readonly events: ReadonlyArray<AnyEvent>;
  readonly encoded: ReadonlyArray<Encoded>;
  readonly state: State;
}

/** Encodes events and folds them, so that a rule that throws does so before anything is written. */
export const encodeOn = <State>(
  rules: Rules<State, unknown>,
  before: State,
  decided: ReadonlyArray<AnyEvent>,
): E.Either<EncodeFailed, Decided<State>> => {
  const events: AnyEvent[] = [];
  const encoded: Encoded[] = [];
  let state = before;
  for (const one of decided) {
    const result = encodeEvent(rules.events as Definitions, one);
    if (E.isLeft(result)) return result;
    events.push(result.right.event);
    encoded.push(result.right.encoded);
    state = rules.evolve(state, result.right.event);
  }
  return E.right({ events, encoded, state });
};

/** Decides commands one after the other, each on what those before it came to. */
export const decideOn = <State, Rejection>(
  rules: Rules<State, Rejection>,
  before: State,
  commands: ReadonlyArray<unknown>,
): E.Either<Rejected<Rejection> | EncodeFailed, Decided<State>> => {
  let all: Decided<State> = { events: [], encoded: [], state: before };
  for (const command of commands) {
    const decision = rules.decide(deepFreeze(all.state), command as never);
    if (E.isLeft(decision)) return E.left({ _tag: 'Rejected', rejection: decision.left });
    const more = encodeOn(rules, all.state, decision.right);
    if (E.isLeft(more)) return more;
    const { events, encoded, state } = more.right;
    all = { events: [...all.events, ...events], encoded: [...all.encoded, ...encoded], state };
  }
  return E.right(all);
};

const isChanged = <State>(copy: AggregateCopy<State> | Changed<State>): copy is Changed<State> =>
  'original' in copy;

/** Decides one more command on a copy. Pure; nothing is written. */
export const changeCopy = <Commands extends Definitions, Events extends Definitions, State, Rejection>(
  rules: Aggregate<Commands, Events, State, Rejection>,
  copy: AggregateCopy<State> | Changed<State, TaggedOf<Commands>, TaggedOf<Events>>,
  input: CommandInput<Commands>,
): E.Either<
  Rejected<Rejection> | DecodeFailed | EncodeFailed,
  Changed<State, TaggedOf<Commands>, TaggedOf<Events>>
> => {
  const command = decodeCommand(rules.commands, input);
  if (E.isLeft(command)) return command;
  const decided = decideOn<State, Rejection>(rules, copy.state, [command.right]);
  if (E.isLeft(decided)) return decided;
  const { events, encoded, state } = decided.right;
  const before = isChanged(copy) ? copy : { original: copy, commands: [], events: [], encoded: [] };
  return E.right({
    original: before.original,
    commands: [...before.commands, command.right] as ReadonlyArray<TaggedOf<Commands>>,
    events: [...before.events, ...events] as ReadonlyArray<TaggedOf<Events>>,
    encoded: [...before.encoded, ...encoded],
    state: deepFreeze(state),
  });
};
