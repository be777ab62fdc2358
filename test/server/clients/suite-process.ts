/** The suite of one client in a process of its own, and what each of its checks came to. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

interface Line {
  readonly name: string;
  readonly outcome: 'ok' | 'error' | 'skipped';
  readonly reason?: string;
  readonly stack?: string;
}

export interface SuiteRun {
  readonly lines: ReadonlyMap<string, Line>;
  /** How the process ended, and the last that it said beside its lines. */
  readonly end: string;
}

export interface SuiteOptions {
  /** The server is ours, and is started again by this. Default: it is somebody's. */
  readonly restart?: () => Promise<void>;
  /** Share of the large numbers that checks reach otherwise. Default 1. */
  readonly load?: number;
  /** Only checks whose names hold all of these are made. Default: every check. */
  readonly words?: ReadonlyArray<string>;
}

const runner = join('test', 'server', 'clients', 'run-suite.mjs');
const saidBytesMax = 4000;

const running = new Set<ChildProcess>();

/** Ends what still runs; for a test run that ends early. */
export const endSuites = (): void => {
  for (const child of running) child.kill();
};

const start = (kind: string, url: string, { restart, load = 1, words = [] }: SuiteOptions): ChildProcess => {
  const child = fork(runner, [kind, url, ...words], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      WATERSMEET_OWN_SERVER: restart === undefined ? '' : '1',
      WATERSMEET_SUITE_LOAD: String(load),
    },
  });
  child.on('message', () => {
    void restart?.().then(
      () => child.send('restarted'),
      (error) => child.send(String(error)),
    );
  });
  running.add(child);
  return child;
};

export const runSuite = async (kind: string, url: string, options: SuiteOptions = {}): Promise<SuiteRun> => {
  const child = start(kind, url, options);
  const ended = new Promise<string>((resolve) => {
    child.on('exit', (code, signal) => resolve(`The runner ended with ${code ?? signal}.`));
  });
  let said = '';
  child.stderr?.on('data', (part: Buffer) => {
    said = `${said}${part.toString()}`.slice(-saidBytesMax);
  });
  if (child.stdout === null) throw new Error('the runner has no output');
  const lines = new Map<string, Line>();
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    lines.set(line.name, line);
  }
  const end = await ended;
  running.delete(child);
  return { lines, end: `${end}\n${said}` };
};

/** Fails as the check failed in its own process; also where it was never made. */
export const expectOk = ({ lines, end }: SuiteRun, name: string): void => {
  const line = lines.get(name);
  if (line === undefined) throw new Error(`The runner has not made this check. ${end}`);
  if (line.outcome === 'ok') return;
  throw new Error(line.outcome === 'error' ? line.stack : `Skipped without need: ${line.reason}`);
};
