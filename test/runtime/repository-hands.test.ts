/** What a repository's calls hand on: a caller's lease to the append, a least version to the reads, and work of the system to commands. */
import { expect, it } from '@jest/globals';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { repository } from '../../src/runtime/repository/repository.js';
import { systemWork } from '../../src/runtime/concurrency/system-work.js';
import type { EventStore, ReadStreamRequest } from '../../src/store/event-store.js';
import { fenceOf } from '../../src/store/leases.js';
import type { Tenant } from '../../src/core/stream.js';
import { right } from '../support/handling.js';
import { addStock, aProduct, product, products, rename } from './repository-support.js';

it.each(['expectedVersion', 'pessimistic'] as const)(
  'a save under a lease that is another’s by now writes nothing: %s',
  async (strategy) => {
    const store = memoryStore();
    const id = await aProduct(store, 3);
    const repo = products(store);
    const lease = await right(store.leases.acquire({ name: 'import', holder: 'a', ttlMs: 60_000 }));
    const options = { settings: { strategy }, fence: fenceOf(lease) };
    expect(await right(repo.update(id, rename('under it'), options))).toMatchObject({
      state: { name: 'under it' },
    });
    await right(store.leases.release(lease));
    await right(store.leases.acquire({ name: 'import', holder: 'b', ttlMs: 60_000 }));
    expect(await repo.update(id, rename('too late'), options)()).toMatchObject({
      left: { _tag: 'LeaseLost', lease: 'import', token: lease.token },
    });
    expect((await right(repo.load(id))).state.name).toBe('under it');
  },
);

it('a load that a replica may answer asks for the version it was given, and never for less than it has folded; a save asks the store', async () => {
  const inner = memoryStore();
  const asked: Array<number | undefined> = [];
  const store: EventStore = {
    ...inner,
    readStream: (request: ReadStreamRequest) => {
      asked.push(request.atLeast);
      return inner.readStream(request);
    },
  };
  const id = await aProduct(inner, 3);
  const repo = repository({ store })(product, { cache: { max: 10, maxAgeMs: 60_000 } });
  const loaded = await right(repo.load(id, { atLeast: 2 }));
  await right(repo.load(id, { atLeast: 0 }));
  expect(asked).toEqual([2, loaded.version]);
  asked.length = 0;
  await right(repo.update(id, rename('Lamp 2')));
  expect(asked.every((atLeast) => atLeast === undefined)).toBe(true);
});

it('a command that is handled as work of the system adds no revision', async () => {
  const store = memoryStore();
  const id = await aProduct(store, 3);
  const repo = products(store);
  const before = await right(repo.load(id));
  const handle = handleCommand({ store });
  await systemWork('sync', () => right(handle(product, { id, command: rename('by the system') })));
  await right(handle(product, { id, command: rename('by a person') }));
  expect(await right(repo.load(id))).toMatchObject({
    ...{ version: before.version + 2, revision: before.revision + 1 },
    state: { name: 'by a person' },
  });
  const { entries } = await right(repo.operationLog(id));
  expect(entries).toMatchObject([{ operation: 'sync' }]);
});

it('tenants that share one collector are counted apart', async () => {
  const store = memoryStore();
  const id = await aProduct(store, 3);
  const keys: string[] = [];
  const stats = { observe: ({ key }: { readonly key: string }) => void keys.push(key) };
  for (const tenant of [undefined, 'acme' as Tenant])
    await right(products(store, { stats, ...(tenant !== undefined && { tenant }) }).update(id, addStock(1)));
  expect(keys).toEqual([`product-${id}`, `acme/product-${id}`]);
});
