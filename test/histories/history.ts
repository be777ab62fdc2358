/** What is recorded of a store under load: who asked what, when, what was answered, and what readers of all streams saw. */
import type { ExpectedVersion } from '../../src/core/stream.js';
import type { Direction } from '../../src/store/event-store.js';

/** An event as a reader saw it. */
export interface Seen {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly position: string;
}

export interface Batch {
  readonly stream: string;
  readonly expected: ExpectedVersion;
  readonly ids: ReadonlyArray<string>;
}

export type Call =
  /** Several batches are one `appendMany`. */
  | { readonly f: 'append'; readonly batches: ReadonlyArray<Batch> }
  | {
      readonly f: 'read';
      readonly stream: string;
      readonly direction: Direction;
      readonly from: number | undefined;
      readonly maxCount: number;
    }
  | { readonly f: 'readAll'; readonly maxCount: number };

export type Answer =
  | { readonly f: 'appended'; readonly results: ReadonlyArray<Appended> }
  | {
      readonly f: 'refused';
      readonly stream: string;
      readonly actual: number;
      readonly tail: ReadonlyArray<string> | undefined;
    }
  /** It did not happen, and nothing was learnt. */
  | { readonly f: 'failed' }
  /** It may have happened, may happen yet, or never. */
  | { readonly f: 'unknown' }
  | { readonly f: 'page'; readonly events: ReadonlyArray<Seen>; readonly version: number };

export interface Appended {
  readonly version: number;
  readonly position: string;
  readonly idempotent: boolean;
}

/** Times count calls and answers of the whole history, from one counter. */
export interface Recorded {
  readonly process: string;
  readonly call: Call;
  readonly answer: Answer;
  readonly calledAt: number;
  readonly returnedAt: number;
}

/** One who reads the global order from its beginning, page after page or by subscription. */
export interface Reader {
  readonly name: string;
  readonly seen: ReadonlyArray<Seen>;
  /** How many events it had seen each time it was told that no more can be read now. */
  readonly ends: ReadonlyArray<number>;
  /** It read until nothing more could come; the others are a beginning. */
  readonly toTheEnd: boolean;
}

export interface History {
  readonly name: string;
  readonly operations: ReadonlyArray<Recorded>;
  /** Read from the beginning when all was over. */
  readonly order: ReadonlyArray<Seen>;
  readonly readers: ReadonlyArray<Reader>;
}
