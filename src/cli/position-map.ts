/**
 * The file of a copy's positions. Its first line says of which stores it is, `{"source":"<epoch>","target":"<epoch>"}`; each other line is
 * `["<position in the source>","<position in the target>"]`, in the source's order. It is written on where it ends.
 */
import { createReadStream, existsSync } from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { escapeForDisplay, type Position } from '../core/stream.js';
import type { PositionPair } from '../runtime/copy/positions.js';
import { badOption } from './options.js';

/** The lives of the two stores. */
export interface MapHeader {
  readonly source: string;
  readonly target: string;
}

const linesOf = (file: string): AsyncIterable<string> =>
  createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity });

const pairOf = (line: string): PositionPair | undefined => {
  const found = /^\["(\d{1,20}\/\d{1,20})","(\d{1,20}\/\d{1,20})"\]$/.exec(line);
  return found === null ? undefined : [found[1] as Position, found[2] as Position];
};

const unreadable = (file: string, line: number): Error =>
  badOption(
    '--positions',
    `cannot go on: line ${line} of ${escapeForDisplay(file, 300)} is no line of a map`,
  );

/** The pairs of a map. */
export async function* pairsIn(file: string): AsyncGenerator<PositionPair, void, undefined> {
  let number = 0;
  for await (const line of linesOf(file)) {
    number += 1;
    if (number === 1) continue;
    const pair = pairOf(line);
    if (pair === undefined) throw unreadable(file, number);
    yield pair;
  }
}

interface Standing {
  /** Bytes of whole lines: a process that was killed may have left half a line behind. */
  readonly bytes: number;
  readonly last: Position | undefined;
}

/** What a map holds already; `undefined` where there is none, or nothing whole in it. */
const standingOf = async (file: string, header: MapHeader): Promise<Standing | undefined> => {
  if (!existsSync(file)) return undefined;
  const headerText = JSON.stringify(header);
  const another = (): Error =>
    badOption('--positions', `names ${escapeForDisplay(file, 300)}, which is no map of these two stores`);
  let [bytes, number, last] = [0, 0, undefined as Position | undefined];
  let pending: string | undefined;
  const take = (line: string): void => {
    number += 1;
    if (number === 1) {
      if (line !== headerText) throw another();
    } else {
      const pair = pairOf(line);
      if (pair === undefined) throw unreadable(file, number);
      last = pair[0];
    }
    bytes += Buffer.byteLength(line) + 1;
  };
  // Whether the last line ends is not told, so that it is taken only where another follows; it is then written again.
  for await (const line of linesOf(file)) {
    if (pending !== undefined) take(pending);
    pending = line;
  }
  if (number === 0 && pending !== undefined && !headerText.startsWith(pending)) throw another();
  return number === 0 ? undefined : { bytes, last };
};

const linesAtOnce = 4_096;

/** Writes on a map where it ends. Answers how many pairs were added. */
export const extendMap = async (
  file: string,
  header: MapHeader,
  pairsAfter: (last: Position | undefined) => AsyncIterable<PositionPair>,
): Promise<number> => {
  const standing = await standingOf(file, header);
  if (standing !== undefined) await truncate(file, standing.bytes);
  const handle = await open(file, standing === undefined ? 'w' : 'a');
  try {
    let lines = standing === undefined ? [JSON.stringify(header)] : [];
    let added = 0;
    const flush = async (): Promise<void> => {
      if (lines.length > 0) await handle.appendFile(`${lines.join('\n')}\n`);
      lines = [];
    };
    for await (const [source, target] of pairsAfter(standing?.last)) {
      lines.push(`["${source}","${target}"]`);
      added += 1;
      if (lines.length >= linesAtOnce) await flush();
    }
    await flush();
    await handle.sync();
    return added;
  } finally {
    await handle.close();
  }
};
