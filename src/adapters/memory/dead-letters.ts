/** What is told of the memory store's message queue: depths, and dead letters, which are let go from here too. */
import * as E from 'fp-ts/lib/Either.js';
import type {
  DeadLetter,
  DeadLetterMissing,
  PartitionDepth,
  TakenMessage,
} from '../../store/message-queue.js';
import { checkLetters, checkMessageKey, checkPartitions, type MessageKey } from '../../store/queue-checks.js';
import type { BadRequest } from '../../store/store-errors.js';
import type { Line, MessageTable, StoredMessage } from './message-table.js';

export interface Told {
  readonly table: MessageTable;
  /** Never goes back. */
  readonly clockMs: () => number;
}

export const takenOf = ({ message, attempt, position, enqueuedAt }: StoredMessage): TakenMessage => {
  const { tenant, queue, id, key, type, schemaVersion, data, metadata } = message;
  return {
    tenant,
    queue,
    id,
    key,
    type,
    schemaVersion,
    data,
    metadata,
    attempt,
    position: String(position),
    enqueuedAt,
  };
};

const letterOf = (table: MessageTable, stored: StoredMessage): DeadLetter => ({
  ...takenOf(stored),
  history: [...stored.history],
  waiting: (table.lineOf(stored)?.messages.length ?? 1) - 1,
});

const depthOf = (index: number, lines: ReadonlyArray<Line>, now: number): PartitionDepth => {
  const parkedIn = (line: Line): number => line.messages.filter(({ state }) => state === 'parked').length;
  const measured = lines.map((line) => ({ key: line.key, depth: line.messages.length - parkedIn(line) }));
  const due = lines.flatMap(({ messages: [head] }) => (head?.state === 'waiting' ? [head.readyAt] : []));
  const oldest = due.reduce((least, readyAt) => Math.min(least, readyAt), now);
  return {
    index,
    depth: measured.reduce((sum, { depth }) => sum + depth, 0),
    parked: lines.reduce((sum, line) => sum + parkedIn(line), 0),
    oldestMs: Math.round(now - oldest),
    hottest: measured
      .filter(({ depth }) => depth > 0)
      .sort((a, b) => b.depth - a.depth)
      .slice(0, 5),
  };
};

const parked = (
  { table }: Told,
  letter: MessageKey,
): E.Either<BadRequest | DeadLetterMissing, StoredMessage> => {
  const checked = checkMessageKey(letter);
  if (E.isLeft(checked)) return checked;
  const stored = table.find(letter);
  const { queue, id } = letter;
  return stored?.state === 'parked'
    ? E.right(stored)
    : E.left({ _tag: 'DeadLetterMissing' as const, queue, id });
};

/** Queues with messages that are not handled. */
export const names = ({ table }: Told): ReadonlyArray<string> => {
  const unhandled = [...table.all()].filter(({ state }) => state !== 'handled');
  // Names of queues are ASCII, so that this order is that of code points.
  return [...new Set(unhandled.map(({ message }) => message.queue))].sort();
};

export const depths =
  ({ table, clockMs }: Told) =>
  (queue: string, partitions: number): E.Either<BadRequest, ReadonlyArray<PartitionDepth>> => {
    const checked = checkPartitions(queue, partitions);
    if (E.isLeft(checked)) return checked;
    const time = clockMs();
    table.release(queue, time);
    const lines: Line[][] = Array.from({ length: partitions }, () => []);
    for (const line of table.lines(queue)) lines[line.slot % partitions]?.push(line);
    return E.right(lines.map((some, index) => depthOf(index, some, time)));
  };

export const letters =
  ({ table }: Told) =>
  (request: Parameters<typeof checkLetters>[0]): E.Either<BadRequest, ReadonlyArray<DeadLetter>> => {
    const count = checkLetters(request);
    if (E.isLeft(count)) return count;
    const { queue, after = '0' } = request;
    const letters = [...table.all()].filter(
      ({ state, position, message }) =>
        state === 'parked' && position > Number(after) && (queue ?? message.queue) === message.queue,
    );
    letters.sort((a, b) => a.position - b.position);
    return E.right(letters.slice(0, count.right).map((stored) => letterOf(table, stored)));
  };

export const retry =
  (told: Told) =>
  (letter: MessageKey): E.Either<BadRequest | DeadLetterMissing, void> => {
    const found = parked(told, letter);
    if (E.isLeft(found)) return found;
    Object.assign(found.right, { state: 'waiting', attempt: 0, attemptNoted: 0, readyAt: told.clockMs() });
    return E.right(undefined);
  };

export const discard =
  (told: Told) =>
  (letter: MessageKey): E.Either<BadRequest | DeadLetterMissing, void> => {
    const found = parked(told, letter);
    if (E.isLeft(found)) return found;
    told.table.finish(found.right, told.clockMs());
    return E.right(undefined);
  };
