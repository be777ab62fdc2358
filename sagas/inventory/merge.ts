/**
 * How work that lost an append is taken in: each message of a branch is decided again on the stock as it is now, as if it had
 * come after the trunk's; only goods that are gone come before the reservations that raced their removal.
 */
import * as E from 'fp-ts/lib/Either.js';
import type { Conflict, ConflictBranch, MergeAnswer, MergeRefused, OutgoingMessage } from 'watersmeet';
import {
  adjust,
  after,
  type Decided,
  type InventoryAnswer,
  type InventoryEvent,
  type ItemStock,
  reserve,
} from './decisions.js';
import { available } from './stock.js';

type Branch = ConflictBranch<ItemStock, InventoryEvent>;
type InventoryConflict = Conflict<ItemStock, InventoryEvent>;
type Order = { readonly orderId: string; readonly quantity: number };

interface Settled {
  readonly state: ItemStock;
  readonly events: ReadonlyArray<InventoryEvent>;
  /** By branch: the answer that takes the place of the one the branch holds. */
  readonly answers: ReadonlyMap<string, InventoryAnswer>;
  /** Reservations that were confirmed and cannot be kept. */
  readonly revoked: ReadonlyArray<Order>;
}

/** Reservations of the trunk that the branch had not seen, newest first. */
const racing = ({ trunkEvents }: Branch, revoked: ReadonlyArray<Order>): ReadonlyArray<Order> => {
  const gone = new Set(revoked.map(({ orderId }) => orderId));
  for (const { type, data } of trunkEvents) if (type === 'ReservationRevoked') gone.add(data.orderId);
  return trunkEvents
    .flatMap((event) => (event.type === 'InventoryReserved' ? [event.data] : []))
    .filter(({ orderId }) => !gone.has(orderId))
    .reverse();
};

/** As many of them, newest first, as free `wanted` units; none where all of them together are not enough. */
const enoughOf = (orders: ReadonlyArray<Order>, wanted: number): ReadonlyArray<Order> => {
  let freed = 0;
  const chosen: Order[] = [];
  for (const order of orders) {
    if (freed >= wanted) break;
    chosen.push(order);
    freed += order.quantity;
  }
  return freed >= wanted ? chosen : [];
};

const again = (stock: ItemStock, event: InventoryEvent): Decided | undefined => {
  switch (event.type) {
    case 'InventoryReserved':
    case 'ReservationRefused':
      return reserve(stock, event.data);
    case 'InventoryAdjusted':
    case 'AdjustmentRefused':
      return adjust(stock, event.data);
    case 'ReservationRevoked':
      // Only merges decide it, never a handler: no branch holds one.
      return undefined;
  }
};

const isAdjustment = ({ type }: InventoryEvent): boolean =>
  type === 'InventoryAdjusted' || type === 'AdjustmentRefused';

/** What becomes of all branches. Goods that came or went are counted before those who want them. */
export const settle = ({ current, branches }: InventoryConflict): Settled => {
  let state = current;
  const events: InventoryEvent[] = [];
  const answers = new Map<string, InventoryAnswer>();
  const revoked: Order[] = [];
  const record = (event: InventoryEvent): void => {
    events.push(event);
    state = after(state, event);
  };
  const take = (branch: Branch, event: InventoryEvent): void => {
    const short = event.type === 'InventoryAdjusted' ? -(available(state) + event.data.delta) : 0;
    for (const { orderId, quantity } of short > 0 ? enoughOf(racing(branch, revoked), short) : []) {
      revoked.push({ orderId, quantity });
      record({ type: 'ReservationRevoked', data: { orderId, quantity } });
    }
    const decided = again(state, event);
    if (decided === undefined) return;
    // What comes to the same is the branch's own event, and its own answer leaves.
    const isSame = decided.event.type === event.type;
    record(isSame ? event : decided.event);
    if (!isSame) answers.set(branch.id, decided.answer);
  };
  for (const wanted of [true, false])
    for (const branch of branches)
      for (const event of branch.events) if (isAdjustment(event) === wanted) take(branch, event);
  return { state, events, answers, revoked };
};

export const mergeStock = (
  conflict: InventoryConflict,
): E.Either<MergeRefused, MergeAnswer<ItemStock, InventoryEvent>> => {
  const { state, events, answers } = settle(conflict);
  return E.right({
    state,
    events,
    messages: (_held: OutgoingMessage, branch: Branch) => {
      const other = answers.get(branch.id);
      return other === undefined ? undefined : { replaceWith: other };
    },
    rule: 'reservations are accepted while stock lasts; goods that are gone come before the reservations that raced their removal',
  });
};
