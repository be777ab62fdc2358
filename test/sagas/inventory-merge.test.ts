/** The merger of the inventory saga: its laws, every order of a few messages, and what becomes of those that do not fit. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assertConverges, assertMerger, exploreInterleavings, type Outcome } from 'watersmeet/testing';
import {
  inventorySaga,
  type InventoryEvent,
  type ItemStock,
  type InventoryMessage,
} from '../../sagas/inventory/index.js';

const seed = 20_261_121;
const itemId = fc.constant('umbrella');
const orderId = fc.uuid();
const reservation = (max: number) => fc.record({ itemId, orderId, quantity: fc.integer({ min: 1, max }) });
const adjustment = (min: number, max: number) =>
  fc.record({ itemId, delta: fc.integer({ min, max }), reason: fc.constantFrom('delivery', 'count') });

const sound = {
  'nothing is oversold': ({ supply, reserved }: ItemStock) => reserved <= supply,
  'no count is below zero': (stock: ItemStock) => Object.values(stock).every((count) => count >= 0),
};

/** What was asked for, whatever came of it: the same in every order. */
const asked = ({ supply, notRemoved, reserved, turnedAway }: ItemStock) =>
  [supply - notRemoved, reserved + turnedAway] as const;
const isSameAsked = (a: ItemStock, b: ItemStock): boolean =>
  asked(a).every((units, i) => units === asked(b)[i]);

describe('the merger of inventory', () => {
  it('obeys every law to the letter where there is enough for all', () => {
    const plenty = { ...inventorySaga, initialState: { ...inventorySaga.initialState, supply: 100_000 } };
    const report = assertMerger(plenty, {
      seed,
      runs: 150,
      arbitraries: { ReserveInventory: reservation(6), AdjustInventory: adjustment(-8, 8) },
      invariants: sound,
    });
    expect(report.laws.every(({ status }) => status === 'holds')).toBe(true);
  });

  it('where there is not, takes every request in once, never oversells, and never loses stock', () => {
    // Who gets the last one is whoever comes first, as in any shop: what was asked for must be the same in every order.
    const report = assertMerger(inventorySaga, {
      seed,
      runs: 200,
      arbitraries: { ReserveInventory: reservation(6), AdjustInventory: adjustment(-8, 8) },
      equals: isSameAsked,
      invariants: sound,
    });
    expect(report.ok).toBe(true);
  });
});

const message = (id: string, sent: Omit<InventoryMessage, 'id'>) =>
  ({ sagaId: 'umbrella', id, ...sent }) as never;
const reserving = (id: string, quantity: number) =>
  message(id, { type: 'ReserveInventory', data: { itemId: 'umbrella', orderId: id, quantity } } as never);
const adjusting = (id: string, delta: number) =>
  message(id, { type: 'AdjustInventory', data: { itemId: 'umbrella', delta, reason: 'count' } } as never);

type End = Outcome<ItemStock, InventoryEvent>;
const told = ({ sent }: End, type: string): ReadonlyArray<string> =>
  sent.filter((one) => one.type === type).map(({ data }) => (data as { orderId: string }).orderId);

/** Each order is told yes or no, once; who was told yes and cannot have it is told so, once. */
const isToldRight = (orders: ReadonlyArray<string>) => (end: End) => {
  const [yes, no] = [told(end, 'ReservationConfirmed'), told(end, 'ReservationRejected')];
  const revoked = told(end, 'ReservationRevoked');
  expect([...yes, ...no].sort()).toEqual([...orders].sort());
  expect(revoked.filter((order) => !yes.includes(order))).toEqual([]);
  expect(new Set(revoked).size).toBe(revoked.length);
  return true;
};

const invariants = (orders: ReadonlyArray<string>) => ({
  'nothing is oversold': ({ state }: End) => state.reserved <= state.supply,
  'everybody is told right': isToldRight(orders),
});

describe('every order of a few messages about one item', () => {
  it('four reservations where three fit: three are told yes, one no, nobody is revoked', async () => {
    const orders = ['a', 'b', 'c', 'd'];
    const exploration = await assertConverges(
      inventorySaga,
      orders.map((order) => reserving(order, 1)),
      {
        given: [adjusting('delivery', 3)],
        view: ({ state, compensations }: End) => ({ state, compensations: compensations.length }),
        invariants: {
          ...invariants(orders),
          'three have it': ({ state }: End) => state.reserved === 3 && state.turnedAway === 1,
        },
      },
    );
    expect(exploration.complete).toBe(true);
    expect(exploration.schedules).toBeGreaterThan(100);
  });

  it('a delivery, a loss and reservations: what was asked for is the same at the end, and nobody is told wrong', async () => {
    const orders = ['a', 'b'];
    const revocations = new Set<number>();
    const exploration = await exploreInterleavings(
      inventorySaga,
      [reserving('a', 2), reserving('b', 2), adjusting('loss', -3), adjusting('delivery', 1)],
      {
        given: [adjusting('first delivery', 4)],
        view: ({ state }: End) => asked(state),
        followers: 1,
        invariants: {
          ...invariants(orders),
          'each revocation is compensated': ({ compensations, events }: End) => {
            const revoked = events.filter(({ type }) => type === 'ReservationRevoked').length;
            revocations.add(revoked);
            return compensations.filter(({ fate }) => fate === 'applied').length === revoked;
          },
        },
      },
    );
    expect(exploration.failure?.report).toBeUndefined();
    // A loss that raced a confirmation is among them.
    expect([...revocations].sort()).toEqual(expect.arrayContaining([0, 1]));
  });
});
