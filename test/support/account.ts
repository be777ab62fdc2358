/** A bank account: the aggregate that the tests of deciders and of command handling share. */
import * as t from 'io-ts';
import { accept, aggregate, reject } from '../../src/core/decider.js';

const Amount = t.type({ amount: t.number });
export const AccountState = t.type({ open: t.boolean, owner: t.string, balance: t.number });

export const account = aggregate({
  category: 'account',
  commands: { Open: t.type({ owner: t.string }), Deposit: Amount, Withdraw: Amount, Touch: t.type({}) },
  events: { Opened: t.type({ owner: t.string }), Deposited: Amount, Withdrawn: Amount },
  state: AccountState,
  initialState: { open: false, owner: '', balance: 0 },
  evolve: {
    Opened: (state, { owner }) => ({ ...state, open: true, owner }),
    Deposited: (state, { amount }) => ({ ...state, balance: state.balance + amount }),
    Withdrawn: (state, { amount }) => ({ ...state, balance: state.balance - amount }),
  },
  decide: {
    Open: (state, { owner }) =>
      state.open
        ? reject({ _tag: 'AlreadyOpen', owner: state.owner })
        : accept({ type: 'Opened', data: { owner } }),
    Deposit: (state, { amount }) =>
      state.open ? accept({ type: 'Deposited', data: { amount } }) : reject({ _tag: 'NotOpen' }),
    Withdraw: (state, { amount }) =>
      state.balance < amount
        ? reject({ _tag: 'TooLittle', balance: state.balance })
        : accept({ type: 'Withdrawn', data: { amount } }),
    Touch: () => accept(),
  },
});

/** The same rules with a snapshot after every so many events. */
export const accountWithSnapshots = (
  everyEvents: number,
  codecVersion = '1',
  idsRemembered = 256,
): typeof account => ({
  ...account,
  snapshot: { everyEvents, codecVersion, idsRemembered },
});
