/** `watersmeet streams`: names, versions and states of a store's streams. */
import type { Command } from 'commander';
import { toPromise } from '../../core/fault.js';
import { escapeForDisplay } from '../../core/stream.js';
import type { EventStore, StreamSummary } from '../../store/event-store.js';
import { lookInto, type LookOptions, tenantOption, withLookOptions } from '../look.js';
import type { Session } from '../session.js';

interface StreamsOptions extends LookOptions {
  readonly category?: string;
  readonly all?: boolean;
}

const pageSize = 512;

const lineOf = ({ colors }: Session, { streamName, version, state }: StreamSummary): string => {
  const marked = state === 'open' ? '' : `  ${colors.yellow(state)}`;
  return `${String(version).padStart(6)}  ${escapeForDisplay(streamName, 600)}${marked}`;
};

const list = async (session: Session, options: StreamsOptions, store: EventStore): Promise<number> => {
  const { category, json, all } = options;
  const request = {
    maxCount: pageSize,
    ...tenantOption(options),
    ...(category !== undefined && { category }),
    ...(all === true && { includeArchived: true }),
  };
  let listed = 0;
  let after: string | undefined;
  do {
    const page = await toPromise(store.listStreams({ ...request, ...(after !== undefined && { after }) }));
    for (const summary of page)
      await session.out(json === true ? JSON.stringify(summary) : lineOf(session, summary));
    listed += page.length;
    after = page.length < pageSize ? undefined : page[page.length - 1]?.streamName;
  } while (after !== undefined && !session.signal.aborted);
  return listed;
};

export const addStreams = (cli: Command, session: Session): void => {
  withLookOptions(cli.command('streams').summary('list the streams of a store'))
    .description(
      'Lists the streams of a store in the order of their names: version, name, and state where it is not open.',
    )
    .option('--category <name>', 'only this category: what stands before the first - of a name')
    .option('--all', 'archived streams too')
    .addHelpText(
      'after',
      '\nExamples:\n  $ watersmeet streams\n  $ watersmeet streams --category loanApplication --store pglite:.watersmeet/loans\n',
    )
    .action((options: StreamsOptions) =>
      lookInto(session, options, async (store) => {
        const listed = await list(session, options, store);
        if (listed === 0 && options.json !== true) session.err('no streams');
      }),
    );
};
