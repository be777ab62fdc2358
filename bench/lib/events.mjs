// The events that all subjects write: about 300 bytes of data, 100 of metadata, and what an aggregate makes of them.
import { randomUUID } from 'node:crypto';

const note = 'Leave it with the neighbours on the second floor, and ring twice; the bell is slow. '.repeat(2);

export const eventType = 'OrderPlaced';
export const dataOf = (amount) => ({
  orderId: '0b7f4c52-6f2e-4f0e-9c1c-8d7f2f6f5a01',
  customer: 'ada',
  currency: 'EUR',
  amount,
  note,
  items: [1, 2, 3],
});
export const metadataOf = () => ({
  correlationId: '8a6e0804-2bd0-4672-b79d-d97027f9071a',
  causationId: '0f5a7a52-1c5e-4f0a-9b34-2b9c6e1f0c11',
});

export const someData = (count) => Array.from({ length: count }, (_, index) => dataOf(index));

/** What every subject's aggregate keeps. */
export const initialTotal = () => ({ total: 0, orders: 0 });
export const addTo = ({ total, orders }, { amount }) => ({ total: total + amount, orders: orders + 1 });

export const newStream = () => randomUUID();
