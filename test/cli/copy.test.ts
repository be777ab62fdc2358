/** `watersmeet copy`: between stores of all kinds by the built command, ended in the middle, and its mistakes. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { openPGlite } from '../../src/adapters/pglite/index.js';
import { toPromise } from '../../src/core/fault.js';
import { any, type Position, type StreamName, type Tenant } from '../../src/core/stream.js';
import type { EventStore } from '../../src/store/event-store.js';
import { append, events, idsOf, right } from '../../src/testing/contract/support.js';
import { fillHistory, orderOf } from '../support/copy-histories.js';
import { bareDatabase, dropTestDatabase, whyNoServer } from '../support/postgres.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';
import { run, workFolder } from './support.js';

const entry = 'dist/esm/src/cli/main.js';
const work = workFolder();
const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;
const reason = skip === undefined ? '' : ` (skipped: ${skip})`;

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built command, as a process of its own. */
const command = (...args: ReadonlyArray<string>): Ran => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, 'copy', ...args], {
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
};

const inDirectory = async <A>(directory: string, act: (store: EventStore) => Promise<A>): Promise<A> => {
  const store = await toPromise(openPGlite({ directory }));
  try {
    return await act(store);
  } finally {
    await store.close();
  }
};

suite(`watersmeet copy${reason}`, () => {
  const [first, second] = [work.path('first'), work.path('second')];
  const opened: PostgresTestStore[] = [];
  const aServer = async (): Promise<PostgresTestStore> => {
    const one = await openTestPostgres({ poolMax: 2 });
    opened.push(one);
    return one;
  };
  let [count, order] = [0, [] as ReadonlyArray<string>];
  let server: PostgresTestStore;

  beforeAll(async () => {
    server = await aServer();
    await inDirectory(first, async (store) => {
      count = await fillHistory(store, 10);
      order = await orderOf(store);
    });
  }, 120_000);
  afterAll(async () => {
    for (const one of opened) await one.dispose();
    work.remove();
  });

  const placeOf = async (store: EventStore, number: number): Promise<Position> =>
    (await right(store.readAll({ maxCount: number, filter: { includeArchived: true } }))).last;

  it('takes streams from PGlite to PostgreSQL to PGlite: identical by hash, and quiet where nobody looks', async () => {
    const there = command('--from', `pglite:${first}`, '--to', server.url);
    expect(there).toMatchObject({ code: 0, stderr: '' });
    expect(there.stdout).toMatch(new RegExp(`^${count} events copied, 1 stream marked\n`));
    const back = command('--from', server.url, '--to', `pglite:${second}`, '--json');
    expect(JSON.parse(back.stdout)).toMatchObject({ copied: count, known: 0, comparison: { isEqual: true } });
    const { comparison } = JSON.parse(back.stdout) as {
      readonly comparison: { readonly target: { readonly hash: string } };
    };
    for (const side of ['source', 'target'])
      expect(there.stdout).toContain(`\n${side}  ${comparison.target.hash}  ${count} events of `);
    expect(there.stdout.endsWith('\nidentical\n')).toBe(true);
    expect(await inDirectory(second, orderOf)).toEqual(order);
  }, 180_000);

  it('killed in the middle and started again, it goes on: nothing is missing, nothing is doubled', async () => {
    const [from, to] = [await aServer(), await aServer()];
    const total = await fillHistory(from.store, 60);
    // One event at a time, so that there is a middle to be killed in.
    const slowly = ['--from', from.url, '--to', to.url, '--page', '1'];
    const seen = async (): Promise<number> =>
      (await right(to.store.readAll({ maxCount: 4_096, filter: { includeArchived: true } }))).events.length;
    for (const [signal, until] of [
      ['SIGINT', 20],
      ['SIGKILL', 60],
      ['SIGKILL', 100],
    ] as const) {
      const child = spawn(process.execPath, [entry, 'copy', ...slowly], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      const ended = new Promise<number | null>((done) => child.on('close', done));
      let isOver = false;
      void ended.then(() => {
        isOver = true;
      });
      while (!isOver && (await seen()) < until) await new Promise((wake) => setTimeout(wake, 5));
      child.kill(signal);
      expect(await ended).toBe(signal === 'SIGINT' ? 130 : null);
      if (signal === 'SIGINT') expect(stderr).toMatch(/^interrupted after \d+ events; nothing is lost/);
    }
    const between = await seen();
    expect(between).toBeGreaterThanOrEqual(100);
    expect(between).toBeLessThan(total);
    const { code, stdout } = command('--from', from.url, '--to', to.url);
    expect({ code, end: stdout.split('\n').at(-2) }).toEqual({ code: 0, end: 'identical' });
    expect(await orderOf(to.store)).toEqual(await orderOf(from.store));
  }, 180_000);

  it('writes a map of positions, goes on with it after a torn line, and moves subscribers by it', async () => {
    const [source, target] = [await aServer(), await aServer()];
    await fillHistory(source.store, 6);
    const position = await placeOf(source.store, 15);
    await right(
      source.store.checkpoints.save('reports', { position, epoch: await right(source.store.epoch()) }),
    );
    await append(target.store, 'own-1' as StreamName, events(1), any, { tenant: 'other' as Tenant });
    const map = work.path('map.jsonl');
    const to = ['copy', '--from', source.url, '--to', target.url, '--tenant'];
    expect((await run([...to, 'acme', '--positions', map])).code).toBe(0);
    const whole = readFileSync(map, 'utf8');
    expect(whole).toMatch(/^\{"source":"[^"]+","target":"[^"]+"\}\n(\["\d+\/\d+","\d+\/\d+"\]\n)+$/);
    truncateSync(map, whole.length - 30);
    const again = await run([...to, 'acme', '--positions', map]);
    expect(readFileSync(map, 'utf8')).toBe(whole);
    expect(again.stderr).toMatch(/^\d positions? added to /m);

    const moved = await run([
      ...to,
      'acme',
      '--positions',
      map,
      '--move-checkpoint',
      'reports',
      '--move-checkpoint',
      'nobody',
    ]);
    expect(moved.code).toBe(0);
    expect(moved.stderr).toMatch(/^reports goes on after \d+\/\d+ in the target$/m);
    expect(moved.stderr).toMatch(/^nobody has no checkpoint in the source; nothing moved$/m);
    const unseen = async (store: EventStore, after: Position) =>
      idsOf(
        (
          await right(
            store.readAll({
              after,
              maxCount: 4_096,
              filter: { tenant: 'acme' as Tenant, includeArchived: true },
            }),
          )
        ).events,
      );
    const kept = await right(target.store.checkpoints.load('reports'));
    expect(await unseen(target.store, kept?.position as Position)).toEqual(
      await unseen(source.store, position),
    );

    appendFileSync(map, 'no line of a map\n\n');
    const broken = await run([...to, 'acme', '--positions', map]);
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining('is no line of a map')]);
    writeFileSync(work.path('notes.txt'), 'my notes');
    const other = await run([...to, 'acme', '--positions', work.path('notes.txt')]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('no map of these two stores')]);
    expect(readFileSync(work.path('notes.txt'), 'utf8')).toBe('my notes');
  }, 120_000);

  it('exits with 1 where the stores differ, and says in which streams', async () => {
    const [source, target] = [await aServer(), await aServer()];
    const name = 'order-1' as StreamName;
    const batch = events(3);
    await append(source.store, name, batch);
    await append(source.store, 'order-2' as StreamName, events(2));
    await append(target.store, name, batch.slice(0, 2));
    const args = ['copy', '--from', source.url, '--to', target.url];
    const compared = await run([...args, '--verify-only']);
    expect(compared.code).toBe(1);
    expect(compared.stdout.split('\n').slice(2)).toEqual([
      'different in 2 streams:',
      '  default order-1: version 3 in the source, version 2 in the target',
      '  default order-2: version 2 in the source, not there in the target',
      '',
    ]);
    await append(target.store, name, events(1));
    const diverged = await run(args);
    expect([diverged.code, diverged.stdout]).toEqual([1, '']);
    expect(diverged.stderr).toBe(
      'watersmeet: the target holds another event than the source in order-1 at version 3 (CopyDiverged)\n',
    );
    const same = await run([...args, '--verify-only']);
    expect(same.stdout).toContain(
      'order-1: version 3 in the source, version 3 in the target, with other events',
    );
  });

  it('tells of streams that are tombstoned in the source, and follows when it is told to', async () => {
    const [source, target] = [await aServer(), await aServer()];
    const name = 'order-1' as StreamName;
    await append(source.store, name, events(3));
    await append(source.store, 'order-2' as StreamName, events(1));
    const args = ['copy', '--from', source.url, '--to', target.url];
    expect((await run(args)).code).toBe(0);
    await right(source.store.markStream({ streamName: name, as: 'tombstoned', expected: any }));
    const told = await run(args);
    expect([told.code, told.stderr]).toEqual([
      1,
      expect.stringContaining('1 stream of the target is tombstoned'),
    ]);
    const done = await run([...args, '--tombstone']);
    expect([done.code, done.stderr]).toEqual([0, '1 stream tombstoned, as in the source\n']);
  });

  it('leaves archived streams out where that is wanted, and keeps to a category', async () => {
    const [source, target] = [await aServer(), await aServer()];
    await fillHistory(source.store, 4);
    const args = ['copy', '--from', source.url, '--to', target.url, '--tenant', 'acme'];
    expect((await run([...args, '--no-archived', '--category', 'order', '--fast'])).code).toBe(0);
    const names = async (): Promise<ReadonlyArray<string>> =>
      (await right(target.store.listStreams({ tenant: 'acme' as Tenant, includeArchived: true }))).map(
        ({ streamName }) => streamName,
      );
    expect(await names()).toEqual(['order', 'order-1']);
    expect((await run(args)).code).toBe(0);
    expect(await names()).toEqual(['invoice-1', 'order', 'order-1', 'order-2', 'plan-é']);
  });

  it('needs a target that is migrated', async () => {
    const url = await bareDatabase();
    const { code, stderr } = await run(['copy', '--from', server.url, '--to', url]);
    await dropTestDatabase(url);
    expect([code, stderr]).toEqual([3, expect.stringContaining('MigrationMissing')]);
  });
});

describe('a copy that cannot be', () => {
  const kept = `pglite:${work.path('nowhere')}`;
  it.each<readonly [string, ReadonlyArray<string>, RegExp]>([
    ['without a source', ['--to', kept], /--from is missing/],
    ['without a target', ['--from', kept], /--to is missing/],
    [
      'of a store that ends with its process',
      ['--from', 'memory', '--to', kept],
      /--from must be a store that is kept/,
    ],
    ['into one', ['--from', kept, '--to', 'pglite:memory'], /--to must be a store that is kept/],
    ['onto itself', ['--from', kept, '--to', kept], /--to must be another store/],
    ['of a store that is not there', ['--from', kept, '--to', `${kept}2`], /nowhere.*StoreMissing/],
    [
      'that compares and writes',
      ['--from', kept, '--to', `${kept}2`, '--verify-only', '--fast'],
      /--fast is of no use/,
    ],
    [
      'that moves checkpoints without a map',
      ['--from', kept, '--to', `${kept}2`, '--move-checkpoint', 'x'],
      /needs --positions/,
    ],
    [
      'in pages of nothing',
      ['--from', kept, '--to', `${kept}2`, '--page', '0'],
      /--page must be a whole number/,
    ],
    ['from an unknown store', ['--from', 'mongodb://x', '--to', kept], /unknown store/],
  ])('%s is a mistake with one line', async (_title, args, line) => {
    const { code, stdout, stderr } = await run(['copy', ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(line);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});
