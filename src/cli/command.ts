/** The whole command as a function: arguments and a world in, an exit code out. */
import { Command, type CommanderError } from 'commander';
import { escapeForDisplay } from '../core/stream.js';
import { addCopy } from './commands/copy.js';
import { addDeadLetters } from './commands/dead-letters.js';
import { addExport } from './commands/export.js';
import { addIdempotency } from './commands/idempotency.js';
import { addLeases } from './commands/leases.js';
import { addMigrate } from './commands/migrate.js';
import { addQueues } from './commands/queues.js';
import { addRead } from './commands/read.js';
import { addReplay } from './commands/replay.js';
import { addRun } from './commands/run.js';
import { addSaga } from './commands/saga.js';
import { addServe } from './commands/serve.js';
import { addStats } from './commands/stats.js';
import { addStreams } from './commands/streams.js';
import { addTail } from './commands/tail.js';
import { exitCodes, failureOf, stackOf } from './failure.js';
import { type Io, openSession, type Session } from './session.js';

const help = `
Examples:
  $ watersmeet run loan-application --input loans.xes.gz
  $ watersmeet streams
  $ watersmeet saga loanApplication-173688
  $ watersmeet tail --category loanApplication --from-start
  $ watersmeet dead-letters list --queue inventory
  $ watersmeet replay loanApplication-173688 --saga loan-application --diff

Exit codes:
  0    done
  1    --verify or copy found a difference, or a saga is parked or left with work to do
  2    a mistake in the command, or in the file or module it was given
  3    the store cannot be used: unreachable, locked, not migrated, or its driver not installed
  4    replay: the code gives other states than were recorded, or cannot fold the history
  70   a defect, here or in the saga's code; WATERSMEET_DEBUG=1 shows where
  130  interrupted; the first Ctrl-C finishes the work in hand, the second ends at once

Environment:
  WATERSMEET_STORE  the store, where --store is not given
  NO_COLOR          no colours`;

const commandOf = (session: Session, done: (exitCode: number) => void, onOrderlyEnd: () => void): Command => {
  const cli = new Command('watersmeet')
    .description('Event-sourced sagas that merge concurrent work: run them, and look into their streams.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void session.stdout.write(text),
      writeErr: (text) => void session.stderr.write(text),
      outputError: (text, write) => {
        const line = escapeForDisplay(
          text
            .trim()
            .replace(/^error: /, '')
            .replace(/\s*\n\s*/g, ' '),
          500,
        );
        write(`watersmeet: ${line}\n`);
      },
    })
    .addHelpText('after', help);
  addRun(cli, session, done);
  addServe(cli, session, onOrderlyEnd);
  addStreams(cli, session);
  addRead(cli, session);
  addSaga(cli, session);
  addTail(cli, session);
  addStats(cli, session);
  addQueues(cli, session);
  addDeadLetters(cli, session);
  addLeases(cli, session);
  addIdempotency(cli, session);
  addCopy(cli, session, done);
  addExport(cli, session);
  addReplay(cli, session, done);
  addMigrate(cli, session);
  return cli;
};

const isCommanderError = (error: unknown): error is CommanderError =>
  typeof (error as { code?: unknown } | null)?.code === 'string' &&
  (error as CommanderError).code.startsWith('commander.');

const fail = (session: Session, error: unknown): number => {
  // It has told its own errors; help and version are none.
  if (isCommanderError(error)) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const { line, exitCode } = failureOf(error);
  session.err(`watersmeet: ${line}`);
  const stack = session.env['WATERSMEET_DEBUG'] === '1' ? stackOf(error) : undefined;
  if (stack !== undefined) session.err(stack);
  return exitCode;
};

/** Runs one command. `args` are those after the program's name. Resolves with the exit code; never rejects. */
export const main = async (args: ReadonlyArray<string>, io: Io): Promise<number> => {
  const session = openSession(io);
  let exitCode: number = exitCodes.ok;
  let isEndedInOrder = false;
  try {
    const cli = commandOf(
      session,
      (code) => {
        exitCode = code;
      },
      () => {
        isEndedInOrder = true;
      },
    );
    await cli.parseAsync([...args], { from: 'user' });
    return session.isInterrupted() && !isEndedInOrder ? exitCodes.interrupted : exitCode;
  } catch (error) {
    return fail(session, error);
  } finally {
    session.close();
  }
};
