/** Operations by their keys on PostgreSQL: answers that are lost on the way, isolation levels, and what a sleeping holder still sends. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { openPostgres, type SqlStore } from '../../src/adapters/postgres/index.js';
import { toPromise } from '../../src/core/fault.js';
import { any, exactly, noStream } from '../../src/core/stream.js';
import { acquired, asked } from '../../src/testing/contract/idempotency-store.js';
import { race } from '../../src/testing/contract/race.js';
import { aStream, events, idsOf, right, wholeStream } from '../../src/testing/contract/support.js';
import { whyNoServer } from '../support/postgres.js';
import { cuts, type Proxy, startProxy } from '../support/proxy.js';
import { openTestPostgres, type PostgresTestStore } from '../support/stores.js';

const skip = whyNoServer();
const suite = skip === undefined ? describe : describe.skip;

// The statement's text when it is prepared, its name afterwards.
const changes =
  /begin_operation|settle_operation|append_completing|idempotencyBegin|idempotencySettle|appendCompleting/;

suite(`operations by their keys [postgres]${skip ? ` (skipped: ${skip})` : ''}`, () => {
  let direct: PostgresTestStore;
  let proxy: Proxy;
  let store: SqlStore;
  beforeAll(async () => {
    direct = await openTestPostgres();
    proxy = await startProxy(direct.url, changes);
    store = await toPromise(openPostgres({ connectionString: proxy.url, poolMax: 4 }));
  });
  afterAll(async () => {
    await store.close();
    await proxy.close();
    await direct.dispose();
  });

  for (const cut of cuts) {
    it(`${cut}: one that is begun knows that it is its own, and is ended once`, async () => {
      const request = asked();
      const before = proxy.count();
      proxy.cutNext(cut);
      const held = await acquired(store, request);
      await proxy.settled();
      expect(await right(direct.store.idempotency.show(request))).toMatchObject({
        state: 'pending',
        token: held.token,
        attempt: 1,
      });
      proxy.cutNext(cut);
      await right(store.idempotency.complete({ ...held, result: { receipt: 'r1' } }));
      await proxy.settled();
      expect(proxy.count()).toBe(before + 2);
      expect(await right(direct.store.idempotency.begin(request))).toMatchObject({
        _tag: 'Completed',
        result: { receipt: 'r1' },
      });
    });

    it(`${cut}: an append that completes one is written once, and so is its mark`, async () => {
      for (const expected of [noStream, any]) {
        const request = asked();
        const { scope, key, token } = await acquired(direct.store, request);
        const append = { streamName: aStream(), expected, events: events(2) };
        proxy.cutNext(cut);
        const result = await right(
          store.append({ ...append, completes: { scope, key, token, result: 'done' } }),
        );
        await proxy.settled();
        expect(result).toMatchObject({ version: 2, idempotent: false });
        expect(idsOf(await wholeStream(direct.store, append))).toEqual(idsOf(append.events));
        expect(await right(direct.store.idempotency.show(request))).toMatchObject({ result: 'done' });
      }
    });
  }

  it('where the server’s isolation is serializable one of many is given it all the same', async () => {
    const url = new URL(direct.url);
    url.searchParams.set('options', '-c default_transaction_isolation=serializable');
    const strict = await toPromise(openPostgres({ connectionString: url.href, poolMax: 8 }));
    try {
      for (let round = 1; round <= 5; round += 1) {
        const request = asked();
        const answers = await race(16, () => right(strict.idempotency.begin(request)));
        const given = answers.filter(({ _tag }) => _tag === 'Acquired');
        expect(given.length).toBe(1);
        const { scope, key } = request;
        const token = given[0]?._tag === 'Acquired' ? given[0].token : 0;
        const streamName = aStream();
        const appends = await race(8, () =>
          strict.append({
            ...{ streamName, expected: exactly(0), events: events(1) },
            completes: { scope, key, token, result: null },
          })(),
        );
        expect(appends.filter(E.isRight).length).toBe(1);
      }
    } finally {
      await strict.close();
    }
  });
});
