/** Decides over several streams: reads what a query matches, decides, appends on condition that nothing more has come. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { decodeEvent, encodeEvent, type EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { Definitions, EncodeFailed, TaggedOf } from '../../core/codec.js';
import type { EventData, EventMetadata, RecordedEvent } from '../../core/event.js';
import { derivedId } from '../../core/ids.js';
import { deepFreeze } from '../../core/json.js';
import { defaultRetry, delayAfter, type RetryPolicy } from '../../core/retry.js';
import {
  any,
  defaultTenant,
  type InvalidName,
  streamName,
  type StreamName,
  type Tenant,
} from '../../core/stream.js';
import type { AppendCondition, EventQuery, Seen } from '../../store/conditions.js';
import type {
  AppendManyError,
  AppendRequest,
  AppendResult,
  EventStore,
  ReadMatchingError,
} from '../../store/event-store.js';
import type { Rejected } from './command-request.js';
import { newId } from '../../store/ids.js';
import { type Environment, realEnvironment } from '../environment.js';

/** An event, the stream it goes to, and what it is about. */
export interface Placed<Event> {
  readonly streamName: string;
  readonly event: Event;
  readonly tags: ReadonlyArray<string>;
}

export interface AcrossRequest<Events extends Definitions, State, Rejection> {
  /** What the decision is made on. An item without types stands for all types of `events`. */
  readonly query: EventQuery;
  readonly events: Events;
  readonly initialState: State;
  readonly evolve: (state: State, event: TaggedOf<Events>) => State;
  /** Pure: it runs again where others were first. Events of one stream are written in their order. */
  readonly decide: (state: State) => E.Either<Rejection, ReadonlyArray<Placed<TaggedOf<Events>>>>;
  /**
   * The same each time the decision is sent. Event ids derive from it, so that a repeat is recognised: where its first event matches its
   * own query, which is for you to see to, else only as far as it comes to the same events again.
   */
  readonly commandId?: string;
  readonly metadata?: Omit<EventMetadata, 'tags'>;
  /** Default: `defaultRetry`. */
  readonly retry?: Partial<RetryPolicy>;
}

/** Others wrote what the decision depends on, on each of the attempts. Nothing was written. Send it again later, or narrow its query. */
export interface DecisionOutrun {
  readonly _tag: 'DecisionOutrun';
  readonly attempts: number;
  /** Types of the events that came in between the last time, at most 16. */
  readonly theirs: ReadonlyArray<string>;
  readonly message: string;
}

export type DecideAcrossError<Rejection> =
  | Rejected<Rejection>
  | DecisionOutrun
  | EncodeFailed
  | EventDecodeFailed
  | ReadMatchingError
  | AppendManyError;

export interface DecidedAcross<State, Event> {
  /** After the decision's events. */
  readonly state: State;
  readonly events: ReadonlyArray<Placed<Event>>;
  readonly appended: ReadonlyArray<AppendResult>;
  /** True where this decision had been written before. Nothing was added. */
  readonly duplicate: boolean;
  readonly attempts: number;
}

export interface AcrossContext {
  readonly store: EventStore;
  readonly environment?: Environment;
}

interface Found<State> {
  readonly state: State;
  readonly seen: Seen;
  readonly isKnown: boolean;
}

interface Work<Events extends Definitions, State, Rejection> {
  readonly store: EventStore;
  readonly request: AcrossRequest<Events, State, Rejection>;
  readonly tenant: Tenant;
  readonly query: EventQuery;
}

/** Only the first id tells that a decision was written: all of its events are written at once. */
const idOf = (tenant: Tenant, commandId: string | undefined, index: number): string =>
  commandId === undefined ? newId() : derivedId(tenant, 'across', commandId, index);

const find = async <Events extends Definitions, State, Rejection>({
  store,
  request,
  tenant,
  query,
}: Work<Events, State, Rejection>): Promise<
  E.Either<ReadMatchingError | EventDecodeFailed, Found<State>>
> => {
  const knownId = request.commandId === undefined ? undefined : idOf(tenant, request.commandId, 0);
  let state = request.initialState;
  let isKnown = false;
  let seen: Seen | undefined;
  let after: RecordedEvent['position'] | undefined;
  for (;;) {
    const page = await store.readMatching({ query, ...(after !== undefined && { after }) })();
    if (E.isLeft(page)) return page;
    for (const recorded of page.right.events) {
      const decoded = decodeEvent(request.events, recorded);
      if (E.isLeft(decoded)) return decoded;
      state = request.evolve(state, decoded.right);
      isKnown ||= recorded.eventId === knownId;
    }
    // The first page's: what has come between the pages counts as unseen.
    seen ??= page.right.seen;
    if (page.right.next === undefined) return E.right({ state, seen, isKnown });
    after = page.right.next;
  }
};

type Requests = ReadonlyArray<AppendRequest>;

/** One request for each stream, in the order in which they are named first; the condition rides on the first. */
const requestsOf = <Events extends Definitions, State, Rejection>(
  { request, tenant }: Work<Events, State, Rejection>,
  placed: ReadonlyArray<Placed<TaggedOf<Events>>>,
  condition: AppendCondition,
): E.Either<EncodeFailed | InvalidName, Requests> => {
  const byStream = new Map<StreamName, EventData[]>();
  for (const [index, { streamName: name, event, tags }] of placed.entries()) {
    const checked = streamName(name);
    if (E.isLeft(checked)) return checked;
    const encoded = encodeEvent(request.events, event);
    if (E.isLeft(encoded)) return encoded;
    const eventId = idOf(tenant, request.commandId, index);
    const metadata = { ...request.metadata, ...(tags.length > 0 && { tags }) };
    const events = byStream.get(checked.right) ?? [];
    byStream.set(checked.right, [...events, { eventId, ...encoded.right.encoded, metadata }]);
  }
  const streams = [...byStream].map(([name, events]) => ({
    tenant,
    streamName: name,
    expected: any,
    events,
  }));
  return E.right(streams.map((one, index) => (index === 0 ? { ...one, condition } : one)));
};

const appendAll = async (
  store: EventStore,
  requests: Requests,
): Promise<E.Either<AppendManyError, ReadonlyArray<AppendResult>>> => {
  const [only, ...others] = requests;
  if (only === undefined || others.length > 0) return store.appendMany(requests)();
  const appended = await store.append(only)();
  return E.isLeft(appended) ? appended : E.right([appended.right]);
};

const outrun = (attempts: number, theirs: ReadonlyArray<RecordedEvent>): DecisionOutrun => {
  const types = theirs.map(({ type }) => type);
  const message = `others wrote what the decision depends on, ${attempts} times; the last time ${types.join(', ')}. Nothing was written.`;
  return { _tag: 'DecisionOutrun', attempts, theirs: types, message };
};

/**
 * Decides on all events that a query matches, in whatever streams they are, and writes on condition that no other such event has
 * come meanwhile; else it decides anew on what is there then, a bounded number of times. So a rule may span streams without a
 * stream of its own: a seat in a course and a student's number of courses, a name that is used once. Needs a store with `conditions`.
 *
 * ```ts
 * const decided = await decideAcross({ store })({
 *   query: { anyOf: [{ tags: ['username:ada'] }] },
 *   events: { Registered: t.type({ name: t.string }) },
 *   initialState: { isTaken: false },
 *   evolve: () => ({ isTaken: true }),
 *   decide: ({ isTaken }) =>
 *     isTaken
 *       ? E.left('NameTaken')
 *       : E.right([{ streamName: 'user-7', event: { type: 'Registered', data: { name: 'ada' } }, tags: ['username:ada'] }]),
 * })();
 * ```
 * What `decide` or `evolve` throws is a bug: it rejects the promise as it is, and nothing was written. The rule is that of dynamic
 * consistency boundaries, as Sara Pellegrini has described them.
 */
export const decideAcross =
  (context: AcrossContext) =>
  <Events extends Definitions, State, Rejection>(
    request: AcrossRequest<Events, State, Rejection>,
  ): TaskEither<DecideAcrossError<Rejection>, DecidedAcross<State, TaggedOf<Events>>> =>
  async () => {
    const { store, environment: { random, sleep } = realEnvironment } = context;
    const types = Object.keys(request.events);
    const anyOf = request.query.anyOf.map((item) => ({ types, ...item }));
    const tenant = request.query.tenant ?? defaultTenant;
    const query = { tenant, anyOf };
    const work = { store, request, tenant, query };
    const retry = { ...defaultRetry, ...request.retry };
    for (let attempt = 1; ; attempt += 1) {
      const found = await find(work);
      if (E.isLeft(found)) return found;
      const { state, seen, isKnown } = found.right;
      const nothing = { state, events: [], appended: [], attempts: attempt };
      if (isKnown) return E.right({ ...nothing, duplicate: true });
      const decided = request.decide(deepFreeze(state));
      if (E.isLeft(decided)) return E.left({ _tag: 'Rejected', rejection: decided.left });
      const events = decided.right;
      if (events.length === 0) return E.right({ ...nothing, duplicate: false });
      const after = events.reduce((folded, { event }) => request.evolve(folded, event), state);
      const requests = requestsOf(work, events, { noneOf: query, after: seen });
      if (E.isLeft(requests)) return requests;
      const appended = await appendAll(store, requests.right);
      if (E.isRight(appended)) {
        const duplicate =
          request.commandId !== undefined && appended.right.every(({ idempotent }) => idempotent);
        return E.right({ state: after, events, appended: appended.right, duplicate, attempts: attempt });
      }
      if (appended.left._tag !== 'ConditionFailed') return appended;
      if (attempt >= retry.attemptsMax) return E.left(outrun(attempt, appended.left.events));
      await sleep(delayAfter(retry, attempt, random));
    }
  };
