/** Subscribers at one place of the order share the reads of their pages, and see no less for it. */
import { describe, expect, it } from '@jest/globals';
import { memoryStore, type EventStore } from 'watersmeet';
import { joinedReads } from '../../src/store/joined-reads.js';
import { append, aStream, events, right } from '../../src/testing/contract/support.js';

const counting = (store: EventStore) => {
  const asked: unknown[] = [];
  const readAll: EventStore['readAll'] = (request) => {
    asked.push(request);
    return store.readAll(request);
  };
  return { asked, joined: joinedReads(readAll) };
};

describe('reads of the global order that are asked for at one moment', () => {
  it('are one read where they ask for the same, and more where they do not', async () => {
    const store = memoryStore();
    await append(store, aStream(), events(3));
    const { asked, joined } = counting(store);
    const [a, b, other, filtered] = await Promise.all([
      right(joined({ maxCount: 2 })),
      right(joined({ maxCount: 2 })),
      right(joined({ maxCount: 3 })),
      right(joined({ maxCount: 2, filter: { types: ['none'] } })),
    ]);
    expect(asked).toHaveLength(3);
    expect(a.events).toHaveLength(2);
    expect(b).toBe(a);
    expect(other.events).toHaveLength(3);
    expect(filtered.events).toHaveLength(0);
  });

  it('show what was appended before they were asked for, although another is under way', async () => {
    const store = memoryStore();
    const { asked, joined } = counting(store);
    const first = right(joined({ maxCount: 10 }));
    await new Promise((resolve) => setImmediate(resolve));
    await append(store, aStream(), events(1));
    expect((await right(joined({ maxCount: 10 }))).events).toHaveLength(1);
    await first;
    expect(asked).toHaveLength(2);
  });

  it('hand out what nobody can change under the others', async () => {
    const store = memoryStore();
    await append(store, aStream(), events(1));
    const copied: EventStore['readAll'] = (request) => async () =>
      structuredClone(await store.readAll(request)());
    const joined = joinedReads(copied);
    const [page] = await Promise.all([right(joined({})), right(joined({}))]);
    expect(() => Object.assign(page.events[0] as object, { type: 'Other' })).toThrow(TypeError);
  });
});
