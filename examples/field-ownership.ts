/** Fields with owners: an editor, a worker and a price list write one product at once, and nobody loses a field. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { accept, aggregate, memoryStore, ownership, repository, toPromise } from 'watersmeet';
import { checkOwnership } from 'watersmeet/testing';

const name = t.type({ name: t.string });
const url = t.type({ url: t.string });
const price = t.type({ price: t.number });
const product = aggregate({
  category: 'product',
  commands: { Rename: name, Illustrate: url, SetPrice: price },
  events: { Renamed: name, Illustrated: url, PriceSet: price },
  state: t.type({ name: t.string, thumbnail: t.string, price: t.number }),
  initialState: { name: '', thumbnail: '', price: 0 },
  evolve: {
    Renamed: (state, data) => ({ ...state, name: data.name }),
    Illustrated: (state, data) => ({ ...state, thumbnail: data.url }),
    PriceSet: (state, data) => ({ ...state, price: data.price }),
  },
  decide: {
    Rename: (_state, data) => accept({ type: 'Renamed', data }),
    Illustrate: (_state, data) => accept({ type: 'Illustrated', data }),
    SetPrice: (_state, data) => accept({ type: 'PriceSet', data }),
  },
});

const fields = ownership({
  owners: { editor: ['name'], system: ['thumbnail'] },
  shared: { price: 'retry' },
  events: { Renamed: ['name'], Illustrated: ['thumbnail'], PriceSet: ['price'] },
  roleOf: (actor) => (actor?.startsWith('worker') ? 'system' : 'editor'),
});
console.log(checkOwnership(product, fields, { seed: 1 }).ok); // => true

const store = memoryStore();
const as = (actor: string) => repository({ store, actor, ownership: fields })(product);
const change = async (actor: string, command: Parameters<ReturnType<typeof as>['change']>[1]) => {
  const changed = as(actor).change(await toPromise(as(actor).load('7')), command);
  if (E.isLeft(changed)) throw new Error(changed.left._tag);
  return changed.right;
};

// All three have loaded the product before any of them saves; under the default strategy two of them would be refused.
const changes = [
  ['ada', await change('ada', { type: 'Rename', data: { name: 'desk lamp' } })],
  ['worker-1', await change('worker-1', { type: 'Illustrate', data: { url: '7.png' } })],
  ['erp', await change('erp', { type: 'SetPrice', data: { price: 30 } })],
] as const;
await Promise.all(changes.map(([actor, changed]) => as(actor).save(changed)));
console.log((await toPromise(as('ada').load('7'))).state);
// => { name: 'desk lamp', thumbnail: '7.png', price: 30 }

const trespass = await change('worker-1', { type: 'Rename', data: { name: 'lamp 7' } });
const refused = await as('worker-1').trySave(trespass)();
if (E.isLeft(refused) && refused.left._tag === 'FieldNotOwned') console.log(refused.left.message);
// => name belongs to editor; worker-1 (system) may not write it with Renamed
