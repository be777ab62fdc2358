/** Loads an aggregate: the fold of its stream, from a snapshot where one fits, in pages of bounded memory. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import { type About, aboutAfter, aboutNothing } from '../../core/concurrency/about.js';
import { decodeEvent, type EventDecodeFailed } from '../../core/aggregate-codec.js';
import type { Definitions } from '../../core/codec.js';
import type { Folding } from '../../core/decider.js';
import type { RecordedEvent } from '../../core/event.js';
import { deepFreeze } from '../../core/json.js';
import { type InvalidName, noEvents, type StreamName, type StreamVersion } from '../../core/stream.js';
import type { ReadError } from '../../store/event-store.js';
import { pageDefault } from '../../store/limits.js';
import {
  type AggregateContext,
  type Fold,
  idsRemembered,
  type KnownIds,
  learnIds,
  type Loaded,
  remember,
  type Source,
  sourceOf,
} from './aggregate-context.js';
import { readSnapshot } from './aggregate-snapshots.js';

export type LoadAggregateError = InvalidName | ReadError | EventDecodeFailed;

/** The fold of a stream's first `version` events; version 0 and the initial state where it has none. */
export interface LoadedAggregate<State> extends Omit<About, 'lastSaveId'> {
  readonly streamName: StreamName;
  readonly version: StreamVersion;
  readonly state: State;
}

/** Folds events that follow right after those of `from`. A gap would be a store's bug, and is thrown. */
export const foldOn = <Events extends Definitions, State, F extends Fold<State> = Loaded<State>>(
  source: Source<Events, State>,
  from: F,
  events: ReadonlyArray<RecordedEvent>,
  knownId: string | undefined,
): E.Either<EventDecodeFailed, F> => {
  const { rules } = source;
  let { state, isKnown } = from;
  let version: number = from.version;
  for (const recorded of events) {
    version += 1;
    if (recorded.version !== version)
      throw new Error(
        `${source.context.store.name} answered event ${recorded.version} of ${source.streamName} where ${version} was due`,
      );
    const decoded = decodeEvent(rules.events, recorded);
    if (E.isLeft(decoded)) return decoded;
    state = rules.evolve(state, decoded.right);
    isKnown ||= recorded.eventId === knownId;
  }
  const more = events.map(({ eventId }) => eventId);
  return E.right({
    ...from,
    version: version as StreamVersion,
    state,
    ids: remember(from.ids, more, idsRemembered(rules)),
    isKnown,
    ...(from.about !== undefined && { about: events.reduce(aboutAfter, from.about) }),
    ...(from.known !== undefined && { known: learnIds(from.known, from.version, more) }),
  });
};

const nothing: Fold<unknown>['lastAbout'] = { version: noEvents, about: aboutNothing };

/** The fold of no events. */
export const beginning = <State>(rules: { readonly initialState: State }): Loaded<State> => ({
  version: noEvents,
  state: rules.initialState,
  about: aboutNothing,
  lastAbout: nothing,
  snapshotVersion: noEvents,
  ids: [],
  isKnown: false,
});

/** Folds what the stream has after `from`; from its beginning where the stream is shorter than `from`. */
export const readOn = async <Events extends Definitions, State, F extends Fold<State> = Loaded<State>>(
  source: Source<Events, State>,
  from: F,
  knownId: string | undefined,
): Promise<E.Either<ReadError | EventDecodeFailed, F>> => {
  const { context, tenant, streamName: name, rules } = source;
  let loaded = from;
  for (;;) {
    const first = loaded.version + 1;
    const page = await context.store.readStream({
      tenant,
      streamName: name,
      from: first,
      maxCount: pageDefault,
      // Not one that is behind what was folded already, from a snapshot for instance.
      ...(source.atLeast !== undefined && { atLeast: Math.max(source.atLeast, loaded.version) }),
    })();
    if (E.isLeft(page)) return page;
    const { events, version, next } = page.right;
    if (version < loaded.version) {
      // Possible after the store was restored to an earlier time: what was folded never happened in it.
      const message = `it stands at version ${loaded.version}, the stream at ${version}`;
      context.hooks?.onSnapshotIgnored?.({ streamName: name, reason: 'beyondStream', message });
      loaded = {
        ...from,
        ...beginning(rules),
        ...(from.known !== undefined && { known: new Map<string, number>() }),
      };
      continue;
    }
    const folded = foldOn(source, loaded, events, knownId);
    if (E.isLeft(folded)) return folded;
    loaded = folded.right;
    if (next === undefined) return E.right(loaded);
    if (events.length === 0)
      throw new Error(`${context.store.name} answered an empty page of ${name} that is not its last`);
  }
};

/** Loads a stream; `knownId` is the event id to look for on the way. Without a snapshot, `known` takes in what `Fold.known` says. */
export const load = async <Events extends Definitions, State>(
  source: Source<Events, State>,
  knownId: string | undefined,
  known?: KnownIds,
): Promise<E.Either<ReadError | EventDecodeFailed, Loaded<State>>> => {
  const snapshot = await readSnapshot(source);
  if (snapshot === undefined) return readOn(source, { ...beginning(source.rules), known }, knownId);
  const { version, about } = snapshot;
  const isKnown = knownId !== undefined && snapshot.ids.includes(knownId);
  const start = { ...snapshot, snapshotVersion: version, lastAbout: { version, about }, isKnown };
  return readOn(source, start, knownId);
};

/** What those who only look at an aggregate are shown of a fold. */
export const shownOf = <State>(
  streamName: StreamName,
  { version, state, about: { revision, lastModified, lastModifiedBy } }: Loaded<State>,
): LoadedAggregate<State> => ({
  streamName,
  version,
  state: deepFreeze(state),
  revision,
  lastModified,
  lastModifiedBy,
});

/**
 * Loads an aggregate to look at it. Nothing is written.
 *
 * ```ts
 * const loaded = await loadAggregate({ store })(account, '42')();
 * ```
 * The state is frozen. What `evolve` or an upcaster throws is a bug, and rejects the promise as it is.
 */
export const loadAggregate =
  (context: AggregateContext) =>
  <Events extends Definitions, State>(
    rules: Folding<Events, State>,
    id: string,
  ): TaskEither<LoadAggregateError, LoadedAggregate<State>> =>
  async () => {
    const source = sourceOf(context, rules, id);
    if (E.isLeft(source)) return source;
    const loaded = await load(source.right, undefined);
    return E.isLeft(loaded) ? loaded : E.right(shownOf(source.right.streamName, loaded.right));
  };
