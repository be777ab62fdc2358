/** `watersmeet tail`: events of all streams as they are recorded. */
import type { Command } from 'commander';
import { toPromise } from '../../core/fault.js';
import { escapeForDisplay, type Position, startPosition } from '../../core/stream.js';
import type { Checkpoint, EventFilter, EventStore } from '../../store/event-store.js';
import { pageMax } from '../../store/limits.js';
import { eventLine, lookInto, type LookOptions, tenantOption, withLookOptions } from '../look.js';
import { collect, wholeNumber } from '../options.js';
import type { Session } from '../session.js';

interface TailOptions extends LookOptions {
  readonly category?: ReadonlyArray<string>;
  readonly type?: ReadonlyArray<string>;
  readonly fromStart?: boolean;
  readonly max?: number;
}

const filterOf = (options: TailOptions): EventFilter => ({
  ...tenantOption(options),
  ...(options.category && { categories: options.category }),
  ...(options.type && { types: options.type }),
});

/** Where the store ends now. */
const endOf = async (session: Session, store: EventStore, filter: EventFilter): Promise<Checkpoint> => {
  let position: Position = startPosition;
  let isEnd = false;
  while (!isEnd && !session.signal.aborted) {
    const page = await toPromise(store.readAll({ after: position, filter, maxCount: pageMax }));
    position = page.last;
    isEnd = page.isEnd;
  }
  return { position, epoch: await toPromise(store.epoch()) };
};

const follow = async (session: Session, options: TailOptions, store: EventStore): Promise<void> => {
  const filter = filterOf(options);
  const after = options.fromStart === true ? undefined : await endOf(session, store, filter);
  let left = options.max ?? Infinity;
  for await (const item of store.subscribe({ filter, signal: session.signal, ...(after && { after }) })) {
    if (item._tag === 'Lag')
      session.err(
        `lag: newer events are recorded but wait, since ${item.heldBack.heldBackMs} ms, behind ${escapeForDisplay(item.heldBack.by, 200)}`,
      );
    if (item._tag !== 'Event') continue;
    const { event } = item;
    const where = `${escapeForDisplay(event.streamName, 600)} ${event.version}`;
    await session.out(
      options.json === true ? JSON.stringify(event) : eventLine(session.colors, where, event),
    );
    left -= 1;
    if (left === 0 || session.signal.aborted) return;
  }
};

const examples = `
An embedded store (pglite:) is open in one process at a time: tail shows what is in it, and nothing new can come.

Examples:
  $ watersmeet tail --store postgres://me@localhost/loans
  $ watersmeet tail --category loanApplication --type SagaMerged --from-start
`;

export const addTail = (cli: Command, session: Session): void => {
  withLookOptions(cli.command('tail').summary('print events as they are recorded'))
    .description(
      'Prints events of all streams as they are recorded, until Ctrl-C. When the order is held back, says so on stderr.',
    )
    .option('--category <name>', 'only this category; may be given more than once', collect)
    .option('--type <name>', 'only this event type; may be given more than once', collect)
    .option('--from-start', 'everything recorded so far first')
    .option('--max <n>', 'end after so many events', wholeNumber('--max', 1, 1e9))
    .addHelpText('after', examples)
    .action((options: TailOptions) => lookInto(session, options, (store) => follow(session, options, store)));
};
