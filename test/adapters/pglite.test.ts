/** The store on PGlite beyond the contract: its directory, its lock, and its one connection. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory } from '../../src/adapters/pglite/directory-lock.js';
import {
  migratePGlite,
  openPGlite,
  openPGliteExecutor,
  pgliteMigrationStatus,
} from '../../src/adapters/pglite/index.js';
import { templateFor } from '../../src/adapters/pglite/template.js';
import { taggedOf, toPromise } from '../../src/core/fault.js';
import { any, noStream } from '../../src/core/stream.js';
import {
  append,
  aStream,
  events,
  idsOf,
  refused,
  right,
  wholeStream,
} from '../../src/testing/contract/support.js';
import { freshDirectory } from '../support/pglite.js';

const thrown = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return taggedOf(error) ?? error;
  }
  throw new Error('it was expected to throw');
};

/** A process that is alive, and one that is not any more. */
const otherProcess = async (): Promise<{ readonly pid: number; readonly end: () => Promise<void> }> => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('spawn', resolve));
  return {
    pid: child.pid as number,
    end: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
};

const startOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
};

describe('the lock of a PGlite directory', () => {
  let place: ReturnType<typeof freshDirectory>;
  beforeEach(() => {
    place = freshDirectory();
  });
  afterEach(() => place.remove());
  const lockFile = () => `${place.directory}.lock`;
  const hold = (holder: object): void =>
    writeFileSync(lockFile(), JSON.stringify({ token: 'x', host: hostname(), started: '', ...holder }));

  it('is held by one opener, also inside one process, and is free again after its release', () => {
    const release = lockDirectory(place.directory);
    expect(thrown(() => lockDirectory(place.directory))).toMatchObject({
      _tag: 'DirectoryLocked',
      directory: place.directory,
      pid: process.pid,
    });
    release();
    expect(existsSync(lockFile())).toBe(false);
    lockDirectory(place.directory)();
  });

  it('is never taken from a living process, and is taken over from a dead one', async () => {
    const other = await otherProcess();
    hold({ pid: other.pid });
    expect(thrown(() => lockDirectory(place.directory))).toMatchObject({
      _tag: 'DirectoryLocked',
      pid: other.pid,
    });
    await other.end();
    lockDirectory(place.directory)();
  });

  (process.platform === 'linux' ? it : it.skip)(
    'is taken over where another process has the same pid by now',
    async () => {
      const other = await otherProcess();
      hold({ pid: other.pid, started: startOf(other.pid) });
      expect(thrown(() => lockDirectory(place.directory))).toMatchObject({ pid: other.pid });
      hold({ pid: other.pid, started: '1' });
      lockDirectory(place.directory)();
      await other.end();
    },
  );

  it('is never taken from another machine, and one that cannot be read is left alone', () => {
    hold({ pid: 1, host: 'another machine' });
    expect(thrown(() => lockDirectory(place.directory))).toMatchObject({ pid: 1 });
    writeFileSync(lockFile(), 'nonsense');
    const refusal = thrown(() => lockDirectory(place.directory)) as { pid: number; message: string };
    expect(refusal.pid).toBe(0);
    expect(refusal.message).toContain(lockFile());
  });

  it('a release leaves alone what somebody else holds by now', () => {
    const release = lockDirectory(place.directory);
    hold({ pid: process.ppid });
    release();
    expect(existsSync(lockFile())).toBe(true);
  });
});

describe('event store [pglite]', () => {
  let place: ReturnType<typeof freshDirectory>;
  beforeEach(() => {
    place = freshDirectory();
  });
  afterEach(() => place.remove());

  it('finds its events again, refuses a second opener meanwhile, and keeps its epoch', async () => {
    const { directory } = place;
    const store = await toPromise(openPGlite({ directory }));
    const streamName = aStream();
    const batch = events(3);
    await append(store, streamName, batch, noStream);
    const epoch = await right(store.epoch());
    expect(await refused(openPGlite({ directory }), 'DirectoryLocked')).toMatchObject({ pid: process.pid });
    await store.close();
    expect(existsSync(`${directory}.lock`)).toBe(false);
    const again = await toPromise(openPGlite({ directory, migrate: false }));
    expect(again.name).toBe(`pglite:${directory}`);
    expect(await right(again.epoch())).toBe(epoch);
    expect(idsOf(await wholeStream(again, { streamName }))).toEqual(idsOf(batch));
    await again.close();
  });

  it('two new directories are two stores with epochs of their own, although made from one copy', async () => {
    const other = freshDirectory();
    const one = await toPromise(openPGlite({ directory: place.directory }));
    const two = await toPromise(openPGlite({ directory: other.directory }));
    expect(await right(one.epoch())).not.toBe(await right(two.epoch()));
    await one.close();
    await two.close();
    other.remove();
  });

  it('in memory it says that it is not durable', async () => {
    const store = await toPromise(openPGlite({ directory: 'memory' }));
    expect([store.name, store.capabilities.durable]).toEqual(['pglite:memory', false]);
    await append(store, aStream(), events(1), noStream);
    await store.close();
  });

  it('a directory that cannot serve is StoreUnavailable in one line, and is left as it was, unlocked', async () => {
    const { directory } = place;
    mkdirSync(directory);
    writeFileSync(join(directory, 'thesis.txt'), 'do not lose me');
    expect((await refused(openPGlite({ directory }), 'StoreUnavailable')).message).toMatch(
      /no PGlite directory/,
    );
    expect(readFileSync(join(directory, 'thesis.txt'), 'utf8')).toBe('do not lose me');
    expect(existsSync(`${directory}.lock`)).toBe(false);
    const file = `${directory}-file`;
    writeFileSync(file, '');
    await refused(openPGlite({ directory: file }), 'StoreUnavailable');
    await refused(openPGlite({ directory: join(file, 'inside') }), 'StoreUnavailable');
    await refused(openPGlite({ directory: '/proc/none/data' }), 'StoreUnavailable');
  });

  it('a directory whose making was cut short is made anew', async () => {
    const { directory } = place;
    mkdirSync(directory);
    writeFileSync(join(directory, 'PG_VERSION'), '18');
    writeFileSync(`${directory}.unfinished`, '');
    const store = await toPromise(openPGlite({ directory }));
    await append(store, aStream(), events(1), noStream);
    await store.close();
    expect(existsSync(`${directory}.unfinished`)).toBe(false);
  });

  it('a damaged directory is StoreUnavailable in one line, and the process goes on', async () => {
    const { directory } = place;
    await (await toPromise(openPGlite({ directory }))).close();
    rmSync(join(directory, 'global'), { recursive: true });
    const error = await refused(openPGlite({ directory }), 'StoreUnavailable');
    expect(error.message).not.toMatch(/\n/);
    expect(process.exitCode ?? 0).toBe(0);
    expect(existsSync(`${directory}.lock`)).toBe(false);
  });

  it('migrations can be looked at before they are run', async () => {
    const { directory } = place;
    expect((await right(migratePGlite({ directory, dryRun: true }))).run.length).toBeGreaterThan(0);
    await refused(openPGlite({ directory, migrate: false }), 'MigrationMissing');
    await right(migratePGlite({ directory }));
    expect((await right(pgliteMigrationStatus({ directory }))).every(({ applied }) => applied)).toBe(true);
    await (await toPromise(openPGlite({ directory, migrate: false }))).close();
  });

  it('many callers at once are served one after the other', async () => {
    const store = await toPromise(openPGlite({ directory: 'memory' }));
    const streamName = aStream();
    await Promise.all(Array.from({ length: 50 }, () => append(store, streamName, events(1), any)));
    expect((await wholeStream(store, { streamName })).map(({ version }) => version)).toEqual(
      Array.from({ length: 50 }, (_, index) => index + 1),
    );
    await store.close();
  });

  it('a query beside its own transaction is named instead of waiting for ever; others wait for its end', async () => {
    const { executor } = await openPGliteExecutor('memory');
    const one = { name: '', text: "select 'one' as value" };
    const order: string[] = [];
    const transaction = executor.transaction(async ({ query }) => {
      await expect(async () => executor.query(one)).rejects.toThrow(/wait for ever/);
      await query(one);
      order.push('inside');
    });
    const beside = executor.query(one).then(() => order.push('beside'));
    await Promise.all([transaction, beside]);
    expect(order).toEqual(['inside', 'beside']);
    await executor.close();
  });
});

describe('the copy that new PGlite directories are made from', () => {
  it('is answered as it was kept, and half a file, a wrong one or none is no copy', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'watersmeet-cache-'));
    const before = process.env['WATERSMEET_CACHE'];
    process.env['WATERSMEET_CACHE'] = cache;
    try {
      const template = templateFor('test');
      expect(await template.load()).toBeUndefined();
      await template.save(new Blob(['a data directory'.repeat(100)]));
      expect(await (await template.load())?.text()).toBe('a data directory'.repeat(100));
      const path = join(cache, 'pglite-test.tar.gz');
      const whole = readFileSync(path);
      writeFileSync(path, whole.subarray(0, whole.length - 1));
      expect(await template.load()).toBeUndefined();
      whole[70] = (whole[70] as number) ^ 1;
      writeFileSync(path, whole);
      expect(await template.load()).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env['WATERSMEET_CACHE'];
      else process.env['WATERSMEET_CACHE'] = before;
      rmSync(cache, { recursive: true, force: true });
    }
  });
});
