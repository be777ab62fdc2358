/** The order in which stores list names. */

/** Order of code points, which is also the order of UTF-8 bytes; `<` on strings compares UTF-16 units. */
export const compareCodePoints = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));
