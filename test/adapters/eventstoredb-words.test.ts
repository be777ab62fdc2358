/** The pure parts of the adapter: connection strings, filters as the server is asked for them, faults as they are read. */
import { describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import {
  checkConnectionString,
  isEventStoreDBUrl,
} from '../../src/adapters/eventstoredb/connection-string.js';
import { faultOf } from '../../src/adapters/eventstoredb/faults.js';
import { canMatch, serverFilterOf } from '../../src/adapters/eventstoredb/filter.js';
import { recordedOf } from '../../src/adapters/eventstoredb/wire.js';
import { streamIdOf } from '../../src/core/eventstoredb/stream-id.js';
import {
  categoryOf,
  type Position,
  type StreamName,
  type StreamVersion,
  type Tenant,
} from '../../src/core/stream.js';
import type { EventFilter } from '../../src/store/event-store.js';
import { strangeNames } from '../../src/testing/contract/names.js';

describe('a connection string', () => {
  it.each([
    ['esdb://localhost:2113?tls=false', 'esdb://localhost:2113', 'esdb://localhost:2113?tls=false'],
    ['kurrentdb://admin:secret@db:2113', 'kurrentdb://db:2113', 'esdb://admin:secret@db:2113'],
    [
      'kurrentdb+discover://u:p@cluster?nodePreference=leader',
      'kurrentdb+discover://cluster',
      'esdb+discover://u:p@cluster?nodePreference=leader',
    ],
    [
      'esdb://a:1,b:2/?tls=false&defaultDeadline=5',
      'esdb://a:1,b:2',
      'esdb://a:1,b:2/?tls=false&defaultDeadline=5',
    ],
  ])('%s is good; its name is %s', (given, name, text) => {
    expect(checkConnectionString(given)).toEqual(E.right({ name, text }));
    expect(isEventStoreDBUrl(given)).toBe(true);
  });

  it.each([
    '',
    'esdb://',
    'esdb:localhost',
    'postgres://localhost/db',
    'esdb://host:port',
    'esdb://host?tls',
    'esdb://u:secret@host?unknown=1',
    'esdb://ho st',
  ])('%j is refused, without a word of the password', (given) => {
    const checked = checkConnectionString(given);
    expect(checked).toMatchObject({ left: { _tag: 'InvalidRequest', field: 'connectionString' } });
    expect(JSON.stringify(checked)).not.toContain('secret');
  });
});

describe('a filter, as the server is asked for it', () => {
  const names = [
    ...strangeNames.filter((name) => !name.startsWith('$')),
    'order-1',
    'orders-1',
    '@order-1',
  ] as StreamName[];
  const tenants = ['default', 'acme', 'a/b', '50%', '...', '@x'] as Tenant[];
  const filters: ReadonlyArray<EventFilter> = [
    {},
    ...tenants.map((tenant) => ({ tenant })),
    ...names.flatMap((name) => [{ streamPrefixes: [name] }, { categories: [categoryOf(name)] }]),
    ...names.map((name) => ({
      tenant: 'acme' as Tenant,
      streamPrefixes: [name],
      categories: [categoryOf(name)],
    })),
    ...names.map((name) => ({ tenant: 'default' as Tenant, streamPrefixes: [name.slice(0, 2)] })),
  ];

  it('lets everything pass that the filter does, whatever stands in it, and nothing of the server or the adapter itself', () => {
    const own = ['$all', '$$order-1', '$ce-order', '@/marks', '@/checkpoint/x'];
    for (const filter of filters) {
      const { on, regex } = serverFilterOf(filter);
      expect(on).toBe('streamName');
      const pattern = new RegExp(regex, 'u');
      for (const name of own) expect([regex, name, pattern.test(name)]).toEqual([regex, name, false]);
      for (const tenant of tenants)
        for (const streamName of names) {
          const isWanted =
            (filter.tenant ?? tenant) === tenant &&
            (filter.categories?.includes(categoryOf(streamName)) ?? true) &&
            (filter.streamPrefixes?.some((prefix) => streamName.startsWith(prefix)) ?? true);
          const id = streamIdOf({ tenant, streamName });
          if (isWanted) expect([regex, id, pattern.test(id)]).toEqual([regex, id, true]);
        }
    }
  });

  it('keeps other tenants, other categories and other prefixes away', () => {
    const passes = (filter: EventFilter, id: string): boolean =>
      new RegExp(serverFilterOf(filter).regex, 'u').test(id);
    expect(passes({ tenant: 'acme' as Tenant }, 'order-1')).toBe(false);
    expect(passes({ tenant: 'default' as Tenant }, '@acme/order-1')).toBe(false);
    expect(passes({ categories: ['order'] }, 'orders-1')).toBe(false);
    expect(passes({ streamPrefixes: ['o.*'] }, 'order-1')).toBe(false);
  });

  it('is one of types where nothing is said of streams, and none where the list is too long for a pattern', () => {
    expect(serverFilterOf({ types: ['A.B', 'C'] })).toEqual({ on: 'eventType', regex: '^(?:A\\.B|C)$' });
    const many = Array.from({ length: 500 }, (_, index) => `a-long-prefix-${index}`);
    expect(serverFilterOf({ streamPrefixes: many }).regex.length).toBeLessThan(100);
  });

  it('that nothing can pass need not be asked for', () => {
    for (const filter of [
      { types: [] },
      { categories: [] },
      { streamPrefixes: ['\ud800'] },
      { tenant: ' ' as Tenant },
    ])
      expect(canMatch(filter)).toBe(false);
    expect(canMatch({ types: [], categories: ['a'] })).toBe(false);
    expect(canMatch({})).toBe(true);
  });
});

describe('a fault', () => {
  const error = (code: number, metadata: Readonly<Record<string, string>> = {}) =>
    Object.assign(new Error('what the server says'), {
      code,
      metadata: { get: (key: string) => (key in metadata ? [metadata[key]] : []) },
    });
  const wrong = { exception: 'wrong-expected-version', 'actual-version': '4' };
  it.each([
    ['unavailable', error(14), 'Lost'],
    ['cancelled', error(1), 'Lost'],
    ['deadline exceeded', error(4), 'Lost'],
    ['internal', error(13), 'Lost'],
    ['invalid argument', error(3), 'Refused'],
    ['unimplemented', error(12), 'Refused'],
    ['permission denied', error(7, { exception: 'access-denied' }), 'Refused'],
    [
      'an archived stream',
      error(7, { exception: 'access-denied', watersmeet: 'stream-archived' }),
      'Archived',
    ],
    ['resources exhausted, as a proxy says that breaks a call off', error(8), 'Lost'],
    ['data loss', error(15), 'Lost'],
    ['unauthenticated', error(16), 'Refused'],
    ['not leader', error(5, { exception: 'not-leader' }), 'NotLeader'],
    ['stream deleted', error(9, { exception: 'stream-deleted' }), 'Deleted'],
    [
      'an append too large',
      error(3, { exception: 'maximum-append-size-exceeded', 'maximum-append-size': '9' }),
      'TooLarge',
    ],
    ['wrong expected version', error(9, wrong), 'WrongVersion'],
    [
      'an error of the client around one of the server',
      Object.assign(new Error('x'), { type: 'not-leader', _raw: error(5) }),
      'NotLeader',
    ],
    ['what is no error', 'oops', 'Lost'],
  ])('%s is read by its status and metadata', (_, thrown, tag) => {
    expect(faultOf(thrown)._tag).toBe(tag);
  });

  it('says where the stream stands', () => {
    expect(faultOf(error(9, wrong))).toMatchObject({ actual: 5 });
    expect(faultOf(error(9, { exception: 'wrong-expected-version' }))).toMatchObject({ actual: 0 });
  });
});

describe('an event that another program wrote', () => {
  const raw = {
    streamId: 'order-1',
    eventId: '01a1fe28-39a7-74e1-903f-4fef15e5523c',
    version: 1 as StreamVersion,
    type: 'Foreign',
    isJson: false,
    data: new Uint8Array([0, 255]),
    metadata: Buffer.from('{"$correlationId":"c","mine":1}'),
    createdTicks: 10_000n,
    position: '1/1' as Position,
  };

  it('is read with all that it holds', () => {
    expect(recordedOf(raw)).toEqual({
      eventId: raw.eventId,
      type: 'Foreign',
      schemaVersion: 1,
      data: null,
      metadata: {
        correlationId: 'c',
        headers: { eventstoredb: { metadata: { $correlationId: 'c', mine: 1 }, data: { base64: 'AP8=' } } },
      },
      tenant: 'default',
      streamName: 'order-1',
      version: 1,
      position: '1/1',
      recordedAt: '1970-01-01T00:00:00.001Z',
    });
  });

  it('may have metadata that is no JSON, and none', () => {
    const strange = recordedOf({
      ...raw,
      isJson: true,
      data: Buffer.from('{"a":1}'),
      metadata: new Uint8Array([1]),
    });
    expect(strange).toMatchObject({
      data: { a: 1 },
      metadata: { headers: { eventstoredb: { metadata: { base64: 'AQ==' } } } },
    });
    expect(
      recordedOf({ ...raw, isJson: true, data: Buffer.from('[]'), metadata: new Uint8Array() })?.metadata,
    ).toEqual({});
  });
});
