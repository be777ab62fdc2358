/** `watersmeet queues`: how many messages wait in each partition of a queue, how long, and of which keys. */
import type { Command } from 'commander';
import { toPromise } from '../../core/fault.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { PartitionDepth } from '../../store/message-queue.js';
import { lookInto, type LookOptions, withLookOptions } from '../look.js';
import { wholeNumber } from '../options.js';
import { queueOf } from '../queue-of.js';
import type { Session } from '../session.js';
import type { Opener } from './dead-letters.js';

interface QueuesOptions extends LookOptions {
  readonly partitions: number;
}

const keyCharactersMax = 120;

export const ageOf = (ms: number): string =>
  ms < 1_000 ? `${ms} ms` : ms < 120_000 ? `${(ms / 1_000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;

const widths = [9, 8, 8, 10] as const;
/** `from` is the column that the first cell stands in. */
const row = (cells: ReadonlyArray<string>, from = 0): string =>
  cells.map((cell, index) => cell.padStart(widths[from + index] ?? 0)).join('  ');

const ageIn = (messages: number, oldestMs: number): string => (messages === 0 ? '-' : ageOf(oldestMs));

const keysIn = (hottest: PartitionDepth['hottest']): string =>
  hottest.map(({ key, depth: of }) => `${escapeForDisplay(key, keyCharactersMax)} ${of}`).join(', ');

const lineOf = ({ index, depth, parked, oldestMs, hottest }: PartitionDepth): string => {
  const cells = [String(index), String(depth), String(parked), ageIn(depth + parked, oldestMs)];
  return row([...cells, keysIn(hottest)]).trimEnd();
};

/** All queues that hold messages, one on each line. */
const showAll = async (session: Session, store: EventStore): Promise<void> => {
  const queue = queueOf(store);
  const names = await toPromise(queue.names());
  if (names.length === 0) return session.err('no messages in any queue');
  await session.out(session.colors.dim(row(['waiting', 'parked', 'oldest'], 1) + '  queue: keys with most'));
  for (const name of names) {
    if (session.signal.aborted) return;
    for (const { depth, parked, oldestMs, hottest } of await toPromise(queue.depths(name, 1))) {
      const numbers = row([String(depth), String(parked), ageIn(depth + parked, oldestMs)], 1);
      const keys = hottest.length === 0 ? '' : `: ${keysIn(hottest)}`;
      await session.out(`${numbers}  ${session.colors.bold(escapeForDisplay(name, 200))}${keys}`);
    }
  }
};

const show = async (
  session: Session,
  queue: string,
  { partitions, json }: QueuesOptions,
  store: EventStore,
): Promise<void> => {
  const depths = await toPromise(queueOf(store).depths(queue, partitions));
  if (json !== true) {
    await session.out(session.colors.bold(escapeForDisplay(queue, 200)));
    await session.out(
      session.colors.dim(row(['partition', 'waiting', 'parked', 'oldest', 'keys with most'])),
    );
  }
  for (const depth of depths)
    await session.out(json === true ? JSON.stringify({ queue, of: partitions, ...depth }) : lineOf(depth));
};

const examples = `
Parked messages are dead letters: see watersmeet dead-letters. Those that wait behind one are counted as waiting.

Without a name: all queues that hold messages, one on each line.

Examples:
  $ watersmeet queues
  $ watersmeet queues inventory --partitions 8
  $ watersmeet queues inventory mails --json
`;

export const addQueues = (cli: Command, session: Session, open: Opener = lookInto): void => {
  const queues = cli
    .command('queues')
    .summary('show how much waits in the queues, and for how long')
    .description(
      'Shows for each partition how many messages wait, how many are parked, the age of the oldest that is due, and the keys with most messages.',
    );
  withLookOptions(queues, { tenant: false })
    .argument('[queue...]', 'names of the queues (default: all that hold messages)')
    .option(
      '--partitions <n>',
      'how many partitions their workers use (default: the queue as a whole)',
      wholeNumber('--partitions', 1, 1_024),
      1,
    )
    .addHelpText('after', examples)
    .action((names: ReadonlyArray<string>, options: QueuesOptions) =>
      open(session, options, async (store) => {
        const { partitions, json } = options;
        if (names.length === 0 && partitions === 1 && json !== true) return showAll(session, store);
        const all = names.length > 0 ? names : await toPromise(queueOf(store).names());
        for (const name of all) await show(session, name, options, store);
      }),
    );
};
