/** What the saga records and answers for each message, as a function of the stock: asked by its handlers and by its merger. */
import * as t from 'io-ts';
import type { TaggedOf } from 'watersmeet';
import { change, type Stock, units, validate } from './stock.js';

const order = { orderId: t.string, quantity: units };
const adjustment = { delta: change, reason: t.string };
const problems = { problems: t.readonlyArray(t.string) };

export const inventoryEvents = {
  InventoryReserved: t.type(order),
  ReservationRefused: t.type({ ...order, ...problems }),
  /** It had been reserved, but the goods were gone already. */
  ReservationRevoked: t.type(order),
  InventoryAdjusted: t.type(adjustment),
  AdjustmentRefused: t.type({ ...adjustment, ...problems }),
};
export type InventoryEvent = TaggedOf<typeof inventoryEvents>;

/** Every message is answered with exactly one of the first four. */
export const inventoryAnswers = {
  ReservationConfirmed: t.type(order),
  ReservationRejected: t.type({ ...order, ...problems }),
  AdjustmentConfirmed: t.type(adjustment),
  AdjustmentRejected: t.type({ ...adjustment, ...problems }),
  /** Follows a confirmation that turned out wrong. */
  ReservationRevoked: t.type(order),
};
export type InventoryAnswer = TaggedOf<typeof inventoryAnswers>;

export const itemStock = t.readonly(
  t.type({
    supply: t.number,
    reserved: t.number,
    /** Units that were asked for and not reserved, or reserved and revoked. */
    turnedAway: t.number,
    /** Units that were to be removed and were not. */
    notRemoved: t.number,
  }),
);
export type ItemStock = t.TypeOf<typeof itemStock>;

export interface Decided {
  readonly event: InventoryEvent;
  readonly answer: InventoryAnswer;
}

export const reserve = (
  stock: Stock,
  { orderId, quantity }: { readonly orderId: string; readonly quantity: number },
): Decided => {
  const data = { orderId, quantity };
  const found = validate.ReserveInventory(stock, data);
  if (found.length === 0)
    return {
      event: { type: 'InventoryReserved', data },
      answer: { type: 'ReservationConfirmed', data },
    };
  const refused = { ...data, problems: found };
  return {
    event: { type: 'ReservationRefused', data: refused },
    answer: { type: 'ReservationRejected', data: refused },
  };
};

export const adjust = (
  stock: Stock,
  { delta, reason }: { readonly delta: number; readonly reason: string },
): Decided => {
  const data = { delta, reason };
  const found = validate.AdjustInventory(stock, data);
  if (found.length === 0)
    return { event: { type: 'InventoryAdjusted', data }, answer: { type: 'AdjustmentConfirmed', data } };
  const refused = { ...data, problems: found };
  return {
    event: { type: 'AdjustmentRefused', data: refused },
    answer: { type: 'AdjustmentRejected', data: refused },
  };
};

export const after = (stock: ItemStock, { type, data }: InventoryEvent): ItemStock => {
  switch (type) {
    case 'InventoryReserved':
      return { ...stock, reserved: stock.reserved + data.quantity };
    case 'ReservationRefused':
      return { ...stock, turnedAway: stock.turnedAway + data.quantity };
    case 'ReservationRevoked':
      return {
        ...stock,
        reserved: stock.reserved - data.quantity,
        turnedAway: stock.turnedAway + data.quantity,
      };
    case 'InventoryAdjusted':
      return { ...stock, supply: stock.supply + data.delta };
    case 'AdjustmentRefused':
      return { ...stock, notRemoved: stock.notRemoved - data.delta };
  }
};
