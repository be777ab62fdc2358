/** Saves are counted, and the count chooses: calm products save as they are, a hot one waits in line. */
import * as t from 'io-ts';
import {
  accept,
  adaptive,
  aggregate,
  always,
  concurrencyStats,
  memoryStore,
  policies,
  repository,
  toPromise,
  when,
} from 'watersmeet';

const item = aggregate({
  category: 'item',
  commands: { Add: t.type({ amount: t.number }) },
  events: { Added: t.type({ amount: t.number }) },
  state: t.type({ stock: t.number }),
  initialState: { stock: 0 },
  evolve: { Added: ({ stock }, { amount }) => ({ stock: stock + amount }) },
  decide: { Add: (_, data) => accept({ type: 'Added', data }) },
});
const add = { type: 'Add', data: { amount: 1 } } as const;

const stats = concurrencyStats();
const strategy = adaptive({
  // Nobody looks at what is saved here, so that it may always be decided again.
  table: [
    { above: 0, strategy: 'retry' },
    { above: 0.05, strategy: 'pessimistic' },
  ],
});
const items = repository({
  store: memoryStore(),
  stats,
  policies: policies(when(always, 'measured').then({ strategy: 'adaptive', adaptive: strategy })),
})(item);

// Forty calm items, one save each; then eight writers on one.
for (let n = 0; n < 40; n += 1) await toPromise(items.update(`calm${n}`, add));
const used = new Set<string>();
for (let round = 0; round < 20; round += 1)
  for (const { strategy: chosen } of await Promise.all(
    Array.from({ length: 8 }, () => toPromise(items.update('hot', add))),
  ))
    used.add(chosen);

console.log((await toPromise(items.load('hot'))).state, [...used]);
// => { stock: 160 } [ 'retry', 'pessimistic' ]
const { strategy: now } = strategy.decide({
  aggregateType: 'item',
  key: 'item-hot',
  hasResolver: false,
  nowMs: 0,
});
console.log(now);
// => pessimistic
const [ofItems] = stats.read().types;
console.log(ofItems?.saves, (ofItems?.conflicts ?? 0) > 0);
// => 200 true
