/** What a schedule came to, as those who judge it see it; and which parts of it they have looked at. */
import type { RecordedEvent } from '../../core/event.js';
import { canonicalJson, type Json } from '../../core/json.js';
import type { AnyEvent } from '../../core/merge/merge.js';
import { recordTypes } from '../../core/saga/saga.js';
import {
  compensationApplied,
  compensationFailed,
  headerOf,
  sagaMerged,
} from '../../core/saga/saga-records.js';
import type { LogNode } from './log.js';
import type { OutcomePart, Part } from './watch.js';

export interface SentMessage {
  readonly type: string;
  readonly data: Json;
  readonly key?: string;
}

/** A message that was decided and did not leave. */
export interface CancelledMessage extends SentMessage {
  readonly reason: string;
}

export interface CompensationOutcome {
  readonly hook: string;
  readonly data: Json;
  /** `parked`: it failed as often as it may. */
  readonly fate: 'applied' | 'parked' | 'owed';
}

/** The end of one schedule: all messages handled, all branches merged, all compensations done. */
export interface Outcome<S = unknown, Ev extends AnyEvent = AnyEvent> {
  readonly state: S;
  readonly completed: boolean;
  /** 1 is the first; a saga that was opened again after completion is in a later one. */
  readonly epoch: number;
  /** How often the saga completed, over all epochs. */
  readonly completions: number;
  /** Messages that left, oldest first. */
  readonly sent: ReadonlyArray<SentMessage>;
  /** Messages that were decided and did not leave, oldest first. */
  readonly cancelled: ReadonlyArray<CancelledMessage>;
  readonly compensations: ReadonlyArray<CompensationOutcome>;
  /** The saga's own events in the order of the trunk. */
  readonly events: ReadonlyArray<Ev>;
  /** How many branches there were. */
  readonly branches: number;
  /** Why a merge was refused, where the saga ends parked. */
  readonly parked: string | undefined;
  /** The whole stream. Not enumerable: who looks at it tells all histories apart, and next to nothing can be left out. */
  readonly records: ReadonlyArray<RecordedEvent>;
}

const sentOf = ({ type, data, key }: SentMessage): SentMessage => ({
  type,
  data,
  ...(key !== undefined && { key }),
});

const cancelledIn = ({ type, data, metadata }: RecordedEvent, node: LogNode): CancelledMessage[] => {
  const cancelled: CancelledMessage[] = [];
  const merged = type === recordTypes.sagaMerged && sagaMerged.is(data) ? data : undefined;
  const held = new Map(
    node.events.flatMap((event) =>
      event.type === recordTypes.mergeSagaState
        ? (event.data as unknown as { messages: ReadonlyArray<SentMessage & { id: string }> }).messages.map(
            (message) => [message.id, message] as const,
          )
        : [],
    ),
  );
  for (const { id, fate, by } of merged?.messages ?? []) {
    const message = held.get(id);
    if (fate !== 'release' && message !== undefined)
      cancelled.push({ ...sentOf(message), reason: fate === 'replace' ? 'replaced by the merger' : by });
  }
  const applied = type === recordTypes.compensationApplied && compensationApplied.is(data) ? data.sends : [];
  for (const message of [...(headerOf(metadata)?.sends ?? []), ...(merged?.sends ?? []), ...applied])
    if (message.cancelled !== undefined) cancelled.push({ ...sentOf(message), reason: message.cancelled });
  return cancelled;
};

const compensationsOf = (node: LogNode): ReadonlyArray<CompensationOutcome> => {
  const fates = new Map<string, CompensationOutcome['fate']>();
  for (const { type, data } of node.events) {
    if (type === recordTypes.compensationApplied && compensationApplied.is(data))
      fates.set(data.compensationId, 'applied');
    if (type === recordTypes.compensationFailed && compensationFailed.is(data) && data.parked)
      fates.set(data.compensationId, 'parked');
  }
  return node.events.flatMap(({ type, data }) =>
    type === recordTypes.sagaMerged && sagaMerged.is(data)
      ? data.compensations.map(({ id, hook, data: input }) => ({
          hook,
          data: input,
          fate: fates.get(id) ?? ('owed' as const),
        }))
      : [],
  );
};

const countOf = (node: LogNode, wanted: string): number =>
  node.events.filter(({ type }) => type === wanted).length;

const partOf = {
  cancelled: (node: LogNode): ReadonlyArray<CancelledMessage> =>
    node.events.flatMap((event) => cancelledIn(event, node)),
  compensations: compensationsOf,
  events: (node: LogNode): ReadonlyArray<AnyEvent> => node.fold.trunk.map(({ event }) => event),
  branches: (node: LogNode): number => countOf(node, recordTypes.mergeSagaState),
  records: (node: LogNode): ReadonlyArray<RecordedEvent> => node.events,
};

/** What a part says, so that histories that differ in a part which somebody looks at are told apart. */
export const partText = (node: LogNode, part: Part): string => {
  if (part === 'records') return `node ${node.id}`;
  // These are told by the texts of streams and processes.
  if (part === 'versions' || part === 'trunkEvents') return '';
  return canonicalJson(partOf[part](node) as unknown as Json);
};

/** The outcome at a node. `looked` gathers the parts that somebody reads which a fold's future does not tell apart. */
export const outcomeAt = (node: LogNode, looked: Set<Part>): Outcome => {
  const { fold } = node;
  const look = <P extends OutcomePart>(part: P): ReturnType<(typeof partOf)[P]> => {
    looked.add(part);
    return partOf[part](node) as ReturnType<(typeof partOf)[P]>;
  };
  const outcome = {
    state: fold.state,
    completed: fold.completed,
    epoch: fold.epoch,
    completions: fold.completed ? fold.epoch : fold.epoch - 1,
    sent: fold.allReleased.map(sentOf),
    parked: fold.parked?.reason,
    get cancelled() {
      return look('cancelled');
    },
    get compensations() {
      return look('compensations');
    },
    get events() {
      return look('events');
    },
    get branches() {
      return look('branches');
    },
  };
  return Object.defineProperty(outcome, 'records', { get: () => look('records') }) as unknown as Outcome;
};
