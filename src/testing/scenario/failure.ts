/** How a scenario fails: the story up to here, and the difference between what was expected and what happened. */
import { styleText } from 'node:util';
import { diffLines } from 'diff';
import { titled } from '../../core/saga/describe-conflict.js';
import type { Json } from '../../core/json.js';
import { aligned, linesOf } from './expected.js';

/** What was given and done, for the head of a failure. */
export interface Story {
  /** `account`, or `basket-scenario`. */
  readonly of: string;
  /** Each line begins with its word: `given`, `when`. */
  readonly lines: ReadonlyArray<string>;
}

interface Titled {
  readonly type: string;
  readonly data: unknown;
}

const textOf = ({ type, data }: Titled): string => titled(type, data as Json, 100);

/** The items of one step of the story, with its word before the first. */
export const storyLines = (
  word: string,
  items: ReadonlyArray<Titled>,
  none = 'nothing',
): ReadonlyArray<string> => {
  const texts = items.length === 0 ? [none] : items.map(textOf);
  return texts.map((text, index) => `${(index === 0 ? word : '').padEnd(6)} ${text}`);
};

type Colour = 'green' | 'red';

// Colours are for people at a terminal; in a file or a pipe they are noise.
const painted = (colour: Colour, text: string): string =>
  process.stdout.isTTY && process.env['NO_COLOR'] === undefined ? styleText(colour, text) : text;

const marked = (mark: string, text: string): ReadonlyArray<string> =>
  text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `${mark} ${line}`);

/** The difference of two texts, all lines shown: `-` is expected only, `+` happened only. */
export const difference = (expected: string, actual: string): ReadonlyArray<string> => [
  painted('green', '- expected'),
  painted('red', '+ actual'),
  '',
  ...diffLines(`${expected}\n`, `${actual}\n`).flatMap(({ added, removed, value }) => {
    if (added) return marked('+', value).map((line) => painted('red', line));
    return removed ? marked('-', value).map((line) => painted('green', line)) : marked(' ', value);
  }),
];

/** The difference between a value and what was expected of it. */
export const valueDifference = (expected: unknown, actual: unknown): ReadonlyArray<string> =>
  difference(linesOf(aligned(expected, actual)), linesOf(actual));

const block = (lines: ReadonlyArray<string>): string =>
  lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n');

/** The place of a test that asks for something, kept so that a failure that is found later points there. */
export const placeOf = (asked: (...args: never[]) => unknown): Error => {
  const place = new Error();
  Error.captureStackTrace(place, asked);
  return place;
};

/** Makes the error of a scenario. `parts` are blocks of lines, in order. */
export const scenarioFailed = (
  place: Error,
  story: Story,
  what: string,
  parts: ReadonlyArray<ReadonlyArray<string>>,
): Error => {
  const blocks = [story.lines, ...parts].filter((lines) => lines.length > 0).map(block);
  const message = [`scenario of ${story.of}: ${what}`, ...blocks].join('\n\n');
  const error = Object.assign(new Error(message), { name: 'ScenarioFailed' });
  const frames = (place.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  error.stack = `${error.name}: ${message}\n${frames.join('\n')}`;
  return error;
};
