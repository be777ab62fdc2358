/**
 * The line before the server for reads: pages of many callers share a statement. Who finds nobody under way goes at once; what comes
 * while statements run goes together. No read waits for company: there are no timers.
 */
import { realTimers, type Timers } from '../../store/timers.js';
import type { CheckedRead } from '../../store/read-checks.js';
import { pageDefault } from '../../store/limits.js';
import { taggedOf } from '../../core/fault.js';
import { ask, type SqlContext } from './context.js';
import { closedError, type Row } from './executor.js';
import { oldestFirst, text, versionOf } from './rows.js';

/** Rows of a page of one stream, oldest first; none where there is no such stream. */
export type ReadRows = (read: CheckedRead) => Promise<ReadonlyArray<Row>>;

export interface ReadLine {
  readonly read: ReadRows;
  /** Takes no more, and resolves when all that were begun are answered. */
  readonly close: () => Promise<void>;
}

/** Pages in one statement. */
const batchMax = 64;
/** A shared statement gives the beginnings of pages, so that nobody waits for another's long one; what is left each reads by itself. */
const beginningCount = 64;

interface Waiting {
  readonly read: CheckedRead;
  readonly resolve: (rows: ReadonlyArray<Row>) => void;
  readonly reject: (error: unknown) => void;
}

const wordsOf = ({ key, from }: CheckedRead, count: number): ReadonlyArray<string> => [
  key.tenant,
  key.streamName,
  String(from),
  String(count),
];

/** One statement for one page. */
export const readAlone =
  (context: SqlContext): ReadRows =>
  async (read) =>
    oldestFirst(await ask(context, context.statements.readStreamForwards, wordsOf(read, read.count)));

/** The page of a read whose beginning is known: events do not change, so that only what follows is still to be read. */
const completed = async (
  context: SqlContext,
  read: CheckedRead,
  count: number,
  rows: ReadonlyArray<Row>,
): Promise<ReadonlyArray<Row>> => {
  const last = rows.at(-1);
  const isWhole = rows.length < count || count === read.count || last === undefined;
  if (isWhole || versionOf(last) >= versionOf(last, 'stream_version')) return rows;
  const rest = await readAlone(context)({
    ...read,
    from: versionOf(last) + 1,
    count: read.count - count,
  });
  const [first, ...others] = rows;
  const [{ stream_version, stream_state } = {}] = rest;
  // How the stream stands is asked of the first row: it is that of the later look.
  return [{ ...first, stream_version, stream_state } as Row, ...others, ...rest];
};

const readTogether = async (context: SqlContext, batch: ReadonlyArray<Waiting>): Promise<void> => {
  const countOf = ({ count }: CheckedRead): number => Math.min(count, beginningCount);
  const asked = batch.map(({ read }) => wordsOf(read, countOf(read)));
  const rows = await ask(context, context.statements.readStreams, [JSON.stringify(asked)]);
  const pages = batch.map((): Row[] => []);
  for (const row of rows) (pages[Number(text(row, 'place')) - 1] as Row[]).push(row);
  for (const [index, { read, resolve, reject }] of batch.entries())
    completed(context, read, countOf(read), oldestFirst(pages[index] as Row[])).then(resolve, reject);
};

/** Whether it is the server's word on what was asked, and not that it cannot be asked. */
const isAnswer = (error: unknown): boolean => (taggedOf(error)?._tag ?? 'SqlRefused') === 'SqlRefused';

export const readLine = (
  context: SqlContext,
  statementsMax: number,
  soon: Timers['soon'] = realTimers.soon,
): ReadLine => {
  let waiting: Waiting[] = [];
  /** Reads that are not answered yet. */
  let open = 0;
  let closing: Promise<void> | undefined;
  let onIdle = (): void => undefined;
  let statements = 0;
  let sharing = 0;
  let isPlanned = false;

  const share = async (batch: ReadonlyArray<Waiting>): Promise<void> => {
    statements += 1;
    sharing += batch.length;
    try {
      await readTogether(context, batch);
    } catch (error) {
      // What one of them brought on must not be the others' fault.
      if (batch.length === 1 || !isAnswer(error)) for (const { reject } of batch) reject(error);
      else for (const { read, resolve, reject } of batch) readAlone(context)(read).then(resolve, reject);
    }
    statements -= 1;
    sharing -= batch.length;
    plan();
  };

  const go = (): void => {
    isPlanned = false;
    while (waiting.length > 0 && statements < statementsMax) {
      // Of all that wait and share, each statement has the same part.
      const fair = Math.ceil((waiting.length + sharing) / statementsMax);
      const batch = waiting.slice(0, Math.min(fair, batchMax));
      waiting = waiting.slice(batch.length);
      void share(batch);
    }
  };

  // When all that can move now has moved: those whose reads were just answered may come with their next ones.
  const plan = (): void => {
    if (isPlanned || waiting.length === 0 || statements >= statementsMax) return;
    isPlanned = true;
    soon(go);
  };

  const inLine: ReadRows = (read) =>
    new Promise((resolve, reject) => {
      waiting.push({ read, resolve, reject });
      plan();
    });

  return {
    read: async (read) => {
      if (closing !== undefined) throw closedError();
      // Who asks for more than others do by default reads at length, and holds up nobody.
      const goesAlone = open === 0 || read.count > pageDefault;
      open += 1;
      try {
        return await (goesAlone ? readAlone(context) : inLine)(read);
      } finally {
        open -= 1;
        if (open === 0) onIdle();
      }
    },
    close: () =>
      (closing ??= new Promise((resolve) => {
        onIdle = resolve;
        if (open === 0) resolve();
      })),
  };
};
