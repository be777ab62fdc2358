/** Identifiers that are derived from what they name, so that a repeat is recognised. */
import { parse, v5, validate } from 'uuid';

// A namespace of our own (RFC 9562, section 6.6), so that our names never collide with another program's.
// As bytes, like the names below: the library takes longer over text than over the hash itself.
const namespace = parse('5d0f3a52-6f1c-5d0e-9a7a-2f5a6c3f7b10');

/** The same UUID version 5 for the same parts, everywhere. Parts are joined unambiguously. */
export const derivedId = (...parts: ReadonlyArray<string | number>): string =>
  v5(Buffer.from(JSON.stringify(parts)), namespace);

export const isId = (text: unknown): text is string => typeof text === 'string' && validate(text);
