/** Waits until files change. The system's notices make it quick, and a look now and then makes it sure. */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { escapeForDisplay } from '../core/stream.js';

/** Time and size of a file by its path; `absent` where there is none. */
export type Signatures = ReadonlyMap<string, string>;

const signatureOf = (file: string): string => {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? 'absent' : `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
};

export const signatures = (files: Iterable<string>): Signatures =>
  new Map([...files].map((file) => [file, signatureOf(file)]));

// Network file systems and containers give no notices; and an editor that renames ends the watch of the old file.
const lookEveryMs = 1_000;
/** So long nothing must change before the files are taken as written: editors and compilers write several. */
const quietMs = 120;

const watchFolders = (files: Iterable<string>, onNotice: () => void): ReadonlyArray<FSWatcher> =>
  [...new Set([...files].map(dirname))].flatMap((folder) => {
    try {
      const watcher = watch(folder, { persistent: false }, onNotice);
      watcher.on('error', () => watcher.close());
      return [watcher];
    } catch {
      return [];
    }
  });

const differing = (before: Signatures, now: Signatures): ReadonlyArray<string> =>
  [...now].filter(([file, signature]) => before.get(file) !== signature).map(([file]) => file);

/** Resolves with the names of the files that are not as in `before` any more; empty when `signal` ends the waiting. */
export const fileChanges = async (
  before: Signatures,
  signal: AbortSignal,
): Promise<ReadonlyArray<string>> => {
  let wake = (): void => undefined;
  const watchers = watchFolders(before.keys(), () => wake());
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      let now = signatures(before.keys());
      if (differing(before, now).length > 0) {
        for (let isQuiet = false; !isQuiet && !signal.aborted; ) {
          await delay(quietMs);
          const later = signatures(before.keys());
          isQuiet = differing(now, later).length === 0;
          now = later;
        }
        const changed = differing(before, now);
        if (changed.length > 0) return changed.map((file) => escapeForDisplay(basename(file), 100));
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, lookEveryMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (signal.aborted) wake();
      });
    }
    return [];
  } finally {
    signal.removeEventListener('abort', onAbort);
    for (const watcher of watchers) watcher.close();
  }
};
