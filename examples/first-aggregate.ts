/** One aggregate: rules as a value, commands on a stream, and a rejection as a value of the aggregate's own type. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { accept, aggregate, handleCommand, memoryStore, reject, toPromise } from 'watersmeet';

const account = aggregate({
  category: 'account',
  commands: { Open: t.type({ owner: t.string }), Withdraw: t.type({ amount: t.number }) },
  events: { Opened: t.type({ owner: t.string }), Withdrawn: t.type({ amount: t.number }) },
  state: t.type({ open: t.boolean, balance: t.number }),
  initialState: { open: false, balance: 0 },
  evolve: {
    Opened: () => ({ open: true, balance: 100 }),
    Withdrawn: (state, { amount }) => ({ ...state, balance: state.balance - amount }),
  },
  decide: {
    Open: (state, { owner }) =>
      state.open ? reject({ _tag: 'AlreadyOpen' }) : accept({ type: 'Opened', data: { owner } }),
    Withdraw: (state, { amount }) =>
      state.balance < amount
        ? reject({ _tag: 'TooLittle', balance: state.balance })
        : accept({ type: 'Withdrawn', data: { amount } }),
  },
});

const handle = handleCommand({ store: memoryStore() });
const withdraw = (amount: number) => ({ type: 'Withdraw', data: { amount } }) as const;

await toPromise(handle(account, { id: '7', command: { type: 'Open', data: { owner: 'Ada' } } }));

// Two at once: the second meets a conflict, decides again on the new state, and is written too.
const both = [40, 50].map((amount) => toPromise(handle(account, { id: '7', command: withdraw(amount) })));
for (const { version, state, attempts } of await Promise.all(both))
  console.log(version, state.balance, `attempt ${attempts}`);
// => 2 60 attempt 1
// => 3 10 attempt 2

const refused = await handle(account, { id: '7', command: withdraw(60) })();
if (E.isLeft(refused) && refused.left._tag === 'Rejected') console.log(refused.left.rejection);
// => { _tag: 'TooLittle', balance: 10 }
