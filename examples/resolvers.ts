/** Two saves of one product at the same moment: what each resolver makes of them, and the law that a wrong one breaks. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  accept,
  additive,
  aggregate,
  commuting,
  type EventOf,
  firstOf,
  fold,
  lastWriteWins,
  type Resolver,
  type StateOf,
} from 'watersmeet';
import { checkResolver } from 'watersmeet/testing';

const product = aggregate({
  category: 'product',
  commands: { Rename: t.type({ name: t.string }), Add: t.type({ stock: t.number }) },
  events: { Renamed: t.type({ name: t.string }), Added: t.type({ stock: t.number }) },
  state: t.type({ name: t.string, stock: t.number }),
  initialState: { name: 'lamp', stock: 5 },
  evolve: {
    Renamed: (state, { name }) => ({ ...state, name }),
    Added: (state, { stock }) => ({ ...state, stock: state.stock + stock }),
  },
  decide: {
    Rename: (_state, data) => accept({ type: 'Renamed', data }),
    Add: (_state, data) => accept({ type: 'Added', data }),
  },
});
type Product = StateOf<typeof product>;
type ProductEvent = EventOf<typeof product>;

const original = product.initialState;
const renamed = (name: string): ProductEvent => ({ type: 'Renamed', data: { name } });
const added = (stock: number): ProductEvent => ({ type: 'Added', data: { stock } });

const show = (resolver: Resolver<Product, ProductEvent>, ours: ProductEvent[], theirs: ProductEvent[]) => {
  const current = fold(product, theirs, original);
  const attempted = fold(product, ours, original);
  const answer = resolver.resolve({ original, current, attempted, ours, theirs, rules: product });
  if (E.isLeft(answer)) console.log(`refused ${answer.left.fields.join(', ')}: ${answer.left.reason}`);
  else console.log(fold(product, answer.right.events, current));
};

const adding = additive<Product, ProductEvent>({ counters: ['stock'] });
show(adding, [added(3)], [added(-1), renamed('desk lamp')]); // => { name: 'desk lamp', stock: 7 }
show(adding, [renamed('floor lamp')], [renamed('desk lamp')]);
// => refused $.name: $.name: changed on both sides, to "floor lamp" and to "desk lamp"
show(lastWriteWins(), [renamed('floor lamp')], [renamed('desk lamp')]); // => { name: 'floor lamp', stock: 5 }

const table = commuting<ProductEvent>({ Added: { Added: true, Renamed: true } });
show(firstOf(table, adding), [added(1)], [renamed('desk lamp')]); // => { name: 'desk lamp', stock: 6 }

// Two names do not commute: the table below is wrong, and the laws show on what.
const wrong = commuting<ProductEvent>({ Renamed: { Renamed: true }, Added: { Added: true, Renamed: true } });
console.log(checkResolver(table, { aggregate: product, seed: 1 }).ok); // => true
const found = checkResolver(wrong, { aggregate: product, seed: 1, laws: ['commutative'] }).laws[0];
console.log(found?.counterexample?.theirs, found?.counterexample?.ours);
// => [ { type: 'Renamed', data: { name: 'a' } } ] [ { type: 'Renamed', data: { name: '' } } ]
