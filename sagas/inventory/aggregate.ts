/** The item as an aggregate: a message is decided on the newest stock, or refused with a list of problems. */
import * as t from 'io-ts';
import { accept, aggregate, reject } from 'watersmeet';
import { adjustInventory, change, reserveInventory, units, validate } from './stock.js';

const refused = (problems: ReadonlyArray<string>) => reject({ _tag: 'Refused', problems });

export const inventoryItem = aggregate({
  category: 'inventoryItem',
  commands: { ReserveInventory: reserveInventory, AdjustInventory: adjustInventory },
  events: {
    InventoryReserved: t.type({ orderId: t.string, quantity: units }),
    InventoryAdjusted: t.type({ delta: change, reason: t.string }),
  },
  state: t.readonly(t.type({ supply: t.number, reserved: t.number })),
  initialState: { supply: 0, reserved: 0 },
  evolve: {
    InventoryReserved: (stock, { quantity }) => ({ ...stock, reserved: stock.reserved + quantity }),
    InventoryAdjusted: (stock, { delta }) => ({ ...stock, supply: stock.supply + delta }),
  },
  decide: {
    ReserveInventory: (stock, { orderId, quantity }) => {
      const problems = validate.ReserveInventory(stock, { quantity });
      return problems.length > 0
        ? refused(problems)
        : accept({ type: 'InventoryReserved', data: { orderId, quantity } });
    },
    AdjustInventory: (stock, { delta, reason }) => {
      const problems = validate.AdjustInventory(stock, { delta });
      return problems.length > 0
        ? refused(problems)
        : accept({ type: 'InventoryAdjusted', data: { delta, reason } });
    },
  },
});
