/** Reads a fixture, plain or gzipped: every line is checked, and what is wrong is told with file and line. */
import * as E from 'fp-ts/lib/Either.js';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { TextDecoder } from 'node:util';
import { createGunzip } from 'node:zlib';
import { escapeForDisplay } from '../../core/stream.js';
import {
  eventOfLine,
  fixtureBroken,
  type FixtureEvent,
  fixtureUnreadable,
  headerProblem,
  lineBytesMax,
  objectOfLine,
} from './fixture.js';

/** A history read from a file. */
export interface Fixture {
  readonly file: string;
  /** In the order of the file; each stream's from version 1 on, without a gap. */
  readonly events: ReadonlyArray<FixtureEvent>;
}

const newline = 10;

interface Line {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** False for what stands after the last line break. */
  readonly isEnded: boolean;
}

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
};

const openBytes = (file: string): AsyncIterable<Buffer> => {
  const bytes = createReadStream(file);
  // A fault reaches the consumer by way of the stream it iterates.
  return file.endsWith('.gz') ? pipeline(bytes, createGunzip(), () => undefined) : bytes;
};

const gzipWords: Readonly<Record<string, string>> = {
  Z_BUF_ERROR: 'the gzip data end too early: the file was cut off',
  Z_DATA_ERROR: 'is not gzip although its name ends in .gz, or its data are damaged',
};

const translated = (file: string, line: number, error: unknown): unknown => {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (code.startsWith('Z_')) return fixtureBroken(file, line, gzipWords[code] ?? 'the gzip data are damaged');
  return fixtureUnreadable(file, code);
};

async function* linesOf(file: string): AsyncGenerator<Line, void, undefined> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let number = 1;
  const add = (part: Uint8Array): void => {
    length += part.length;
    if (length > lineBytesMax)
      throw fixtureBroken(file, number, `the line is longer than ${lineBytesMax} bytes`);
    parts.push(part);
  };
  const taken = (isEnded: boolean): Line => {
    const line = { number, bytes: Buffer.concat(parts), isEnded };
    parts = [];
    length = 0;
    number += 1;
    return line;
  };
  try {
    for await (const chunk of openBytes(file)) {
      let from = 0;
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        add(chunk.subarray(from, at));
        yield taken(true);
        from = at + 1;
      }
      add(chunk.subarray(from));
    }
  } catch (error) {
    throw translated(file, number, error);
  }
  if (length > 0) yield taken(false);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

const textOf = (file: string, { number, bytes }: Line): string => {
  if (number === 1 && bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw fixtureBroken(file, 1, 'is gzip, but its name does not end in .gz');
  try {
    return utf8.decode(bytes);
  } catch {
    throw fixtureBroken(file, number, 'is not UTF-8');
  }
};

/** Holds the lines together: header, then events whose versions have no gap, then the end. */
class Reading {
  readonly events: FixtureEvent[] = [];
  private readonly versions = new Map<string, number>();
  private isBegun = false;
  private isEnded = false;
  private lines = 0;

  constructor(private readonly file: string) {}

  take(line: Line): void {
    const text = textOf(this.file, line);
    this.lines = line.number;
    const broken = (reason: string): Error => fixtureBroken(this.file, line.number, reason);
    if (this.isEnded) {
      if (text.trim() === '') return;
      throw broken('there is more after the last line, {"end":true,...}');
    }
    const value = objectOfLine(text);
    if (E.isLeft(value))
      throw broken(
        !this.isBegun
          ? `is no fixture: ${value.left}`
          : line.isEnded
            ? value.left
            : 'the file ends in the middle of this line: it was cut off',
      );
    if (!this.isBegun) {
      const problem = headerProblem(value.right);
      if (problem !== undefined) throw broken(problem);
      this.isBegun = true;
    } else if (Object.hasOwn(value.right, 'end')) {
      const { events } = value.right;
      if (events !== this.events.length)
        throw broken(`says that there are ${JSON.stringify(events)} events, found ${this.events.length}`);
      this.isEnded = true;
    } else {
      const event = eventOfLine(value.right);
      if (E.isLeft(event)) throw broken(event.left);
      this.add(event.right, broken);
    }
  }

  private add(event: FixtureEvent, broken: (reason: string) => Error): void {
    const key = `${event.tenant}\u0000${event.streamName}`;
    const wanted = (this.versions.get(key) ?? 0) + 1;
    if (event.version !== wanted)
      throw broken(
        `version ${wanted} of ${escapeForDisplay(event.streamName, 200)} is expected here, found ${event.version}`,
      );
    this.versions.set(key, wanted);
    this.events.push(event);
  }

  done(): void {
    if (this.isEnded) return;
    if (!this.isBegun) throw fixtureBroken(this.file, 1, 'is empty');
    const count = this.events.length;
    throw fixtureBroken(
      this.file,
      this.lines,
      `the file ends here, without its last line: it was cut off (if that is meant, add {"end":true,"events":${count}})`,
    );
  }
}

/**
 * Reads a history from a file as `watersmeet export` writes it; one whose name ends in `.gz` is unpacked. Every line is
 * checked. Rejects with a `TaggedError` of `FixtureUnreadable` or `FixtureBroken`.
 */
export const loadFixture = async (file: string): Promise<Fixture> => {
  const reading = new Reading(file);
  for await (const line of linesOf(file)) reading.take(line);
  reading.done();
  return { file, events: reading.events };
};
