/** Folds a recorded history again: the state after every event, and what changed between any two versions. */
import type { JsonObject } from '../../core/json.js';
import type { LogEvent } from '../../core/saga/saga-view.js';
import { categoryOf, escapeForDisplay, type StreamName, type Tenant } from '../../core/stream.js';
import type { RecordedEvent } from '../../core/event.js';
import type { EventStore } from '../../store/event-store.js';
import { readWhole } from '../../store/read-whole.js';
import { fixtureMismatch } from './fixture.js';
import type { Fixture } from './fixture-read.js';
import { type Change, changesBetween, textDiff } from './diff.js';
import {
  categoryOfRules,
  folder,
  type ReplayStep,
  type ReplayStopped,
  type Rules,
  standingView,
  viewOf,
} from './fold.js';

/** A stream's events from version 1 on, or a fixture of one stream. */
export type History = ReadonlyArray<LogEvent> | Fixture;

/** A history folded by today's code. */
export interface Replay<S = unknown> {
  readonly streamName: string;
  /** How far it was folded. */
  readonly version: number;
  /** What was known after each event, by version; the first is before any. */
  readonly steps: ReadonlyArray<ReplayStep<S>>;
  readonly last: ReplayStep<S>;
  /** Throws a RangeError where there is no such version. */
  readonly at: (version: number) => ReplayStep<S>;
  /** The step as JSON. */
  readonly view: (version: number) => JsonObject;
  /** What changed from one version to another, by path. Default: what the event of version `to` changed. */
  readonly changes: (to: number, from?: number) => ReadonlyArray<Change>;
  /** The same as a text diff; empty where nothing changed. */
  readonly diff: (to: number, from?: number) => string;
  /** Why it was not folded further: today's code cannot take in the event. */
  readonly stopped: ReplayStopped | undefined;
}

const isFixture = (history: History): history is Fixture => 'file' in history;

interface StreamOf {
  readonly tenant: string;
  readonly streamName: string;
}

/** A history's streams of these rules, each with its events; a fixture may hold those of other rules too. */
export const streamsOf = <Ev extends LogEvent & { readonly tenant?: string }>(
  rules: Rules,
  events: ReadonlyArray<Ev>,
): ReadonlyArray<StreamOf & { readonly events: ReadonlyArray<Ev> }> => {
  const streams = new Map<string, StreamOf & { readonly events: Ev[] }>();
  const category = categoryOfRules(rules);
  for (const event of events) {
    if (categoryOf(event.streamName) !== category) continue;
    const { streamName, tenant = 'default' } = event;
    const key = `${tenant}\u0000${streamName}`;
    const known = streams.get(key);
    if (known === undefined) streams.set(key, { tenant, streamName, events: [event] });
    else known.events.push(event);
  }
  return [...streams.values()];
};

const few = (names: ReadonlyArray<string>): string =>
  `${names
    .slice(0, 5)
    .map((name) => escapeForDisplay(name, 100))
    .join(', ')}${names.length > 5 ? `, and ${names.length - 5} more` : ''}`;

/** The refusal of a history that holds nothing of these rules. */
export const noStreamOf = (rules: Rules, from: string, events: ReadonlyArray<LogEvent>): Error => {
  const found = [...new Set(events.map(({ streamName }) => categoryOf(streamName)))];
  const holds = found.length === 0 ? 'it holds no events' : `it holds ${few(found)}`;
  return fixtureMismatch(
    `${from} holds no stream of ${categoryOfRules(rules)}: ${holds}; is it another saga's?`,
  );
};

const oneStream = (rules: Rules, fixture: Fixture, wanted: string | undefined): ReadonlyArray<LogEvent> => {
  const from = escapeForDisplay(fixture.file, 300);
  const streams = streamsOf(rules, fixture.events);
  const chosen = wanted === undefined ? streams : streams.filter(({ streamName }) => streamName === wanted);
  const [only, second] = chosen;
  if (only !== undefined && second === undefined) return only.events;
  if (streams.length === 0) throw noStreamOf(rules, from, fixture.events);
  const names = few(streams.map(({ streamName }) => streamName));
  throw fixtureMismatch(
    only === undefined
      ? `${from} holds no stream ${escapeForDisplay(wanted ?? '', 100)}; it holds ${names}`
      : `${from} holds several streams; name one of ${names}`,
  );
};

const versionsMustFollow = (events: ReadonlyArray<LogEvent>): void => {
  const [first] = events;
  if (first !== undefined && first.version > 1)
    throw fixtureMismatch(
      `${escapeForDisplay(first.streamName, 200)} begins at version ${first.version}: its beginning is gone, and what is left cannot be folded`,
    );
  for (const [index, { version, streamName }] of events.entries())
    if (version !== index + 1 || streamName !== events[0]?.streamName)
      throw new TypeError(
        `replay: expected version ${index + 1} of ${String(events[0]?.streamName)}, was given ${version} of ${streamName}`,
      );
};

/**
 * Folds a history up to `to` (default: all of it), and keeps the state after every event. Reads no store and calls no handler,
 * merger or hook. An event that today's code cannot fold ends it; see `stopped`. `stream` names one where a fixture holds
 * several. Throws a `TaggedError` of `FixtureMismatch` where the fixture holds no such stream or the stream's beginning is gone, and a
 * TypeError where events in between are missing.
 */
export const replay = <S>(
  rules: Rules<S>,
  history: History,
  options: { readonly to?: number; readonly stream?: string } = {},
): Replay<S> => {
  const events = isFixture(history) ? oneStream(rules, history, options.stream) : history;
  versionsMustFollow(events);
  const folding = folder(rules);
  const steps = [folding.now()];
  let stopped: ReplayStopped | undefined;
  for (const event of events.slice(0, options.to)) {
    stopped = folding.take(event);
    if (stopped !== undefined) break;
    steps.push(folding.now());
  }
  const last = steps.at(-1) as ReplayStep<S>;
  const at = (version: number): ReplayStep<S> => {
    const step = steps[version];
    if (step === undefined)
      throw new RangeError(`replay: there is no version ${version}; the last is ${last.version}`);
    return step;
  };
  const view = (version: number): JsonObject => viewOf(rules, at(version));
  const standing = (version: number): JsonObject => standingView(view(version));
  return {
    streamName: events[0]?.streamName ?? categoryOfRules(rules),
    version: last.version,
    steps,
    last,
    at,
    view,
    changes: (to, from = to - 1) => changesBetween(standing(from), standing(to)),
    diff: (to, from = to - 1) => textDiff(standing(from), standing(to), [`version ${from}`, `version ${to}`]),
    stopped,
  };
};

/** A whole stream of any store, as a history. An absent stream is an empty one. Rejects with a `TaggedError` of `ReadError`. */
export const readHistory = (
  store: EventStore,
  streamName: StreamName,
  options: { readonly tenant?: Tenant } = {},
): Promise<ReadonlyArray<RecordedEvent>> =>
  readWhole(store, { streamName, includeArchived: true, ...options });

/** The events, stream by stream, with what these rules know after each, as `after` or as its hash: what `replayInto` compares later code with. */
export async function* withStates<Ev extends RecordedEvent>(
  rules: Rules,
  events: AsyncIterable<Ev> | Iterable<Ev>,
  record: (view: JsonObject) => { readonly after: JsonObject } | { readonly afterHash: string },
): AsyncGenerator<Ev & ({ readonly after: JsonObject } | { readonly afterHash: string }), void, undefined> {
  let current: { readonly key: string; readonly folding: ReturnType<typeof folder> } | undefined;
  for await (const event of events) {
    const key = `${event.tenant}\u0000${event.streamName}`;
    if (current?.key !== key) current = { key, folding: folder(rules) };
    if (event.version !== current.folding.now().version + 1)
      throw new TypeError(`withStates: events must come stream by stream, each from version 1 on`);
    const stopped = current.folding.take(event);
    if (stopped !== undefined)
      throw fixtureMismatch(
        `version ${event.version} of ${escapeForDisplay(event.streamName, 200)} cannot be folded: ${escapeForDisplay(stopped.message, 300)}`,
      );
    yield { ...event, ...record(viewOf(rules, current.folding.now())) };
  }
}
