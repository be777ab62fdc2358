/** The rules of an item's stock, without any storage: what may be reserved or removed, and what is said where it may not. */
import * as t from 'io-ts';

/** A whole number in a range. Bounded, so that no sum of them leaves what a number holds exactly. */
const whole = (min: number, max: number): t.Type<number> => {
  const is = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
  return new t.Type(
    `a whole number from ${min} to ${max}`,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );
};

const unitsMax = 1_000_000;
export const units = whole(1, unitsMax);
export const change = whole(-unitsMax, unitsMax);

export const reserveInventory = t.type({ itemId: t.string, quantity: units, orderId: t.string });
export const adjustInventory = t.type({ itemId: t.string, delta: change, reason: t.string });
export type ReserveInventory = t.TypeOf<typeof reserveInventory>;
export type AdjustInventory = t.TypeOf<typeof adjustInventory>;

/** What is sent about an item; its stream is that of `itemId`. The id of a message is the same each time it is sent. */
export type InventoryMessage = { readonly id: string } & (
  | { readonly type: 'ReserveInventory'; readonly data: ReserveInventory }
  | { readonly type: 'AdjustInventory'; readonly data: AdjustInventory }
);

export interface Stock {
  /** Units in the house, those that are reserved included. */
  readonly supply: number;
  readonly reserved: number;
}

export const available = ({ supply, reserved }: Stock): number => supply - reserved;

/** What keeps a message from being handled, as a list of problems; none where it may be. Asked before anything is decided. */
export const validate = {
  ReserveInventory: (stock: Stock, { quantity }: { readonly quantity: number }): ReadonlyArray<string> =>
    quantity > available(stock)
      ? [`Insufficient inventory: ${quantity} asked for, ${available(stock)} available`]
      : [],
  AdjustInventory: (stock: Stock, { delta }: { readonly delta: number }): ReadonlyArray<string> =>
    available(stock) + delta < 0
      ? [`Insufficient inventory: ${-delta} to be removed, ${available(stock)} available`]
      : [],
};
