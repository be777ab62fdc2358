/** `watersmeet read <stream>`: the events of one stream. */
import type { Command } from 'commander';
import { toPromise } from '../../core/fault.js';
import type { EventStore } from '../../store/event-store.js';
import {
  checkedStream,
  eventLine,
  lookInto,
  type LookOptions,
  tenantOption,
  withLookOptions,
} from '../look.js';
import { wholeNumber } from '../options.js';
import { streamMissing } from '../stream-missing.js';
import type { Session } from '../session.js';

interface ReadOptions extends LookOptions {
  readonly backwards?: boolean;
  readonly from?: number;
  readonly max?: number;
  readonly archived?: boolean;
}

const pageSize = 512;

const print = async (
  session: Session,
  name: string,
  options: ReadOptions,
  store: EventStore,
): Promise<void> => {
  const { backwards, from, max = Infinity, json, archived } = options;
  const streamName = checkedStream(name);
  const request = {
    streamName,
    ...tenantOption(options),
    ...(backwards === true && { direction: 'backwards' as const }),
    ...(archived === true && { includeArchived: true }),
  };
  let next: number | undefined = from;
  let printed = 0;
  do {
    const maxCount = Math.min(pageSize, max - printed);
    const page = await toPromise(
      store.readStream({ ...request, maxCount, ...(next !== undefined && { from: next }) }),
    );
    if (page.version === 0) throw streamMissing(name);
    const digits = String(page.version).length;
    for (const event of page.events)
      await session.out(
        json === true
          ? JSON.stringify(event)
          : eventLine(session.colors, String(event.version).padStart(digits), event),
      );
    printed += page.events.length;
    next = page.next;
  } while (next !== undefined && printed < max && !session.signal.aborted);
};

const examples = `
Examples:
  $ watersmeet read loanApplication-173688
  $ watersmeet read loanApplication-173688 --backwards --max 5
  $ watersmeet read loanApplication-173688 --json | head -1
`;

export const addRead = (cli: Command, session: Session): void => {
  withLookOptions(cli.command('read').summary('print the events of a stream'))
    .description(
      'Prints the events of a stream, oldest first: version, type, data, and when it was recorded.',
    )
    .argument('<stream>', 'name of the stream')
    .option('--backwards', 'newest first')
    .option('--from <version>', 'the first version to print', wholeNumber('--from', 1, 2 ** 31 - 1))
    .option('--max <n>', 'events at most', wholeNumber('--max', 1, 1e9))
    .option('--archived', 'read an archived stream too')
    .addHelpText('after', examples)
    .action((name: string, options: ReadOptions) =>
      lookInto(session, options, (store) => print(session, name, options, store)),
    );
};
