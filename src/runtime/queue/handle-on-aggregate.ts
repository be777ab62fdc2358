/** One message on the stream of an aggregate: load, validate, handle, and one append that holds all it came to. */
import * as E from 'fp-ts/lib/Either.js';
import type { Definitions, TaggedOf } from '../../core/codec.js';
import type { Aggregate } from '../../core/decider.js';
import { deepFreeze } from '../../core/json.js';
import { delayAfter } from '../../core/retry.js';
import { any, type StreamName } from '../../core/stream.js';
import type { Fence } from '../../store/leases.js';
import type { QueuedMessage } from '../../store/message-queue.js';
import {
  type Loaded,
  idsRemembered,
  remember,
  type Source,
  sourceOf,
} from '../aggregate/aggregate-context.js';
import { afterRefusal, tailMax, tellConflict } from '../aggregate/after-refusal.js';
import { saveSnapshot } from '../aggregate/aggregate-snapshots.js';
import { callHandler, callPlain, encodeAnswer, eventIdOf, infoOf, queuedFrom } from './call-handler.js';
import { at, lastConflict } from '../aggregate/command-conflict.js';
import type { Rejected } from '../aggregate/command-request.js';
import { load } from '../aggregate/load-aggregate.js';
import {
  appendedAt,
  type Delivery,
  type HandlerAnswer,
  type HandlerContext,
  type MessageFailure,
  type MessageInfo,
  type MessageOutcome,
  type Ran,
  type RequiredMissing,
  timedOut,
} from './message-delivery.js';
import { withLock } from '../leases/stream-lock.js';

/** Streams whose fold the owner of a partition keeps from one message to the next. */
const keptMax = 256;

export type AggregateConflictAnswer = 'retry' | 'lock' | 'partitioned';

export interface OnStream<Data, State, Event> {
  readonly id: (data: Data) => string;
  readonly load: 'required' | 'created';
  readonly conflict: AggregateConflictAnswer;
  readonly lockWaitMaxMs: number;
  readonly validate: ((data: Data, state: State) => ReadonlyArray<string>) | undefined;
  readonly handle: (
    data: Data,
    state: State,
    info: MessageInfo,
  ) => HandlerAnswer<Event> | Rejected<unknown> | Promise<HandlerAnswer<Event>>;
}

// The definitions are not needed by type any more: the handler was checked against them where it was defined.
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
type Rules<State> = Aggregate<any, any, State, unknown>;

interface Work<Data, State> {
  readonly context: HandlerContext;
  readonly rules: Rules<State>;
  readonly source: Source<Definitions, State>;
  readonly on: OnStream<Data, State, TaggedOf<Definitions>>;
  readonly data: Data;
  readonly delivery: Delivery;
  readonly fence: Fence | undefined;
}

type Result = E.Either<MessageFailure, Ran>;

const ended = (outcome: MessageOutcome, next: ReadonlyArray<QueuedMessage> = []): Result =>
  E.right({ outcome, next });

const required = (streamName: StreamName): RequiredMissing => ({
  _tag: 'RequiredMissing',
  streamName,
  message: `${streamName} must be there and has no events`,
});

const nextKey = ({ delivery: { message } }: Pick<Work<unknown, unknown>, 'delivery'>): string =>
  `next\u0000${message.tenant}\u0000${message.id}`;
const foldKey = ({
  tenant,
  streamName,
}: Pick<Source<Definitions, unknown>, 'tenant' | 'streamName'>): string =>
  `fold\u0000${tenant}\u0000${streamName}`;

const keep = ({ kept }: Delivery, key: string, value: unknown): void => {
  kept.delete(key);
  kept.set(key, value);
  if (kept.size > keptMax) kept.delete(kept.keys().next().value as string);
};

/** What is to be written, or the end without writing. */
type Proposed<State> =
  | { readonly _tag: 'Done'; readonly result: Result }
  | {
      readonly _tag: 'Write';
      readonly state: State;
      readonly written: ReturnType<typeof encodeAnswer> extends E.Either<unknown, infer A>
        ? A extends { readonly written: infer W }
          ? W
          : never
        : never;
      readonly next: ReadonlyArray<QueuedMessage>;
    };

const isFailed = (proposed: Proposed<unknown>): boolean =>
  proposed._tag === 'Done' && E.isLeft(proposed.result);

const proposeOn = async <Data, State>(
  work: Work<Data, State>,
  before: Loaded<State>,
): Promise<Proposed<State>> => {
  const { context, rules, source, on, data, delivery } = work;
  const done = (result: Result): Proposed<State> => ({ _tag: 'Done', result });
  if (on.load === 'required' && before.version === 0) return done(E.left(required(source.streamName)));
  const state = deepFreeze(before.state);
  const { validate } = on;
  if (validate !== undefined) {
    const problems = await callHandler(context, delivery, () => validate(data, state));
    if (E.isLeft(problems)) return done(problems);
    if (problems.right.length > 0) return done(ended({ _tag: 'Invalid', problems: problems.right }));
  }
  const answer = await callHandler(context, delivery, () => on.handle(data, state, infoOf(delivery)));
  if (E.isLeft(answer)) return done(answer);
  if ('_tag' in answer.right) return done(ended(answer.right));
  const { events = [], enqueue = [] } = answer.right;
  if (events.length === 0 && enqueue.length === 0) return done(ended({ _tag: 'Nothing' }));
  const encoded = encodeAnswer<TaggedOf<Definitions>>(
    rules.events,
    delivery.message,
    source.streamName,
    events,
  );
  if (E.isLeft(encoded)) return done(encoded);
  // Folded before it is written, so that a rule that throws does so while nothing has happened.
  const after = callPlain(delivery, () =>
    encoded.right.events.reduce<State>((folded, event) => rules.evolve(folded, event), before.state),
  );
  if (E.isLeft(after)) return done(after);
  const next = queuedFrom(delivery.message, enqueue);
  return { _tag: 'Write', state: after.right, written: encoded.right.written, next };
};

/**
 * Loads unless the owner of the partition has the fold in hand; a stale one is refused by the append and read on. A durable
 * queue hands an id out once, but for further attempts: only there a fold can be trusted without a look at what was handled.
 */
const start = async <Data, State>(work: Work<Data, State>, knownId: string) => {
  const { source, on, delivery, context } = work;
  const mayRepeat = context.enqueues === 'byCaller';
  const kept = on.conflict === 'lock' || mayRepeat ? undefined : delivery.kept.get(foldKey(source));
  delivery.kept.delete(foldKey(source));
  if (kept !== undefined && delivery.message.attempt === 1)
    return { isKept: true, loaded: E.right(kept as Loaded<State>) };
  return { isKept: false, loaded: await load(source, knownId) };
};

const appendOnce = <Data, State>(
  { context, source, delivery, fence }: Work<Data, State>,
  before: Loaded<State>,
  { written, next }: Extract<Proposed<State>, { _tag: 'Write' }>,
) => {
  const isByCaller = context.enqueues === 'byCaller';
  if (isByCaller) keep(delivery, nextKey({ delivery }), next);
  const { tenant, streamName } = source;
  return context.store.append({
    tenant,
    streamName,
    // A handler that only enqueues has read a state as well; where the stream is no matter, it is asked for no version.
    expected: written.length === 0 && before.version === 0 ? any : at(before.version),
    events: written,
    tailMax,
    ...(fence !== undefined && { fence }),
    ...(!isByCaller && next.length > 0 && { enqueue: next }),
  })();
};

const succeed = async <Data, State>(
  work: Work<Data, State>,
  before: Loaded<State>,
  proposed: Extract<Proposed<State>, { _tag: 'Write' }>,
  version: Loaded<State>['version'],
  attempts: number,
): Promise<Result> => {
  const { source, delivery, context, rules } = work;
  const { state, written, next } = proposed;
  const ids = remember(
    before.ids,
    written.map(({ eventId }) => eventId),
    idsRemembered(rules),
  );
  await saveSnapshot(source, before, { version, state, ids });
  keep(delivery, foldKey(source), { ...before, version, state, ids, isKnown: false });
  return ended(appendedAt(version, attempts), context.enqueues === 'byCaller' ? next : []);
};

const run = async <Data, State>(work: Work<Data, State>): Promise<Result> => {
  const { context, source, on, delivery } = work;
  const { conflictRetry, environment } = context;
  const { message, kept, signal } = delivery;
  const knownId = eventIdOf(message, source.streamName, 0);
  const { isKept, loaded: first } = await start(work, knownId);
  let loaded: E.Either<MessageFailure, Loaded<State>> = first;
  const attemptsMax = on.conflict === 'partitioned' ? (isKept ? 2 : 1) : conflictRetry.attemptsMax;
  for (let attempt = 1; ; attempt += 1) {
    if (E.isLeft(loaded)) return loaded;
    const before: Loaded<State> = loaded.right;
    if (before.isKnown)
      return ended({ _tag: 'Duplicate' }, kept.get(nextKey(work)) as ReadonlyArray<QueuedMessage>);
    const proposed = await proposeOn(work, before);
    const isProven = proposed._tag === 'Write' && proposed.written.length > 0;
    if (isKept && attempt === 1 && !isProven && !isFailed(proposed)) {
      // Only an append of events shows that a fold from memory was right, and that it does not hold this message already.
      loaded = await load(source, knownId);
      continue;
    }
    if (proposed._tag === 'Done') {
      if (!isFailed(proposed)) keep(delivery, foldKey(source), { ...before, isKnown: false });
      return proposed.result;
    }
    // Whoever has lost the right to write begins no append; one on its way then is refused by the fence.
    if (signal.aborted) return E.left(timedOut(message.type, context.handlerTimeMaxMs));
    const appended = await appendOnce(work, before, proposed);
    if (E.isRight(appended))
      return appended.right.idempotent && proposed.written.length > 0
        ? ended({ _tag: 'Duplicate' }, context.enqueues === 'byCaller' ? proposed.next : [])
        : succeed(work, before, proposed, appended.right.version, attempt);
    const refusal = appended.left;
    if (refusal._tag !== 'VersionConflict') return E.left(refusal);
    loaded = await afterRefusal(source, before, refusal, knownId);
    if (E.isRight(loaded) && loaded.right.isKnown) continue;
    // A fold that was kept may simply have been old: no reason to wait.
    const delayMs = isKept && attempt === 1 ? 0 : delayAfter(conflictRetry, attempt, environment.random);
    const told = attempt >= attemptsMax ? undefined : delayMs;
    const { streamName } = source;
    tellConflict(context.aggregateHooks, { streamName, base: before.version }, refusal, attempt, told);
    if (attempt >= attemptsMax) return E.left(lastConflict(refusal, attempt, proposed.written, any));
    if (delayMs > 0) await environment.sleep(delayMs);
  }
};

/** Handles one message of an aggregate. */
export const handleOnAggregate =
  <Data, State>(
    context: HandlerContext,
    rules: Rules<State>,
    on: OnStream<Data, State, TaggedOf<Definitions>>,
  ) =>
  async (data: Data, delivery: Delivery): Promise<Result> => {
    const { tenant } = delivery.message;
    const { store, snapshots, environment } = context;
    const id = callPlain(delivery, () => on.id(data));
    if (E.isLeft(id)) return id;
    const source = sourceOf(
      { store, tenant, environment, ...(snapshots !== undefined && { snapshots }) },
      rules as Rules<State> & { readonly events: Definitions },
      id.right,
    );
    if (E.isLeft(source)) return source;
    const work = (fence: Fence | undefined): Work<Data, State> => ({
      ...{ context, rules, on, data, delivery, fence },
      source: source.right,
    });
    if (on.conflict !== 'lock') return run(work(delivery.fence));
    const { streamName } = source.right;
    const request = { tenant, streamName, waitMaxMs: on.lockWaitMaxMs, signal: delivery.signal };
    return withLock(context, request, (fence) => run(work(fence)));
  };
