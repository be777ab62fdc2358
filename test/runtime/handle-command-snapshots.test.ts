/** Snapshots of aggregates: when they are taken, used and ignored, and that they never do harm. */
import * as E from 'fp-ts/lib/Either.js';
import type { MemoryStore } from '../../src/adapters/memory/index.js';
import { type EventOf, fold } from '../../src/core/decider.js';
import type {
  AggregateContext,
  SnapshotIgnored,
  SnapshotNotSaved,
} from '../../src/runtime/aggregate/aggregate-context.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { loadAggregate } from '../../src/runtime/aggregate/load-aggregate.js';
import type { Snapshot } from '../../src/store/snapshots.js';
import { account, accountWithSnapshots } from '../support/account.js';
import { counting, deposit, eventsOf, opened, right, streamName, withRival } from '../support/handling.js';

describe('snapshots', () => {
  const rules = accountWithSnapshots(10);
  const deposits = async (context: AggregateContext, count: number, of = rules) => {
    for (let n = 0; n < count; n += 1)
      await right(handleCommand(context)(of, { id: '42', command: deposit(1) }));
  };
  const snapshotOf = (store: MemoryStore) => right(store.snapshots.load({ streamName }));

  it('are taken every n events, and spare reading what lies before them', async () => {
    const inner = await opened();
    const { store, counts } = counting(inner);
    const context = { store, snapshots: inner.snapshots };
    await deposits(context, 8);
    expect(await snapshotOf(inner)).toBeUndefined();
    await deposits(context, 1);
    expect(await snapshotOf(inner)).toMatchObject({ version: 10, codecVersion: '1' });
    await deposits(context, 5);
    counts.events = 0;
    const loaded = await right(loadAggregate(context)(rules, '42'));
    expect(loaded).toMatchObject({ version: 15, state: { balance: 14 } });
    expect(counts.events).toBe(5);
    await deposits(context, 5);
    expect(await snapshotOf(inner)).toMatchObject({ version: 20 });
  });

  it('hold what was written, where two at once say different things under one command id', async () => {
    const inner = await opened();
    const request = (amount: number) => ({ id: '42', command: deposit(amount), commandId: 'transfer-7' });
    const of = accountWithSnapshots(2);
    const rival = () => right(handleCommand({ store: inner })(of, request(5)));
    const context = { store: withRival(inner, 1, rival), snapshots: inner.snapshots };
    const handled = await right(handleCommand(context)(of, request(7)));
    expect(handled).toMatchObject({ duplicate: true, state: { balance: 5 }, version: 2 });
    const loaded = await right(loadAggregate(context)(of, '42'));
    expect(loaded).toMatchObject({ version: 2, state: { balance: 5 } });
  });

  it.each<[string, Partial<Snapshot>, SnapshotIgnored['reason']]>([
    ['of another codec version', { codecVersion: '0' }, 'otherCodecVersion'],
    ['whose state does not decode', { state: { state: { balance: 'much' }, ids: [] } }, 'unreadable'],
    ['of another make', { state: 7 }, 'unreadable'],
    [
      'of before revisions were kept',
      { state: { state: { open: true, owner: 'Eve', balance: 5 }, ids: [] } },
      'unreadable',
    ],
    ['beyond the stream', { version: 99 as Snapshot['version'] }, 'beyondStream'],
  ])('%s are ignored', async (_, change, reason) => {
    const store = await opened(7);
    const about = { revision: 2, lastModified: null, lastModifiedBy: null, lastSaveId: null };
    const wrong = { state: { open: true, owner: 'Eve', balance: 1_000_000 }, ids: [], about };
    const snapshot = { version: 2 as Snapshot['version'], codecVersion: '1', state: wrong, ...change };
    await right(store.snapshots.save({ streamName }, snapshot));
    const ignored: SnapshotIgnored[] = [];
    const hooks = { onSnapshotIgnored: (notice: SnapshotIgnored) => void ignored.push(notice) };
    const loaded = await right(loadAggregate({ store, snapshots: store.snapshots, hooks })(rules, '42'));
    expect(loaded).toMatchObject({ version: 2, state: { owner: 'Ada', balance: 7 } });
    expect(ignored).toMatchObject([{ streamName, reason }]);
  });

  it('of another codec version are replaced by the next command', async () => {
    const store = await opened(7);
    const other = { state: {}, ids: [] };
    await right(
      store.snapshots.save(
        { streamName },
        { version: 2 as Snapshot['version'], codecVersion: '0', state: other },
      ),
    );
    await deposits({ store, snapshots: store.snapshots }, 1, accountWithSnapshots(2));
    expect(await snapshotOf(store)).toMatchObject({
      version: 3,
      codecVersion: '1',
      state: { state: { balance: 8 } },
    });
  });

  it('that cannot be loaded or saved never fail a command, and are told', async () => {
    const store = await opened();
    const down = async () => E.left({ _tag: 'StoreUnavailable', message: 'down' } as const);
    const told: Array<SnapshotIgnored | SnapshotNotSaved> = [];
    const tell = (notice: SnapshotIgnored | SnapshotNotSaved) => void told.push(notice);
    const hooks = { onSnapshotIgnored: tell, onSnapshotNotSaved: tell };
    const everyEvent = accountWithSnapshots(1);
    const run = (save: () => Promise<E.Either<never, void>>) =>
      deposits({ store, snapshots: { load: () => down, save: () => save }, hooks }, 1, everyEvent);
    await run(down as never);
    await run(() => Promise.reject(new Error('lost')));
    expect(told).toMatchObject([
      { reason: 'unavailable' },
      { version: 2, error: { _tag: 'StoreUnavailable' } },
      { reason: 'unavailable' },
      { version: 3, error: new Error('lost') },
    ]);
    const throwing = {
      onSnapshotNotSaved: () => {
        throw new Error('hook');
      },
    };
    await deposits(
      { store, snapshots: { load: () => down, save: () => down }, hooks: throwing },
      1,
      everyEvent,
    );
    expect(await eventsOf(store)).toHaveLength(4);
  });

  it('with concurrent writers are always the fold of the events up to their version', async () => {
    const inner = await opened();
    const taken: Snapshot[] = [];
    const snapshots = {
      ...inner.snapshots,
      save: (...[key, snapshot]: Parameters<typeof inner.snapshots.save>) => {
        taken.push(snapshot);
        return inner.snapshots.save(key, snapshot);
      },
    };
    const patient = { ...accountWithSnapshots(3), retry: { attemptsMax: 200, delayMs: 1, delayMaxMs: 10 } };
    const run = handleCommand({ store: inner, snapshots });
    await Promise.all(
      Array.from({ length: 24 }, (_, n) => right(run(patient, { id: '42', command: deposit(n) }))),
    );
    const all = await eventsOf(inner);
    expect(taken.length).toBeGreaterThan(0);
    for (const { version, state } of taken) {
      const events = all
        .slice(0, version)
        .map(({ type, data }) => ({ type, data }) as EventOf<typeof account>);
      const about = { revision: version, lastModified: all[version - 1]?.recordedAt };
      expect(state).toMatchObject({ state: fold(account, events), ids: [], about });
    }
  });
});
