/** An item's stock under many writers: as an aggregate, as a saga, and the strategies to choose between. */
export { inventoryItem } from './aggregate.js';
export type { InventoryAnswer, InventoryEvent, ItemStock } from './decisions.js';
export { mergeStock } from './merge.js';
export { inventorySaga } from './saga.js';
export {
  adjustInventory,
  type AdjustInventory,
  available,
  type InventoryMessage,
  reserveInventory,
  type ReserveInventory,
  type Stock,
  validate,
} from './stock.js';
