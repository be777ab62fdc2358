/** What changed in the states from one run of a replay to the next. */
import { escapeForDisplay } from '../core/stream.js';
import { changesBetween, describeChange } from '../testing/replay/diff.js';
import type { Frame, FrameStep } from './replay-once.js';
import type { Colors } from './session.js';

const versionsMax = 12;
const changesMax = 12;

const keyOf = ({ streamName, version }: FrameStep): string => `${version} ${streamName}`;

interface Changed {
  readonly step: FrameStep;
  readonly lines: ReadonlyArray<string>;
}

const comparing =
  (before: ReadonlyMap<string, FrameStep>) =>
  (step: FrameStep): ReadonlyArray<Changed> => {
    const old = before.get(keyOf(step));
    if (old === undefined) return [{ step, lines: ['is new'] }];
    const lines = changesBetween(old.view, step.view).map(describeChange);
    return lines.length === 0 ? [] : [{ step, lines }];
  };

const cut = (lines: ReadonlyArray<string>, max: number): ReadonlyArray<string> =>
  lines.length <= max ? lines : [...lines.slice(0, max), `... and ${lines.length - max} more`];

/** Version by version, the states that are not as they were; what is old is before the arrow, what is new after it. */
export const changedStates = (colors: Colors, before: Frame, now: Frame): ReadonlyArray<string> => {
  const changed = now.steps.flatMap(comparing(new Map(before.steps.map((step) => [keyOf(step), step]))));
  const keys = new Set(now.steps.map(keyOf));
  const gone = before.steps.filter((step) => !keys.has(keyOf(step))).length;
  const all = now.steps.length;
  const summary =
    changed.length === 0 && gone === 0
      ? `all ${all} states as before`
      : `${changed.length} of ${all} states changed${gone > 0 ? `, ${gone} are gone` : ''}`;
  const shown = changed
    .slice(0, versionsMax)
    .flatMap(({ step, lines }) => [
      `${escapeForDisplay(step.streamName, 200)} ${step.version}  ${escapeForDisplay(step.type, 120)}`,
      ...cut(lines, changesMax).map((line) => `    ${colors.yellow(line)}`),
    ]);
  const more = changed.length - versionsMax;
  return [
    colors.bold(summary),
    ...shown,
    ...(more > 0 ? [`... and ${more} ${more === 1 ? 'state' : 'states'} more`] : []),
  ];
};
