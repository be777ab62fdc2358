/** `watersmeet replay`: folds a history again, shows its states, and says whether the code still gives those recorded. */
import { type Command, Option } from 'commander';
import picocolors from 'picocolors';
import { withLookOptions } from '../look.js';
import { badOption, wholeNumber } from '../options.js';
import { type ReplayOptions, replayOnce } from '../replay-once.js';
import { watchReplay } from '../replay-watch.js';
import { bundledRules } from '../rules.js';
import type { Session } from '../session.js';

interface AllOptions extends ReplayOptions {
  /** What `--watch` runs its children with: print one JSON document for the parent. */
  readonly frame?: 'colors' | 'plain';
}

const replayNow = async (session: Session, name: string, options: AllOptions): Promise<number> => {
  if (options.frame !== undefined) {
    const colors = picocolors.createColors(options.frame === 'colors');
    const frame = await replayOnce({ ...session, colors }, name, options, true);
    await session.out(JSON.stringify(frame));
    return frame.exitCode;
  }
  const { lines, verdict, exitCode } = await replayOnce(session, name, options);
  for (const line of [...lines, ...verdict]) {
    if (session.signal.aborted) break;
    await session.out(line);
  }
  return exitCode;
};

const versionsMax = 2 ** 31 - 1;

const examples = `
The history is a file that watersmeet export wrote (or a fixture of a test), or a stream of a store. Nothing is written, and
no handler, merger or hook runs. What was recorded is: states in the file (export --states), the hashes and merged states in
a saga's own records, and snapshots. Where the code gives another state, or cannot fold an event, the exit code is 4.

Sagas: ${bundledRules.join(', ')}, or the path of a module that exports a saga, an aggregate or a program (module.js#name where
it exports several). It may be left out for streams of bundled sagas.

Examples:
  $ watersmeet replay loanApplication-173688 --saga loan-application
  $ watersmeet replay loan.jsonl --saga ./dist/loan-saga.js --diff --from 4 --to 9
  $ watersmeet replay loan.jsonl --saga ./dist/loan-saga.js --watch
  $ watersmeet replay loans.jsonl.gz --saga ./dist/new.js --against ./dist/old.js --merges
`;

export const addReplay = (cli: Command, session: Session, done: (exitCode: number) => void): void => {
  withLookOptions(cli.command('replay').summary('fold a history again, and compare its states'))
    .description(
      'Folds a history with the code as it is now: prints the state after each event, and whether it is as recorded.',
    )
    .argument('<file|stream>', 'a fixture, or the name of a stream')
    .option('--saga <saga>', 'the code to fold with: a bundled saga, or the path of a module')
    .option('--stream <name>', 'the stream, where the file holds several')
    .option('--from <version>', 'the first version to print', wholeNumber('--from', 0, versionsMax))
    .option('--to <version>', 'the last version to fold', wholeNumber('--to', 0, versionsMax))
    .option('--diff', 'print what each event changed, in place of the states')
    .option('--against <saga>', 'compare with the states of this code too')
    .option('--merges', "ask the code's merger what it would answer to each merge of the history")
    .option('--watch', 'run again whenever the code or the file changes, and show which states that changed')
    .addOption(new Option('--frame <paint>').choices(['colors', 'plain']).hideHelp())
    .addHelpText('after', examples)
    .action(async (name: string, options: AllOptions) => {
      if (options.watch !== true) done(await replayNow(session, name, options));
      else if (options.json === true) throw badOption('--watch', 'is for people, and --json is not');
      else await watchReplay(session, name, options);
    });
};
