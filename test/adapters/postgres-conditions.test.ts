/** Conditions on PostgreSQL where a transaction that began early commits late, step by step on raw connections. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { any, exactly, newId, noStream, type StreamName, toPromise } from 'watersmeet';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

describe('conditions over several streams [postgres]', () => {
  let opened: PostgresTestStore;
  beforeAll(async () => {
    opened = await openTestPostgres();
  });
  afterAll(() => opened.dispose());

  const event = (...tags: ReadonlyArray<string>) => ({
    ...{ eventId: newId(), type: 'Happened', schemaVersion: 1, data: {} },
    metadata: tags.length > 0 ? { tags } : {},
  });
  const query = (tag: string) => ({ anyOf: [{ tags: [tag] }] });
  const refusedAfter = async (tag: string, seen: Awaited<ReturnType<typeof seenOf>>) => {
    const condition = { noneOf: query(tag), after: seen };
    const streamName = `late-${newId()}` as StreamName;
    return opened.store.append({ streamName, expected: any, events: [event()], condition })();
  };
  const seenOf = async (tag: string) => {
    const page = await toPromise(opened.store.readMatching({ query: query(tag) }));
    expect(page.events).toEqual([]);
    return page.seen;
  };

  it('count an event whose transaction was open while its reader looked', async () => {
    const slow = await opened.connect();
    await slow.query('begin');
    const requests = [
      {
        ...{ tenant: 'default', stream: 'slow-a', expected: 'any', version: 0, tailMax: 0, tagged: true },
        events: [event('early')],
      },
    ];
    await slow.query('select watersmeet.append_events($1::jsonb)', [JSON.stringify(requests)]);
    const seen = await seenOf('early');
    // Later transactions commit meanwhile, so that the late one is not the newest.
    await toPromise(
      opened.store.append({ streamName: 'other-a' as StreamName, expected: any, events: [event('else')] }),
    );
    await slow.query('commit');
    expect(await refusedAfter('early', seen)).toMatchObject({
      left: { _tag: 'ConditionFailed', events: [{ streamName: 'slow-a' }] },
    });
  });

  it('count it too where its place in the global order is that of a transaction that its reader had seen', async () => {
    const streamName = 'overtaken-a' as StreamName;
    await toPromise(opened.store.append({ streamName, expected: noStream, events: [event()] }));
    const slow = await opened.connect();
    // It gets its transaction id first, is overtaken by a writer of its stream, and takes the place behind that one.
    await slow.query('begin; select pg_current_xact_id()');
    await toPromise(opened.store.append({ streamName, expected: exactly(1), events: [event()] }));
    const seen = await seenOf('overtaken');
    const requests = [
      {
        ...{
          tenant: 'default',
          stream: streamName,
          expected: 'exactly',
          version: 2,
          tailMax: 0,
          tagged: true,
        },
        events: [event('overtaken')],
      },
    ];
    await slow.query('select watersmeet.append_events($1::jsonb)', [JSON.stringify(requests)]);
    await slow.query('commit');
    expect(await refusedAfter('overtaken', seen)).toMatchObject({ left: { _tag: 'ConditionFailed' } });
    const { seen: now, events } = await toPromise(opened.store.readMatching({ query: query('overtaken') }));
    expect(events).toHaveLength(1);
    expect(await refusedAfter('overtaken', now)).toMatchObject({ _tag: 'Right' });
  });

  it('let writers of very many tags and a condition wait for each other', async () => {
    const many = Array.from({ length: 40 }, (_, n) =>
      event(...Array.from({ length: 32 }, (__, m) => `bulk:${n}:${m}`)),
    );
    const { store } = opened;
    const { seen } = await toPromise(store.readMatching({ query: query('bulk:39:31') }));
    const [bulk, conditional] = await Promise.all([
      store.append({ streamName: 'bulk-a' as StreamName, expected: any, events: many })(),
      refusedAfter('bulk:39:31', seen),
    ]);
    expect(bulk._tag).toBe('Right');
    // Either it came first, or it saw the others' tags: then it is refused.
    const found = await toPromise(store.readMatching({ query: query('bulk:39:31') }));
    expect(found.events).toHaveLength(1);
    if (conditional._tag === 'Left') expect(conditional.left._tag).toBe('ConditionFailed');
    expect(await refusedAfter('bulk:39:31', seen)).toMatchObject({ left: { _tag: 'ConditionFailed' } });
  });
});
