/** Who may write which field of a product, and what becomes of a field that everybody may write when two did. */
import { groupsOf, ownership } from 'watersmeet';
import type { ProductEvent } from './product.js';

/** `editor:ada` writes as an editor and `worker:search-1` for the system; anybody else, as the ERP, writes shared fields only. */
export const roleOf = (actor: string | undefined): 'editor' | 'system' | undefined =>
  actor?.startsWith('editor:') ? 'editor' : actor?.startsWith('worker:') ? 'system' : undefined;

export const productFields = ownership({
  owners: {
    editor: ['name', 'description', 'images'],
    system: ['thumbnail', 'searchIndex', 'checksum'],
  },
  shared: {
    // A price is decided anew, a badge that is set already stays, and what is counted or collected is added up.
    ...{ price: 'retry', badge: 'skip', availability: 'merge', categories: 'merge' },
  },
  events: {
    ...{ Renamed: ['name'], Described: ['description'], ImagesChosen: ['images'] },
    ...{ ThumbnailMade: ['thumbnail'], Indexed: ['searchIndex'], Sealed: ['checksum'] },
    ...{ PriceSet: ['price'], BadgeSet: ['badge'], StockMoved: ['availability'] },
    ...{ CategoryAdded: ['categories'], CategoryRemoved: ['categories'] },
  },
  // What a worker made is made from something: an editor who changed that meanwhile is not passed over.
  reads: {
    ThumbnailMade: ['images'],
    Indexed: ['name', 'description'],
    Sealed: ['name', 'description', 'images'],
  },
  groups: {
    ...{ assets: ['thumbnail'], search: ['searchIndex'], seal: ['checksum'] },
    commerce: ['price', 'badge', 'availability', 'categories'],
  },
  roleOf,
});

/** The group of fields that events of this type are in: what a slow worker takes a lease on. */
export const groupOf = (type: ProductEvent['type']): string =>
  groupsOf(productFields, [{ type, data: {} }]).join('+');
