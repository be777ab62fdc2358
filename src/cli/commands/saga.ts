/** `watersmeet saga <stream>`: the trunk, its branches and merges drawn in text, and each conflict explained. */
import type { Command } from 'commander';
import { describeConflict } from '../../core/saga/describe-conflict.js';
import { drawSaga, legend } from '../../core/saga/draw.js';
import { explainConflicts } from '../../core/saga/explain.js';
import { categoryOf } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import {
  checkedStream,
  lookInto,
  type LookOptions,
  paintWith,
  tenantOption,
  withLookOptions,
} from '../look.js';
import { loadProgram, sagaOfCategory } from '../programs.js';
import { readWhole } from '../../store/read-whole.js';
import { streamMissing } from '../stream-missing.js';
import type { Session } from '../session.js';

interface SagaOptions extends LookOptions {
  readonly program?: string;
}

const show = async (
  session: Session,
  name: string,
  options: SagaOptions,
  store: EventStore,
): Promise<void> => {
  const streamName = checkedStream(name);
  const events = await readWhole(store, { streamName, ...tenantOption(options), includeArchived: true });
  if (events.length === 0) throw streamMissing(name);
  const saga =
    options.program === undefined
      ? await sagaOfCategory(categoryOf(streamName))
      : (await loadProgram(session, options.program)).saga;
  const conflicts = explainConflicts(saga, events);
  if (options.json === true) {
    await session.out(JSON.stringify({ streamName, version: events.length, conflicts }));
    return;
  }
  for (const line of drawSaga(events, paintWith(session.colors))) await session.out(line);
  await session.out(`\n${session.colors.dim(legend)}`);
  for (const conflict of conflicts) await session.out(`\n${describeConflict(conflict)}`);
  if (conflicts.length === 0) await session.out('\nNo conflict: nobody diverged on this stream.');
};

const examples = `
Which of the trunk's events were in the way of a branch is told where the saga's code is known: that of bundled sagas
is, for others name it with --program.

Examples:
  $ watersmeet saga loanApplication-173688
  $ watersmeet saga order-7 --program ./dist/order-saga.js --store postgres://me@localhost/shop
`;

export const addSaga = (cli: Command, session: Session): void => {
  withLookOptions(cli.command('saga').summary('draw a saga and explain its conflicts'))
    .description("Draws a saga's stream, its branches and merges, and explains each conflict.")
    .argument('<stream>', "name of the saga's stream")
    .option('--program <saga>', 'a bundled saga, or the path of a module, whose code says more')
    .addHelpText('after', examples)
    .action((name: string, options: SagaOptions) =>
      lookInto(session, options, (store) => show(session, name, options, store)),
    );
};
