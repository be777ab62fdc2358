/**
 * The line before the server: appends of many callers share a statement and a commit. Who finds nobody under way goes at once; what
 * comes while statements run goes together, in order of arrival. No append waits for company: there are no timers.
 */
import { realTimers, type Timers } from '../../store/timers.js';
import type { LateOutcome, OneOutcome } from './append.js';
import type { PlainAppend } from './append-words.js';
import { closedError } from './executor.js';

export interface LineContext {
  /** Sends one that is large. */
  readonly alone: (append: PlainAppend) => Promise<OneOutcome>;
  /** Sends one or several in one statement. What holds up only some of them must be a late outcome: others wait for the statement. */
  readonly together: (
    appends: ReadonlyArray<PlainAppend>,
  ) => Promise<ReadonlyArray<OneOutcome | LateOutcome>>;
  /** Shared statements under way at once, 1 or more. */
  readonly statementsMax: number;
  readonly soon?: Timers['soon'];
}

export interface AppendLine {
  /** Rejects with what `alone` or `together` rejected with. */
  readonly append: (append: PlainAppend) => Promise<OneOutcome>;
  /** Takes no more, and resolves when all that were taken have their outcomes. */
  readonly close: () => Promise<void>;
}

/** In one statement: with more, the first of them would wait long for the last. Characters of text. */
const batchAppendsMax = 64;
const batchLengthMax = 256 * 1024;
/** What is larger goes by itself, as does what has many events: it costs far more than a commit, and others would wait for it. */
const sharedLengthMax = 16 * 1024;

interface Waiting {
  readonly append: PlainAppend;
  readonly stream: string;
  readonly length: number;
  readonly resolve: (outcome: OneOutcome) => void;
  readonly reject: (error: unknown) => void;
}

const streamOf = ({ request }: PlainAppend): string => `${request.tenant}\u0000${request.streamName}`;

/** Of what goes by itself: infinite. */
const sharedLength = ({ texts, request }: PlainAppend): number => {
  if (texts === undefined || request.expected._tag === 'streamExists') return Infinity;
  const length = texts.reduce((sum, { data, metadata }) => sum + data.length + metadata.length, 0);
  return length > sharedLengthMax ? Infinity : length;
};

const goesAlone = ({ length }: Waiting): boolean => length === Infinity;

interface Split {
  readonly alone: ReadonlyArray<Waiting>;
  /** To share one statement. */
  readonly batch: ReadonlyArray<Waiting>;
  readonly rest: Waiting[];
}

/** Who may go now, in order of arrival; of different streams `appendsMax` share a statement at most. Nobody goes past another of the same stream. */
const split = (line: ReadonlyArray<Waiting>, busy: ReadonlySet<string>, appendsMax: number): Split => {
  const [alone, batch, rest]: [Waiting[], Waiting[], Waiting[]] = [[], [], []];
  const held = new Set(busy);
  const inBatch = new Set<string>();
  let length = 0;
  for (const waiting of line) {
    const { stream } = waiting;
    // The next of a stream in this batch could go in no other meanwhile.
    const hasPart = batch.length < appendsMax || inBatch.has(stream);
    const hasRoom = batch.length < batchAppendsMax && length + waiting.length <= batchLengthMax;
    if (!goesAlone(waiting) && hasPart && hasRoom && !held.has(stream)) {
      batch.push(waiting);
      inBatch.add(stream);
      length += waiting.length;
    } else {
      const goes = goesAlone(waiting) && !held.has(stream) && !inBatch.has(stream);
      (goes ? alone : rest).push(waiting);
      held.add(stream);
    }
  }
  return { alone, batch, rest };
};

const settle = async ({ resolve, reject }: Waiting, outcome: LateOutcome): Promise<void> => {
  try {
    resolve(await outcome());
  } catch (error) {
    reject(error);
  }
};

/**
 * Hands out what a statement came to. What is not known yet is asked for, of each stream one after the other. Answers for each stream
 * when that is done; undefined is now.
 */
const handOut = (
  batch: ReadonlyArray<Waiting>,
  outcomes: ReadonlyArray<OneOutcome | LateOutcome>,
): ReadonlyMap<string, Promise<void> | undefined> => {
  const last = new Map<string, Promise<void> | undefined>();
  for (const [index, waiting] of batch.entries()) {
    const outcome = outcomes[index] as OneOutcome | LateOutcome;
    const before = last.get(waiting.stream);
    if (typeof outcome === 'function') {
      const asked =
        before === undefined ? settle(waiting, outcome) : before.then(() => settle(waiting, outcome));
      last.set(waiting.stream, asked);
    } else {
      waiting.resolve(outcome);
      last.set(waiting.stream, before);
    }
  }
  return last;
};

export const appendLine = (context: LineContext): AppendLine => {
  const { alone: sendAlone, together, statementsMax, soon = realTimers.soon } = context;
  let line: Waiting[] = [];
  // The next append to a stream waits here for the one under way, and not on the server with a connection in its hand.
  const busy = new Set<string>();
  let statements = 0;
  let sharing = 0;
  let isPlanned = false;
  let closing: Promise<void> | undefined;
  let onIdle = (): void => undefined;

  const freed = (stream: string): void => {
    busy.delete(stream);
    if (line.length > 0) plan();
    else if (busy.size === 0) onIdle();
  };

  const share = async (batch: ReadonlyArray<Waiting>): Promise<void> => {
    statements += 1;
    sharing += batch.length;
    const outcomes = await together(batch.map(({ append }) => append)).catch((error: unknown) =>
      batch.map(() => () => Promise.reject(error as Error)),
    );
    statements -= 1;
    sharing -= batch.length;
    for (const [stream, late] of handOut(batch, outcomes)) {
      if (late === undefined) freed(stream);
      else void late.then(() => freed(stream));
    }
  };

  const go = (): void => {
    isPlanned = false;
    for (;;) {
      // Of all that wait and share, each statement has the same part.
      const fair = Math.ceil((line.length + sharing) / statementsMax);
      const { alone, batch, rest } = split(line, busy, statements < statementsMax ? fair : 0);
      line = rest;
      for (const { stream } of [...alone, ...batch]) busy.add(stream);
      for (const waiting of alone)
        void settle(waiting, () => sendAlone(waiting.append)).then(() => freed(waiting.stream));
      if (batch.length === 0) return;
      void share(batch);
    }
  };

  // When all that can move now has moved: those whose appends were just answered may come with their next ones.
  const plan = (): void => {
    if (!isPlanned) soon(go);
    isPlanned = true;
  };

  const append: AppendLine['append'] = (given) =>
    new Promise((resolve, reject) => {
      if (closing !== undefined) throw closedError();
      const waiting = {
        append: given,
        stream: streamOf(given),
        length: sharedLength(given),
        resolve,
        reject,
      };
      const mayGo = busy.size === 0 || (goesAlone(waiting) && !busy.has(waiting.stream));
      const goesNow = mayGo && line.length === 0 && !isPlanned;
      line.push(waiting);
      if (goesNow) go();
      else plan();
    });

  return {
    append,
    close: () =>
      (closing ??= new Promise((resolve) => {
        onIdle = resolve;
        if (busy.size === 0 && line.length === 0) resolve();
      })),
  };
};
