/**
 * The stream of an exploration as a tree: each node is the stream after one more append, so that every schedule can go on
 * from wherever another has been. Appends are judged and written by the memory store's own table.
 */
import * as E from 'fp-ts/lib/Either.js';
import { holdExactly, makeStreamTable, type StreamTable } from '../../adapters/memory/stream-table.js';
import type { RecordedEvent } from '../../core/event.js';
import { canonicalJson, type Json } from '../../core/json.js';
import { codecOf } from '../../core/codec.js';
import type { AnyEvent, ReleasedMessage } from '../../core/merge/merge.js';
import type { Instance } from '../../core/saga/reacting.js';
import { clonePending, listPending } from '../../core/saga/pending-branches.js';
import { recordTypes, type Saga } from '../../core/saga/saga.js';
import { emptyFold, type SagaFold, step } from '../../core/saga/saga-fold.js';
import { headerOf } from '../../core/saga/saga-records.js';
import { cloneTimeouts } from '../../core/saga/saga-timeouts.js';
import { checkAppend, defaultLimits } from '../../store/limits.js';
import { engineProblems, noTally, type Tally } from './checks.js';
import type { Request } from './process.js';
import type { Part } from './watch.js';

type AnyFold = SagaFold<unknown, AnyEvent>;

/** The stream at one version of one history. */
export interface LogNode {
  readonly id: number;
  readonly parent: LogNode | undefined;
  readonly version: number;
  /** The whole stream. */
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly fold: AnyFold;
  readonly tally: Tally;
  /** What the engine did that it must never do; empty in a sound engine. */
  readonly problems: ReadonlyArray<string>;
  /** By request: what it comes to here. */
  readonly effects: Map<number, Effect>;
}

/** What a call comes to at a node. */
export interface Effect {
  /** `repeated`: the same append stood there already. `failed`: an error other than a conflict. */
  readonly kind: 'read' | 'written' | 'repeated' | 'refused' | 'failed';
  readonly answer: unknown;
  /** Where the stream stands afterwards. */
  readonly node: LogNode;
}

export interface LogTree {
  readonly root: LogNode;
  /** `requestId` is the same for equal requests. */
  readonly ask: (node: LogNode, request: Request, requestId: number) => Effect;
  /** The ancestor at a version; the nearest before where the version lies inside an append. */
  readonly at: (node: LogNode, version: number) => LogNode;
  readonly nodes: () => number;
}

const cloneFold = (fold: AnyFold): AnyFold => ({
  ...fold,
  released: [...fold.released],
  sentKeys: new Set(fold.sentKeys),
  allReleased: [...fold.allReleased],
  handled: new Set(fold.handled),
  merged: new Set(fold.merged),
  trunk: [...fold.trunk],
  compensations: new Map(fold.compensations),
  timeouts: cloneTimeouts(fold.timeouts),
  pending: clonePending(fold.pending),
});

/** Makes the table hold exactly these events. */
const rewind = (
  table: StreamTable,
  { tenant, streamName }: Instance,
  events: ReadonlyArray<RecordedEvent>,
) => {
  const stream = table.find(tenant, streamName);
  const order = table.order as RecordedEvent[];
  if (stream !== undefined) holdExactly(stream, events);
  order.splice(0, order.length, ...events);
};

export const logTree = (saga: Saga, instance: Instance): LogTree => {
  const table = makeStreamTable(() => new Date(0));
  let count = 0;
  const nodeOf = (
    parent: LogNode | undefined,
    events: ReadonlyArray<RecordedEvent>,
    fold: AnyFold,
  ): LogNode => {
    const added = events.slice(parent?.version ?? 0);
    const { tally, problems } = engineProblems(parent?.tally ?? noTally, added, fold);
    return { id: count++, parent, version: events.length, events, fold, tally, problems, effects: new Map() };
  };
  const root = nodeOf(undefined, [], emptyFold(saga as Saga<unknown, AnyEvent>));

  const read = (node: LogNode, from: number): Effect => {
    const events = node.events.slice(from - 1);
    return { kind: 'read', node, answer: E.right({ events, version: node.version, next: undefined }) };
  };

  const grow = (node: LogNode): LogNode => {
    const stream = table.find(instance.tenant, instance.streamName);
    const events = [...(stream?.events ?? [])];
    if (events.length === node.version) return node;
    const fold = cloneFold(node.fold);
    for (const event of events.slice(node.version)) {
      const stepped = step(fold, event);
      if (E.isLeft(stepped))
        throw new Error(`version ${event.version} of ${event.streamName}: ${stepped.left.message}`);
    }
    return nodeOf(node, events, fold);
  };

  const append = (node: LogNode, request: Extract<Request, { operation: 'append' }>['request']): Effect => {
    const checked = checkAppend(request, defaultLimits);
    if (E.isLeft(checked)) return { kind: 'failed', answer: checked, node };
    rewind(table, instance, node.events);
    const judged = table.judge(checked.right);
    if (judged === undefined) {
      const answer = E.right(table.write(checked.right));
      return { kind: 'written', answer, node: grow(node) };
    }
    if (!('_tag' in judged)) return { kind: 'repeated', answer: E.right(judged), node };
    return { kind: judged._tag === 'VersionConflict' ? 'refused' : 'failed', answer: E.left(judged), node };
  };

  return {
    root,
    ask: (node, { operation, request }, requestId) => {
      const known = node.effects.get(requestId);
      if (known !== undefined) return known;
      const effect = operation === 'append' ? append(node, request) : read(node, request.from ?? 1);
      node.effects.set(requestId, effect);
      return effect;
    },
    at: (node, version) => {
      let here = node;
      while (here.version > version && here.parent !== undefined) here = here.parent;
      return here;
    },
    nodes: () => count,
  };
};

/** The trunk's events after a version, as text. */
export const trunkText = (node: LogNode, after: number): string =>
  JSON.stringify(node.fold.trunk.filter(({ version }) => version > after).map(({ event }) => event));

/** What a merger sees of the time since a branch's base, as far as it looks. */
export const forkText = (saga: Saga, node: LogNode, base: LogNode, looked: ReadonlySet<Part>): string =>
  [
    stateText(saga, base),
    ...(looked.has('trunkEvents') ? [trunkText(node, base.version)] : []),
    ...(looked.has('versions') ? [base.version] : []),
  ].join(' ');

/** What a refused writer looks at in a tail: which types, whether a merge brought them, and whether one is its own message. */
export const tailText = (node: LogNode, after: number, messageId: string | undefined): string => {
  const seen = new Set<string>();
  for (const { type, metadata, data } of node.events.slice(after)) {
    const cause =
      type === recordTypes.mergeSagaState
        ? (data as { readonly cause: { readonly messageId: string } }).cause.messageId
        : metadata.causationId;
    const isMerged = headerOf(metadata)?.mergeId !== undefined;
    seen.add(`${isMerged ? 'merged' : type}${cause === messageId && !isMerged ? ' mine' : ''}`);
  }
  return [...seen].sort().join(' ');
};

const states = new WeakMap<LogNode, string>();

/** The state as its codec writes it. */
export const stateText = (saga: Saga, node: LogNode): string => {
  const known = states.get(node);
  if (known !== undefined) return known;
  const text = canonicalJson(codecOf(saga.state).encode(node.fold.state) as Json);
  states.set(node, text);
  return text;
};

const releasedText = ({ id, type, data, key }: ReleasedMessage): Json => [id, type, data, key ?? null];

/**
 * Everything about a stream that whoever reads it from now on can see. Two streams with equal texts have equal futures;
 * how they came there may differ. Numbers of versions are left out, but for their order, unless a merger looks at them.
 */
export const futureText = (saga: Saga, tree: LogTree, node: LogNode, looked: ReadonlySet<Part>): string => {
  const { fold } = node;
  const pending = listPending(fold.pending).map(({ base, version: _, ...branch }) => [
    branch,
    forkText(saga, node, tree.at(node, base), looked),
  ]);
  const parked = fold.parked && { ...fold.parked, version: 0 };
  // Not in canonical form: the order of keys may tell apart what is the same, which costs time and no truth.
  return JSON.stringify([
    looked.has('versions') ? node.version : 0,
    looked.has('versions') ? fold.released.map(({ version: at }) => at) : 0,
    stateText(saga, node),
    fold.epoch,
    fold.completed,
    parked ?? null,
    pending,
    fold.released.map(releasedText),
    fold.allReleased.map(releasedText),
    [...fold.handled].sort(),
    [...fold.compensations.values()],
    [...fold.timeouts.byId.values()],
    [...fold.timeouts.keys],
  ]);
};
