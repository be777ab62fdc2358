/** Leases: parts of a product side by side, the whole of it alone, and a holder that was too slow and writes nothing. */
import * as E from 'fp-ts/lib/Either.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { any, memoryStore, newId, scopeLeaseName, streamName, toPromise, withLease } from 'watersmeet';

const store = memoryStore();
const product = await toPromise(TE.fromEither(streamName('product-123')));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const appending = (type: string) => ({
  streamName: product,
  expected: any,
  events: [{ eventId: newId(), type, schemaVersion: 1, data: {}, metadata: {} }],
});

const seen: string[] = [];
const work = (scope: ReadonlyArray<string>, holder: string) =>
  toPromise(
    withLease({ store }, { scope, holder }, async ({ fence }) => {
      seen.push(`${holder} begins`);
      await pause(20);
      seen.push(`${holder} ends`);
      return store.append({ ...appending('Noted'), fence })();
    }),
  );

// Thumbnails and search index touch different fields: side by side. The import wants the product for itself, and waits.
await Promise.all([
  work(['product-123', 'assets', 'thumbnail:en'], 'thumbnails'),
  work(['product-123', 'search'], 'search'),
  work(['product-123'], 'import'),
]);
console.log(seen.join(', '));
// => thumbnails begins, search begins, thumbnails ends, search ends, import begins, import ends

// Who does not want to wait asks once, and is told who is in the way.
await toPromise(
  withLease({ store }, { scope: ['product-123'], holder: 'import' }, async ({ within }) => {
    const request = { scope: ['product-123', 'assets'], holder: 'thumbnails', waitMaxMs: 0 };
    const other = await withLease({ store }, request, async () => E.right('never'))();
    if (E.isLeft(other) && other.left._tag === 'LeaseTimeout')
      console.log(other.left.inTheWay, 'is held by', other.left.holder);
    // => scope:/product-123 is held by import

    // Under the lease itself the narrower scope is free: ask the handle.
    return within('assets', async ({ scope }) => E.right(console.log(scope.join(' / '))))();
    // => product-123 / assets
  }),
);

// A worker that hangs for longer than its lease lasts: another takes over, and the first one’s append is refused.
const slow = await toPromise(
  store.leases.acquire({ scope: ['product-123', 'search'], holder: 'hangs', ttlMs: 10 }),
);
const hooks = {
  onRecovered: ({ recovered }: { readonly recovered: ReadonlyArray<{ readonly holder: string }> }) =>
    console.log('taken over from', recovered[0]?.holder),
};
await toPromise(
  withLease({ store, hooks }, { scope: ['product-123'], holder: 'import' }, async () => E.right(undefined)),
);
// => taken over from hangs
const late = await store.append({
  ...appending('Indexed'),
  fence: { lease: slow.name, token: slow.token },
})();
console.log(E.isLeft(late) && late.left._tag, slow.name === scopeLeaseName(['product-123', 'search']));
// => LeaseLost true
