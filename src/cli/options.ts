/** Values of options, checked: what is refused is named, with what would be accepted. */
import { taggedError } from '../core/fault.js';
import type { BadOption } from './failure.js';

const badOption = (option: string, message: string): Error =>
  taggedError<BadOption>({ _tag: 'BadOption', option, message: `${option} ${message}` });

/** A whole number from `min` to `max`. */
export const wholeNumber =
  (option: string, min: number, max: number) =>
  (value: string): number => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max))
      throw badOption(option, `must be a whole number from ${min} to ${max}, found ${JSON.stringify(value)}`);
    return number;
  };

/** An option that may be given more than once: all its values. */
export const collect = (value: string, before: ReadonlyArray<string> = []): ReadonlyArray<string> => [
  ...before,
  value,
];

export interface Share {
  readonly part: number;
  readonly of: number;
}

/** `1/2`: the first of two parts of each case's messages. */
export const shareOf = (value: string): Share => {
  const [, part = 0, of = 0] = (/^(\d{1,3})\/(\d{1,3})$/.exec(value) ?? []).map(Number);
  if (part < 1 || of < 1 || part > of)
    throw badOption('--share', `must be like 1/2, a part and of how many, found ${JSON.stringify(value)}`);
  return { part, of };
};

export { badOption };
