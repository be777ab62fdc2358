/** The global order on PostgreSQL where transactions overtake each other, step by step on raw connections. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exactly, newId, noStream, type StreamName, toPromise } from 'watersmeet';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

describe('the global order [postgres]', () => {
  let opened: PostgresTestStore;
  beforeAll(async () => {
    opened = await openTestPostgres();
  });
  afterAll(() => opened.dispose());

  const event = () => ({ eventId: newId(), type: 'Happened', schemaVersion: 1, data: {}, metadata: {} });

  it('shows all streams of an appendMany at once, although one of them was overtaken while it waited', async () => {
    const { store } = opened;
    const [a, b] = ['order-a', 'order-b'] as StreamName[];
    await toPromise(store.append({ streamName: b!, expected: noStream, events: [event()] }));
    const [slow, bystander] = [await opened.connect(), await opened.connect()];
    // The writer of both gets its transaction id first, then somebody who only stays, then a writer of `b` alone.
    await slow.query('begin; select pg_current_xact_id()');
    await bystander.query('begin; select pg_current_xact_id()');
    await toPromise(store.append({ streamName: b!, expected: exactly(1), events: [event()] }));
    const request = (stream: string, version: number) => ({
      tenant: 'default',
      stream,
      expected: 'exactly',
      version,
      tailMax: 0,
      events: [event()],
    });
    await slow.query('select watersmeet.append_events($1::jsonb)', [
      JSON.stringify([request(a!, 0), request(b!, 2)]),
    ]);
    await slow.query('commit');
    const seen = async () =>
      (await toPromise(store.readAll({}))).events.map(
        ({ streamName, version }) => `${streamName} ${version}`,
      );
    // Other tests write to this server too, and hold the order back for a moment.
    const whenSeen = async (count: number): Promise<ReadonlyArray<string>> => {
      for (;;) {
        const events = await seen();
        if (events.length >= count) return events;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    expect(await whenSeen(1)).toEqual(['order-b 1']);
    await bystander.query('commit');
    expect(await whenSeen(2)).toEqual(['order-b 1', 'order-b 2', 'order-a 1', 'order-b 3']);
  });
});
