/** Names and metadata cross to EventStoreDB and back unchanged, whatever they are. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as E from 'fp-ts/lib/Either.js';
import { isOwnForm, metadataFormOf, readMetadataForm } from '../../../src/core/eventstoredb/event-form.js';
import { streamIdOf, streamKeyOf, systemTenant } from '../../../src/core/eventstoredb/stream-id.js';
import { defaultTenant, streamName, tenant } from '../../../src/core/stream.js';

const goodName = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => E.isRight(streamName(text)));
const goodTenant = fc.oneof(
  fc.constantFrom('default', 'a/b', 'a%2Fb', '%', '@', 'a%b/c'),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => E.isRight(tenant(text))),
);

const keyOf = (id: string) => {
  const key = streamKeyOf(id);
  return E.isLeft(key) ? key.left : key.right;
};

describe('the name of a stream in EventStoreDB', () => {
  it.each([
    ['default', 'order-42', 'order-42'],
    ['acme', 'order-42', '@acme/order-42'],
    ['default', '@acme/order-42', '@default/@acme/order-42'],
    ['a/b', 'order', '@a%2Fb/order'],
    ['$system', '%24%24order-42', '$$order-42'],
  ])('of %s %s is %s', (owner, name, id) => {
    const key = { tenant: owner as never, streamName: name as never };
    expect(streamIdOf(key)).toBe(id);
    expect(keyOf(id)).toEqual(key);
  });

  it('comes back as the same tenant and stream', () => {
    fc.assert(
      fc.property(goodTenant, goodName, (owner, name) => {
        fc.pre(owner !== systemTenant);
        const key = { tenant: owner as never, streamName: name as never };
        expect(keyOf(streamIdOf(key))).toEqual(key);
      }),
    );
  });

  it('is one stream for each text, whatever the text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
      fc.constantFrom(
        '$all',
        '$$order-1',
        '$$$settings',
        '@/marks',
        '@default/x',
        '@a/b',
        '@%2f/x',
        '%24',
        ' a ',
        '..',
      ),
    );
    fc.assert(
      fc.property(text, (id) => {
        fc.pre(id.isWellFormed());
        const key = streamKeyOf(id);
        if (E.isLeft(key)) throw new Error(JSON.stringify(key.left));
        expect(streamIdOf(key.right)).toBe(id);
      }),
    );
  });

  it('is refused where no stream can have it', () => {
    for (const id of ['', '\ud800', 'x'.repeat(513)])
      expect(keyOf(id)).toMatchObject({ _tag: 'InvalidName' });
  });

  it('with another spelling is another stream', () => {
    expect(keyOf('@default/order-1')).toMatchObject({ tenant: systemTenant });
    expect(keyOf('order-1')).toMatchObject({ tenant: defaultTenant });
  });
});

describe('the metadata of an event in EventStoreDB', () => {
  const metadata = fc.record(
    {
      correlationId: fc.uuid(),
      causationId: fc.uuid(),
      actor: fc.constantFrom('ann', 'b o'),
      tags: fc.uniqueArray(fc.constantFrom('course:1', 'x', 'y'), { minLength: 1 }),
      headers: fc.constantFrom({ saga: { releases: [] } }, {}, { eventstoredb: { metadata: 1 } }),
    },
    { requiredKeys: [] },
  );

  it('comes back as it was', () => {
    fc.assert(
      fc.property(metadata, fc.integer({ min: 1, max: 32_767 }), (some, schemaVersion) => {
        const form = metadataFormOf({ schemaVersion, metadata: some });
        expect(isOwnForm(form)).toBe(true);
        expect(readMetadataForm(form)).toEqual({ schemaVersion, metadata: some });
      }),
    );
  });

  it('of others is kept whole, with the ids that the database names', () => {
    const form = { $correlationId: 'c', $causationId: 7, who: 'x' };
    expect(readMetadataForm(form)).toEqual({
      schemaVersion: 1,
      metadata: { correlationId: 'c', headers: { eventstoredb: { metadata: form } } },
    });
    expect(readMetadataForm(undefined)).toEqual({ schemaVersion: 1, metadata: {} });
    for (const other of [
      null,
      1,
      [],
      'x',
      {},
      { schemaVersion: 0 },
      { schemaVersion: 1, more: 1 },
      { tags: [], schemaVersion: 1 },
    ])
      expect(isOwnForm(other)).toBe(false);
  });
});
