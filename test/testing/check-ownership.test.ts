/** `checkOwnership`: a right ownership passes, and each wrong one is shown the save that it is wrong about. */
import { describe, expect, it } from '@jest/globals';
import * as t from 'io-ts';
import { accept, aggregate, reject } from 'watersmeet';
import { type OwnershipDefinition, ownership } from '../../src/core/concurrency/ownership.js';
import {
  assertOwnership,
  checkOwnership,
  type OwnershipReport,
} from '../../src/testing/laws/check-ownership.js';
import { product } from '../support/catalogue.js';

const right: OwnershipDefinition = {
  owners: { editor: ['name', 'tags'], system: ['thumbnail'] },
  shared: { price: 'retry', stock: 'merge' },
  events: {
    Renamed: ['name'],
    PriceSet: ['price'],
    StockAdded: ['stock'],
    TagAdded: ['tags'],
    TagRemoved: ['tags'],
    ThumbnailMade: ['thumbnail'],
  },
  roleOf: () => 'editor',
};
const options = { seed: 7, runs: 120 };
const statuses = ({ laws }: OwnershipReport) =>
  Object.fromEntries(laws.map(({ name, status }) => [name, status]));
const exampleOf = (report: OwnershipReport, name: string) =>
  report.laws.find((law) => law.name === name)?.counterexample;

/** A price may be set only while the product has a name: the decision rests on a field that it does not touch. */
const strict = aggregate({
  category: 'strict',
  commands: { Rename: t.type({ name: t.string }), SetPrice: t.type({ price: t.number }) },
  events: { Renamed: t.type({ name: t.string }), PriceSet: t.type({ price: t.number }) },
  state: t.type({ name: t.string, price: t.number }),
  initialState: { name: '', price: 0 },
  evolve: {
    Renamed: (state, { name }) => ({ ...state, name }),
    PriceSet: (state, { price }) => ({ ...state, price }),
  },
  decide: {
    Rename: (_state, data) => accept({ type: 'Renamed', data }),
    SetPrice: (state, data) =>
      state.name === 'a' ? reject({ _tag: 'NotNamed' }) : accept({ type: 'PriceSet', data }),
  },
});
const strictFields = (reads: OwnershipDefinition['reads']) =>
  ownership({
    owners: { editor: ['name'], erp: ['price'] },
    events: { Renamed: ['name'], PriceSet: ['price'] },
    ...(reads && { reads }),
    roleOf: () => 'editor' as const,
  });

describe('checkOwnership', () => {
  it('passes an ownership that says what the rules do', () => {
    const report = assertOwnership(product, ownership(right), options);
    expect(statuses(report)).toEqual({
      declared: 'holds',
      owned: 'holds',
      undisturbed: 'holds',
      decidesAlike: 'holds',
    });
    expect(report.text).toContain('The ownership of product keeps all 4 laws (seed 7).');
  });

  it('finds an event that changes more than it is declared to, on one event', () => {
    const wrong = ownership({ ...right, events: { ...right.events, TagAdded: ['name'] } });
    const example = exampleOf(checkOwnership(product, wrong, options), 'declared');
    expect(example?.problem).toBe('TagAdded changes tags, which it is not declared to touch.');
    expect([...(example?.before ?? []), ...(example?.ours ?? [])]).toHaveLength(1);
  });

  it('finds an event that is not declared at all', () => {
    const { TagRemoved: _left, ...events } = right.events;
    const report = checkOwnership(product, ownership({ ...right, events }), options);
    expect(exampleOf(report, 'declared')?.problem).toBe('The ownership does not declare TagRemoved.');
  });

  it('finds a field that nobody owns', () => {
    const { ThumbnailMade: _left, ...events } = right.events;
    const wrong = ownership({
      ...right,
      owners: { editor: ['name', 'tags'] } as OwnershipDefinition['owners'],
      events: { ...events, ThumbnailMade: [] } as OwnershipDefinition['events'],
    });
    expect(exampleOf(checkOwnership(product, wrong, options), 'owned')?.problem).toBe(
      'Nobody owns thumbnail.',
    );
  });

  it('finds a decision that rests on a field which it does not touch, and is content once it is declared', () => {
    const report = checkOwnership(strict, strictFields(undefined), options);
    expect(statuses(report)).toMatchObject({ declared: 'holds', decidesAlike: 'broken' });
    const example = exampleOf(report, 'decidesAlike');
    expect(example?.theirs).toEqual([{ type: 'Renamed', data: { name: 'a' } }]);
    expect(example?.merged[1]?.value).toBe('rejected');
    expect(example?.text).toContain(
      "Again: checkOwnership(aggregate, ownership, { seed: 7, laws: ['decidesAlike']",
    );
    expect(checkOwnership(strict, strictFields({ PriceSet: ['name'] }), options).ok).toBe(true);
  });

  it('leads back to its counterexample', () => {
    const found = exampleOf(checkOwnership(strict, strictFields(undefined), options), 'decidesAlike');
    const again = checkOwnership(strict, strictFields(undefined), {
      seed: 7,
      laws: ['decidesAlike'],
      path: found?.path ?? '',
    });
    expect(exampleOf(again, 'decidesAlike')?.theirs).toEqual(found?.theirs);
  });

  it('throws the report where it is wrong, and a TypeError where it names an event that there is not', () => {
    expect(() => assertOwnership(strict, strictFields(undefined), options)).toThrow('BROKEN    decidesAlike');
    const more = ownership({ ...right, events: { ...right.events, Sold: ['stock'] } });
    expect(() => checkOwnership(product, more)).toThrow('product has no event Sold');
  });
});
