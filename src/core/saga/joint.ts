/**
 * Decisions of one saga that are ready at the same time, as one append: what would have met its version stands on the trunk, the
 * others are its branches already. The stream reads as if they had come one after another.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { EncodeFailed } from '../codec.js';
import type { EventData } from '../event.js';
import { fastForwards, type Passed, passedOf } from './fast-forward.js';
import { branchRecord, type Decision, type Instance, trunkEvents } from './reacting.js';
import type { Saga } from './saga.js';
import type { SagaLog } from './saga-log.js';
import type { SagaView } from './saga-view.js';

/** What a handler decided, and on what. */
export interface Decided<S> {
  readonly view: SagaView<S>;
  readonly decision: Decision;
}

/** What the append makes of a decision, once it is there. */
export type Place =
  /** On the trunk, from the append's `first` record to its `last`; 1 is the append's first. `moved`: past others that do not matter to it. */
  | { readonly _tag: 'Trunk'; readonly first: number; readonly last: number; readonly moved: boolean }
  | { readonly _tag: 'Branch'; readonly branchId: string }
  /** Of a message that the stream holds already, or another of these. */
  | { readonly _tag: 'Repeated' }
  | { readonly _tag: 'Failed'; readonly error: EncodeFailed };

export interface Joint {
  /** To be appended at exactly the log's version. */
  readonly events: ReadonlyArray<EventData>;
  /** For each decision, in order. */
  readonly places: ReadonlyArray<Place>;
  /** How many of the events stand on the trunk; the branches come after them. */
  readonly trunkCount: number;
}

/** What the append writes on the trunk so far. */
interface Trunk {
  readonly events: EventData[];
  /** One of each kind, by what it is. */
  readonly passed: Map<string, Passed>;
  readonly keys: Set<string>;
}

/** Many records are of few kinds, and of a kind one is as good as all. */
const kindOf = ({ type, isMerged, hasWishes }: Passed): string => JSON.stringify([type, isMerged, hasWishes]);

const kindsOf = (passed: ReadonlyArray<Passed>): ReadonlyArray<Passed> => [
  ...new Map(passed.map((one) => [kindOf(one), one])).values(),
];

type PassedSince = (version: number) => ReadonlyArray<Passed> | undefined;

/** What the log says, looked at once for each version. */
const remembered = (log: SagaLog): PassedSince => {
  const known = new Map<number, ReadonlyArray<Passed> | undefined>();
  return (version) => {
    if (!known.has(version)) {
      const passed = log.passedSince(version);
      known.set(version, passed && kindsOf(passed));
    }
    return known.get(version);
  };
};

const mayStand = <S>(
  saga: Saga,
  log: SagaLog<S>,
  { passedSince, trunk }: { readonly passedSince: PassedSince; readonly trunk: Trunk },
  { view, decision }: Decided<S>,
  isLone: boolean,
): boolean => {
  // What nobody saw whole must not complete: where others are ready too, `onMerged` decides.
  if (decision.completes && (!isLone || log.view().pending.length > 0)) return false;
  const passed = passedSince(view.version);
  return passed !== undefined && fastForwards(saga, decision, [...passed, ...trunk.passed.values()]);
};

const stand = (
  instance: Instance,
  log: SagaLog,
  trunk: Trunk,
  decision: Decision,
): { readonly first: number; readonly last: number } => {
  const first = trunk.events.length + 1;
  const events = trunkEvents(instance, decision, (key) => log.isSent(key) || trunk.keys.has(key));
  trunk.events.push(...events);
  for (const passed of events.map(passedOf)) trunk.passed.set(kindOf(passed), passed);
  for (const { key } of decision.messages) if (key !== undefined) trunk.keys.add(key);
  return { first, last: trunk.events.length };
};

/** One append of many decisions, in their order; `log` is the saga as it stands, at the views' versions or later. */
export const joinDecisions = <S>(
  saga: Saga<S>,
  instance: Instance,
  log: SagaLog<S>,
  all: ReadonlyArray<Decided<S>>,
): Joint => {
  const trunk: Trunk = { events: [], passed: new Map(), keys: new Set() };
  const passedSince = remembered(log as unknown as SagaLog);
  const branches: EventData[] = [];
  const seen = new Set<string>();
  const isRepeat = ({ decision }: Decided<S>): boolean => log.isHandled(decision.messageId);
  const messages = new Set(all.filter((one) => !isRepeat(one)).map(({ decision }) => decision.messageId));
  const place = (one: Decided<S>): Place => {
    const { view, decision } = one;
    if (isRepeat(one) || seen.has(decision.messageId)) return { _tag: 'Repeated' };
    if (mayStand(saga as unknown as Saga, log, { passedSince, trunk }, one, messages.size === 1)) {
      seen.add(decision.messageId);
      const moved = view.version < log.version() || trunk.events.length > 0;
      return { _tag: 'Trunk', ...stand(instance, log, trunk, decision), moved };
    }
    const record = branchRecord(saga, instance, view, decision);
    if (E.isLeft(record)) return { _tag: 'Failed', error: record.left };
    seen.add(decision.messageId);
    branches.push(record.right);
    return { _tag: 'Branch', branchId: record.right.eventId };
  };
  const places = all.map(place);
  return { events: [...trunk.events, ...branches], places, trunkCount: trunk.events.length };
};
