/** Scenarios of aggregates: what they accept, and what they print when they fail. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import * as t from 'io-ts';
import { accept, aggregate } from 'watersmeet';
import { scenario } from '../../src/testing/scenario/scenario.js';
import { account } from '../support/account.js';
import { DateFromText } from '../support/date-from-text.js';

const opened = { type: 'Opened', data: { owner: 'Ada' } } as const;
const deposited = { type: 'Deposited', data: { amount: 100 } } as const;
const withdraw = (amount: number) => ({ type: 'Withdraw', data: { amount } }) as const;

const failureOf = (test: () => unknown): Error => {
  try {
    test();
  } catch (error) {
    return error as Error;
  }
  throw new Error('the scenario did not fail');
};
const messageOf = (test: () => unknown): string => stripVTControlCharacters(failureOf(test).message);

const clock = aggregate({
  category: 'clock',
  commands: { Set: t.type({ at: DateFromText }) },
  events: { Set: t.type({ at: DateFromText }) },
  state: t.type({ at: t.union([DateFromText, t.null]) }),
  initialState: { at: null },
  evolve: { Set: (_state, { at }) => ({ at }) },
  decide: { Set: (_state, { at }) => accept({ type: 'Set', data: { at } }) },
});

describe('a scenario of an aggregate', () => {
  it('passes where the command comes to the events, the rejection, the state that are expected', () => {
    scenario(account)
      .given([opened, deposited])
      .when(withdraw(40))
      .then([{ type: 'Withdrawn', data: { amount: 40 } }])
      .thenState({ open: true, owner: 'Ada', balance: 60 });
    scenario(account).given([opened]).when(withdraw(1)).thenRejected({ _tag: 'TooLittle', balance: 0 });
    scenario(account)
      .when({ type: 'Deposit', data: { amount: 1 } })
      .thenRejected();
    scenario(account).given([opened]).when({ type: 'Touch', data: {} }).thenNothing();
  });

  it('adds what is given later to what was given before', () => {
    scenario(account).given([opened]).given([deposited]).when(withdraw(100)).thenState({
      open: true,
      owner: 'Ada',
      balance: 0,
    });
  });

  it('knows matchers in any place', () => {
    scenario(account)
      .given([opened, deposited])
      .when(withdraw(40))
      .then([{ type: 'Withdrawn', data: { amount: expect.any(Number) } }])
      .thenState(expect.objectContaining({ balance: 60 }) as never);
  });

  it('takes a command as it comes from outside, and reads events back as a stream would give them', () => {
    const { outcome } = scenario(clock).when({ type: 'Set', data: { at: '2024-02-29T00:00:00.000Z' } });
    expect(outcome.events).toEqual([{ type: 'Set', data: { at: new Date('2024-02-29') } }]);
    expect(outcome.state.at).toEqual(new Date('2024-02-29'));
  });

  it('can stand where a promise is wanted', async () => {
    const answer: Promise<unknown> = scenario(account).given([opened]).when(withdraw(1)).thenRejected();
    expect(await answer).toMatchObject({ isRejected: true });
    // What `await` asks of it is not an expectation of a test.
    const early = scenario(account).when({ type: 'Touch', data: {} }) as unknown as Promise<unknown>;
    expect(await early).toMatchObject({ events: [] });
  });

  it('shows events that differ, and where it was asked', () => {
    const failure = failureOf(() =>
      scenario(account)
        .given([opened, deposited])
        .when(withdraw(40))
        .then([{ type: 'Withdrawn', data: { amount: 50 } }]),
    );
    expect(stripVTControlCharacters(failure.message)).toMatchInlineSnapshot(`
"scenario of account: the events are not those expected

  given  Opened {"owner":"Ada"}
         Deposited {"amount":100}
  when   Withdraw {"amount":40}

  - expected
  + actual

    [
  -   { type: 'Withdrawn', data: { amount: 50 } }
  +   { type: 'Withdrawn', data: { amount: 40 } }
    ]"
`);
    const frames = failure.stack?.split('\n').filter((line) => /^\s+at /.test(line));
    expect(frames?.[0]).toContain('scenario-aggregate.test.ts');
  });

  it('shows a rejection where events were expected, and the other way round', () => {
    expect(
      messageOf(() =>
        scenario(account)
          .given([opened])
          .when(withdraw(40))
          .then([{ type: 'Withdrawn', data: { amount: 40 } }]),
      ),
    ).toMatchInlineSnapshot(`
"scenario of account: the command was rejected

  given  Opened {"owner":"Ada"}
  when   Withdraw {"amount":40}

  - expected
  + actual

  - accepted: [
  -   { type: 'Withdrawn', data: { amount: 40 } }
  - ]
  + rejected: {
  +   _tag: 'TooLittle'
  +   balance: 0
  + }"
`);
    expect(
      messageOf(() =>
        scenario(account).given([opened, deposited]).when(withdraw(40)).thenRejected({ _tag: 'NotOpen' }),
      ),
    ).toMatchInlineSnapshot(`
"scenario of account: the command was accepted, a rejection was expected

  given  Opened {"owner":"Ada"}
         Deposited {"amount":100}
  when   Withdraw {"amount":40}

  - expected
  + actual

  - rejected: {
  -   _tag: 'NotOpen'
  - }
  + accepted: [
  +   { type: 'Withdrawn', data: { amount: 40 } }
  + ]"
`);
  });

  it('shows rejections and states that differ, and of matchers only those that do not match', () => {
    expect(
      messageOf(() => scenario(account).given([opened]).when(withdraw(40)).thenRejected({ _tag: 'NotOpen' })),
    ).toMatchInlineSnapshot(`
"scenario of account: the rejection is not the one expected

  given  Opened {"owner":"Ada"}
  when   Withdraw {"amount":40}

  - expected
  + actual

    {
  -   _tag: 'NotOpen'
  +   _tag: 'TooLittle'
  +   balance: 0
    }"
`);
    expect(
      messageOf(() =>
        scenario(account)
          .given([opened, deposited])
          .when(withdraw(40))
          .thenState({ open: true, owner: expect.any(String), balance: expect.any(String) }),
      ),
    ).toMatchInlineSnapshot(`
"scenario of account: the state is not the one expected

  given  Opened {"owner":"Ada"}
         Deposited {"amount":100}
  when   Withdraw {"amount":40}

  - expected
  + actual

    {
  -   balance: Any<String>
  +   balance: 60
      open: true
      owner: 'Ada'
    }"
`);
    expect(
      messageOf(() => scenario(account).given([opened, deposited]).when(withdraw(1)).thenNothing()),
    ).toMatchInlineSnapshot(`
"scenario of account: something was decided where nothing was expected

  given  Opened {"owner":"Ada"}
         Deposited {"amount":100}
  when   Withdraw {"amount":1}

  - expected
  + actual

  - []
  + [
  +   { type: 'Withdrawn', data: { amount: 1 } }
  + ]"
`);
  });

  it('refuses what no codec accepts: a given event, a command', () => {
    expect(
      messageOf(() => scenario(account).given([{ type: 'Opened', data: { owner: 1 } } as never])),
    ).toMatchInlineSnapshot(`
"scenario of account: a given event cannot be stored

  given  nothing

  Opened: $.owner: expected string, found 1"
`);
    expect(
      messageOf(() => scenario(account).when({ type: 'Withdraw', data: { amount: 'all' } } as never)),
    ).toMatchInlineSnapshot(`
"scenario of account: the command is none that its codec accepts

  given  nothing
  when   Withdraw {"amount":"all"}

  Withdraw: $.amount: expected number, found "all""
`);
  });

  it('lets a rule that throws do so', () => {
    const broken = { ...account, decide: () => JSON.parse('no') as never };
    expect(() => scenario(broken).when({ type: 'Touch', data: {} })).toThrow(SyntaxError);
  });
});
