/**
 * The item as a saga: no message is handled twice and none waits for another. One that lost an append becomes a branch, its
 * answer is held, and the merge says yes while stock lasts. A confirmation that left and cannot be kept is revoked, once.
 */
import * as t from 'io-ts';
import { saga } from 'watersmeet';
import { adjust, after, inventoryAnswers, inventoryEvents, itemStock, reserve } from './decisions.js';
import { mergeStock, settle } from './merge.js';
import { adjustInventory, reserveInventory } from './stock.js';

const confirmation = t.type({ orderId: t.string });

export const inventorySaga = saga({
  name: 'inventory',
  messages: { ReserveInventory: reserveInventory, AdjustInventory: adjustInventory },
  sends: inventoryAnswers,
  events: inventoryEvents,
  state: itemStock,
  initialState: { supply: 0, reserved: 0, turnedAway: 0, notRemoved: 0 },
  evolve: {
    InventoryReserved: (stock, data) => after(stock, { type: 'InventoryReserved', data }),
    ReservationRefused: (stock, data) => after(stock, { type: 'ReservationRefused', data }),
    ReservationRevoked: (stock, data) => after(stock, { type: 'ReservationRevoked', data }),
    InventoryAdjusted: (stock, data) => after(stock, { type: 'InventoryAdjusted', data }),
    AdjustmentRefused: (stock, data) => after(stock, { type: 'AdjustmentRefused', data }),
  },
  react: {
    ReserveInventory: (stock, data) => {
      const { event, answer } = reserve(stock, data);
      return { events: [event], send: [answer] };
    },
    AdjustInventory: (stock, data) => {
      const { event, answer } = adjust(stock, data);
      return { events: [event], send: [answer] };
    },
  },
  onConflict: 'merge',
  merge: mergeStock,
  compensate: ({ conflict, released }) =>
    settle(conflict).revoked.map(({ orderId, quantity }) => {
      const told = released.findLast(
        ({ type, data }) =>
          type === 'ReservationConfirmed' && confirmation.is(data) && data.orderId === orderId,
      );
      return { hook: 'revoke', data: { orderId, quantity }, ...(told !== undefined && { of: told.id }) };
    }),
  hooks: {
    revoke: (data: { orderId: string; quantity: number }) => ({
      send: [{ type: 'ReservationRevoked', data }],
    }),
  },
});
