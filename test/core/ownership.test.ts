/** Ownership of fields: who may write what, what events really touch, and what a conflict comes to field by field. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import { fold } from 'watersmeet';
import {
  checkWrite,
  disjoint,
  fieldsOf,
  groupsOf,
  ownerOf,
  ownership,
  type SharedStrategy,
  touched,
} from '../../src/core/concurrency/ownership.js';
import { settleFields } from '../../src/core/concurrency/ownership-settle.js';
import {
  priceSet,
  type ProductEvent,
  product,
  renamed,
  stockAdded,
  tagAdded,
  thumbnailMade,
} from '../support/catalogue.js';

const events = {
  Renamed: ['name'],
  PriceSet: ['price'],
  StockAdded: ['stock'],
  TagAdded: ['tags'],
  TagRemoved: ['tags'],
  ThumbnailMade: ['thumbnail'],
};
const roleOf = (actor: string | undefined) =>
  actor === undefined ? undefined : actor.startsWith('worker') ? 'system' : 'editor';
const owned = (strategies: Readonly<Record<'price' | 'stock' | 'tags', SharedStrategy>>) =>
  ownership({
    owners: { editor: ['name'], system: ['thumbnail'] },
    shared: strategies,
    events,
    roleOf,
  });
const fields = owned({ price: 'retry', stock: 'merge', tags: 'skip' });
const write = (actor: string | undefined, ...written: ReadonlyArray<ProductEvent>) =>
  checkWrite(fields, { actor, rules: product, before: product.initialState, events: written });
const settle = (ours: ReadonlyArray<ProductEvent>, theirs: ReadonlyArray<ProductEvent>) =>
  settleFields(fields, { ours, theirs });

describe('touched', () => {
  it('names the innermost fields that differ, whatever the order of keys', () => {
    const before = { a: 1, b: { c: [1], d: { e: 1 } }, x: { y: 1, z: 2 } };
    const after = { x: { z: 2, y: 1 }, b: { d: { e: 2 }, c: [2] }, a: 1 };
    expect(touched(before, after)).toEqual(['b.c', 'b.d.e']);
  });

  it('names what appears and what goes, and writes odd names in brackets', () => {
    expect(touched({}, { a: { b: 1, 'c.d': 2 } })).toEqual(['a.b', 'a["c.d"]']);
    expect(touched<unknown>({ a: { b: 1 } }, {})).toEqual(['a.b']);
    expect(touched<unknown>({ a: null }, { a: { b: 1 } })).toEqual(['a']);
  });

  it('sees that two dates differ', () => {
    expect(touched({ at: new Date(1) }, { at: new Date(2) })).toEqual(['at']);
    expect(touched({ at: new Date(1) }, { at: new Date(1) })).toEqual([]);
  });

  it('finds a key named __proto__ to be a key like any other', () => {
    const odd = JSON.parse('{"__proto__":{"a":1}}') as object;
    expect(touched<object>({}, odd)).toEqual(['__proto__.a']);
  });
});

describe('a write', () => {
  it('of one’s own and of shared fields is let through, and tells what changed', () => {
    expect(write('ada', renamed('lamp'), priceSet(3))).toEqual(E.right(['name', 'price']));
    expect(write('worker-1', thumbnailMade('1.png'), stockAdded(1))).toEqual(E.right(['stock', 'thumbnail']));
  });

  it('of another’s field names the field, its owner, the actor and the event', () => {
    expect(write('worker-1', stockAdded(1), renamed('lamp'))).toEqual(
      E.left({
        _tag: 'FieldNotOwned',
        field: 'name',
        owner: 'editor',
        actor: 'worker-1',
        roles: ['system'],
        eventType: 'Renamed',
        message: 'name belongs to editor; worker-1 (system) may not write it with Renamed',
      }),
    );
  });

  it('is refused even where it would change nothing on this state', () => {
    expect(write('worker-1', renamed(''))).toMatchObject(E.left({ _tag: 'FieldNotOwned' }));
  });

  it('by nobody known reaches shared fields only', () => {
    expect(E.isRight(write(undefined, priceSet(3)))).toBe(true);
    expect(write(undefined, renamed('lamp'))).toMatchObject(
      E.left({ _tag: 'FieldNotOwned', actor: undefined, roles: [] }),
    );
  });

  it('by one of two roles reaches the fields of both', () => {
    const of = ownership({
      owners: { editor: ['name'], system: ['thumbnail'] },
      events: { Renamed: ['name'], ThumbnailMade: ['thumbnail'] },
      roleOf: () => ['editor', 'system'] as const,
    });
    const both = [renamed('lamp'), thumbnailMade('1.png')];
    const checked = checkWrite(of, {
      actor: 'root',
      rules: product,
      before: product.initialState,
      events: both,
    });
    expect(checked).toEqual(E.right(['name', 'thumbnail']));
  });

  it('of an event that changes more than it declares is refused by field', () => {
    const rules = {
      evolve: (state: { name: string; slug: string }, event: { type: string; data: string }) => ({
        ...state,
        name: event.data,
        slug: event.data.toLowerCase(),
      }),
    };
    const of = ownership({
      owners: { editor: ['name', 'slug'] },
      events: { Renamed: ['name'] },
      roleOf: () => 'editor' as const,
    });
    const before = { name: '', slug: '' };
    const renaming = { actor: 'ada', rules, before, events: [{ type: 'Renamed', data: 'Lamp' }] };
    expect(checkWrite(of, renaming)).toMatchObject(
      E.left({ _tag: 'UndeclaredField', field: 'slug', eventType: 'Renamed' }),
    );
    const other = { ...renaming, events: [{ type: 'Copied', data: 'Lamp' }] };
    expect(checkWrite(of, other)).toMatchObject(E.left({ _tag: 'UndeclaredField', eventType: 'Copied' }));
  });
});

describe('paths', () => {
  const of = ownership({
    owners: { editor: ['titles.*', 'delivery'], depot: ['delivery.depot'] },
    events: {
      TitleSet: ['titles.*'],
      Sent: ['delivery.depot'],
      Moved: ['delivery'],
      Noted: ['delivery.note'],
    },
    roleOf: (actor) => (actor === 'depot' ? 'depot' : 'editor'),
  });
  const event = (type: string) => ({ type, data: null });

  it('inside of a field belong to its owner, unless they have one of their own', () => {
    expect(ownerOf(of, 'delivery.note')).toEqual({ owner: 'editor' });
    expect(ownerOf(of, 'delivery.depot.name')).toEqual({ owner: 'depot' });
    expect(ownerOf(of, 'titles.en')).toEqual({ owner: 'editor' });
    expect(ownerOf(of, 'price')).toBeUndefined();
  });

  it('around another’s field may not be written by who owns but the rest', () => {
    const rules = { evolve: (state: unknown) => state };
    const moving = { actor: 'ada', rules, before: {}, events: [event('Moved')] };
    expect(checkWrite(of, moving)).toMatchObject(
      E.left({ _tag: 'FieldNotOwned', field: 'delivery.depot', owner: 'depot' }),
    );
  });

  it('that lie in each other are not disjoint, and others are', () => {
    expect(disjoint(of, [event('Moved')], [event('Sent')])).toBe(false);
    expect(disjoint(of, [event('Noted')], [event('Sent')])).toBe(true);
  });

  it.each([
    ['a field with two owners', { owners: { a: ['x'], b: ['x'] }, events: {} }, 'x is given twice'],
    ['an event with a field of nobody', { owners: { a: ['x'] }, events: { E: ['y'] } }, 'E names y'],
    ['a field that is none', { owners: { a: ['x.'] }, events: {} }, '"x." is no field'],
  ])('%s is refused when it is defined', (_what, definition, message) => {
    expect(() => ownership({ ...definition, roleOf: () => undefined } as never)).toThrow(message);
  });
});

describe('groups', () => {
  it('are those of the owner, and a shared field is one of its own', () => {
    expect(groupsOf(fields, [renamed('a'), priceSet(1)])).toEqual(['editor', 'price']);
    expect(fieldsOf(fields, [renamed('a'), priceSet(1)])).toEqual(['name', 'price']);
  });

  it('are named where they are given', () => {
    const of = ownership({
      owners: { system: ['thumbnail', 'checksum'] },
      events: { ThumbnailMade: ['thumbnail'], Summed: ['checksum'] },
      groups: { images: ['thumbnail'] },
      roleOf: () => 'system' as const,
    });
    expect(groupsOf(of, [thumbnailMade('1.png'), { type: 'Summed', data: 1 }])).toEqual(['images', 'system']);
  });
});

describe('a conflict, field by field', () => {
  it('is none where both sides touch different fields', () => {
    expect(settle([renamed('a')], [thumbnailMade('1.png'), priceSet(1)])).toEqual({
      _tag: 'Disjoint',
      events: [renamed('a')],
      skipped: [],
    });
  });

  it('of a field with an owner is left to the strategy of the save', () => {
    expect(settle([renamed('a'), priceSet(1)], [renamed('b'), priceSet(2)])).toEqual({
      _tag: 'Conflict',
      fields: ['name'],
    });
  });

  it('of a shared field with retry is decided anew', () => {
    expect(settle([renamed('a'), priceSet(1)], [priceSet(2)])).toEqual({ _tag: 'Retry', fields: ['price'] });
  });

  it('of a shared field with skip drops our events on it, and names them', () => {
    expect(settle([renamed('a'), tagAdded('x')], [tagAdded('y')])).toEqual({
      _tag: 'Disjoint',
      events: [renamed('a')],
      skipped: [{ field: 'tags', eventType: 'TagAdded' }],
    });
  });

  it('of a shared field with merge goes to the resolver, without what was skipped', () => {
    expect(settle([stockAdded(1), tagAdded('x')], [stockAdded(2), tagAdded('y')])).toEqual({
      _tag: 'Merge',
      fields: ['stock'],
      events: [stockAdded(1)],
      skipped: [{ field: 'tags', eventType: 'TagAdded' }],
    });
  });

  it('with an event that touches a skipped field and another is decided anew, so that the other is not lost', () => {
    const of = ownership({
      owners: { editor: ['name'] },
      shared: { tags: 'skip' },
      events: { Relabelled: ['name', 'tags'], TagAdded: ['tags'] },
      roleOf: () => 'editor' as const,
    });
    const ours = [{ type: 'Relabelled', data: null }];
    expect(settleFields(of, { ours, theirs: [tagAdded('x')] })).toEqual({ _tag: 'Retry', fields: ['name'] });
  });

  it('with a write to what ours rests on is decided anew', () => {
    const of = ownership({
      owners: { editor: ['name', 'price'] },
      events: { Renamed: ['name'], PriceSet: ['price'] },
      reads: { PriceSet: ['name'] },
      roleOf: () => 'editor' as const,
    });
    expect(settleFields(of, { ours: [priceSet(1)], theirs: [renamed('a')] })).toEqual({
      _tag: 'Retry',
      fields: ['name'],
    });
    expect(disjoint(of, [renamed('a')], [priceSet(1)])).toBe(true);
  });

  it('with an event that nobody declared is a conflict', () => {
    const unknown = [{ type: 'Imported', data: null }];
    expect(settleFields(fields, { ours: [renamed('a')], theirs: unknown })).toMatchObject({
      _tag: 'Conflict',
    });
  });

  it('that is none loses no field: ours on theirs holds both changes', () => {
    const settled = settle([renamed('a')], [thumbnailMade('1.png')]);
    if (settled._tag !== 'Disjoint') throw new Error(settled._tag);
    const state = fold(product, [thumbnailMade('1.png'), ...settled.events]);
    expect(state).toMatchObject({ name: 'a', thumbnail: '1.png' });
  });
});
