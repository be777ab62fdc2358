/** Contract: what is known about an event besides its data, and tenants. */
import { strict as assert } from 'node:assert';
import { any, defaultTenant, noStream, versionMax } from '../../core/stream.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  allThrough,
  anEvent,
  append,
  aStream,
  asWritten,
  aTenant,
  events,
  refused,
  right,
  same,
  wholeStream,
  writesNothing,
} from './support.js';

const tests: ReadonlyArray<ContractTest> = [
  {
    title: 'all of an event is read back as it was written',
    run: async ({ store }) => {
      const full = anEvent(
        'Paid',
        { amount: 12.5, currency: 'EUR', tags: ['a', null, true], nested: { deep: [{}] } },
        {
          schemaVersion: 7,
          metadata: {
            correlationId: 'conversation 1',
            causationId: 'message 2',
            actor: 'someone@example.org',
            headers: { source: 'import', numbers: [1, 2.5], none: null, inner: { 'a key': '' } },
          },
        },
      );
      const streamName = aStream();
      await append(store, streamName, [full]);
      const [recorded] = await wholeStream(store, { streamName });
      same(recorded === undefined ? [] : asWritten([recorded]), [full]);
    },
  },
  {
    title: 'parts of the metadata that were not given are absent, not null',
    run: async ({ store }) => {
      const streamName = aStream();
      const batch = [{}, { actor: 'a' }, { correlationId: 'c' }, { causationId: 'd' }, { headers: {} }].map(
        (metadata) => anEvent('Happened', null, { metadata }),
      );
      await append(store, streamName, batch);
      same(asWritten(await wholeStream(store, { streamName })), batch);
    },
  },
  {
    title: 'any JSON value can be the data of an event',
    run: async ({ store }) => {
      const values = [
        null,
        true,
        false,
        0,
        -1.5,
        '',
        'text',
        [],
        {},
        [null],
        [[[]]],
        { a: { b: { c: [] } } },
      ];
      const streamName = aStream();
      await append(
        store,
        streamName,
        values.map((data) => anEvent('Happened', data)),
      );
      same(
        (await wholeStream(store, { streamName })).map((event) => event.data),
        values,
      );
    },
  },
  {
    title:
      'a recorded event says its tenant, its stream, and when it was recorded, in ISO 8601 with milliseconds',
    run: async ({ store }) => {
      const [streamName, tenant] = [aStream(), aTenant()];
      await append(store, streamName, events(2), any, { tenant });
      for (const event of await wholeStream(store, { streamName, tenant })) {
        same([event.tenant, event.streamName], [tenant, streamName]);
        assert.match(event.recordedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert.equal(new Date(event.recordedAt).toISOString(), event.recordedAt);
      }
    },
  },
  {
    title: 'schema versions from 1 to 32,767 are kept, others are refused',
    run: async ({ store }) => {
      const streamName = aStream();
      const good = [1, 2, 32_767].map((schemaVersion) => anEvent('Happened', null, { schemaVersion }));
      await append(store, streamName, good);
      same(
        (await wholeStream(store, { streamName })).map((event) => event.schemaVersion),
        [1, 2, 32_767],
      );
      for (const schemaVersion of [0, -1, 1.5, NaN, 32_768, versionMax, '1' as never]) {
        const bad = anEvent('Happened', null, { schemaVersion });
        const refusal = await refused(
          store.append({ streamName, expected: any, events: [bad] }),
          'InvalidEvent',
        );
        assert.equal(refusal.path, 'schemaVersion');
      }
    },
  },
  {
    title: 'an event id that is not a UUID is refused',
    run: async ({ store }) => {
      for (const eventId of [
        '',
        'x',
        '123',
        "'; drop table events; --",
        '00000000-0000-0000-0000-00000000000g',
        null as never,
      ]) {
        const call = store.append({
          streamName: aStream(),
          expected: any,
          events: [anEvent('Happened', null, { eventId })],
        });
        assert.equal((await writesNothing(store, () => refused(call, 'InvalidEvent'))).path, 'eventId');
      }
    },
  },
  {
    title: 'streams of one name in two tenants have nothing to do with each other',
    run: async ({ store }) => {
      const [streamName, one, two] = [aStream(), aTenant(), aTenant()];
      const batch = events(2);
      await append(store, streamName, batch, noStream, { tenant: one });
      same((await right(store.readStream({ streamName, tenant: two }))).version, 0);
      same((await right(store.readStream({ streamName }))).version, 0);
      const other = await append(store, streamName, batch, noStream, { tenant: two });
      same([other.version, other.idempotent], [2, false], 'the same ids in another tenant are not a repeat');
      await right(store.markStream({ streamName, tenant: one, as: 'tombstoned', expected: any }));
      same((await wholeStream(store, { streamName, tenant: two })).length, 2);
      const seen = await allThrough(store, { filter: { tenant: two } }, other.position);
      same(asWritten(seen), batch);
      same(
        (await right(store.listStreams({ tenant: two }))).map((stream) => stream.streamName),
        [streamName],
      );
    },
  },
  {
    title: 'a request that names no tenant means the default one',
    run: async ({ store }) => {
      const streamName = aStream();
      await append(store, streamName, events(1));
      const [recorded] = await wholeStream(store, { streamName, tenant: defaultTenant });
      assert.equal(recorded?.tenant, defaultTenant);
    },
  },
];

export const metadataPart: ContractPart = { title: 'metadata and tenants:', tests };
