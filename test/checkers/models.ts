/** What is checked for linearizability: a register, and a stream of events. */
import { type ExpectedVersion, meets, type StreamVersion } from '../../src/core/stream.js';
import type { Direction } from '../../src/store/event-store.js';
import type { Model } from './linearizability.js';

export type RegisterValue = number | null;
export type RegisterInput =
  | { readonly f: 'read' }
  | { readonly f: 'write'; readonly value: number }
  | { readonly f: 'cas'; readonly from: number; readonly to: number };
export type RegisterOutput =
  | { readonly f: 'read'; readonly value: RegisterValue }
  | { readonly f: 'write' }
  | { readonly f: 'cas'; readonly swapped: boolean };

/** A register that is read, written, and written where it holds a certain value. */
export const registerModel: Model<RegisterValue, RegisterInput, RegisterOutput> = {
  init: null,
  step: (state, input, output) => {
    switch (input.f) {
      case 'read':
        return output === undefined || (output.f === 'read' && output.value === state) ? state : undefined;
      case 'write':
        return input.value;
      case 'cas': {
        const swaps = state === input.from;
        const fits = output === undefined || (output.f === 'cas' && output.swapped === swaps);
        return fits ? (swaps ? input.to : state) : undefined;
      }
    }
  },
  keyOf: String,
};

export type StreamInput =
  | { readonly f: 'append'; readonly ids: ReadonlyArray<string>; readonly expected: ExpectedVersion }
  | {
      readonly f: 'read';
      readonly direction: Direction;
      readonly from: number | undefined;
      readonly maxCount: number;
    };
export type StreamOutput =
  | { readonly f: 'appended'; readonly version: number; readonly idempotent: boolean }
  | { readonly f: 'refused'; readonly actual: number; readonly tail: ReadonlyArray<string> | undefined }
  | { readonly f: 'page'; readonly ids: ReadonlyArray<string>; readonly version: number };

/** A stream's event ids, oldest first; the text of all of them is its key. */
export interface StreamContent {
  readonly ids: ReadonlyArray<string>;
  readonly key: string;
}

type AppendInput = Extract<StreamInput, { readonly f: 'append' }>;
type ReadInput = Extract<StreamInput, { readonly f: 'read' }>;

const sameIds = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === b.length && a.every((id, index) => id === b[index]);

/** How many events precede the batch where it stands in the stream as a whole; undefined where it does not. */
const standsAfter = (content: StreamContent, ids: ReadonlyArray<string>): number | undefined => {
  const place = content.ids.indexOf(ids[0] ?? '');
  return place >= 0 && sameIds(content.ids.slice(place, place + ids.length), ids) ? place : undefined;
};

const expectedPlace = (expected: ExpectedVersion): number | undefined => {
  if (expected._tag === 'exactly') return expected.version;
  return expected._tag === 'noStream' ? 0 : undefined;
};

type Appended = readonly [content: StreamContent, output: Exclude<StreamOutput, { readonly f: 'page' }>];

/** What the port promises of an append to a stream that stands like this. */
const appendTo = (content: StreamContent, { ids, expected }: AppendInput): Appended => {
  const version = content.ids.length;
  const before = standsAfter(content, ids);
  const place = expectedPlace(expected);
  if (before !== undefined && (place === undefined || place === before))
    return [content, { f: 'appended', version: before + ids.length, idempotent: true }];
  const holdsSome = ids.some((id) => content.ids.includes(id));
  if (!meets(expected, version as StreamVersion) || holdsSome)
    return [content, { f: 'refused', actual: version, tail: content.ids.slice(place ?? 0) }];
  const after = { ids: [...content.ids, ...ids], key: `${content.key} ${ids.join(' ')}` };
  return [after, { f: 'appended', version: version + ids.length, idempotent: false }];
};

const fitsAppend = (promised: StreamOutput, told: StreamOutput): boolean => {
  if (promised.f === 'appended')
    return (
      told.f === 'appended' && told.version === promised.version && told.idempotent === promised.idempotent
    );
  if (promised.f !== 'refused' || told.f !== 'refused' || told.actual !== promised.actual) return false;
  return told.tail === undefined || sameIds(told.tail, (promised.tail ?? []).slice(0, told.tail.length));
};

const pageOf = (
  ids: ReadonlyArray<string>,
  { direction, from, maxCount }: ReadInput,
): ReadonlyArray<string> => {
  if (direction === 'forwards') return ids.slice((from ?? 1) - 1, (from ?? 1) - 1 + maxCount);
  const end = Math.min(from ?? ids.length, ids.length);
  return ids.slice(Math.max(0, end - maxCount), end).reverse();
};

/** A stream as the port promises it: appended to with an expectation, and read page by page. */
export const streamModel: Model<StreamContent, StreamInput, StreamOutput> = {
  init: { ids: [], key: '' },
  step: (content, input, output) => {
    if (input.f === 'append') {
      const [after, promised] = appendTo(content, input);
      return output === undefined || fitsAppend(promised, output) ? after : undefined;
    }
    if (output === undefined) return content;
    const fits =
      output.f === 'page' &&
      output.version === content.ids.length &&
      sameIds(output.ids, pageOf(content.ids, input));
    return fits ? content : undefined;
  },
  keyOf: (content) => content.key,
};
