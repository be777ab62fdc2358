/** How a replayed stream is shown: its drawing, and below each event the state or what changed in it. */
import { drawSaga, type Paint } from '../core/saga/draw.js';
import type { RecordedEvent } from '../core/event.js';
import { canonicalJson } from '../core/json.js';
import { escapeForDisplay } from '../core/stream.js';
import type { Replay } from '../testing/replay/replay.js';
import { describeChange } from '../testing/replay/diff.js';
import type { ReplayedSaga } from '../testing/replay/fold.js';
import { paintWith } from './look.js';
import type { Colors } from './session.js';

export interface ShowOptions {
  /** The first version to show. */
  readonly from: number;
  /** Changes in place of states. */
  readonly diff: boolean;
  readonly colors: Colors;
}

const stateCharactersMax = 4_000;

/** A diff's lines, the old red, the new green. */
export const paintDiff = (colors: Colors, text: string): ReadonlyArray<string> =>
  text
    .split('\n')
    .map((line) =>
      line.startsWith('-') ? colors.red(line) : line.startsWith('+') ? colors.green(line) : line,
    );

interface DrawnEvent {
  /** The event's row, and the rows of forks and joins before it. */
  readonly rows: ReadonlyArray<string>;
  /** What runs on below the row: the trunk, and the lanes that are open. */
  readonly margin: string;
}

// `12 * | o MergeSagaState ...`: a version, the trunk's mark and one for each lane, then the text.
const eventRow = /^( *\d+) ([*|!MC#.](?: [|ox ](?= ))*) /;

/** The drawing, cut into what belongs to each version; the first is before any event. */
const drawnEvents = (events: ReadonlyArray<RecordedEvent>, paint: Paint): ReadonlyArray<DrawnEvent> => {
  const plain = drawSaga(events);
  const painted = drawSaga(events, paint);
  const digits = String(events.at(-1)?.version ?? 0).length;
  const drawn: DrawnEvent[] = [];
  const begin = `${'0'.padStart(digits)} . no events yet`;
  let rows: string[] = plain[0] === begin ? [] : [paint.quiet(begin)];
  if (rows.length > 0) {
    drawn.push({ rows, margin: `${' '.repeat(digits)} |` });
    rows = [];
  }
  for (const [index, line] of plain.entries()) {
    rows.push(painted[index] as string);
    const found = eventRow.exec(line);
    if (found === null) continue;
    const [, version = '', graph = ''] = found;
    const lanes = graph.replace(/[*!MC#.o]/g, '|').replace(/x/g, ' ');
    drawn.push({ rows, margin: `${' '.repeat(version.length)} ${lanes}` });
    rows = [];
  }
  return drawn;
};

const pendingWords = (before: ReplayedSaga, now: ReplayedSaga): ReadonlyArray<string> => {
  const [old, fresh] = [before, now].map(({ pending }) => new Set(pending.map(({ branchId }) => branchId)));
  return [
    ...now.pending
      .filter(({ branchId }) => old?.has(branchId) !== true)
      .map(({ base }) => `a branch from ${base} waits for its merge`),
    ...before.pending
      .filter(({ branchId }) => fresh?.has(branchId) !== true)
      .map(({ base }) => `the branch from ${base} waits no longer`),
  ];
};

const sagaWords = (
  before: ReplayedSaga | undefined,
  now: ReplayedSaga | undefined,
): ReadonlyArray<string> => {
  if (before === undefined || now === undefined) return [];
  const ids = new Set(before.compensations.map(({ id }) => id));
  const left = new Set(now.compensations.map(({ id }) => id));
  return [
    ...pendingWords(before, now),
    ...(now.epoch === before.epoch ? [] : [`epoch ${now.epoch} begins`]),
    ...(now.completed && !before.completed ? ['the saga is completed'] : []),
    ...(now.parked !== undefined && before.parked === undefined ? ['the saga is parked'] : []),
    ...(now.parked === undefined && before.parked !== undefined ? ['the saga is parked no longer'] : []),
    ...now.compensations
      .filter(({ id }) => !ids.has(id))
      .map(({ hook }) => `compensation ${escapeForDisplay(hook)} is owed`),
    ...before.compensations
      .filter(({ id }) => !left.has(id))
      .map(({ hook }) => `compensation ${escapeForDisplay(hook)} is done`),
  ];
};

const below = (replayed: Replay, version: number, { diff, from }: ShowOptions): ReadonlyArray<string> => {
  const changes = version === 0 ? [] : replayed.changes(version);
  const ofState = changes.filter(({ path }) => path.startsWith('$.state'));
  const words = version === 0 ? [] : sagaWords(replayed.at(version - 1).saga, replayed.at(version).saga);
  if (diff) return [...ofState.map(describeChange), ...words];
  const isNew = ofState.length > 0 || version === from || version === 0;
  // Stores and mergers give keys in any order.
  const state = canonicalJson(replayed.view(version)['state'] ?? null);
  return [isNew ? escapeForDisplay(state, stateCharactersMax) : 'state as before', ...words];
};

/** `events` are those that were replayed, from version 1 on. */
export const showStream = (
  replayed: Replay,
  events: ReadonlyArray<RecordedEvent>,
  options: ShowOptions,
): ReadonlyArray<string> => {
  const folded = events.slice(0, replayed.version);
  return drawnEvents(folded, paintWith(options.colors)).flatMap(({ rows, margin }, version) =>
    version < options.from
      ? []
      : [
          ...rows,
          ...below(replayed, version, options).map((line) => options.colors.dim(`${margin}     `) + line),
        ],
  );
};
