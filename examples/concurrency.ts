/** Two people and a worker save one product at the same time: what each strategy makes of it. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  accept,
  aggregate,
  commuting,
  type EventOf,
  hasTag,
  memoryStore,
  policies,
  reject,
  repository,
  systemWork,
  toPromise,
  when,
} from 'watersmeet';

const Amount = t.type({ amount: t.number });
const product = aggregate({
  category: 'product',
  commands: { Rename: t.type({ name: t.string }), Deliver: Amount, Sell: Amount },
  events: { Renamed: t.type({ name: t.string }), Delivered: Amount, Sold: Amount },
  state: t.type({ name: t.string, stock: t.number }),
  initialState: { name: 'Lamp', stock: 0 },
  evolve: {
    Renamed: (state, { name }) => ({ ...state, name }),
    Delivered: (state, { amount }) => ({ ...state, stock: state.stock + amount }),
    Sold: (state, { amount }) => ({ ...state, stock: state.stock - amount }),
  },
  decide: {
    Rename: (_, { name }) => accept({ type: 'Renamed', data: { name } }),
    Deliver: (_, { amount }) => accept({ type: 'Delivered', data: { amount } }),
    Sell: (state, { amount }) =>
      state.stock < amount
        ? reject({ _tag: 'OutOfStock', stock: state.stock })
        : accept({ type: 'Sold', data: { amount } }),
  },
});
const rename = (name: string) => ({ type: 'Rename', data: { name } }) as const;
const deliver = (amount: number) => ({ type: 'Deliver', data: { amount } }) as const;
const sell = (amount: number) => ({ type: 'Sell', data: { amount } }) as const;

const products = repository({
  store: memoryStore(),
  actor: 'ada',
  policies: policies(
    when(hasTag('shop'), 'the shop').then({ strategy: 'retry' }),
    when(hasTag('stock-take'), 'stock takes').then({
      strategy: 'merge',
      resolver: commuting<EventOf<typeof product>>({ Delivered: { Delivered: true, Sold: true } }),
    }),
  ),
})(product);

/** Loads a copy, lets `rival` be first, then saves. */
const after = async (
  rival: () => Promise<unknown>,
  command: Parameters<typeof products.change>[1],
  options: Parameters<typeof products.trySave>[1] = {},
) => {
  const changed = products.change(await toPromise(products.load('7')), command);
  if (E.isLeft(changed)) throw new Error(changed.left._tag);
  await rival();
  return products.trySave(changed.right, options)();
};
const rivalSells = (amount: number) => () => toPromise(products.update('7', sell(amount)));
await toPromise(products.update('7', deliver(10)));

// No policy fires: the version that was loaded is expected, and who comes second is told what happened since.
const strict = await after(rivalSells(2), rename('Desk lamp'));
if (E.isLeft(strict) && strict.left._tag === 'ConcurrencyConflict')
  console.log(strict.left._tag, strict.left.expected, 'theirs:', strict.left.theirs);
// => ConcurrencyConflict { _tag: 'exactly', version: 1 } theirs: [ 'Sold' ]

// The shop decides again on what is left, so that nothing is sold twice.
const sold = await after(rivalSells(2), sell(5), { tags: ['shop'] });
const none = await after(rivalSells(1), sell(1), { tags: ['shop'] });
if (E.isRight(sold)) console.log(sold.right.policy, sold.right.attempts, sold.right.state);
if (E.isLeft(none) && none.left._tag === 'Rejected') console.log(none.left.rejection);
// => the shop 2 { name: 'Lamp', stock: 1 }
// => { _tag: 'OutOfStock', stock: 0 }

// A delivery is merged with whatever else was delivered or sold.
const merged = await after(() => toPromise(products.update('7', deliver(3))), deliver(4), {
  tags: ['stock-take'],
});
if (E.isRight(merged)) console.log(merged.right.resolution, merged.right.state.stock);
// => commuting events 7

// Work of the system is no revision, and stands in nobody's way.
const { revision: expectedRevision } = await toPromise(products.load('7'));
const restock = () => systemWork('restock', () => toPromise(products.update('7', deliver(1))));
const edited = await after(restock, rename('Desk lamp'), { check: { expectedRevision } });
if (E.isRight(edited)) console.log(`revision ${edited.right.revision} of version ${edited.right.version}`);
// => revision 8 of version 9

const { entries } = await toPromise(products.history('7', { maxCount: 1 }));
for (const { revision, by, events } of entries)
  console.log(
    revision,
    by,
    events.map(({ type }) => type),
  );
// => 8 ada [ 'Renamed' ]
