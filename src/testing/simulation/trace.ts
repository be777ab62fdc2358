/** What a simulation did, step by step, and one short text that is the same exactly when all of it was. */

export interface Trace {
  /** `atMs` is the virtual time. */
  readonly note: (atMs: number, line: string) => void;
  readonly lines: () => ReadonlyArray<string>;
  /** 16 hexadecimal digits over all lines so far. */
  readonly hash: () => string;
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

export const makeTrace = (): Trace => {
  const lines: string[] = [];
  const times: number[] = [];
  // Two multiplicative hashes of 32 bits, as text comes: a trace is compared with a trace, never with an enemy's.
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  return {
    note: (atMs, line) => {
      lines.push(line);
      times.push(atMs);
      // Microseconds: what is printed of it is less, and what a clock adds up is the same for the same additions.
      a = Math.imul(a ^ Math.floor(atMs * 1_000), 0x01000193);
      for (let index = 0; index < line.length; index += 1) {
        const code = line.charCodeAt(index);
        a = Math.imul(a ^ code, 0x01000193);
        b = Math.imul(b ^ code, 0x85ebca6b);
      }
      a = Math.imul(a ^ 10, 0x01000193);
      b = Math.imul((b << 13) | (b >>> 19), 0xc2b2ae35);
    },
    // Put together only where somebody wants to see it.
    lines: () => lines.map((line, index) => `${(times[index] ?? 0).toFixed(2).padStart(8)} ${line}`),
    hash: () => hex(a) + hex(b),
  };
};
