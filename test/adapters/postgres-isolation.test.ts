/** What is decided after a wait for a lock, on servers that isolate transactions more strictly by default: it sees who was first. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { any, type EventStore, newId, type StreamName } from 'watersmeet';
import { right } from '../../src/testing/contract/support.js';
import { runOn, whyNoServer } from '../support/postgres.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;

for (const level of ['repeatable read', 'serializable'])
  suite(`event store [postgres] where transactions are ${level} by default${skip ? ` (skipped: ${skip})` : ''}`, () => {
    let opened: PostgresTestStore;
    let store: EventStore;
    let first: pg.Client;
    beforeAll(async () => {
      opened = await openTestPostgres();
      const database = new URL(opened.url).pathname.slice(1);
      await runOn(opened.url, `alter database "${database}" set default_transaction_isolation to '${level}'`);
      store = await opened.secondHandle();
      first = new pg.Client({ connectionString: opened.url });
      await first.connect();
    });
    afterAll(async () => {
      await first.end();
      await opened.dispose();
    });

    /** Somebody else waits for a lock that `first` holds. */
    const someoneWaits = async (): Promise<void> => {
      for (let look = 0; look < 1_000; look += 1) {
        const text =
          'select count(*)::int as count from pg_stat_activity where datname = current_database() and wait_event_type = $1';
        // By `first` itself: within its transaction the view would not change, so it is asked to look again.
        await first.query('select pg_stat_clear_snapshot()');
        const { rows } = await first.query<{ count: number }>(text, ['Lock']);
        if ((rows[0]?.count ?? 0) > 0) return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      throw new Error('nobody waits');
    };

    /** What `second` comes to where `first` did its part before, and commits while `second` waits. */
    const behind = async <A>(text: string, values: unknown[], second: () => Promise<A>): Promise<A> => {
      await first.query('begin isolation level read committed');
      await first.query(text, values);
      const asked = second();
      await someoneWaits();
      await first.query('commit');
      return asked;
    };

    it('a condition counts an event that was committed while its append waited', async () => {
      const tag = `tag-${newId()}`;
      const event = (tags?: ReadonlyArray<string>) => ({
        ...{ eventId: newId(), type: 'Happened', schemaVersion: 1, data: {} },
        metadata: tags === undefined ? {} : { tags },
      });
      const noneOf = { anyOf: [{ tags: [tag] }] };
      const { seen } = await right(store.readMatching({ query: noneOf }));
      const request = { tenant: 'default', stream: `a-${tag}`, expected: 'any', version: 0, tailMax: 0 };
      const requests = JSON.stringify([{ ...request, tagged: true, events: [event([tag])] }]);
      const answer = await behind('select watersmeet.append_events($1::jsonb)', [requests], () =>
        store.append({
          ...{ streamName: `b-${tag}` as StreamName, expected: any, events: [event()] },
          condition: { noneOf, after: seen },
        })(),
      );
      expect(answer).toMatchObject({
        left: { _tag: 'ConditionFailed', events: [{ streamName: `a-${tag}` }] },
      });
    });

    it('a scope is not given to two, one above the other', async () => {
      const top = newId();
      const answer = await behind(
        'select watersmeet.acquire_scope($1, $2, 60000)',
        [`scope:/${top}`, 'first'],
        async () => store.leases?.acquire({ scope: [top, 'part'], holder: 'second', ttlMs: 60_000 })(),
      );
      expect(answer).toMatchObject({ left: { _tag: 'LeaseHeld', holder: 'first' } });
    });

    it('a lease that another took first is held, and not a store that is away', async () => {
      const name = `lease-${newId()}`;
      const answer = await behind(
        'select watersmeet.acquire_lease($1, $2, 60000)',
        [name, 'first'],
        async () => store.leases?.acquire({ name, holder: 'second', ttlMs: 60_000 })(),
      );
      expect(answer).toMatchObject({ left: { _tag: 'LeaseHeld', holder: 'first' } });
    });
  });
