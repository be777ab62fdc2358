/** A command that is sent again: how far its repeat is recognised. */
import { any, exactly } from '../../src/core/stream.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { account, accountWithSnapshots } from '../support/account.js';
import {
  appendDirectly,
  deposit,
  depositedEvent,
  eventsOf,
  handle,
  open,
  opened,
  right,
  stillEnvironment,
  typesOf,
  withRival,
} from '../support/handling.js';

describe('a repeated command', () => {
  const commandId = 'transfer-7';

  it('is recognised in the stream, and not decided again', async () => {
    const store = await opened();
    const first = await right(handle({ store }, deposit(5), { commandId }));
    await right(handle({ store }, deposit(1)));
    const again = await right(handle({ store }, deposit(5), { commandId }));
    expect(first.duplicate).toBe(false);
    expect(again).toMatchObject({ duplicate: true, events: [], version: 3, state: { balance: 6 } });
    expect(await eventsOf(store)).toHaveLength(3);
  });

  it('is recognised although the caller expects the version from before', async () => {
    const store = await opened();
    const more = { commandId, expected: exactly(1) };
    await right(handle({ store }, deposit(5), more));
    expect((await right(handle({ store }, deposit(5), more))).duplicate).toBe(true);
  });

  it('is recognised by its events, not by a cause that another command had too', async () => {
    const store = await opened();
    await right(handle({ store }, deposit(5), { metadata: { causationId: commandId } }));
    expect((await right(handle({ store }, deposit(5), { commandId }))).duplicate).toBe(false);
  });

  it('is another command on another aggregate', async () => {
    const store = await opened();
    await right(handle({ store }, open, { id: '43' }));
    await right(handle({ store }, deposit(5), { commandId }));
    expect((await right(handle({ store }, deposit(5), { commandId, id: '43' }))).duplicate).toBe(false);
  });

  it('that comes first while this one is decided is recognised by the refusal or by the store', async () => {
    for (const before of [0, 1]) {
      const inner = await opened();
      const store = withRival(inner, 1, async () => {
        if (before > 0) await appendDirectly(inner, depositedEvent(1));
        await right(handle({ store: inner }, deposit(5), { commandId }));
      });
      const handled = await right(
        handle({ store, environment: stillEnvironment() }, deposit(5), { commandId }),
      );
      expect(handled).toMatchObject({ duplicate: true, state: { balance: 5 + before } });
      expect(await eventsOf(inner)).toHaveLength(2 + before);
    }
  });

  it('that comes first is recognised although no further attempt is allowed', async () => {
    for (const expected of [any, exactly(1)]) {
      const inner = await opened();
      const store = withRival(inner, 1, async () => {
        await appendDirectly(inner, depositedEvent(1));
        await right(handle({ store: inner }, deposit(5), { commandId }));
      });
      const once = { ...account, retry: { attemptsMax: 1 } };
      const request = { id: '42', command: deposit(5), commandId, expected };
      expect(await right(handleCommand({ store })(once, request))).toMatchObject({
        duplicate: true,
        version: 3,
      });
    }
  });

  it('sent 16 times at once is handled once', async () => {
    const store = await opened();
    const all = await Promise.all(
      Array.from({ length: 16 }, () => right(handle({ store }, deposit(5), { commandId }))),
    );
    expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(await typesOf(store)).toEqual(['Opened', 'Deposited']);
  });

  it('is recognised behind a snapshot while its id is remembered, and decided again after that', async () => {
    const inner = await opened();
    for (const [remembered, duplicate] of [
      [3, true],
      [2, false],
    ] as const) {
      const id = `remembers-${remembered}`;
      const rules = accountWithSnapshots(1, '1', remembered);
      const run = handleCommand({ store: inner, snapshots: inner.snapshots });
      await right(run(rules, { id, command: open }));
      for (const [n, key] of [commandId, 'b', 'c'].entries())
        await right(run(rules, { id, command: deposit(n), commandId: key }));
      expect((await right(run(rules, { id, command: deposit(0), commandId }))).duplicate).toBe(duplicate);
    }
  });
});
