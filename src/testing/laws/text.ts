/** A merger's report in words: which laws hold, and for each that does not the smallest history that was found. */
import { structuredPatch } from 'diff';
import { canonicalJson, type Json } from '../../core/json.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { Fork, Step, Track } from './play.js';
import type { Breach } from './laws.js';
import type { Shown } from './try-laws.js';

const charactersMax = 160;

/** On one line. What JSON cannot tell is written in words. */
export const oneLine = (value: unknown): string => {
  if (typeof value === 'string') return escapeForDisplay(value, charactersMax);
  try {
    return escapeForDisplay(canonicalJson(value as Json) ?? String(value), charactersMax);
  } catch {
    return String(value);
  }
};

const sorted = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
};

const pretty = (value: unknown): string =>
  `${typeof value === 'string' ? value : (JSON.stringify(sorted(value), null, 2) ?? String(value))}\n`;

/** Line by line, with two lines around each change. */
export const diffOf = (before: unknown, after: unknown): ReadonlyArray<string> => {
  const patch = structuredPatch('', '', pretty(before), pretty(after), '', '', { context: 2 });
  return patch.hunks.flatMap(({ lines }, index) => [
    ...(index === 0 ? [] : ['  ...']),
    ...lines.map((line) => `${line.slice(0, 1)} ${line.slice(1)}`),
  ]);
};

export const stepText = ({ type, data }: Pick<Step, 'type' | 'data'>): string => {
  const shown = oneLine(data);
  return shown === '{}' ? escapeForDisplay(type) : `${escapeForDisplay(type)} ${shown}`;
};

const trunkLines = ({ steps, tip }: Track): ReadonlyArray<string> => {
  const lines = steps.map(({ version, step, mergedFrom }) => {
    const merged = mergedFrom === undefined ? '' : `  (from a branch at version ${mergedFrom}, merged)`;
    return `${String(version).padStart(4)}  ${stepText(step)}${merged}`;
  });
  const completed = tip.completed ? ['      the saga has completed'] : [];
  return ['  trunk, by version', ...(lines.length === 0 ? ['   0  nothing yet'] : lines), ...completed];
};

export const stateLines = (shown: ReadonlyArray<Shown>): ReadonlyArray<string> => {
  const width = Math.max(...shown.map(({ label }) => label.length));
  return shown.map(({ label, value }) => `    ${label.padEnd(width)}  ${oneLine(value)}`);
};

const branchLines = (fork: Fork, index: number, count: number): ReadonlyArray<string> => {
  const name = count === 1 ? 'branch' : `branch ${index + 1}`;
  const { events, messages, completes } = fork.decision;
  const nothing = events.length + messages.length === 0 && !completes;
  const what = nothing ? 'decides nothing' : stepText(fork.step);
  return [
    `  ${name}, from version ${fork.base.version}: ${what}`,
    ...stateLines([
      { label: 'base', value: fork.base.state },
      { label: 'theirs', value: fork.state },
    ]),
  ];
};

/** What came of it; of two, what differs. */
export const resultLines = (merged: ReadonlyArray<Shown>): ReadonlyArray<string> => {
  if (merged.length === 0) return [];
  const [one, other] = merged;
  const diff = one === undefined || other === undefined ? [] : diffOf(one.value, other.value);
  const legend = [
    `  - ${one?.label ?? ''}`,
    `  + ${other?.label ?? ''}`,
    ...diff.map((line) => `    ${line}`),
  ];
  return ['  result', ...stateLines(merged), ...(diff.length === 0 ? [] : ['', ...legend])];
};

/** The history, the two or more sides, and what came of them. */
export const breachLines = ({ problem, track, merged }: Breach): ReadonlyArray<string> => {
  return [
    `  ${problem}`,
    '',
    ...trunkLines(track),
    ...stateLines([{ label: 'ours', value: track.tip.state }]),
    ...track.forks.flatMap((fork, index) => branchLines(fork, index, track.forks.length)),
    ...resultLines(merged),
  ].map((line) => line.trimEnd());
};
