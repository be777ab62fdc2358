/** `--verify`: every case once more, one message after another, compared with what the store has come to. */
import { createTwoFilesPatch } from 'diff';
import * as E from 'fp-ts/lib/Either.js';
import { taggedError } from '../core/fault.js';
import { hashOf, type Json } from '../core/json.js';
import { escapeForDisplay } from '../core/stream.js';
import { sagaRuntime } from '../runtime/saga/saga-runtime.js';
import { isSameEnd, type SagaEnd, serialEnd } from '../runtime/saga/survey.js';
import { codecOf } from '../core/codec.js';
import type { Running } from './running.js';
import type { Session } from './session.js';

/** The ends of all sagas, as hashes: there may be more of them than fit in memory. */
export interface Ends {
  readonly note: (end: SagaEnd) => void;
  readonly isSame: (end: SagaEnd) => boolean;
  readonly has: (sagaId: string) => boolean;
}

const shortHash = (end: SagaEnd): string => hashOf(end as unknown as Json).slice(0, 24);

export const ends = (): Ends => {
  const hashes = new Map<string, string>();
  return {
    note: (end) => void hashes.set(end.sagaId, shortHash(end)),
    isSame: (end) => hashes.get(end.sagaId) === shortHash(end),
    has: (sagaId) => hashes.has(sagaId),
  };
};

export interface Difference {
  readonly sagaId: string;
  readonly streamName: string;
  readonly serial: SagaEnd;
  readonly stored: SagaEnd;
}

export interface Verification {
  readonly compared: number;
  readonly differing: number;
  /** The first few. */
  readonly shown: ReadonlyArray<Difference>;
}

const shownMax = 5;

/** The end of one saga, read from its stream once more. */
const storedEnd = async (
  { program, store }: Running,
  sagaId: string,
): Promise<Pick<Difference, 'stored' | 'streamName'>> => {
  const runtime = sagaRuntime(program.saga, { store, sagasKept: 1 });
  const view = await runtime.load(sagaId)();
  if (E.isLeft(view)) throw taggedError(view.left);
  const owed = await runtime.owed(sagaId)();
  if (E.isLeft(owed)) throw taggedError(owed.left);
  const decisions = owed.right.messages.filter(({ type }) => type === program.decisionType);
  return {
    streamName: runtime.streamNameOf(sagaId),
    stored: {
      sagaId,
      state: codecOf(program.saga.state).encode(view.right.state) as Json,
      decisions: decisions.map(({ data }) => data),
    },
  };
};

/** Reads the input again, case by case. */
export const verify = async (running: Running, stored: Ends): Promise<Verification> => {
  const { program, input, session } = running;
  const shown: Difference[] = [];
  let compared = 0;
  let differing = 0;
  for await (const { sagaId, messages } of program.readCases(input)) {
    if (session.signal.aborted) break;
    compared += 1;
    const serial = serialEnd(
      program,
      sagaId,
      messages.map(({ message }) => message),
    );
    // A case of which nothing was recorded has no stream: its end is its beginning.
    const isSame = stored.has(sagaId)
      ? stored.isSame(serial)
      : isSameEnd(serial, serialEnd(program, sagaId, []));
    if (isSame) continue;
    differing += 1;
    if (shown.length < shownMax) shown.push({ sagaId, serial, ...(await storedEnd(running, sagaId)) });
  }
  return { compared, differing, shown };
};

const pretty = ({ state, decisions }: SagaEnd): string =>
  `${JSON.stringify({ state, decisions }, undefined, 2)}\n`;

const patchOf = ({ colors }: Session, { streamName, serial, stored }: Difference): string => {
  const name = escapeForDisplay(streamName, 200);
  const patch = createTwoFilesPatch(
    `${name} one after another`,
    `${name} in the store`,
    pretty(serial),
    pretty(stored),
  );
  return patch
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('===') && !line.startsWith('\\'))
    .map((line) => escapeForDisplay(line, 300))
    .map((line) =>
      line.startsWith('-') ? colors.red(line) : line.startsWith('+') ? colors.green(line) : line,
    )
    .join('\n');
};

/** The differences as diffs: `-` is what a serial run gives, `+` what the store holds. */
export const describeDifferences = (session: Session, { compared, differing, shown }: Verification): string =>
  [
    `${differing} of ${compared} cases end otherwise than when their messages are handled one after another:`,
    ...shown.map((difference) => patchOf(session, difference)),
    ...(differing > shown.length ? [`... and ${differing - shown.length} more`] : []),
  ].join('\n\n');
