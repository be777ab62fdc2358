/** Handling one command: what is written, what is answered, and what a rule that throws comes to. */
import * as t from 'io-ts';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { accept, aggregate } from '../../src/core/decider.js';
import { any, exactly, type Tenant } from '../../src/core/stream.js';
import { handleCommand } from '../../src/runtime/aggregate/handle-command.js';
import { loadAggregate } from '../../src/runtime/aggregate/load-aggregate.js';
import { account } from '../support/account.js';
import {
  appendDirectly,
  type Command,
  counting,
  deposit,
  depositedEvent,
  eventsOf,
  handle,
  left,
  open,
  opened,
  right,
  streamName,
  typesOf,
} from '../support/handling.js';

describe('a command', () => {
  it('writes its events and answers state, version and position', async () => {
    const store = memoryStore();
    const first = await right(handle({ store }, open));
    expect(first).toMatchObject({
      streamName,
      version: 1,
      duplicate: false,
      attempts: 1,
      events: [{ type: 'Opened' }],
    });
    const second = await right(handle({ store }, deposit(5)));
    expect(second.state).toEqual({ open: true, owner: 'Ada', balance: 5 });
    const [, event] = await eventsOf(store);
    expect(event).toMatchObject({
      type: 'Deposited',
      version: 2,
      schemaVersion: 1,
      data: { amount: 5 },
      position: second.position,
    });
    expect(await right(loadAggregate({ store })(account, '42'))).toEqual({
      streamName,
      version: 2,
      state: second.state,
      revision: 2,
      lastModified: event?.recordedAt,
      lastModifiedBy: undefined,
    });
  });

  it('that is rejected answers the rejection and writes nothing', async () => {
    const store = await opened();
    const rejected = await left(handle({ store }, open));
    expect(rejected).toEqual({ _tag: 'Rejected', rejection: { _tag: 'AlreadyOpen', owner: 'Ada' } });
    expect(await typesOf(store)).toEqual(['Opened']);
  });

  it('that decides no events writes nothing', async () => {
    const store = await opened();
    const handled = await right(handle({ store }, { type: 'Touch', data: {} }));
    expect(handled).toMatchObject({ version: 1, events: [], position: undefined, duplicate: false });
    expect(await typesOf(store)).toEqual(['Opened']);
  });

  it('whose data do not decode is refused by path, and nothing is read or written', async () => {
    const { store, counts } = counting(await opened());
    const command = { type: 'Deposit', data: { amount: '5' } } as unknown as Command;
    expect(await left(handle({ store }, command))).toMatchObject({
      _tag: 'DecodeFailed',
      problems: [{ path: '$.amount', expected: 'number', found: '"5"' }],
    });
    expect(await left(handle({ store }, { type: 'Close', data: {} } as unknown as Command))).toMatchObject({
      _tag: 'DecodeFailed',
      problems: [{ path: 'type' }],
    });
    expect(counts.reads).toBe(0);
  });

  it('whose event storage would change is refused by path, and nothing is written', async () => {
    const store = await opened();
    expect(await left(handle({ store }, deposit(Number.NaN)))).toMatchObject({
      _tag: 'EncodeFailed',
      type: 'Deposited',
      problems: [{ path: '$.amount', found: 'NaN' }],
    });
    expect(await typesOf(store)).toEqual(['Opened']);
  });

  it.each([
    ['an id', { id: '' }, { _tag: 'InvalidName', field: 'id' }],
    ['an id with a control character', { id: 'a\u0007' }, { _tag: 'InvalidName', field: 'id' }],
    ['a command id', { commandId: '' }, { _tag: 'InvalidName', field: 'commandId' }],
    ['an expectation', { expected: exactly(-1) }, { _tag: 'InvalidExpectedVersion', value: '-1' }],
  ])('with %s that is none is refused', async (_, more, error) => {
    expect(await left(handle({ store: memoryStore() }, open, more))).toMatchObject(error);
  });

  it('passes its metadata on to each event', async () => {
    const store = memoryStore();
    const metadata = { correlationId: 'c1', causationId: 'm1', actor: 'Ada', headers: { source: 'web' } };
    await right(handle({ store }, open, { metadata }));
    await right(handle({ store }, deposit(1), { metadata: { actor: 'Bo' }, commandId: 'k1' }));
    const [first, second] = await eventsOf(store);
    expect(first?.metadata).toEqual(metadata);
    expect(second?.metadata).toEqual({ actor: 'Bo', correlationId: 'k1', causationId: 'k1' });
  });

  it('of one tenant does not meet the stream of another', async () => {
    const store = await opened();
    const handled = await right(handle({ store, tenant: 'other' as Tenant }, open));
    expect(handled.version).toBe(1);
  });

  it('to an archived stream says so', async () => {
    const store = await opened();
    await right(store.markStream({ streamName, as: 'archived', expected: any }));
    expect(await left(handle({ store }, deposit(1)))).toMatchObject({ _tag: 'StreamArchived', streamName });
  });
});

describe('a stream of many events', () => {
  it('is folded page by page', async () => {
    const inner = await opened();
    await appendDirectly(inner, ...Array.from({ length: 1_200 }, () => depositedEvent(1)));
    const { store, counts } = counting(inner);
    expect((await right(loadAggregate({ store })(account, '42'))).state.balance).toBe(1_200);
    expect(counts).toEqual({ reads: 3, events: 1_201 });
  });

  it('with an event that no codec knows is unreadable, which names stream and version', async () => {
    const store = await opened();
    await appendDirectly(store, { ...depositedEvent(1), type: 'Renamed' });
    const error = { _tag: 'DecodeFailed', streamName, version: 2, type: 'Renamed' };
    expect(await left(handle({ store }, deposit(1)))).toMatchObject(error);
    expect(await left(loadAggregate({ store })(account, '42'))).toMatchObject(error);
  });
});

describe('what a rule throws', () => {
  const broken = (where: 'decide' | 'evolve') => {
    const boom = () => {
      throw new RangeError(`${where} is broken`);
    };
    return aggregate({
      category: 'account',
      commands: { Go: t.type({}) },
      events: { Gone: t.type({}) },
      state: t.type({}),
      initialState: {},
      evolve: { Gone: (state) => (where === 'evolve' ? boom() : state) },
      decide: { Go: () => (where === 'decide' ? boom() : accept({ type: 'Gone', data: {} })) },
    });
  };
  it.each(['decide', 'evolve'] as const)('in %s rejects as it is, and nothing is written', async (where) => {
    const store = memoryStore();
    const run = handleCommand({ store })(broken(where), { id: '42', command: { type: 'Go', data: {} } });
    await expect(run()).rejects.toThrow(new RangeError(`${where} is broken`));
    expect(await eventsOf(store)).toEqual([]);
  });

  it('because it changes a state in place is thrown on the first event', async () => {
    const evolve: typeof account.evolve = (state) => Object.assign(state, { balance: 1 });
    const run = handleCommand({ store: memoryStore() })({ ...account, evolve }, { id: '42', command: open });
    await expect(run()).rejects.toThrow(TypeError);
  });

  it('because it changes the state it decides on is thrown, and nothing is written', async () => {
    const store = await opened(10);
    const decide: typeof account.decide = (state, command) => {
      Object.assign(state, { balance: 0 });
      return account.decide(state, command);
    };
    const run = handleCommand({ store })({ ...account, decide }, { id: '42', command: deposit(1) });
    await expect(run()).rejects.toThrow(TypeError);
    expect(await eventsOf(store)).toHaveLength(2);
  });
});
