/** One run of `watersmeet replay`: folds a history with code as it is now, and says what came of it. */
import type { RecordedEvent } from '../core/event.js';
import type { JsonObject } from '../core/json.js';
import { categoryOf, escapeForDisplay } from '../core/stream.js';
import { noStreamOf, replay, streamsOf } from '../testing/replay/replay.js';
import { categoryOfRules, type Rules } from '../testing/replay/fold.js';
import { type Difference, replayInto, type ReplayComparison } from '../testing/replay/into.js';
import { exitCodes } from './failure.js';
import type { LookOptions } from './look.js';
import { badOption } from './options.js';
import { type LoadedHistory, loadHistory } from './replay-history.js';
import { paintDiff, showStream } from './replay-show.js';
import { bundledRules, loadRules, rulesOfCategory } from './rules.js';
import type { Session } from './session.js';

export interface ReplayOptions extends LookOptions {
  readonly saga?: string;
  readonly against?: string;
  readonly stream?: string;
  readonly from?: number;
  readonly to?: number;
  readonly diff?: boolean;
  readonly merges?: boolean;
  readonly watch?: boolean;
}

/** What is known after one event, to be compared with the next run. */
export interface FrameStep {
  readonly streamName: string;
  readonly version: number;
  readonly type: string;
  readonly view: JsonObject;
}

export interface Frame {
  readonly lines: ReadonlyArray<string>;
  /** The last of the lines: how the states compare with what was recorded. */
  readonly verdict: ReadonlyArray<string>;
  readonly steps: ReadonlyArray<FrameStep>;
  readonly exitCode: number;
}

const rulesFor = async (
  session: Session,
  { events }: LoadedHistory,
  { saga }: ReplayOptions,
): Promise<Rules> => {
  if (saga !== undefined) return loadRules(session, saga);
  const [first] = events;
  const known = first && (await rulesOfCategory(session, categoryOf(first.streamName)));
  if (known !== undefined) return known;
  throw badOption(
    '--saga',
    `is missing: name the code to fold with, ${bundledRules.join(', ')}, or the path of a module`,
  );
};

interface Chosen {
  readonly streamName: string;
  readonly events: LoadedHistory['events'];
}

const choose = (
  rules: Rules,
  { events, from }: LoadedHistory,
  options: ReplayOptions,
): ReadonlyArray<Chosen> => {
  const streams = streamsOf(rules, events);
  if (streams.length === 0) throw noStreamOf(rules, from, events);
  const chosen =
    options.stream === undefined
      ? streams
      : streams.filter(({ streamName }) => streamName === options.stream);
  if (chosen.length === 0)
    throw badOption('--stream', `${escapeForDisplay(options.stream ?? '', 200)} is not in ${from}`);
  if (chosen.length > 1 && (options.from !== undefined || options.to !== undefined))
    throw badOption(
      options.to === undefined ? '--from' : '--to',
      `is of one stream, and ${from} holds ${chosen.length}; name one with --stream`,
    );
  return chosen;
};

/** The events up to `--to`. */
const cutOff = ({ streamName, events }: Chosen, { from = 0, to }: ReplayOptions): Chosen => {
  const name = escapeForDisplay(streamName, 200);
  const last = events.length;
  if (to !== undefined && to > last)
    throw badOption(
      '--to',
      `${to} is beyond the end: ${name} has ${last} ${last === 1 ? 'event' : 'events'}`,
    );
  if (from > (to ?? last))
    throw badOption(
      '--from',
      `${from} is beyond ${to === undefined ? `the end: ${name} has ${last} events` : `--to ${to}`}`,
    );
  return { streamName, events: events.slice(0, to) };
};

interface Run {
  readonly session: Session;
  readonly rules: Rules;
  readonly options: ReplayOptions;
  readonly comparison: ReplayComparison;
}

const stepsOf = (rules: Rules, { streamName, events }: Chosen): ReadonlyArray<FrameStep> => {
  const replayed = replay(rules, events);
  return replayed.steps.slice(1).map(({ version, eventType = '' }) => ({
    streamName,
    version,
    type: eventType,
    view: replayed.view(version),
  }));
};

const jsonLines = (
  { rules, options, comparison }: Run,
  chosen: ReadonlyArray<Chosen>,
): ReadonlyArray<string> => {
  const { text: _text, ...told } = comparison;
  const lines = chosen.flatMap(({ streamName, events }) => {
    const replayed = replay(rules, events);
    return replayed.steps.slice(1).flatMap(({ version, eventType }) => {
      if (version < (options.from ?? 0)) return [];
      const what =
        options.diff === true ? { changes: replayed.changes(version) } : { after: replayed.view(version) };
      return [JSON.stringify({ streamName, version, type: eventType, ...what })];
    });
  });
  return [...lines, JSON.stringify(told)];
};

const detail = ({ session, rules, options }: Run, { streamName, events }: Chosen): ReadonlyArray<string> => {
  const { colors } = session;
  const { diff = false, from = 0 } = options;
  const replayed = replay(rules, events as ReadonlyArray<RecordedEvent>);
  return [
    colors.bold(escapeForDisplay(streamName, 200)),
    ...showStream(replayed, events, { from, diff, colors }),
    '',
  ];
};

const summaryLine = (
  { session, comparison }: Run,
  { streamName, events }: Chosen,
  digits: number,
): string => {
  const found: Difference | undefined = comparison.differences.find((one) => one.streamName === streamName);
  const words =
    found === undefined ? '' : `  ${session.colors.yellow(`differs at version ${found.version}`)}`;
  return `${String(events.length).padStart(digits)}  ${escapeForDisplay(streamName, 600)}${words}`;
};

const exitCodeOf = ({ differences }: ReplayComparison): number =>
  differences.length > 0 ? exitCodes.otherStates : exitCodes.ok;

/** Reads and folds once. `withSteps` also keeps every state, for a comparison with the next run. */
export const replayOnce = async (
  session: Session,
  name: string,
  options: ReplayOptions,
  withSteps = false,
): Promise<Frame> => {
  const loaded = await loadHistory(session, name, options);
  const rules = await rulesFor(session, loaded, options);
  const against = options.against === undefined ? undefined : await loadRules(session, options.against);
  if (against !== undefined && categoryOfRules(against) !== categoryOfRules(rules))
    throw badOption(
      '--against',
      `is of ${categoryOfRules(against)}, and --saga of ${categoryOfRules(rules)}`,
    );
  const chosen = choose(rules, loaded, options).map((stream) => cutOff(stream, options));
  const comparison = replayInto(
    rules,
    chosen.flatMap(({ events }) => events),
    {
      ...(against && { against }),
      merges: options.merges === true,
      snapshots: chosen.length === 1 ? loaded.snapshots : [],
    },
  );
  const run: Run = { session, rules, options, comparison };
  const steps = withSteps ? chosen.flatMap((stream) => stepsOf(rules, stream)) : [];
  const exitCode = exitCodeOf(comparison);
  if (options.json === true) return { lines: jsonLines(run, chosen), verdict: [], steps, exitCode };
  const [only, second] = chosen;
  const digits = Math.max(...chosen.map(({ events }) => String(events.length).length));
  const lines =
    only !== undefined && second === undefined
      ? detail(run, only)
      : [...chosen.map((stream) => summaryLine(run, stream, digits)), ''];
  return { lines, verdict: paintDiff(session.colors, comparison.text), steps, exitCode };
};
