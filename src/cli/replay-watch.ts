/**
 * `watersmeet replay --watch`: runs again when code or fixture change, and shows what that did to the states. Each run is a
 * process of its own, because a module that was loaded once stays as it was, and so does all that it imports.
 */
import { spawn } from 'node:child_process';
import { resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodes } from './failure.js';
import { fileChanges, signatures } from './file-changes.js';
import { badOption } from './options.js';
import { changedStates } from './replay-changes.js';
import { fixturePath } from './replay-history.js';
import type { Frame, ReplayOptions } from './replay-once.js';
import { bundledRules } from './rules.js';
import type { Session } from './session.js';

interface ChildRun {
  readonly frame: Frame | undefined;
  readonly stderr: string;
  /** Files that were loaded, without packages and this command's own. */
  readonly files: ReadonlyArray<string>;
}

/** The options of the child: those of this process, without `--watch`. */
const childArgs = (session: Session, name: string, options: ReplayOptions): ReadonlyArray<string> => {
  const { saga, against, stream, from, to, store, schema, tenant } = options;
  const valued = { saga, against, stream, from, to, store, schema, tenant };
  return [
    'replay',
    ...Object.entries(valued).flatMap(([key, value]) => (value === undefined ? [] : [`--${key}=${value}`])),
    ...(options.diff === true ? ['--diff'] : []),
    ...(options.merges === true ? ['--merges'] : []),
    `--frame=${session.stdout.isTTY === true ? 'colors' : 'plain'}`,
    '--',
    name,
  ];
};

/** Node tells its parent what it loads where this is set; it is how `node --watch` knows. */
const reporting = { WATCH_REPORT_DEPENDENCIES: '1' };

const filesIn = (message: unknown): ReadonlyArray<string> => {
  const told = (message ?? {}) as Readonly<Record<string, unknown>>;
  return [told['watch:require'], told['watch:import']]
    .flatMap((list) => (Array.isArray(list) ? (list as ReadonlyArray<unknown>) : []))
    .filter((file): file is string => typeof file === 'string' && !file.startsWith('node:'))
    .map((file) => (file.startsWith('file:') ? fileURLToPath(file) : file));
};

const isOwnCode = (entry: string): ((file: string) => boolean) => {
  const own = resolve(entry, '..', '..') + sep;
  return (file) => file.startsWith(own) || file.includes(`${sep}node_modules${sep}`);
};

const runChild = (session: Session, entry: string, args: ReadonlyArray<string>): Promise<ChildRun> =>
  new Promise((done, failed) => {
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: session.cwd,
      env: { ...session.env, ...reporting },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    const files = new Set<string>();
    const stop = (): void => void child.kill();
    session.signal.addEventListener('abort', stop, { once: true });
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('message', (message) => {
      for (const file of filesIn(message)) files.add(file);
    });
    child.on('error', failed);
    child.on('close', (code) => {
      session.signal.removeEventListener('abort', stop);
      const isDone = code === exitCodes.ok || code === exitCodes.otherStates;
      const isOwn = isOwnCode(entry);
      done({
        frame: isDone ? (JSON.parse(Buffer.concat(stdout).toString()) as Frame) : undefined,
        stderr: Buffer.concat(stderr).toString().trimEnd(),
        files: [...files].filter((file) => !isOwn(file)),
      });
    });
  });

const clearScreen = '\u001b[2J\u001b[H';

const show = async (
  session: Session,
  run: ChildRun,
  before: Frame | undefined,
  title: string,
): Promise<void> => {
  const { colors } = session;
  if (session.stdout.isTTY === true) session.stdout.write(clearScreen);
  await session.out(colors.dim(title));
  const { frame, stderr } = run;
  if (stderr !== '') await session.out(colors.yellow(stderr));
  if (frame === undefined) return;
  const lines = before === undefined ? frame.lines : [...changedStates(colors, before, frame), ''];
  for (const line of [...lines, ...frame.verdict]) await session.out(line);
};

const timeOfDay = (): string => new Date().toTimeString().slice(0, 8);

/** Runs until the session is interrupted. */
export const watchReplay = async (session: Session, name: string, options: ReplayOptions): Promise<void> => {
  const { entry } = session;
  if (entry === undefined) throw badOption('--watch', 'needs the installed command');
  const args = childArgs(session, name, options);
  const fixture = fixturePath(session, name, options);
  const named = [options.saga, options.against].flatMap((one) =>
    one === undefined || bundledRules.includes(one)
      ? []
      : [resolve(session.cwd, one.replace(/#[\w$]+$/, ''))],
  );
  let files: ReadonlySet<string> = new Set([...(fixture === undefined ? [] : [fixture]), ...named]);
  let before: Frame | undefined;
  let why = '';
  for (let run = 1; !session.signal.aborted; run += 1) {
    const known = signatures(files);
    const ran = await runChild(session, entry, args);
    if (session.signal.aborted) return;
    await show(session, ran, before, `${timeOfDay()}  run ${run}${why}`);
    before = ran.frame ?? before;
    // A run that failed may not have come as far as all that it loads.
    files = new Set([...files, ...ran.files]);
    await session.out(session.colors.dim('waiting for a change ...'));
    const changed = await fileChanges(new Map([...signatures(files), ...known]), session.signal);
    why = changed.length === 0 ? '' : `, changed: ${changed.join(', ')}`;
  }
};
