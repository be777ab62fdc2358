/** What messages came to in a saga's scenario, read from its stream: a value for checks of one's own. */
import * as E from 'fp-ts/lib/Either.js';
import { decodeTagged } from '../../core/codec.js';
import { drawSaga } from '../../core/saga/draw.js';
import type { RecordedEvent } from '../../core/event.js';
import { explainConflicts } from '../../core/saga/explain.js';
import type { ConflictExplanation, ExplainedCompensation } from '../../core/saga/explanation.js';
import type { AnyEvent, OutgoingMessage } from '../../core/merge/merge.js';
import type { Saga } from '../../core/saga/saga.js';
import { foldSaga } from '../../core/saga/saga-log.js';
import * as records from '../../core/saga/saga-records.js';
import type { Parked } from '../../core/saga/saga-view.js';
import type { Handled, HandleError } from '../../runtime/saga/saga-context.js';

/** A message of a saga, as its receiver would decode it. */
export type SentBySaga<Out> = Out & { readonly id: string; readonly key?: string };

/** A compensation that a merge asked for, and what became of it. */
export interface Compensated extends Pick<ExplainedCompensation, 'hook' | 'data' | 'fate' | 'error'> {
  /** The message it makes good for; `undefined` where it names none. */
  readonly of: { readonly type: string; readonly data: unknown } | undefined;
}

export interface SagaOutcome<S = unknown, Ev = AnyEvent, Out = AnyEvent> {
  /** What became of each message, in the order in which they were named. */
  readonly handled: ReadonlyArray<Handled | HandleError>;
  readonly state: S;
  readonly completed: boolean;
  /** The saga's own events that came onto the trunk after what was given. */
  readonly events: ReadonlyArray<Ev>;
  /** Messages that left after what was given, oldest first, those of compensations too. */
  readonly sent: ReadonlyArray<SentBySaga<Out>>;
  /** Messages that a merge or the rule of the key kept from leaving, or that were replaced. */
  readonly cancelled: ReadonlyArray<SentBySaga<Out>>;
  /** Messages of branches that wait. */
  readonly held: ReadonlyArray<SentBySaga<Out>>;
  readonly compensations: ReadonlyArray<Compensated>;
  /** Why the saga is parked; `undefined` where no merge was refused. */
  readonly refused: Parked | undefined;
  /** Each branch, explained. */
  readonly conflicts: ReadonlyArray<ConflictExplanation>;
  /** The whole stream, with what was given. */
  readonly stream: ReadonlyArray<RecordedEvent>;
  /** The stream as a drawing of trunk and branches. */
  readonly drawing: string;
}

/** The engine checked what it recorded; a type it does not know is shown as it is. */
const decoded = <Out>(saga: Saga, message: OutgoingMessage): SentBySaga<Out> => {
  const read = decodeTagged(saga.sends, message);
  const { id, type, key } = message;
  const data: unknown = E.isRight(read) ? read.right.data : message.data;
  return { id, type, data, ...(key !== undefined && { key }) } as unknown as SentBySaga<Out>;
};

const keptBack = (
  sends: ReadonlyArray<records.OutgoingRecord> | undefined,
): ReadonlyArray<records.OutgoingRecord> => (sends ?? []).filter(({ cancelled }) => cancelled !== undefined);

/** Messages that a record says will not leave. `heldBy` are those of the branches so far. */
const cancelledBy = (
  { data, metadata }: RecordedEvent,
  heldBy: ReadonlyMap<string, OutgoingMessage>,
): ReadonlyArray<OutgoingMessage> => {
  if (records.sagaMerged.is(data)) {
    const fates = data.messages.filter(({ fate }) => fate !== 'release');
    const held = fates.flatMap(({ id }) => heldBy.get(id) ?? []);
    return [...held, ...keptBack(data.sends)];
  }
  if (records.compensationApplied.is(data)) return keptBack(data.sends);
  return keptBack(records.headerOf(metadata)?.sends);
};

const cancelledIn = (stream: ReadonlyArray<RecordedEvent>, after: number): ReadonlyArray<OutgoingMessage> => {
  const heldBy = new Map<string, OutgoingMessage>();
  return stream.flatMap((event) => {
    const { data } = event;
    if (records.mergeSagaState.is(data)) for (const message of data.messages) heldBy.set(message.id, message);
    return event.version > after ? cancelledBy(event, heldBy) : [];
  });
};

/** Each once: the branches of one merge share its compensations. */
const compensationsOf = (conflicts: ReadonlyArray<ConflictExplanation>): ReadonlyArray<Compensated> => {
  const all = new Map(
    conflicts.flatMap(({ compensations }) => compensations.map((one) => [one.id, one] as const)),
  );
  return [...all.values()].map(({ hook, data, of, fate, error }) => ({
    hook,
    data,
    fate,
    error,
    of: of && { type: of.type, data: of.data },
  }));
};

/** Reads the outcome from the stream. `givenVersion` is where it stood before the messages. */
export const sagaOutcome = <S, Ev extends AnyEvent, M extends AnyEvent, Out extends AnyEvent>(
  saga: Saga<S, Ev, M, Out>,
  stream: ReadonlyArray<RecordedEvent>,
  givenVersion: number,
  handled: SagaOutcome['handled'],
): SagaOutcome<S, Ev, Out> => {
  const untyped = saga as unknown as Saga;
  const log = foldSaga(saga as unknown as Saga<S, Ev>, stream);
  if (E.isLeft(log)) throw new Error(log.left.message);
  const view = log.right.view();
  const conflicts = explainConflicts(untyped, stream);
  const messages = (all: ReadonlyArray<OutgoingMessage>) => all.map((one) => decoded<Out>(untyped, one));
  return {
    handled,
    state: view.state,
    completed: view.completed,
    events: log.right.trunkSince(givenVersion),
    sent: messages(log.right.owed(givenVersion).messages),
    cancelled: messages(cancelledIn(stream, givenVersion)),
    held: messages(view.pending.flatMap((branch) => branch.messages)),
    compensations: compensationsOf(conflicts.filter(({ version }) => version > givenVersion)),
    refused: view.parked,
    conflicts,
    stream,
    drawing: drawSaga(stream).join('\n'),
  };
};
