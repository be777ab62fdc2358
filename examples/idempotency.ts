/** Idempotency: a double click is answered twice and done once, a job that is delivered twice is done once, and the effect and its mark are one append. */
import * as E from 'fp-ts/lib/Either.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import * as t from 'io-ts';
import {
  any,
  businessKey,
  idempotentApi,
  idempotentJob,
  memoryStore,
  newId,
  streamName,
  toPromise,
} from 'watersmeet';

const store = memoryStore();
const account = await toPromise(TE.fromEither(streamName('points-cust_123')));
const event = (type: string, points: number) => ({
  ...{ eventId: newId(), type, schemaVersion: 1, metadata: {} },
  data: { points },
});

// 1. A request of a user. The client sends its own key; the response is kept, and answered to every repeat.
const redeem = (points: number) =>
  idempotentApi({ store })(
    {
      scope: 'redeem-points',
      key: businessKey('redeem', 'cust_123', 'ord_789'),
      request: { customerId: 'cust_123', orderId: 'ord_789', points },
      response: t.type({ left: t.number }),
      waitMaxMs: 5_000,
    },
    ({ completes }) =>
      async () => {
        const response = { left: 1_000 - points };
        const events = [event('Redeemed', points)];
        // The event and the mark that the request is done are written together, or neither is.
        const written = await store.append({
          ...{ streamName: account, expected: any, events, completes: completes(response) },
        })();
        return E.isLeft(written) ? written : E.right(response);
      },
  );
const [click, doubleClick] = await Promise.all([toPromise(redeem(500)), toPromise(redeem(500))]);
console.log(click.response, doubleClick.response); // => { left: 500 } { left: 500 }
const other = await redeem(900)();
console.log(E.isLeft(other) && other.left._tag); // => KeyReused

// 2. A job. It is known by its key, and a mark says that it is done; no response is kept.
const importRecord = (attempt: string) =>
  idempotentJob({ store })(
    { scope: 'import', dedupeKey: businessKey('import', 'erp_456', 'batch_20260420') },
    ({ completes }) =>
      async () => {
        console.log(`importing: ${attempt}`);
        const events = [event('Granted', 50)];
        return store.append({
          ...{ streamName: account, expected: any, events, completes: completes() },
        })();
      },
  );
for (const delivery of ['first delivery', 'second delivery'])
  console.log((await toPromise(importRecord(delivery)))._tag);
// => importing: first delivery
// => Done
// => AlreadyDone

const { events } = await toPromise(store.readStream({ streamName: account }));
console.log(events.map(({ type }) => type)); // => [ 'Redeemed', 'Granted' ]
