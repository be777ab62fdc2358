// The PostgreSQL servers that are measured: one on this machine's disk as it is, one whose every commit takes a millisecond longer.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../test/support/embedded-postgres.mjs';

export const commits = {
  disk: 'this machine’s disk as it is; fsync and synchronous_commit on, as by default',
  slow: 'the same, and each flush of the log (fdatasync) takes 1 ms longer, as that of a disk in the cloud',
};

/**
 * commit_delay would not do: it makes one wait so that others can join its flush, which a slow disk does not. So the server is
 * started with a library that sleeps after each fdatasync, while the lock on the log is held. It takes Linux and a C compiler.
 */
const source = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int fdatasync(int file) {
  static int (*next)(int);
  if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  int answer = next(file);
  struct timespec pause = { 0, 1000000 };
  nanosleep(&pause, 0);
  return answer;
}
`;

/** Why there is no slow server here; undefined where there can be one. */
export const whyNotSlow = () => {
  if (process.env.PGTEST_URL !== undefined) return 'the server was given by PGTEST_URL';
  if (process.platform !== 'linux') return 'it takes Linux';
  return spawnSync('cc', ['--version']).status === 0 ? undefined : 'it takes a C compiler, cc';
};

const buildSlowness = () => {
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-bench-'));
  // The server runs as somebody else, who must be able to read it.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'slow.c'), source);
  const library = join(folder, 'slow.so');
  const { status, stderr } = spawnSync(
    'cc',
    ['-O2', '-shared', '-fPIC', '-o', library, join(folder, 'slow.c'), '-ldl'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`cc failed: ${stderr}`);
  return { library, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

/** Each subject has a pool of its own; the rest is as PostgreSQL has it by default. */
const settings = { max_connections: 500 };

/** The names of both commit settings are the keys of `commits`. */
export const startServer = async (commit) => {
  if (commit === 'disk') return startPostgres(settings);
  const { library, remove } = buildSlowness();
  const before = process.env.LD_PRELOAD;
  process.env.LD_PRELOAD = library;
  try {
    const server = await startPostgres(settings);
    return {
      ...server,
      stop: async () => {
        await server.stop();
        remove();
      },
    };
  } finally {
    if (before === undefined) delete process.env.LD_PRELOAD;
    else process.env.LD_PRELOAD = before;
  }
};
