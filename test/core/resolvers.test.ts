/** Resolvers: what each makes of two saves that began from one state, in events, and what it refuses by field. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { additive } from '../../src/core/concurrency/additive.js';
import { counter, fold, record, union, unlessBothChanged } from 'watersmeet';
import {
  commuting,
  firstOf,
  firstWriteWins,
  lastWriteWins,
  resolver,
} from '../../src/core/concurrency/resolvers.js';
import type { Resolver, ResolverConflict } from '../../src/core/concurrency/resolver.js';
import { threeWayResolver } from '../../src/core/concurrency/three-way-resolver.js';
import {
  priceSet,
  type Product,
  type ProductEvent,
  product,
  renamed,
  stockAdded,
  tagAdded,
  tagRemoved,
  thumbnailMade,
} from '../support/catalogue.js';
import { DateFromText } from '../support/date-from-text.js';

type Events = ReadonlyArray<ProductEvent>;
const start: Events = [renamed('lamp'), priceSet(10), stockAdded(5), tagAdded('home')];

const conflictOf = (ours: Events, theirs: Events): ResolverConflict<Product, ProductEvent> => {
  const original = fold(product, start);
  return {
    original,
    current: fold(product, theirs, original),
    attempted: fold(product, ours, original),
    ours,
    theirs,
    rules: product,
  };
};
const resolve = (by: Resolver<Product, ProductEvent>, ours: Events, theirs: Events) =>
  by.resolve(conflictOf(ours, theirs));
const eventsOf = (by: Resolver<Product, ProductEvent>, ours: Events, theirs: Events) => {
  const answer = resolve(by, ours, theirs);
  if (E.isLeft(answer)) throw new Error(`refused: ${answer.left.reason}`);
  return answer.right.events;
};
/** The state that the stream holds after the answer. */
const after = (by: Resolver<Product, ProductEvent>, ours: Events, theirs: Events) =>
  fold(product, eventsOf(by, ours, theirs), conflictOf(ours, theirs).current);
const refusalOf = (by: Resolver<Product, ProductEvent>, ours: Events, theirs: Events) => {
  const answer = resolve(by, ours, theirs);
  if (E.isRight(answer)) throw new Error(`answered: ${JSON.stringify(answer.right)}`);
  return answer.left;
};

describe('last write wins, first write wins', () => {
  it('appends ours on theirs, so that what both set is as ours set it', () => {
    expect(after(lastWriteWins(), [renamed('b')], [renamed('a'), priceSet(3)])).toMatchObject({
      name: 'b',
      price: 3,
    });
  });

  it('leaves theirs as it stands, and says which events of ours were dropped', () => {
    expect(resolve(firstWriteWins(), [renamed('b'), priceSet(1)], [renamed('a')])).toEqual(
      E.right({ events: [], rule: 'first write wins: PriceSet, Renamed of ours dropped' }),
    );
  });

  it('drops nothing where theirs did nothing', () => {
    expect(eventsOf(firstWriteWins(), [renamed('b')], [])).toEqual([renamed('b')]);
  });
});

const table = commuting<ProductEvent>({
  Renamed: { PriceSet: true, TagAdded: true, StockAdded: true },
  StockAdded: { StockAdded: true },
  TagAdded: { TagRemoved: (added, removed) => added.tag !== removed.tag },
});

describe('a table of commuting events', () => {
  it('appends ours where each of ours commutes with each of theirs', () => {
    const ours = [renamed('b'), stockAdded(1)];
    expect(eventsOf(table, ours, [stockAdded(2)])).toEqual(ours);
  });

  it('is read from either side, with the data in the order of the table', () => {
    expect(eventsOf(table, [priceSet(1)], [renamed('a')])).toEqual([priceSet(1)]);
    expect(eventsOf(table, [tagRemoved('x')], [tagAdded('y')])).toEqual([tagRemoved('x')]);
    expect(E.isLeft(resolve(table, [tagRemoved('x')], [tagAdded('x')]))).toBe(true);
  });

  it('asks both entries of a pair that stands under both types', () => {
    const both = commuting<ProductEvent>({
      Renamed: { PriceSet: true },
      PriceSet: { Renamed: (price) => price.price > 0 },
    });
    expect(E.isRight(resolve(both, [renamed('b')], [priceSet(1)]))).toBe(true);
    expect(E.isLeft(resolve(both, [renamed('b')], [priceSet(0)]))).toBe(true);
  });

  it('refuses with the types and the fields where one pair is not in it', () => {
    expect(refusalOf(table, [renamed('b'), stockAdded(1)], [renamed('a'), stockAdded(1)])).toEqual({
      _tag: 'ResolverRefused',
      resolver: 'commuting events',
      reason: 'Renamed of ours does not commute with Renamed of theirs',
      fields: ['$.name', '$.stock'],
    });
  });

  it('takes no name of an object’s own for an entry', () => {
    const odd = commuting<{ type: 'constructor'; data: null } | { type: 'toString'; data: null }>({});
    const conflict = {
      original: 0,
      current: 0,
      attempted: 0,
      ours: [{ type: 'constructor', data: null } as const],
      theirs: [{ type: 'toString', data: null } as const],
      rules: { evolve: (state: unknown) => state },
    };
    expect(E.isLeft(odd.resolve(conflict))).toBe(true);
  });
});

const adding = additive<Product, ProductEvent>({ counters: ['stock'], collections: ['tags'] });

describe('additive', () => {
  it('adds both sides’ changes of a counter, and unites a collection', () => {
    const ours = [stockAdded(3), tagAdded('new'), tagAdded('both')];
    const theirs = [stockAdded(-1), tagAdded('both'), tagAdded('old')];
    expect(eventsOf(adding, ours, theirs)).toEqual(ours);
    expect(after(adding, ours, theirs)).toMatchObject({ stock: 7, tags: ['home', 'both', 'old', 'new'] });
  });

  it('counts two equal changes of a counter twice', () => {
    expect(after(adding, [stockAdded(1)], [stockAdded(1)]).stock).toBe(7);
  });

  it('leaves out of a collection what either side removed', () => {
    expect(after(adding, [tagAdded('new')], [tagRemoved('home')]).tags).toEqual(['new']);
    expect(after(adding, [tagRemoved('home')], [tagAdded('new')]).tags).toEqual(['new']);
  });

  it('takes a change of one side in any other field, and refuses by name what both changed', () => {
    expect(after(adding, [renamed('b')], [priceSet(1)])).toMatchObject({ name: 'b', price: 1 });
    expect(refusalOf(adding, [renamed('b'), priceSet(2)], [priceSet(3), renamed('a')]).fields).toEqual([
      '$.name',
      '$.price',
    ]);
  });

  it('takes the same change of both for one', () => {
    expect(after(adding, [renamed('b')], [renamed('b')]).name).toBe('b');
  });

  it('adds up each number of a table, from 0 where both sides added it', () => {
    interface Cart {
      readonly items: Readonly<Record<string, number>>;
    }
    type Put = { readonly type: 'Put'; readonly data: { readonly item: string; readonly count: number } };
    const put = (item: string, count: number): Put => ({ type: 'Put', data: { item, count } });
    const evolve = ({ items }: Cart, { data: { item, count } }: Put): Cart => ({
      items: { ...items, [item]: (items[item] ?? 0) + count },
    });
    const original: Cart = { items: { pear: 1 } };
    const [ours, theirs] = [put('fig', 2), put('fig', 3)];
    const current = evolve(original, theirs);
    const answer = additive<Cart, Put>({ counters: ['items.*'] }).resolve({
      original,
      current,
      attempted: evolve(original, ours),
      ours: [ours],
      theirs: [theirs],
      rules: { evolve },
    });
    expect(answer).toEqual(E.right({ events: [ours] }));
    expect(evolve(current, ours)).toEqual({ items: { pear: 1, fig: 5 } });
  });

  it('refuses a field that is no field', () => {
    expect(() => additive({ counters: ['a..b'] })).toThrow('"a..b" is no field');
  });
});

const careful = record<Product>({
  name: unlessBothChanged(),
  price: unlessBothChanged(),
  stock: counter,
  tags: union<string>() as never,
  thumbnail: unlessBothChanged(),
});

describe('three-way', () => {
  it('answers with ours where ours on theirs gives the merged state', () => {
    const ours = [renamed('b'), stockAdded(1)];
    expect(resolve(threeWayResolver(careful), ours, [stockAdded(4), priceSet(2)])).toEqual(
      E.right({ events: ours }),
    );
  });

  it('is given original, current and attempted, and the events of both', () => {
    const seen: unknown[] = [];
    const looking = threeWayResolver<Product, ProductEvent>((original, current, attempted, events) => {
      seen.push(original.name, current.name, attempted.name, events);
      return attempted;
    });
    resolve(looking, [renamed('b')], [renamed('a')]);
    expect(seen).toEqual(['lamp', 'a', 'b', { ours: [renamed('b')], theirs: [renamed('a')] }]);
  });

  const lower = (options = {}) =>
    threeWayResolver<Product, ProductEvent>(
      (_original, current, attempted) => ({ ...current, price: Math.min(current.price, attempted.price) }),
      { description: 'the lower price', ...options },
    );

  it('answers with no events where theirs is the merged state already', () => {
    expect(eventsOf(lower(), [priceSet(9)], [priceSet(2)])).toEqual([]);
  });

  const middle = (toEvents?: (current: Product, merged: Product) => Events) =>
    threeWayResolver<Product, ProductEvent>(
      (_original, current, attempted) => ({ ...current, price: (current.price + attempted.price) / 2 }),
      { description: 'the middle', ...(toEvents && { toEvents }) },
    );

  it('asks toEvents for a merged state that ours does not lead to', () => {
    expect(
      eventsOf(
        middle((_current, merged) => [priceSet(merged.price)]),
        [priceSet(20)],
        [priceSet(30)],
      ),
    ).toEqual([priceSet(25)]);
  });

  it('refuses with the fields where there is no toEvents, or its events lead elsewhere', () => {
    expect(refusalOf(middle(), [priceSet(20)], [priceSet(30)])).toMatchObject({
      resolver: 'the middle',
      reason:
        'our events, played on theirs, do not give the merged state, and there is no toEvents to make others',
      fields: ['$.price'],
    });
    const wrong = middle((current) => [priceSet(current.price + 1), renamed('x')]);
    expect(refusalOf(wrong, [priceSet(20)], [priceSet(30)])).toMatchObject({
      reason: 'the events of toEvents do not lead to the merged state',
      fields: ['$.name', '$.price'],
    });
  });

  it('refuses with all fields of the rule', () => {
    const ours = [renamed('b'), thumbnailMade('1.png')];
    expect(refusalOf(threeWayResolver(careful), ours, [thumbnailMade('2.png'), renamed('a')]).fields).toEqual(
      ['$.name', '$.thumbnail'],
    );
  });

  it('takes an evolve that throws on the other state for events that do not lead there', () => {
    const rules = {
      evolve: (state: number, { data }: { type: string; data: number }) => {
        if (state > 1) throw new Error('too many');
        return state + data;
      },
    };
    const one = { type: 'Added', data: 1 };
    const answer = threeWayResolver<number, typeof one>(counter).resolve({
      original: 1,
      current: 2,
      attempted: 2,
      ours: [one],
      theirs: [one],
      rules,
    });
    expect(answer).toMatchObject(E.left({ _tag: 'ResolverRefused', fields: ['$'] }));
  });

  it('compares states as their codec writes them: two dates are two values', () => {
    const state = t.type({ due: DateFromText });
    const at = (day: number) => ({ due: new Date(Date.UTC(2026, 0, day)) });
    const moved = (day: number) => ({ type: 'Moved', data: day });
    const answer = threeWayResolver<{ due: Date }, ReturnType<typeof moved>>(
      record({ due: unlessBothChanged<Date>() }),
    ).resolve({
      original: at(1),
      current: at(2),
      attempted: at(3),
      ours: [moved(3)],
      theirs: [moved(2)],
      rules: { evolve: (_state, event) => at(event.data), state },
    });
    expect(answer).toMatchObject(E.left({ fields: ['$.due'] }));
  });
});

describe('resolvers of one’s own, and the first that can', () => {
  const never = resolver<Product, ProductEvent>('never', (_conflict, refuse) =>
    refuse('a person decides', ['$.price']),
  );

  it('refuses under its own description', () => {
    expect(resolve(never, [renamed('b')], [])).toEqual(
      E.left({
        _tag: 'ResolverRefused',
        resolver: 'never',
        reason: 'a person decides',
        fields: ['$.price'],
      }),
    );
  });

  it('takes the answer of the first that does not refuse, and says whose it is', () => {
    expect(resolve(firstOf(never, table, lastWriteWins()), [priceSet(1)], [renamed('a')])).toEqual(
      E.right({ events: [priceSet(1)], rule: 'commuting events' }),
    );
  });

  it('refuses with what all have said, and all of their fields', () => {
    const refused = refusalOf(firstOf(never, table), [renamed('b')], [renamed('a')]);
    expect(refused.fields).toEqual(['$.price', '$.name']);
    expect(refused.reason).toBe(
      'never: a person decides; commuting events: Renamed of ours does not commute with Renamed of theirs',
    );
  });
});
