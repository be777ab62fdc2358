/** How saves of a product meet others, by who saves and what: asked only for what the fields themselves do not settle. */
import { additive, always, and, commandIs, not, policies, type SavePredicate, when } from 'watersmeet';
import { roleOf } from './fields.js';
import type { Product, ProductEvent } from './product.js';

const isEditor: SavePredicate = ({ actor }) => roleOf(actor) === 'editor';

/** Stock that was moved on both sides was moved twice; categories are those of both. */
export const sums = additive<Product, ProductEvent>({
  counters: ['availability'],
  collections: ['categories'],
});

export const productPolicies = policies(
  when(always, 'everybody').then({
    ...{ strategy: 'retry', attemptsMax: 50, delayMs: 2, delayMaxMs: 50, resolver: sums },
  }),
  // Two editors of one text: who comes second is shown what the first has written.
  when(isEditor, 'editors').then({ strategy: 'expectedVersion' }),
  // Prices come in floods on few products: one after another.
  when(and(commandIs('SetPrice'), not(isEditor)), 'prices of the ERP').then({
    ...{ strategy: 'pessimistic', lockWaitMaxMs: 10_000 },
  }),
);
