/** A record of the ERP: what it asks of a product, and the key by which it is known however often it is delivered. */
import { businessKey } from 'watersmeet';
import type { ProductCommand } from './product.js';

export interface ErpRecord {
  readonly recordId: string;
  readonly batchId: string;
  readonly productId: string;
  /** In cents. */
  readonly price?: number;
  /** Units that came, or went. */
  readonly moved?: number;
}

/** The same for each delivery of one record in one batch. */
export const importKey = ({ recordId, batchId }: ErpRecord): string =>
  businessKey('import', recordId, batchId);

export const commandsOf = ({ price, moved }: ErpRecord): ReadonlyArray<ProductCommand> => [
  ...(price === undefined ? [] : [{ type: 'SetPrice', data: { price } } as const]),
  ...(moved === undefined ? [] : [{ type: 'MoveStock', data: { by: moved } } as const]),
];
