/** One append: a stream is started, the same append is recognised, and a rival is told what it missed. */
import * as E from 'fp-ts/lib/Either.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import { type JsonObject, memoryStore, newId, noStream, streamName, toPromise } from 'watersmeet';

const store = memoryStore();
const order = await toPromise(TE.fromEither(streamName('order-42')));
const event = (type: string, data: JsonObject) => ({
  eventId: newId(),
  type,
  schemaVersion: 1,
  data,
  metadata: { actor: 'ada' },
});

const placed = { streamName: order, expected: noStream, events: [event('OrderPlaced', { total: 90 })] };
const first = await toPromise(store.append(placed));
console.log(first.version, first.idempotent); // => 1 false

// The very same events again, perhaps because the answer was lost: recognised by their ids.
const again = await toPromise(store.append(placed));
console.log(again.version, again.idempotent); // => 1 true

const rival = { streamName: order, expected: noStream, events: [event('OrderPlaced', { total: 10 })] };
const refused = await store.append({ ...rival, tailMax: 10 })();
if (E.isLeft(refused) && refused.left._tag === 'VersionConflict')
  console.log(
    refused.left.actual,
    refused.left.tail?.map(({ type }) => type),
  ); // => 1 [ 'OrderPlaced' ]
