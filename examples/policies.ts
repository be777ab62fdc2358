/** A shop whose rules choose how two writers of one cart meet: by command, by tag, by environment, and by call. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import {
  accept,
  aggregate,
  always,
  and,
  commandIs,
  hasTag,
  inEnvironment,
  memoryStore,
  not,
  policies,
  repository,
  toPromise,
  when,
} from 'watersmeet';

const cart = aggregate({
  category: 'cart',
  commands: { Add: t.type({ item: t.string }), CheckOut: t.type({}) },
  events: { Added: t.type({ item: t.string }), CheckedOut: t.type({}) },
  state: t.type({ items: t.array(t.string), done: t.boolean }),
  initialState: { items: [], done: false },
  evolve: {
    Added: (state, { item }) => ({ ...state, items: [...state.items, item] }),
    CheckedOut: (state) => ({ ...state, done: true }),
  },
  decide: {
    Add: (_, { item }) => accept({ type: 'Added', data: { item } }),
    CheckOut: () => accept({ type: 'CheckedOut', data: {} }),
  },
});

const carts = repository({
  store: memoryStore(),
  environmentName: 'production',
  policies: policies(
    when(always, 'all').then({ strategy: 'retry', attemptsMax: 3 }),
    when(hasTag('sale'), 'the sale').then({ strategy: 'pessimistic', lockWaitMaxMs: 2_000 }),
    // Later rules override earlier ones: money is never saved unseen, sale or not.
    when(commandIs('CheckOut'), 'money').then({ strategy: 'expectedVersion' }),
    when(and(hasTag('load-test'), not(inEnvironment('production'))), 'load tests').then({
      strategy: 'lastWriteWins',
    }),
  ),
})(cart);
const add = (item: string) => ({ type: 'Add', data: { item } }) as const;
const checkOut = { type: 'CheckOut', data: {} } as const;

/** Loads a copy, lets somebody else add a fig, then saves. */
const afterSomebody = async (
  command: Parameters<typeof carts.change>[1],
  options: Parameters<typeof carts.trySave>[1] = {},
): Promise<string> => {
  const changed = carts.change(await toPromise(carts.load('1')), command);
  if (E.isLeft(changed)) return changed.left._tag;
  await toPromise(carts.update('1', add('fig')));
  const saved = await carts.trySave(changed.right, options)();
  if (E.isRight(saved)) return `saved by ${saved.right.strategy}, chosen by ${saved.right.policy}`;
  const { left: refused } = saved;
  return refused._tag === 'ConcurrencyConflict'
    ? `refused by ${refused.strategy}, chosen by ${refused.policy}; others wrote ${refused.theirs.join(', ')}`
    : refused._tag;
};

console.log(await afterSomebody(add('pear')));
// => saved by retry, chosen by all
console.log(await afterSomebody(add('pear'), { tags: ['sale'] }));
// => saved by pessimistic, chosen by the sale
console.log(await afterSomebody(checkOut, { tags: ['sale'] }));
// => refused by expectedVersion, chosen by money; others wrote Added
console.log(await afterSomebody(checkOut, { settings: { strategy: 'retry' } }));
// => saved by retry, chosen by the call
console.log(await afterSomebody(add('pear'), { bypassPolicies: true }));
// => refused by expectedVersion, chosen by default; others wrote Added

const { rules } = carts.explainPolicy({ tags: ['sale'], commands: ['CheckOut'] });
for (const { name, fired, overriddenBy } of rules) console.log(name, fired, overriddenBy);
// => all true { strategy: 'money' }
// => the sale true { strategy: 'money' }
// => money true {}
// => load tests false {}
