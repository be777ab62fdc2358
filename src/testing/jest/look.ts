/** What a matcher was given, told apart: the outcome of a scenario, the events of a stream, a stream in a store, a saga's view. */
import { drawSaga } from '../../core/saga/draw.js';
import type { RecordedEvent } from '../../core/event.js';
import { reservedTypes } from '../../core/saga/saga.js';
import type { SagaView } from '../../core/saga/saga-view.js';
import type { StreamName, Tenant } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { MatcherContext, MatcherResult } from './context.js';
import type { AggregateOutcome } from '../scenario/aggregate.js';
import type { SagaOutcome } from '../scenario/outcome.js';
import { readWhole } from '../../store/read-whole.js';

/** A stream in a store. */
export interface StoredStream {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly streamName: string;
  /** Default: `defaultTenant`. */
  readonly tenant?: Tenant;
}

export type Look =
  | { readonly _tag: 'Aggregate'; readonly outcome: AggregateOutcome<unknown, unknown, unknown> }
  | { readonly _tag: 'Saga'; readonly outcome: SagaOutcome; readonly stream: ReadonlyArray<RecordedEvent> }
  | { readonly _tag: 'Stream'; readonly stream: ReadonlyArray<RecordedEvent> }
  | { readonly _tag: 'View'; readonly view: SagaView };

const has = <K extends string>(value: unknown, ...keys: ReadonlyArray<K>): value is Record<K, unknown> =>
  typeof value === 'object' && value !== null && keys.every((key) => key in value);

export const isRecordedEvent = (value: unknown): value is RecordedEvent =>
  has(value, 'eventId', 'type', 'data', 'streamName', 'version');

/** `undefined` where it is nothing that can be looked at. */
const lookAt = (received: unknown): Look | undefined => {
  if (has(received, 'outcome')) return lookAt(received.outcome);
  if (has(received, 'isRejected', 'events', 'state'))
    return { _tag: 'Aggregate', outcome: received as unknown as AggregateOutcome<unknown, unknown, unknown> };
  if (has(received, 'conflicts', 'stream', 'sent')) {
    const outcome = received as unknown as SagaOutcome;
    return { _tag: 'Saga', outcome, stream: outcome.stream };
  }
  if (Array.isArray(received) && received.every(isRecordedEvent)) return { _tag: 'Stream', stream: received };
  if (has(received, 'pending', 'epoch', 'completed'))
    return { _tag: 'View', view: received as unknown as SagaView };
  return undefined;
};

/** What takes a promise to see; `undefined` where the thing itself is at hand. */
const comingOf = (received: unknown): Promise<unknown> | undefined => {
  if (has(received, 'store', 'streamName')) {
    const { store, streamName, tenant } = received as unknown as StoredStream;
    return readWhole(store, { streamName: streamName as StreamName, ...(tenant && { tenant }) });
  }
  if (has(received, 'run') && typeof received.run === 'function')
    return Promise.resolve((received.run as () => unknown)());
  const isPromise = has(received, 'then') && typeof received.then === 'function' && !has(received, 'outcome');
  return isPromise ? Promise.resolve(received as unknown as PromiseLike<unknown>) : undefined;
};

type Answer = MatcherResult | Promise<MatcherResult>;

/** Looks, at once or when it has come, and asks. Something else than `wanted` is a mistake of the test, with `.not` too. */
export const looking = <Tag extends Look['_tag']>(
  context: MatcherContext,
  name: string,
  received: unknown,
  wanted: ReadonlyArray<Tag>,
  ask: (look: Extract<Look, { _tag: Tag }>) => MatcherResult,
): Answer => {
  const look = (value: unknown): MatcherResult => {
    const seen = lookAt(value);
    const isWanted = seen !== undefined && wanted.some((tag) => tag === seen._tag);
    if (isWanted) return ask(seen as Extract<Look, { _tag: Tag }>);
    const hint = context.utils.matcherHint(name, 'received', '', { isNot: context.isNot ?? false });
    const kinds = wanted.map((tag) => words[tag]).join(', or ');
    const found = context.utils.printReceived(value);
    throw new TypeError(`${hint}\n\nThe received value must be ${kinds}.\nReceived: ${found}`);
  };
  const coming = comingOf(received);
  return coming === undefined ? look(received) : coming.then(look);
};

const words: Record<Look['_tag'], string> = {
  Aggregate: 'the outcome of an aggregate’s scenario',
  Saga: 'the outcome of a saga’s scenario',
  Stream: 'the events of a stream (as an array, or as { store, streamName })',
  View: 'a saga as its runtime loads it',
};

/** The drawing of a saga's stream; of others nothing, a list of events says it all. */
export const drawingOf = (stream: ReadonlyArray<RecordedEvent>): string =>
  stream[0]?.version === 1 && stream.some(({ type }) => reservedTypes.has(type))
    ? drawSaga(stream).join('\n')
    : '';
