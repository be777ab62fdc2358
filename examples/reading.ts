/** Reading for those who write: a cache that says what it is, several saves in one step, and a replica that is far enough. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { accept, aggregate, memoryStore, repository, toPromise } from 'watersmeet';

const page = aggregate({
  category: 'page',
  commands: { Write: t.type({ text: t.string }) },
  events: { Written: t.type({ text: t.string }) },
  state: t.type({ text: t.string }),
  initialState: { text: '' },
  evolve: { Written: (_, { text }) => ({ text }) },
  decide: { Write: (_, data) => accept({ type: 'Written', data }) },
});
const write = (text: string) => ({ type: 'Write', data: { text } }) as const;

const store = memoryStore();
const cached = repository({ store })(page, { cache: { max: 1_000, maxAgeMs: 60_000 } });
const others = repository({ store })(page);

await toPromise(cached.update('home', write('Hello')));
await toPromise(cached.load('home'));
await toPromise(others.update('home', write('Hello there')));

// A page may show what was read a moment ago, and knows that it does. A save on it is refused all the same.
const shown = await toPromise(cached.load('home', { allowStaleMs: 60_000 }));
console.log(shown.state.text, shown.stale);
// => Hello true
const changed = cached.change(shown, write('Hello!'));
if (E.isRight(changed)) {
  const saved = await cached.trySave(changed.right)();
  console.log(E.isLeft(saved) && saved.left._tag);
  // => ConcurrencyConflict
}

// Both or none: a menu never names a page that is not there.
const copies = await Promise.all(['about', 'menu'].map((id) => toPromise(others.load(id))));
const changes = copies.map((copy) => others.change(copy, write('About us')));
const items = changes.flatMap((one) => (E.isRight(one) ? [{ changed: one.right }] : []));
const both = await toPromise(others.saveAll(items));
console.log(both.map(({ version }) => version));
// => [ 1, 1 ]

// With `replica` of `openPostgres` this read may come from a standby, once it has what was written here.
const { version } = await toPromise(others.update('home', write('Welcome')));
console.log((await toPromise(others.load('home', { atLeast: version }))).state.text);
// => Welcome
