/** Folds that a handler keeps between its commands: what is read, and that nothing is ever answered or written by what was kept alone. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { type MemoryStore, memoryStore } from '../../src/adapters/memory/index.js';
import { accept, aggregate, type EventOf, fold } from '../../src/core/decider.js';
import { any, exactly, type Tenant } from '../../src/core/stream.js';
import type { AggregateContext } from '../../src/runtime/aggregate/aggregate-context.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { loadAggregate } from '../../src/runtime/aggregate/load-aggregate.js';
import type { EventStore } from '../../src/store/event-store.js';
import { account, accountWithSnapshots } from '../support/account.js';
import {
  appendDirectly,
  type Command,
  counting,
  deposit,
  depositedEvent,
  eventsOf,
  left,
  open,
  opened,
  type Request,
  right,
  stillEnvironment,
  streamName,
  typesOf,
  withdraw,
} from '../support/handling.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const touch: Command = { type: 'Touch', data: {} };

/** One handler, as a process has, that sends commands to account 42. */
const handlerOf = (context: AggregateContext, rules = account) => {
  const handle = handleCommand({ environment: stillEnvironment(), ...context });
  return (command: Command, more: Partial<Request> = {}) => handle(rules, { id: '42', command, ...more });
};

type Send = ReturnType<typeof handlerOf>;

/** A handler whose store counts, and which has handled a command of account 42 already. */
const warm = async (inner: MemoryStore, more: Partial<AggregateContext> = {}, rules = account) => {
  const { store, counts } = counting(inner);
  const send = handlerOf({ store, ...more }, rules);
  await right(send(deposit(0)));
  counts.reads = 0;
  counts.events = 0;
  return { send, counts, store };
};

describe('a kept fold', () => {
  it('spares the read before each further command, and answers what a fresh load would', async () => {
    const store = await opened(10);
    const { send, counts } = await warm(store);
    for (const amount of [1, 2, 3]) {
      const handled = await right(send(withdraw(amount), { commandId: `w${amount}` }));
      const { version, state } = await right(loadAggregate({ store })(account, '42'));
      expect(handled).toMatchObject({ version, state, attempts: 1, duplicate: false });
    }
    expect(counts.reads).toBe(0);
    expect(await eventsOf(store)).toHaveLength(6);
  });

  it('of a stream that does not exist yet is kept too', async () => {
    const { store, counts } = counting(memoryStore());
    const send = handlerOf({ store });
    await left(send(deposit(1)));
    counts.reads = 0;
    expect((await right(send(open))).version).toBe(1);
    expect(counts.reads).toBe(0);
  });

  it('is of one definition, one tenant and one stream', async () => {
    const inner = await opened(10);
    const { store, counts } = counting(inner);
    const handle = handleCommand({ store });
    const generous: typeof account = {
      ...account,
      evolve: (state, event) => ({ ...account.evolve(state, event), balance: 1_000 }),
    };
    const command = withdraw(50);
    expect(await left(handle(account, { id: '42', command }))).toMatchObject({ _tag: 'Rejected' });
    expect((await right(handle(generous, { id: '42', command }))).version).toBe(3);
    expect((await right(handle(account, { id: '43', command: open }))).version).toBe(1);
    expect(counts.reads).toBe(3);
    const elsewhere = handleCommand({ store, tenant: 'other' as Tenant });
    expect((await right(elsewhere(account, { id: '42', command: open }))).version).toBe(1);
  });

  it('cannot be changed by whoever sent the command or got the answer', async () => {
    const list = aggregate({
      category: 'account',
      commands: { Put: t.type({ all: t.array(t.string) }) },
      events: { Was: t.type({ all: t.array(t.string) }) },
      state: t.type({ all: t.array(t.string) }),
      initialState: { all: [] },
      evolve: { Was: (_, { all }) => ({ all }) },
      // What the caller brought goes into the state as it is.
      decide: { Put: (_, data) => accept({ type: 'Was', data }) },
    });
    const handle = handleCommand({ store: memoryStore() });
    const all = ['a'];
    const { state } = await right(handle(list, { id: '42', command: { type: 'Put', data: { all } } }));
    all.push('theirs');
    expect(all).toEqual(['a', 'theirs']);
    expect(() => state.all.push('b')).toThrow(TypeError);
    expect(state.all).toEqual(['a']);
  });

  it.each([-1, 1.5, Number.NaN, Infinity, '7' as unknown as number])(
    'is not asked for by aggregatesKept %p: a TypeError',
    (aggregatesKept) => {
      expect(() => handleCommand({ store: memoryStore(), aggregatesKept })).toThrow(TypeError);
    },
  );

  it('is none where aggregatesKept is 0: each command reads', async () => {
    const { send, counts } = await warm(await opened(), { aggregatesKept: 0 });
    for (let n = 0; n < 3; n += 1) await right(send(deposit(1)));
    expect(counts).toEqual({ reads: 3, events: 9 });
  });

  it('that was not used for longest makes room', async () => {
    const { store, counts } = counting(memoryStore());
    const handle = handleCommand({ store, aggregatesKept: 2 });
    const reads = async (id: string) => {
      counts.reads = 0;
      await right(handle(account, { id, command: isOpen.has(id) ? deposit(1) : open }));
      isOpen.add(id);
      return counts.reads;
    };
    const isOpen = new Set<string>();
    expect([await reads('a'), await reads('b'), await reads('a')]).toEqual([1, 1, 0]);
    // b is older than a, and makes room for c.
    expect([await reads('c'), await reads('a'), await reads('b')]).toEqual([1, 0, 1]);
    // A command that writes nothing is a use too: a was looked at after b, and b makes room.
    await right(handle(account, { id: 'a', command: touch }));
    expect([await reads('c'), await reads('a'), await reads('b')]).toEqual([1, 0, 1]);
  });

  it('is dropped by an append whose outcome is open, or that failed in another way', async () => {
    const inner = await opened();
    let answers: Array<() => Promise<never>> = [];
    const failing: MemoryStore = {
      ...inner,
      append: (request) => answers.shift() ?? inner.append(request),
    };
    const { send, counts } = await warm(failing);
    const failed = E.left({ _tag: 'StoreUnavailable', message: 'down' });
    answers = [async () => failed as never];
    expect(await left(send(deposit(1)))).toMatchObject({ _tag: 'StoreUnavailable' });
    await right(send(deposit(1)));
    expect(counts.reads).toBe(1);
    answers = [() => Promise.reject(new Error('lost'))];
    await expect(send(deposit(1))()).rejects.toThrow('lost');
    await right(send(deposit(1)));
    expect(counts.reads).toBe(2);
    await right(send(deposit(1)));
    expect(counts.reads).toBe(2);
  });
});

describe('an answer that writes nothing, on a fold that was kept', () => {
  it('is given after a look at what is newer, which is no attempt', async () => {
    const { send, counts } = await warm(await opened(10));
    expect(await left(send(withdraw(11)))).toEqual({
      _tag: 'Rejected',
      rejection: { _tag: 'TooLittle', balance: 10 },
    });
    expect(counts).toEqual({ reads: 1, events: 0 });
    expect(await right(send(touch))).toMatchObject({ version: 3, events: [], attempts: 1 });
    expect(counts.reads).toBe(2);
  });

  it('becomes an acceptance where another process made it possible', async () => {
    const store = await opened(10);
    const { send, counts } = await warm(store);
    await appendDirectly(store, depositedEvent(5));
    expect(await right(send(withdraw(15)))).toMatchObject({ version: 5, attempts: 1, state: { balance: 0 } });
    expect(counts).toEqual({ reads: 1, events: 1 });
  });

  it('is given where an acceptance became impossible', async () => {
    const store = await opened(10);
    const { send } = await warm(store);
    await right(handlerOf({ store })(withdraw(8)));
    expect(await left(send(withdraw(5)))).toEqual({
      _tag: 'Rejected',
      rejection: { _tag: 'TooLittle', balance: 2 },
    });
    expect(await typesOf(store)).toHaveLength(4);
  });

  it('says how the stream stands now', async () => {
    const store = await opened(10);
    const { send } = await warm(store);
    await appendDirectly(store, depositedEvent(5));
    expect(await right(send(touch))).toMatchObject({ version: 4, state: { balance: 15 } });
  });

  it('since the caller expected another version is given for the version there is', async () => {
    const store = await opened(10);
    const { send } = await warm(store);
    await appendDirectly(store, depositedEvent(5));
    expect((await right(send(deposit(1), { expected: exactly(4) }))).version).toBe(5);
    await appendDirectly(store, depositedEvent(5));
    // What the caller saw is what was kept, and out of date.
    expect(await left(send(deposit(1), { expected: exactly(5) }))).toMatchObject({
      _tag: 'ConcurrencyConflict',
      actual: 6,
      attempts: 1,
      ours: [],
      theirs: ['Deposited'],
    });
  });

  it('because an event cannot be encoded is given after a look too', async () => {
    const { send, counts } = await warm(await opened());
    expect(await left(send(deposit(Number.NaN)))).toMatchObject({ _tag: 'EncodeFailed' });
    expect(counts.reads).toBe(1);
  });

  it('because a rule throws is thrown where it throws on the newest state, and only there', async () => {
    const store = await opened(10);
    const fragile: typeof account = {
      ...account,
      decide: (state, command) => {
        if (command.type === 'Withdraw' && state.balance < 10) throw new RangeError(`at ${state.balance}`);
        return account.decide(state, command);
      },
    };
    const { send } = await warm(store, {}, fragile);
    await right(send(withdraw(1)));
    await expect(send(withdraw(1))()).rejects.toThrow(new RangeError('at 9'));
    await appendDirectly(store, depositedEvent(5));
    expect((await right(send(withdraw(1)))).state.balance).toBe(13);
  });

  it('is an error where the stream cannot be read', async () => {
    const store = await opened(10);
    const { send } = await warm(store);
    await right(store.markStream({ streamName, as: 'archived', expected: any }));
    expect(await left(send(withdraw(99)))).toMatchObject({ _tag: 'StreamArchived' });
    expect(await left(send(deposit(1)))).toMatchObject({ _tag: 'StreamArchived' });
  });
});

describe('where others write too', () => {
  it('the first refusal brings what they wrote, costs no attempt, and from then on each command reads what is newer', async () => {
    const store = await opened(10);
    const environment = stillEnvironment();
    const conflicts: unknown[] = [];
    const hooks = { onConflict: (notice: unknown) => void conflicts.push(notice) };
    const { send, counts } = await warm(
      store,
      { environment, hooks },
      { ...account, retry: { attemptsMax: 1 } },
    );
    await appendDirectly(store, depositedEvent(1));
    expect(await right(send(deposit(1)))).toMatchObject({ version: 5, attempts: 1, state: { balance: 12 } });
    expect(counts.reads).toBe(0);
    await appendDirectly(store, depositedEvent(1));
    expect(await right(send(deposit(1)))).toMatchObject({ version: 7, attempts: 1 });
    expect(counts).toEqual({ reads: 1, events: 1 });
    await right(send(deposit(1)));
    expect(counts).toEqual({ reads: 2, events: 1 });
    expect([conflicts, environment.waits]).toEqual([[], []]);
  });

  it('a look that finds their events is a sign of them as well', async () => {
    const store = await opened(10);
    const { send, counts } = await warm(store);
    await appendDirectly(store, depositedEvent(1));
    await left(send(withdraw(99)));
    await right(send(deposit(1)));
    expect(counts.reads).toBe(2);
  });

  it('two handlers in turn lose no update, each with one attempt a command', async () => {
    const store = await opened();
    const handlers = [handlerOf({ store }), handlerOf({ store })] as const;
    for (let n = 0; n < 30; n += 1) {
      const handled = await right(handlers[n % 3 === 0 ? 0 : 1](deposit(2 ** n)));
      expect(handled).toMatchObject({ version: n + 2, attempts: 1, state: { balance: 2 ** (n + 1) - 1 } });
    }
  });

  it('commands of one process at once are no others: they conflict as ever, and reads stay spared', async () => {
    for (const count of [2, 3, 8]) {
      const { send, counts } = await warm(await opened(), {}, { ...account, retry: { attemptsMax: 50 } });
      const all = await Promise.all(Array.from({ length: count }, () => right(send(deposit(1)))));
      const attempts = all.map((handled) => handled.attempts).toSorted((a, b) => a - b);
      // The first is written, and none of the others without a conflict.
      expect([attempts[0], Math.min(...attempts.slice(1))]).toEqual([1, 2]);
      counts.reads = 0;
      expect((await right(send(deposit(1)))).state.balance).toBe(count + 1);
      expect(counts.reads).toBe(0);
    }
  });

  it('an append of this process is no other, although its answer comes after the refusal that it caused', async () => {
    const inner = await opened();
    let isLate = false;
    let release = (): void => undefined;
    const late: MemoryStore = {
      ...inner,
      append: (request) => async () => {
        const answer = await inner.append(request)();
        if (isLate && E.isRight(answer)) {
          isLate = false;
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        }
        return answer;
      },
    };
    const { send, counts } = await warm(late);
    isLate = true;
    const first = right(send(deposit(1)));
    expect(await right(send(deposit(2)))).toMatchObject({ attempts: 2, version: 4, state: { balance: 3 } });
    release();
    expect(await first).toMatchObject({ attempts: 1, version: 3, state: { balance: 1 } });
    expect((await right(send(deposit(4)))).state.balance).toBe(7);
    expect(counts.reads).toBe(0);
  });

  it('a store that was restored to an earlier time is found out, and the stream read from its beginning', async () => {
    let current = await opened(10);
    const swapped: MemoryStore = {
      ...current,
      append: (request) => current.append(request),
      readStream: (request) => current.readStream(request),
    };
    for (const command of [withdraw(3), withdraw(99), touch, deposit(1)]) {
      current = await opened(10);
      const { send, counts } = await warm(swapped);
      await right(send(deposit(100), { commandId: 'lost' }));
      current = await opened(7);
      const fresh = await opened(7);
      const expected = await handlerOf({ store: fresh })(command)();
      const found = await send(command)();
      if (E.isRight(expected) && E.isRight(found))
        expect({ ...found.right, position: 0 }).toEqual({ ...expected.right, position: 0 });
      else expect(found).toEqual(expected);
      expect(await typesOf(current)).toEqual(await typesOf(fresh));
      // What was lost with the old life is not known any more.
      expect(await right(send(deposit(100), { commandId: 'lost' }))).toMatchObject({ duplicate: false });
      // It is read anew once; what was kept before does not come back when the stream is as long again.
      counts.reads = 0;
      for (let n = 0; n < 4; n += 1) await right(send(deposit(1)));
      expect(counts.reads).toBe(0);
      expect((await right(send(touch))).state).toEqual(
        (await right(loadAggregate({ store: current })(account, '42'))).state,
      );
    }
  });
});

describe('the repeat of a command, on a fold that was kept', () => {
  const commandId = 'transfer-7';
  const again = { duplicate: true, events: [] };

  it('is recognised after other commands, and answered how the stream stands now', async () => {
    const store = await opened();
    const { send, counts } = await warm(store);
    await right(send(deposit(5), { commandId }));
    expect(await right(send(deposit(5), { commandId }))).toMatchObject({ ...again, version: 3 });
    for (let n = 0; n < 5; n += 1) await right(send(deposit(1), { commandId: `c${n}` }));
    await appendDirectly(store, depositedEvent(100));
    expect(await right(send(deposit(5), { commandId }))).toMatchObject({
      ...again,
      version: 9,
      state: { balance: 110 },
    });
    expect(counts).toEqual({ reads: 2, events: 1 });
    expect(await eventsOf(store)).toHaveLength(9);
  });

  it('is recognised where it had been written before the handler began', async () => {
    const store = await opened();
    await right(handlerOf({ store })(deposit(5), { commandId }));
    const { send } = await warm(store);
    expect(await right(send(deposit(5), { commandId }))).toMatchObject(again);
    expect(await eventsOf(store)).toHaveLength(3);
  });

  it.each([0, 1, 3])(
    'is recognised where another process handled it, %i events before its end',
    async (more) => {
      const store = await opened();
      const { send } = await warm(store);
      const other = handlerOf({ store });
      await right(other(deposit(5), { commandId }));
      for (let n = 0; n < more; n += 1) await right(other(deposit(1)));
      expect(await right(send(deposit(5), { commandId }))).toMatchObject({
        ...again,
        version: 3 + more,
        state: { balance: 5 + more },
      });
      expect(await right(send(deposit(5), { commandId }))).toMatchObject(again);
      expect(await eventsOf(store)).toHaveLength(3 + more);
    },
  );

  it('is recognised after 1,100 commands with ids, of which not all are kept', async () => {
    const store = await opened();
    const { send, counts } = await warm(store);
    await right(send(deposit(5), { commandId }));
    for (let n = 0; n < 998; n += 1) await right(send(deposit(0), { commandId: `c${n}` }));
    expect(counts.reads).toBe(0);
    for (let n = 998; n < 1_100; n += 1) await right(send(deposit(0), { commandId: `c${n}` }));
    expect(counts.reads).toBeGreaterThan(0);
    for (const id of [commandId, 'c0', 'c997', 'c1099'])
      expect(await right(send(deposit(5), { commandId: id }))).toMatchObject(again);
    expect((await right(send(deposit(1)))).state.balance).toBe(6);
    counts.reads = 0;
    await right(send(deposit(1)));
    expect(counts.reads).toBe(0);
  });

  it('is recognised after a snapshot as far as a load from it would', async () => {
    for (const [remembered, duplicate] of [
      [3, true],
      [2, false],
    ] as const) {
      const store = await opened();
      const { send } = await warm(
        store,
        { snapshots: store.snapshots },
        accountWithSnapshots(1, '1', remembered),
      );
      for (const id of [commandId, 'b', 'c']) await right(send(deposit(1), { commandId: id }));
      expect((await right(send(deposit(1), { commandId }))).duplicate).toBe(duplicate);
    }
  });

  it('sent 16 times at once is handled once', async () => {
    const store = await opened();
    const { send } = await warm(store);
    const all = await Promise.all(Array.from({ length: 16 }, () => right(send(deposit(5), { commandId }))));
    expect(all.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    expect(await eventsOf(store)).toHaveLength(3);
  });
});

describe('snapshots of a kept fold', () => {
  it('are saved as often as the policy says, with what people see of the stream', async () => {
    const store = await opened();
    const saved: number[] = [];
    const snapshots: MemoryStore['snapshots'] = {
      ...store.snapshots,
      save: (key, snapshot) => {
        saved.push(snapshot.version);
        return store.snapshots.save(key, snapshot);
      },
    };
    const rules = accountWithSnapshots(10);
    const { send, counts } = await warm(store, { snapshots }, rules);
    for (let n = 0; n < 30; n += 1)
      await right(send(deposit(1), { metadata: { actor: `a${n}` }, commandId: `c${n}` }));
    expect(saved).toEqual([10, 20, 30]);
    const withSnapshot = await right(loadAggregate({ store, snapshots })(rules, '42'));
    expect(withSnapshot).toEqual(await right(loadAggregate({ store })(account, '42')));
    counts.events = 0;
    for (let n = 0; n < 8; n += 1) await right(send(deposit(1)));
    expect(saved).toEqual([10, 20, 30, 40]);
    // Only what people see of the ten is read, for the snapshot.
    expect(counts.events).toBeLessThanOrEqual(10);
  });

  it('that cannot be saved are tried again with the next command', async () => {
    const store = await opened();
    let tries = 0;
    const save = () => async () => {
      tries += 1;
      return E.left({ _tag: 'StoreUnavailable', message: 'down' } as const);
    };
    const snapshots = { ...store.snapshots, save };
    const { send } = await warm(store, { snapshots }, accountWithSnapshots(5));
    for (let n = 0; n < 5; n += 1) await right(send(deposit(1)));
    expect(tries).toBe(3);
  });
});

/** A command, who sends it, and the id it is sent with. */
const steps = fc.array(
  fc.record({
    who: fc.nat(2),
    command: fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 9 }).map(deposit) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 15 }).map(withdraw) },
      fc.constant(open),
      fc.constant(touch),
    ),
    id: fc.option(fc.nat(4), { nil: undefined }),
  }),
  { maxLength: 30 },
);

describe('handlers with kept folds beside one without', () => {
  it('come to what one that always reads comes to, answer by answer', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (all, withSnapshots) => {
        const rules = withSnapshots ? accountWithSnapshots(3) : account;
        const store = memoryStore();
        const model = memoryStore();
        const context = { store, snapshots: store.snapshots };
        const handlers = [{}, { aggregatesKept: 1 }, { aggregatesKept: 0 }].map((more) =>
          handlerOf({ ...context, ...more }, rules),
        );
        const expectedOf = handlerOf({ store: model, snapshots: model.snapshots, aggregatesKept: 0 }, rules);
        for (const { who, command, id } of all) {
          const more = id === undefined ? {} : { commandId: `c${id}` };
          const found = await handlers[who]?.(command, more)();
          expect(found).toEqual(await expectedOf(command, more)());
        }
        const shown = async (of: EventStore) =>
          (await eventsOf(of)).map(({ type, data, version }) => ({ type, data, version }));
        expect(await shown(store)).toEqual(await shown(model));
      }),
      { numRuns: 150 },
    );
  });
});

describe('commands at once over handlers with kept folds', () => {
  it('come to what their events come to one after the other, each id once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), steps, fc.boolean(), async (scheduler, all, withSnapshots) => {
        const inner = await opened(10);
        const scheduled =
          <A>(task: () => Promise<A>) =>
          () =>
            scheduler.schedule(Promise.resolve()).then(task);
        const store: EventStore = {
          ...inner,
          append: (request) => scheduled(inner.append(request)),
          readStream: (request) => scheduled(inner.readStream(request)),
        };
        const environment = { random: () => 0, sleep: () => scheduler.schedule(Promise.resolve()) };
        const rules = { ...(withSnapshots ? accountWithSnapshots(2) : account), retry: { attemptsMax: 100 } };
        const context = { store, environment, snapshots: inner.snapshots };
        const handlers = [{}, {}, { aggregatesKept: 1 }].map((more) =>
          handlerOf({ ...context, ...more }, rules),
        );
        // Each sender sends what is its own one after the other, so that most begin on a kept fold.
        const results: Array<{ id: number | undefined; result: Awaited<ReturnType<ReturnType<Send>>> }> = [];
        const senders = [0, 1, 2, 3, 4, 5].map(async (sender) => {
          for (const { command, id } of all.filter((_, index) => index % 6 === sender)) {
            const send = handlers[sender % 3] as (typeof handlers)[number];
            results.push({
              id,
              result: await send(command, id === undefined ? {} : { commandId: `c${id}` })(),
            });
          }
        });
        const running = Promise.all(senders);
        await scheduler.waitFor(running);
        await running;
        const events = (await eventsOf(inner)).map(
          ({ type, data }) => ({ type, data }) as EventOf<typeof account>,
        );
        let written = 0;
        const ids: number[] = [];
        for (const { id, result } of results) {
          if (E.isLeft(result)) {
            expect(result.left._tag).toBe('Rejected');
            continue;
          }
          const { version, state, events: mine } = result.right;
          expect(state).toEqual(fold(account, events.slice(0, version)));
          expect(events.slice(version - mine.length, version)).toEqual(mine);
          written += mine.length;
          if (id !== undefined && mine.length > 0) ids.push(id);
        }
        expect(events).toHaveLength(2 + written);
        expect(new Set(ids).size).toBe(ids.length);
        for (let version = 2; version <= events.length; version += 1)
          expect(fold(account, events.slice(0, version)).balance).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('on PostgreSQL', () => {
  let opened: PostgresTestStore | undefined;
  beforeAll(async () => {
    opened = await openTestPostgres();
  }, 60_000);
  afterAll(async () => opened?.dispose());

  it('two processes at once lose nothing and double nothing, each command sent to both', async () => {
    const { store, secondHandle } = opened as PostgresTestStore;
    const second = await secondHandle();
    await Promise.all(
      [store, second].flatMap((of) => Array.from({ length: 8 }, () => right(of.readAll({})))),
    );
    const patient = { ...account, retry: { attemptsMax: 200, delayMs: 1, delayMaxMs: 10 } };
    const handlers = [store, second].map((of) => handleCommand({ store: of }));
    await right((handlers[0] as (typeof handlers)[number])(patient, { id: '42', command: open }));
    const writer = async (handle: (typeof handlers)[number], begin: number) => {
      for (let n = 0; n < 24; n += 1) {
        const index = (begin + n) % 24;
        await right(handle(patient, { id: '42', command: deposit(2 ** index), commandId: `c${index}` }));
      }
    };
    await Promise.all(handlers.flatMap((handle) => [writer(handle, 0), writer(handle, 12)]));
    const { state, version } = await right(loadAggregate({ store })(account, '42'));
    expect({ version, balance: state.balance }).toEqual({ version: 25, balance: 2 ** 24 - 1 });
  });

  it('a rejection on a stale fold is looked at again', async () => {
    const { store, secondHandle } = opened as PostgresTestStore;
    const second = await secondHandle();
    const [mine, theirs] = [handleCommand({ store }), handleCommand({ store: second })];
    await right(mine(account, { id: '43', command: open }));
    await right(theirs(account, { id: '43', command: deposit(5) }));
    expect(await right(mine(account, { id: '43', command: withdraw(5) }))).toMatchObject({
      version: 3,
      attempts: 1,
    });
  });
});
