/** Proofs that handlers’ types are inferred, and that wrong ones do not compile; the compiler checks this file, nothing runs it. */
import * as t from 'io-ts';
import { versioned } from '../../src/core/codec.js';
import { localPartitions } from '../../src/runtime/queue/local-partitions.js';
import {
  messageHandlers,
  onAggregate,
  onBatch,
  onMessage,
  onSaga,
} from '../../src/runtime/queue/message-handlers.js';
import type { EventStore } from '../../src/store/event-store.js';
import { basketSaga } from '../support/basket.js';
import { item, Reserve } from './worker-support.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const proven = <Claim extends true>(): Claim | undefined => undefined;

export const handlers = messageHandlers({
  Reserve: onAggregate(item, {
    data: Reserve,
    id: ({ itemId }) => itemId,
    validate: (data, state) => {
      proven<Equal<typeof data, t.TypeOf<typeof Reserve>>>();
      proven<Equal<typeof state, { available: number }>>();
      return data.quantity > state.available ? ['too few'] : [];
    },
    handle: async ({ orderId, quantity }, { available }) => {
      proven<Equal<typeof available, number>>();
      return available === 0 ? {} : { events: [{ type: 'Reserved', data: { orderId, quantity } }] };
    },
  }),
  Add: onSaga(basketSaga(), 'Add', {
    id: (data) => {
      proven<Equal<typeof data, { by: number }>>();
      return `${data.by}`;
    },
    validate: ({ by }, { count }) => (by > count ? ['too many'] : []),
  }),
  Tell: onMessage({
    data: versioned({ codec: t.type({ text: t.string }), upcasts: { 1: () => ({ text: '' }) } }),
    key: ({ text }) => {
      proven<Equal<typeof text, string>>();
      return text;
    },
    handle: ({ text }) => ({ enqueue: [{ key: text, type: 'Tell', data: { text } }] }),
  }),
});

handlers.message({ queue: 'q', type: 'Add', id: '1', data: { by: 1 } });
// @ts-expect-error -- no such message
handlers.message({ queue: 'q', type: 'Subtract', id: '1', data: { by: 1 } });
// @ts-expect-error -- data of another message
handlers.message({ queue: 'q', type: 'Tell', id: '1', data: { by: 1 } });

export const send = (store: EventStore) => {
  const local = localPartitions({ store, handlers });
  void local.send({ type: 'Tell', id: '1', data: { text: 'x' } })();
  // @ts-expect-error -- data of another message
  void local.send({ type: 'Tell', id: '1', data: { by: 1 } })();
};

const onItem = { data: Reserve, id: ({ itemId }: { readonly itemId: string }) => itemId };
// @ts-expect-error -- the aggregate has no such event
onAggregate(item, { ...onItem, handle: () => ({ events: [{ type: 'Sold', data: { quantity: 1 } }] }) });
// @ts-expect-error -- the event's data is another
onAggregate(item, { ...onItem, handle: () => ({ events: [{ type: 'Stocked', data: { quantity: '1' } }] }) });
// @ts-expect-error -- the aggregate has no such command
onAggregate(item, { ...onItem, command: () => ({ type: 'Sell', data: {} }) });
// @ts-expect-error -- either a handler or a command
onAggregate(item, { ...onItem });
// @ts-expect-error -- an aggregate has no merger
onAggregate(item, { ...onItem, conflict: 'merge', handle: () => ({}) });
// @ts-expect-error -- the message has no such field
onAggregate(item, { data: Reserve, id: ({ sku }) => sku, handle: () => ({}) });
// @ts-expect-error -- the saga has no such message
onSaga(basketSaga(), 'Subtract', { id: () => 'a' });
// @ts-expect-error -- its message has no such field
onSaga(basketSaga(), 'Add', { id: ({ item: one }) => one });
// @ts-expect-error -- a batch handler answers nothing
onBatch({ data: Reserve, key: ({ itemId }) => itemId, batchMax: 2, handle: () => ({ enqueue: [] }) });
