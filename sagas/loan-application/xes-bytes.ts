/** The bytes of a file, unpacked when they are gzip, chunk by chunk as the consumer asks for them. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type XesError, xesError } from './xes-failure.js';

/** Where reading stands, and how to report that something is wrong there. */
export interface Place {
  readonly broken: (reason: string) => XesError;
}

export async function* chunksOf(path: string, place: Place): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const file: AsyncIterator<Buffer> = createReadStream(path)[Symbol.asyncIterator]();
    const first = await file.next();
    if (first.done === true) return;
    yield* isGzip(first.value) ? unpacked(first.value, file) : resumed(first.value, file);
  } catch (error) {
    throw translated(error, path, place);
  }
}

/** XML cannot begin with this control character, and a pipe may deliver its first byte alone. */
function isGzip(first: Uint8Array): boolean {
  return first[0] === 0x1f;
}

async function* resumed(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function unpacked(first: Buffer, rest: AsyncIterator<Buffer>): AsyncIterable<Buffer> {
  // A fault reaches the consumer by way of the stream it iterates, so the callback has nothing left to tell.
  return pipeline(resumed(first, rest), createGunzip(), () => undefined);
}

function translated(error: unknown, path: string, place: Place): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (!code.startsWith('Z_')) return xesError({ _tag: 'XesUnreadable', file: path, code });
  return place.broken(code === 'Z_BUF_ERROR' ? 'the gzip data end too early' : 'the gzip data are damaged');
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
