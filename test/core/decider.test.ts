/** The rules of an aggregate without any store: deciding, folding, and definitions that cannot work. */
import * as fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { versioned } from '../../src/core/codec.js';
import { commandFrom, decodeCommand, decodeEvent, encodeEvent } from '../../src/core/aggregate-codec.js';
import { accept, aggregate, type EventOf, fold, reject } from '../../src/core/decider.js';
import type { StreamName } from '../../src/core/stream.js';
import { account } from '../support/account.js';

const opened = { type: 'Opened', data: { owner: 'Ada' } } as const;
const deposited = (amount: number) => ({ type: 'Deposited', data: { amount } }) as const;

describe('a decider', () => {
  it('answers the events of a command, or a rejection of its own', () => {
    const { initialState } = account;
    const open = { type: 'Open', data: { owner: 'Ada' } } as const;
    expect(account.decide(initialState, open)).toEqual(E.right([opened]));
    expect(account.decide(fold(account, [opened]), open)).toEqual(
      E.left({ _tag: 'AlreadyOpen', owner: 'Ada' }),
    );
    expect(account.decide(initialState, { type: 'Touch', data: {} })).toEqual(E.right([]));
  });

  it('makes plain Either values with accept and reject', () => {
    expect(accept(opened, deposited(1))).toEqual(E.right([opened, deposited(1)]));
    expect(reject('no')).toEqual(E.left('no'));
  });

  it('folds events from the initial state, or from any other', () => {
    expect(fold(account, [])).toBe(account.initialState);
    expect(fold(account, [opened, deposited(3), deposited(4)])).toEqual({
      open: true,
      owner: 'Ada',
      balance: 7,
    });
    expect(fold(account, [deposited(1)], { open: true, owner: 'Bo', balance: 9 }).balance).toBe(10);
  });

  it('folds in two parts to the same state as in one', () => {
    const events = fc.array(
      fc.oneof(fc.constant<EventOf<typeof account>>(opened), fc.integer().map(deposited)),
    );
    fc.assert(
      fc.property(events, fc.nat(), (all, cut) => {
        const firstPart = fold(account, all.slice(0, cut));
        expect(fold(account, all.slice(cut), firstPart)).toEqual(fold(account, all));
      }),
    );
  });

  it('freezes its initial state, so that no rule can change it for the next command', () => {
    expect(Object.isFrozen(account.initialState)).toBe(true);
  });

  it('refuses a type that only its prototype has', () => {
    const toString = { type: 'toString', data: {} } as never;
    expect(() => account.evolve(account.initialState, toString)).toThrow(
      'evolve has no handler for toString',
    );
    expect(() => account.decide(account.initialState, toString)).toThrow(
      'decide has no handler for toString',
    );
  });
});

describe('a definition that cannot work is a TypeError', () => {
  const define = (change: object) => () =>
    aggregate({
      category: 'thing',
      commands: {},
      events: { Made: t.type({}) },
      state: t.type({}),
      initialState: {},
      evolve: { Made: (state: object) => state },
      decide: {},
      ...change,
    });

  it('but a good one is none', () => expect(define({})).not.toThrow());
  it.each([
    ['a category with a dash', { category: 'a-b' }, "must not be empty or hold a '-'"],
    ['no category', { category: '' }, "must not be empty or hold a '-'"],
    ['a category that no stream may have', { category: '$all' }, 'is reserved'],
    ['an event without a handler', { evolve: {} }, 'evolve has no handler for Made'],
    ['a command without a handler', { commands: { Make: t.type({}) } }, 'decide has no handler for Make'],
    [
      'a snapshot every 0 events',
      { snapshot: { everyEvents: 0, codecVersion: '1' } },
      'snapshot.everyEvents',
    ],
    ['no attempt at all', { retry: { attemptsMax: 0 } }, 'retry.attemptsMax must be a whole number from 1'],
  ])('%s', (_, change, message) => {
    expect(define(change)).toThrow(TypeError);
    expect(define(change)).toThrow(message);
  });
});

describe('the border of a decider', () => {
  const streamName = 'thing-1' as StreamName;
  const events = {
    Named: versioned({ codec: t.type({ name: t.string }), upcasts: { 1: (old) => ({ name: String(old) }) } }),
  };
  // Writes what it does not read.
  const Lossy = new t.Type<number, string, unknown>('Lossy', t.number.is, t.number.validate, String);

  it('decodes commands of today, and names what is wrong with others', () => {
    const commands = { Rename: events.Named };
    const good = { type: 'Rename', data: { name: 'Ada' } };
    expect(decodeCommand(commands, good)).toEqual(E.right(good));
    expect(decodeCommand(commands, { type: 'Rename', data: 'Ada' })).toMatchObject({
      left: { _tag: 'DecodeFailed', schemaVersion: 2, problems: [{ path: '$', found: '"Ada"' }] },
    });
    expect(decodeCommand(commands, { type: 'constructor', data: {} })).toMatchObject({
      left: { _tag: 'DecodeFailed', problems: [{ path: 'type', expected: 'one of Rename' }] },
    });
  });

  it('takes a command of unknown make if it is one of the aggregate', () => {
    const deposit = { type: 'Deposit', data: { amount: 5 } };
    expect(commandFrom(account, deposit)).toEqual(E.right(deposit));
    for (const bad of [null, 'Deposit', {}, { type: 'Deposit' }, { type: 'Steal', data: {} }])
      expect(commandFrom(account, bad)).toMatchObject({ left: { _tag: 'DecodeFailed' } });
  });

  it('decodes recorded events by upcasting, and says where an unreadable one stands', () => {
    const recorded = { streamName, version: 7, type: 'Named', schemaVersion: 1, data: 'Ada' };
    expect(decodeEvent(events, recorded)).toEqual(E.right({ type: 'Named', data: { name: 'Ada' } }));
    expect(decodeEvent(events, { ...recorded, type: 'Gone' })).toMatchObject({
      left: {
        _tag: 'DecodeFailed',
        streamName,
        version: 7,
        message: expect.stringMatching(/^event 7 of thing-1: Gone/),
      },
    });
  });

  it('refuses to write what it could not read back', () => {
    expect(encodeEvent({ Lost: t.type({ n: Lossy }) }, { type: 'Lost', data: { n: 1 } })).toMatchObject({
      left: { _tag: 'EncodeFailed', type: 'Lost', problems: [{ path: '$.n', found: '"1"' }] },
    });
  });
});
