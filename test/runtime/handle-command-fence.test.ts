/** A command under a lease: its events are refused once the lease is another's, and what was written is recognised all the same. */
import { describe, expect, it } from '@jest/globals';
import { toPromise } from '../../src/core/fault.js';
import { fenceOf } from '../../src/store/leases.js';
import {
  deposit,
  handle,
  left,
  open,
  opened,
  right,
  typesOf,
  withRival,
  depositedEvent,
  appendDirectly,
} from '../support/handling.js';

const acquire = { scope: ['account-42'], holder: 'import', ttlMs: 60_000 };

describe('a command with a fence', () => {
  it('is written while the lease is held, and LeaseLost after it; then nothing is written', async () => {
    const store = await opened();
    const lease = await toPromise(store.leases.acquire(acquire));
    expect((await right(handle({ store }, deposit(5), { fence: fenceOf(lease) }))).version).toBe(2);
    await toPromise(store.leases.release(lease));
    const refused = await left(handle({ store }, deposit(5), { fence: fenceOf(lease) }));
    expect(refused).toEqual({ _tag: 'LeaseLost', lease: lease.name, token: lease.token });
    expect(await typesOf(store)).toEqual(['Opened', 'Deposited']);
  });

  it('carries it through each of its attempts', async () => {
    const store = await opened();
    const lease = await toPromise(store.leases.acquire(acquire));
    const rival = async () => {
      await appendDirectly(store, depositedEvent(1));
      await toPromise(store.leases.release(lease));
    };
    const refused = await left(
      handle({ store: withRival(store, 1, rival) }, deposit(5), { fence: fenceOf(lease) }),
    );
    expect(refused).toMatchObject({ _tag: 'LeaseLost' });
    const held = await toPromise(store.leases.acquire(acquire));
    const rivals = withRival(store, 2, () => appendDirectly(store, depositedEvent(1)));
    expect(await right(handle({ store: rivals }, deposit(5), { fence: fenceOf(held) }))).toMatchObject({
      attempts: 3,
      version: 5,
    });
  });

  it('that was written before is recognised although the lease is lost', async () => {
    const store = await opened();
    const lease = await toPromise(store.leases.acquire(acquire));
    const more = { fence: fenceOf(lease), commandId: 'transfer-7' };
    await right(handle({ store }, deposit(5), more));
    await toPromise(store.leases.release(lease));
    expect(await right(handle({ store }, deposit(5), more))).toMatchObject({ duplicate: true, version: 2 });
  });

  it('that is none is refused by name before anything is read', async () => {
    const store = await opened();
    for (const fence of [
      { lease: '', token: 1 },
      { lease: 'a', token: 0.5 },
    ])
      expect((await left(handle({ store }, open, { fence })))._tag).toMatch(/^Invalid/);
  });
});
