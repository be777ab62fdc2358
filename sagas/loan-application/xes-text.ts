/** Turns chunks of bytes into text, and says where they are not UTF-8 instead of replacing what is not. */
import { TextDecoder } from 'node:util';

export interface DecodedText {
  /** The characters that end in the chunk; before a fault only those that precede it. */
  readonly text: string;
  readonly isUtf8: boolean;
}

const nothing = new Uint8Array();
// A BOM is kept: only the first one of a file is no text, and the XML parser sees to that one.
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/** Decodes one chunk after another; a character may lie across chunks. `undefined` is the end of the bytes. */
export function utf8Decoder(): (chunk: Uint8Array | undefined) => DecodedText {
  let carried: Uint8Array = nothing;
  return (chunk) => {
    const bytes = carried.length === 0 ? (chunk ?? nothing) : Buffer.concat([carried, chunk ?? nothing]);
    const end = chunk === undefined ? bytes.length : completeLength(bytes);
    carried = Uint8Array.from(bytes.subarray(end));
    return decoded(bytes.subarray(0, end));
  };
}

function decoded(bytes: Uint8Array): DecodedText {
  try {
    return { text: strict.decode(bytes), isUtf8: true };
  } catch {
    return { text: lenient.decode(bytes).replace(/\uFFFD[^]*$/, ''), isUtf8: false };
  }
}

/** How many of the bytes come before a character that has only begun. A character has at most 4 bytes. */
function completeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= 4; back += 1) {
    const byte = bytes[bytes.length - back];
    if (byte === undefined) break;
    const isContinuation = (byte & 0xc0) === 0x80;
    if (!isContinuation) return characterLength(byte) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function characterLength(firstByte: number): number {
  if (firstByte >= 0xf0) return 4;
  if (firstByte >= 0xe0) return 3;
  return firstByte >= 0xc0 ? 2 : 1;
}
