/** Tells whether today's code gives the same states as a recorded history, and where the first one differs. */
import * as E from 'fp-ts/lib/Either.js';
import { hashOf, isJsonEqual, type Json, type JsonObject } from '../../core/json.js';
import { recordTypes } from '../../core/saga/saga.js';
import { mergeSagaState, sagaMerged } from '../../core/saga/saga-records.js';
import { stateHash } from '../../core/saga/reacting.js';
import type { LogEvent } from '../../core/saga/saga-view.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { Snapshot } from '../../store/snapshots.js';
import type { Fixture } from './fixture-read.js';
import { noStreamOf, replay, type Replay, streamsOf } from './replay.js';
import { type Change, changesBetween, textDiff } from './diff.js';
import { isSaga, type Rules, stateJson } from './fold.js';
import { checkMerges, type MergeCheck } from './merges.js';

/** An event of a history, with what was known after it, where that was recorded. */
export type HistoryEvent = LogEvent & {
  readonly tenant?: string;
  readonly after?: JsonObject;
  readonly afterHash?: string;
};

/** What the recorded side of a comparison is. */
export type Evidence =
  /** A state in the fixture. */
  | 'state'
  /** The hash of a state in the fixture. */
  | 'stateHash'
  /** The hash of the state that a branch began from, in its `MergeSagaState`. */
  | 'branchBase'
  /** The state in a `SagaMerged`, decoded and encoded again. */
  | 'mergedState'
  | 'snapshot'
  /** What the code given as `against` says. */
  | 'otherCode';

export interface Difference {
  readonly streamName: string;
  readonly version: number;
  readonly eventType: string;
  readonly evidence: Evidence | 'unreadable';
  /** A view (see `viewOf`) or a state; a hash where no more was recorded. */
  readonly recorded: Json | undefined;
  /** `undefined` where today's code cannot fold the event. */
  readonly now: Json | undefined;
  /** Empty where only a hash was recorded. */
  readonly changes: ReadonlyArray<Change>;
  /** `changes` as a text diff, or in words what is different. */
  readonly diff: string;
}

export interface ReplayComparison {
  /** True where there was something to compare and all of it is equal. */
  readonly same: boolean;
  /** How many recorded states and hashes were compared. 0: the history carries none, and `same` is false. */
  readonly compared: number;
  readonly streams: number;
  readonly events: number;
  /** Of the first stream that differs. */
  readonly firstDifference?: Difference;
  /** The first of every stream that differs. */
  readonly differences: ReadonlyArray<Difference>;
  /** With `merges`: what today's merger would say. Does not count for `same`, since replay takes merged states as they stand. */
  readonly merges: ReadonlyArray<MergeCheck>;
  /** All of it in words, for people. */
  readonly text: string;
}

export interface ReplayIntoOptions {
  /** Compares with this code too, at every version. */
  readonly against?: Rules;
  /** Asks today's merger, dry, about every merge of the history. Default false. */
  readonly merges?: boolean;
  /** Snapshots of the stream, where the history is of one; those of another codec version are passed over. */
  readonly snapshots?: ReadonlyArray<Snapshot>;
}

interface Compared {
  readonly version: number;
  readonly evidence: Evidence;
  readonly recorded: Json;
  readonly now: Json;
}

type Comparing = (now: Replay, events: ReadonlyArray<HistoryEvent>) => ReadonlyArray<Compared>;

const fixtureStates: Comparing = (now, events) =>
  events.slice(0, now.version).flatMap(({ version, after, afterHash }): ReadonlyArray<Compared> => {
    if (after !== undefined) return [{ version, evidence: 'state', recorded: after, now: now.view(version) }];
    return afterHash === undefined
      ? []
      : [{ version, evidence: 'stateHash', recorded: afterHash, now: hashOf(now.view(version)) }];
  });

/** What the engine itself has recorded of the saga's states. */
const sagaStates =
  (rules: Rules): Comparing =>
  (now, events) =>
    !isSaga(rules)
      ? []
      : events.slice(0, now.version).flatMap(({ version, type, data }): ReadonlyArray<Compared> => {
          if (type === recordTypes.mergeSagaState && mergeSagaState.is(data) && data.base < version) {
            const hash = stateHash(rules, now.at(data.base).state);
            const found = E.isRight(hash) ? hash.right : hash.left.message;
            return [{ version: data.base, evidence: 'branchBase', recorded: data.baseHash, now: found }];
          }
          if (type !== recordTypes.sagaMerged || !sagaMerged.is(data)) return [];
          const encoded = stateJson(rules, now.at(version).state);
          return [{ version, evidence: 'mergedState', recorded: data.state, now: encoded }];
        });

const snapshotStates =
  (rules: Rules, snapshots: ReadonlyArray<Snapshot>): Comparing =>
  (now) =>
    snapshots
      .filter(({ version, codecVersion }) => {
        const wanted = (rules as { readonly snapshot?: { readonly codecVersion: string } }).snapshot;
        return version <= now.version && codecVersion === wanted?.codecVersion;
      })
      .map(({ version, state }) => ({
        version,
        evidence: 'snapshot',
        recorded: (state as JsonObject)['state'] ?? null,
        now: stateJson(rules, now.at(version).state),
      }));

const otherStates =
  (against: Rules | undefined): Comparing =>
  (now, events) => {
    if (against === undefined) return [];
    const other = replay(against, events);
    const both = now.steps.slice(0, other.version + 1).map(({ version }) => ({
      version,
      evidence: 'otherCode' as const,
      recorded: other.view(version),
      now: now.view(version),
    }));
    if (other.stopped === undefined || now.version <= other.version) return both;
    const { version, message } = other.stopped;
    return [...both, { version, evidence: 'otherCode', recorded: message, now: now.view(version) }];
  };

const namesOf = (evidence: Evidence): readonly [string, string] =>
  evidence === 'otherCode' ? ['the other code', 'this code'] : ['recorded', 'today'];

const hashWords = (evidence: Evidence): string =>
  evidence === 'branchBase'
    ? 'a branch began from another state here; only its hash was recorded'
    : 'only the hash of the state was recorded; export with --states to see what changed';

const differenceOf = (
  streamName: string,
  events: ReadonlyArray<HistoryEvent>,
  { version, evidence, recorded, now }: Compared,
): Difference => {
  const eventType = events[version - 1]?.type ?? 'the initial state';
  const isHash = evidence === 'stateHash' || evidence === 'branchBase';
  const diff = isHash ? hashWords(evidence) : textDiff(recorded, now, namesOf(evidence));
  const changes = isHash ? [] : changesBetween(recorded, now);
  return { streamName, version, eventType, evidence, recorded, now, changes, diff };
};

interface OfStream {
  readonly compared: number;
  readonly difference: Difference | undefined;
  readonly merges: ReadonlyArray<MergeCheck>;
}

/** A full state says more than the hash of it: where both stand at one version, it is told. */
const evidenceOrder: ReadonlyArray<Evidence> = [
  ...(['otherCode', 'state', 'snapshot', 'mergedState', 'stateHash', 'branchBase'] as const),
];

const ofStream = (
  rules: Rules,
  events: ReadonlyArray<HistoryEvent>,
  options: ReplayIntoOptions,
): OfStream => {
  const now = replay(rules, events);
  const { streamName, stopped } = now;
  const merges = options.merges === true && isSaga(rules) ? checkMerges(rules, events) : [];
  const compared = [
    otherStates(options.against),
    fixtureStates,
    sagaStates(rules),
    snapshotStates(rules, options.snapshots ?? []),
  ]
    .flatMap((comparing) => comparing(now, events))
    .sort(
      (a, b) =>
        a.version - b.version || evidenceOrder.indexOf(a.evidence) - evidenceOrder.indexOf(b.evidence),
    );
  const first = compared.find(({ recorded, now: found }) => !isJsonEqual(recorded, found));
  if (first !== undefined)
    return { compared: compared.length, difference: differenceOf(streamName, events, first), merges };
  const unreadable: Difference | undefined = stopped && {
    ...{ streamName, version: stopped.version, eventType: stopped.eventType, evidence: 'unreadable' },
    ...{ recorded: undefined, now: undefined, changes: [] },
    diff: `it cannot be folded: ${escapeForDisplay(stopped.message, 500)}`,
  };
  return { compared: compared.length, difference: unreadable, merges };
};

const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** A difference in words, with its diff. */
export const describeDifference = (difference: Difference): string => {
  const { streamName, version, eventType, evidence, diff } = difference;
  const where = `${escapeForDisplay(streamName, 200)}, version ${version} (${escapeForDisplay(eventType, 120)})`;
  const what =
    evidence === 'unreadable'
      ? 'the code of today stops here'
      : evidence === 'otherCode'
        ? 'the first state in which the two differ'
        : 'the first state that is not as recorded';
  return `${where}: ${what}\n${diff}`;
};

/** What the merger of today says to one merge, in words. */
export const describeMergeCheck = (check: MergeCheck): string => {
  const { streamName, version, branches, recorded, verdict, reason, diff } = check;
  const words = { same: 'the same answer', different: 'another answer', refused: 'refuses' }[verdict];
  const why = reason === undefined ? '' : `: ${escapeForDisplay(reason, 300)}`;
  const where = `${escapeForDisplay(streamName, 200)}, version ${version}`;
  const line = `${where}: ${counted(branches, 'branch', 'branches')}, then ${recorded}; today's merger: ${words}${why}`;
  return diff === '' ? line : `${line}\n${diff}`;
};

const mergeLines = (merges: ReadonlyArray<MergeCheck>): ReadonlyArray<string> => {
  const others = merges.filter(({ verdict }) => verdict !== 'same');
  const alike = merges.length - others.length;
  const same = `${counted(alike, 'merge')} of ${merges.length}: today's merger gives the same answer`;
  return merges.length === 0 ? [] : [same, ...others.map(describeMergeCheck)];
};

const textOf = (
  { streams, events, compared, differences, merges }: Omit<ReplayComparison, 'text'>,
  { against }: ReplayIntoOptions,
): string => {
  const [first] = differences;
  const size = `${counted(streams, 'stream')}, ${counted(events, 'event')}`;
  const more = differences.length - 1;
  const lines =
    first !== undefined
      ? [describeDifference(first), ...(more > 0 ? [`${counted(more, 'other stream')} differ as well`] : [])]
      : compared === 0
        ? [`${size}: no state was recorded to compare with; export the history with --states`]
        : [
            `${size}: ${against === undefined ? 'the code of today gives the recorded states' : 'both give the same states'} (${compared} compared)`,
          ];
  return [...lines, ...mergeLines(merges)].join('\n');
};

/**
 * Folds a history with today's code and compares: with the states that a fixture carries (`watersmeet export --states`), the
 * hashes and merged states in a saga's own records, snapshots, and other code where `against` is given. Nothing is changed.
 * A fixture may hold many streams; those of other categories are passed over. Throws a `TaggedError` of `FixtureMismatch`
 * where none is of these rules.
 */
export const replayInto = (
  rules: Rules,
  history: ReadonlyArray<HistoryEvent> | Fixture,
  options: ReplayIntoOptions = {},
): ReplayComparison => {
  const events: ReadonlyArray<HistoryEvent> = 'file' in history ? history.events : history;
  const streams = streamsOf(rules, events);
  if (streams.length === 0)
    throw noStreamOf(rules, 'file' in history ? escapeForDisplay(history.file, 300) : 'the history', events);
  const all = streams.map((stream) => ofStream(rules, stream.events, options));
  const differences = all.flatMap(({ difference }) => difference ?? []);
  const compared = all.reduce((sum, one) => sum + one.compared, 0);
  const [firstDifference] = differences;
  const result = {
    same: firstDifference === undefined && compared > 0,
    compared,
    streams: streams.length,
    events: streams.reduce((sum, one) => sum + one.events.length, 0),
    ...(firstDifference && { firstDifference }),
    differences,
    merges: all.flatMap(({ merges }) => merges),
  };
  return { ...result, text: textOf(result, options) };
};
