/** A product catalogue: editors, workers and an ERP write the same products at once, and nobody loses a field. */
export {
  catalogue,
  type Catalogue,
  type CatalogueContext,
  type CatalogueSave,
  type Render,
} from './catalogue.js';
export { checksumOf, wordsOf } from './derived.js';
export { commandsOf, type ErpRecord, importKey } from './erp.js';
export { groupOf, productFields, roleOf } from './fields.js';
export { productPolicies, sums } from './policies.js';
export { product, type Product, type ProductCommand, type ProductEvent } from './product.js';
