/**
 * One opener for a PGlite directory. Two of them would diverge without a word, so a file beside the directory names the
 * process that holds it. It is taken over only from a process that is known to be dead.
 */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { taggedError } from '../../core/fault.js';

/** Another process, or this one, has opened the directory. Nothing was written. Close it there, or use another directory. */
export interface DirectoryLocked {
  readonly _tag: 'DirectoryLocked';
  readonly directory: string;
  /** The process that holds it; 0 where the lock file cannot be read. */
  readonly pid: number;
  readonly message: string;
}

interface Holder {
  readonly pid: number;
  /** When the process began, as its system tells: a later process may get the same pid. Empty where it does not tell. */
  readonly started: string;
  readonly host: string;
  /** Tells this opening from all others. */
  readonly token: string;
}

/** Since the machine's start, in clock ticks; only Linux tells. */
const startOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name of the program stands in brackets and may hold anything; field 22 of all is the 20th after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
};

const isDead = ({ pid, started, host }: Holder): boolean => {
  // Of another machine's processes nothing is known.
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not permitted means that it lives, under another user.
    return (error as { code?: string }).code === 'ESRCH';
  }
  const runs = startOf(pid);
  return started !== '' && runs !== '' && started !== runs;
};

const parse = (text: string): Holder | undefined => {
  try {
    const holder = JSON.parse(text) as Holder;
    return Number.isInteger(holder.pid) && holder.pid > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
};

const readText = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

const lockedError = (directory: string, path: string, holder: Holder | undefined): Error => {
  const pid = holder?.pid ?? 0;
  const where = holder === undefined || holder.host === hostname() ? '' : ` on ${holder.host}`;
  const who =
    holder === undefined
      ? 'another process'
      : holder.pid === process.pid
        ? 'this process'
        : `process ${pid}${where}`;
  const message = `${directory} is opened by ${who}; if that is not so, delete ${path}`;
  return taggedError<DirectoryLocked>({ _tag: 'DirectoryLocked', directory, pid, message });
};

/**
 * Puts a dead process's file aside. Another process may do the same at this moment and hold the lock already: then the
 * file that was put aside is not the one that was read, and it is put back.
 */
const putAside = (path: string, dead: string): boolean => {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch {
    return false;
  }
  const isTheDead = readText(aside) === dead;
  try {
    if (!isTheDead) linkSync(aside, path);
  } catch {
    // A third one holds it by now.
  }
  rmSync(aside, { force: true });
  return isTheDead;
};

/** Locks `directory` and answers how to release it. Throws a `TaggedError` of `DirectoryLocked`; other errors are the file system's. */
export const lockDirectory = (directory: string): (() => void) => {
  const path = `${directory}.lock`;
  const mine: Holder = {
    pid: process.pid,
    started: startOf(process.pid),
    host: hostname(),
    token: randomUUID(),
  };
  const mineText = `${JSON.stringify(mine)}\n`;
  const tries = 10;
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Written aside and linked, so that nobody ever reads half a file.
      const draft = `${path}.${mine.token}`;
      writeFileSync(draft, mineText, { flag: 'wx' });
      try {
        linkSync(draft, path);
      } finally {
        unlinkSync(draft);
      }
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
    }
    const text = readText(path);
    const holder = text === undefined ? undefined : parse(text);
    const canTake = text === undefined || (holder !== undefined && isDead(holder));
    if (!canTake || attempt === tries) throw lockedError(directory, path, holder);
    if (text !== undefined) putAside(path, text);
  }
  const release = (): void => {
    process.removeListener('exit', release);
    if (readText(path) === mineText) rmSync(path, { force: true });
  };
  process.on('exit', release);
  return release;
};
