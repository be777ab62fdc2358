/** Writes a fixture: all of it under its name, or nothing. */
import { createWriteStream, realpathSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { findJsonProblem } from '../../core/json.js';
import { escapeForDisplay } from '../../core/stream.js';
import { endLine, type FixtureEvent, fixtureNotWritten, headerLine, lineBytesMax } from './fixture.js';

export type Events = Iterable<FixtureEvent> | AsyncIterable<FixtureEvent>;

const lineOf = (file: string, event: FixtureEvent): string => {
  const { tenant, streamName, version, position, recordedAt } = event;
  const { eventId, type, schemaVersion, data, metadata, after, afterHash } = event;
  const where = `version ${version} of ${escapeForDisplay(streamName, 200)}`;
  const line = {
    tenant,
    streamName,
    version,
    position,
    recordedAt,
    eventId,
    type,
    schemaVersion,
    data,
    metadata,
  };
  const whole = { ...line, ...(after && { after }), ...(afterHash !== undefined && { afterHash }) };
  const problem = findJsonProblem(whole);
  if (problem !== undefined)
    throw fixtureNotWritten(file, `${where} holds ${problem.found} at ${problem.path}; ${problem.advice}`);
  const text = JSON.stringify(whole);
  if (text.length > lineBytesMax / 4 && Buffer.byteLength(text) > lineBytesMax)
    throw fixtureNotWritten(file, `${where} takes more than ${lineBytesMax} bytes`);
  return text;
};

/** The lines of a fixture, without line breaks. `file` is for messages. Rejects with a `TaggedError` of `FixtureNotWritten`. */
export async function* fixtureLines(events: Events, file: string): AsyncGenerator<string, void, undefined> {
  yield headerLine;
  let count = 0;
  for await (const event of events) {
    yield lineOf(file, event);
    count += 1;
  }
  yield endLine(count);
}

async function* inChunks(lines: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < 65_536) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}

/** Where the name leads: through links, and never to what is no file, for a rename would put a file in its place. */
const targetOf = (file: string): string => {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return file;
  if (!stats.isFile()) throw fixtureNotWritten(file, stats.isDirectory() ? 'is a directory' : 'is no file');
  return realpathSync(file);
};

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such directory',
  ENOTDIR: 'a part of the path is no directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'the name is too long',
};

const notWritten = (file: string, error: unknown): unknown => {
  const { code, syscall } = (error ?? {}) as { readonly code?: unknown; readonly syscall?: unknown };
  return typeof code === 'string' && typeof syscall === 'string'
    ? fixtureNotWritten(file, reasons[code] ?? code)
    : error;
};

/**
 * Writes events as a fixture, each stream's from version 1 on. Written beside its place and moved there when it is whole;
 * gzipped where the name ends in `.gz`. An existing file is replaced. Rejects with a `TaggedError` of `FixtureNotWritten`,
 * with the signal's reason when it is aborted, or with what `events` threw; the file is then as it was.
 */
export const writeFixture = async (
  file: string,
  events: Events,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> => {
  let beside: string | undefined;
  try {
    const target = targetOf(file);
    beside = join(dirname(target), `.${basename(target).slice(0, 100)}.${process.pid}.part`);
    const chunks = Readable.from(inChunks(fixtureLines(events, file)), {
      objectMode: true,
      highWaterMark: 2,
    });
    const out = createWriteStream(beside, { flush: true });
    const { signal } = options;
    const ending = { ...(signal && { signal }) };
    if (file.endsWith('.gz')) await pipeline(chunks, createGzip(), out, ending);
    else await pipeline(chunks, out, ending);
    await rename(beside, target);
  } catch (error) {
    if (beside !== undefined) await rm(beside, { force: true });
    throw notWritten(file, error);
  }
};
