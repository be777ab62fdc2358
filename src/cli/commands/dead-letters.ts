/** `watersmeet dead-letters`: messages that are parked after their last attempt, looked at, tried again or given up. */
import type { Command } from 'commander';
import { taggedError, toPromise } from '../../core/fault.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import type { DeadLetter, DeadLetterMissing, MessageQueue } from '../../store/message-queue.js';
import type { BadOption } from '../failure.js';
import { lookInto, type LookOptions, tenantOption, withLookOptions } from '../look.js';
import { wholeNumber } from '../options.js';
import { queueOf } from '../queue-of.js';
import type { Session } from '../session.js';

interface LetterOptions extends LookOptions {
  readonly queue?: string;
  readonly max?: number;
}

const pageSize = 512;
const nameCharactersMax = 600;
const errorCharactersMax = 200;
/** Shown whole in practice, and still bounded. */
const dataCharactersMax = 100_000;

/** All dead letters that the options speak of, oldest first, page by page. */
async function* lettersIn(
  queue: MessageQueue,
  options: LetterOptions,
  signal: AbortSignal,
): AsyncGenerator<DeadLetter> {
  const { tenant } = tenantOption(options);
  const wanted = options.queue === undefined ? {} : { queue: options.queue };
  let after: string | undefined;
  do {
    const request = { ...wanted, maxCount: pageSize, ...(after !== undefined && { after }) };
    const page = await toPromise(queue.deadLetters.list(request));
    for (const letter of page) if (tenant === undefined || letter.tenant === tenant) yield letter;
    after = page.length < pageSize ? undefined : page[page.length - 1]?.position;
  } while (after !== undefined && !signal.aborted);
}

const shown = (text: string, max = nameCharactersMax): string => escapeForDisplay(text, max);
const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;
const behind = ({ waiting }: DeadLetter): string => (waiting === 0 ? '' : `${waiting} waiting behind it`);

const lineOf = ({ colors }: Session, letter: DeadLetter): string =>
  [
    shown(letter.id),
    colors.bold(shown(letter.type)),
    `key ${shown(letter.key)}`,
    colors.dim(`in ${shown(letter.queue)}`),
    counted(letter.attempt, 'attempt'),
    colors.yellow(behind(letter)),
    shown(letter.history.at(-1)?.error ?? '', errorCharactersMax),
  ]
    .filter((part) => part !== '')
    .join('  ');

const list = async (session: Session, options: LetterOptions, store: EventStore): Promise<void> => {
  let listed = 0;
  for await (const letter of lettersIn(queueOf(store), options, session.signal)) {
    if (listed >= (options.max ?? Infinity) || session.signal.aborted) break;
    await session.out(options.json === true ? JSON.stringify(letter) : lineOf(session, letter));
    listed += 1;
  }
  if (listed === 0 && options.json !== true) session.err('no dead letters');
};

/** The one dead letter of this id. An id is a queue's and a tenant's own: where several have it, one must be named. */
const find = async (
  session: Session,
  id: string,
  options: LetterOptions,
  queue: MessageQueue,
): Promise<DeadLetter> => {
  const found: DeadLetter[] = [];
  for await (const letter of lettersIn(queue, options, session.signal))
    if (letter.id === id) found.push(letter);
  const [only, ...others] = found;
  if (only === undefined)
    throw taggedError<DeadLetterMissing>({ _tag: 'DeadLetterMissing', queue: options.queue ?? '', id });
  if (others.length === 0) return only;
  const places = found.map((letter) => `${letter.queue} of tenant ${letter.tenant}`).join(', ');
  const message = `--queue or --tenant must be given: ${id} is a dead letter in ${places}`;
  throw taggedError<BadOption>({ _tag: 'BadOption', option: '--queue', message });
};

const show = async (
  session: Session,
  id: string,
  options: LetterOptions,
  store: EventStore,
): Promise<void> => {
  const letter = await find(session, id, options, queueOf(store));
  if (options.json === true) return session.out(JSON.stringify(letter));
  const { colors } = session;
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['id', shown(letter.id)],
    ['queue', shown(letter.queue)],
    ['tenant', shown(letter.tenant)],
    ['key', shown(letter.key)],
    ['type', `${shown(letter.type)} (schema version ${letter.schemaVersion})`],
    ['enqueued', letter.enqueuedAt],
    ['behind it', letter.waiting === 0 ? 'nothing' : counted(letter.waiting, 'message')],
    ['data', shown(JSON.stringify(letter.data), dataCharactersMax)],
    ['metadata', shown(JSON.stringify(letter.metadata), dataCharactersMax)],
  ];
  for (const [name, value] of rows) await session.out(`${colors.dim(name.padEnd(10))} ${value}`);
  for (const { attempt, at, error } of letter.history)
    await session.out(
      `${colors.dim(`attempt ${attempt}`.padEnd(10))} ${at}  ${shown(error, dataCharactersMax)}`,
    );
};

type Change = 'retry' | 'discard';
const done: Readonly<Record<Change, string>> = {
  retry: 'will be handled again, with all its attempts',
  discard: 'is given up; those behind it go on',
};

const change = async (
  session: Session,
  what: Change,
  ids: ReadonlyArray<string>,
  options: LetterOptions,
  store: EventStore,
): Promise<void> => {
  const queue = queueOf(store);
  for (const id of ids) {
    const letter = await find(session, id, options, queue);
    await toPromise(queue.deadLetters[what](letter));
    const { tenant, waiting } = letter;
    await session.out(
      options.json === true
        ? JSON.stringify({ did: what, tenant, queue: letter.queue, id, waiting })
        : `${shown(id)} ${done[what]}`,
    );
  }
};

const examples = `
A message is parked when its attempts are used up, and later ones of its key wait behind it. Mend what made it fail, then
retry it; or discard it, which lets those behind it go on without it. Workers look again by themselves.

Examples:
  $ watersmeet dead-letters list --queue inventory
  $ watersmeet dead-letters show order-17
  $ watersmeet dead-letters retry order-17 order-18
  $ watersmeet dead-letters list --json | jq -r .id | xargs watersmeet dead-letters retry
`;

/** Who opens the store; tests hand in their own. */
export type Opener = <A>(
  session: Session,
  options: LookOptions,
  work: (store: EventStore) => Promise<A>,
) => Promise<A>;

export const addDeadLetters = (cli: Command, session: Session, open: Opener = lookInto): void => {
  const letters = cli
    .command('dead-letters')
    .summary('look at messages that could not be handled; retry or discard them')
    .description('Messages that are parked after their last attempt: looked at, tried again, or given up.')
    .addHelpText('after', examples);
  const sub = (usage: string, summary: string): Command =>
    withLookOptions(letters.command(usage).description(summary), { tenant: false })
      .option('--tenant <name>', 'only this tenant (default: all)')
      .option('--queue <name>', 'only this queue (default: all)');
  sub('list', 'Lists dead letters, oldest first: id, type, key, queue, attempts and the last error.')
    .option('--max <n>', 'dead letters at most', wholeNumber('--max', 1, 1e9))
    .action((options: LetterOptions) => open(session, options, (store) => list(session, options, store)));
  sub('show', 'Shows one with its data, and every attempt with its error.')
    .argument('<id>', 'id of the message')
    .action((id: string, options: LetterOptions) =>
      open(session, options, (store) => show(session, id, options, store)),
    );
  for (const [what, summary] of [
    ['retry', 'Lets them be handled again, with all their attempts.'],
    ['discard', 'Gives them up: those behind them go on. Their ids stay known.'],
  ] as const)
    sub(what, summary)
      .argument('<id...>', 'ids of the messages')
      .action((ids: ReadonlyArray<string>, options: LetterOptions) =>
        open(session, options, (store) => change(session, what, ids, options, store)),
      );
};
