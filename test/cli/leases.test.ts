/** `watersmeet leases`: what it shows of the leases that are held. */
import { describe, expect, it } from '@jest/globals';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { type EventStore, memoryStore, toPromise } from 'watersmeet';
import { addLeases } from '../../src/cli/commands/leases.js';
import type { Leases } from '../../src/store/leases.js';
import { onOpen, onStores } from './support.js';

const leasesOf = ({ leases }: EventStore): Leases => leases as Leases;

const filled = async (store: EventStore): Promise<void> => {
  const { acquire, release } = leasesOf(store);
  const take = (
    lease: { readonly name: string } | { readonly scope: ReadonlyArray<string> },
    ttlMs: number,
  ) => toPromise(acquire({ ...lease, holder: 'thumbnails of web-2', ttlMs }));
  await toPromise(release(await take({ scope: ['product-1', 'assets', 'a/b'] }, 60_000)));
  await take({ scope: ['product-1', 'assets', 'a/b'] }, 90_000);
  await take({ scope: ['product-2'] }, 3_600_000);
  await take({ name: 'nightly import' }, 3_600_000);
  await toPromise(release(await take({ name: 'given back' }, 60_000)));
};

onStores('leases', { commands: [addLeases], filled }, (run) => {
  it('lists those that are held by name: when they end, token, name and holder', async () => {
    const { code, stdout, stderr } = await run('leases');
    expect([code, stderr]).toEqual([0, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toBe('expires in   token  name  holder');
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^ +(60|59) min +1 {2}nightly import {2}thumbnails of web-2$/),
      expect.stringMatching(/^ +\d+\.\d s +2 {2}scope:\/product-1\/assets\/a~1b {2}thumbnails of web-2$/),
      expect.stringMatching(/^ +(60|59) min +1 {2}scope:\/product-2 {2}thumbnails of web-2$/),
    ]);
  });

  it('takes the beginning of names and a number, and prints JSON with the segments of scopes', async () => {
    const one = await run('leases', '--prefix', 'scope:/product-1', '--json');
    expect(JSON.parse(one.stdout)).toEqual({
      name: 'scope:/product-1/assets/a~1b',
      token: 2,
      holder: 'thumbnails of web-2',
      expiresInMs: expect.any(Number),
      scope: ['product-1', 'assets', 'a/b'],
    });
    const first = await run('leases', '--max', '1', '--json');
    expect(JSON.parse(first.stdout)).toMatchObject({ name: 'nightly import' });
    expect(first.stdout).not.toContain('"scope"');
    expect(first.stderr).toBe('only the first 1 are shown: there may be more, see --prefix and --max\n');
  });

  it('says so where none is held, and what is wrong with an option', async () => {
    expect(await run('leases', '--prefix', 'nothing')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'no leases are held\n',
    });
    expect(await run('leases', '--prefix', 'nothing', '--json')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    for (const [option, value] of [
      ['--max', '0'],
      ['--max', 'x'],
      ['--prefix', ' a'],
    ] as const)
      expect(await run('leases', option, value)).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('leases', () => {
  it('whose names or holders hold escape sequences are shown escaped', async () => {
    const evil = 'red\u001b[31m\u202eadmin\nnext';
    const list = () => TE.right([{ name: evil, token: 1, holder: evil, expiresInMs: 10 }]);
    const store = memoryStore();
    const run = onOpen({ ...store, leases: { ...store.leases, list } }, addLeases);
    const { stdout } = await run('leases');
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).not.toMatch(/[\u001b\u202e]/);
    expect((await run('leases', '--json')).stdout).not.toMatch(/\u001b/);
  });

  it('of a store that keeps none are an error by name', async () => {
    const { code, stderr } = await onOpen({ ...memoryStore(), leases: undefined }, addLeases)('leases');
    expect(code).not.toBe(0);
    expect(stderr).toContain('leases');
  });
});
