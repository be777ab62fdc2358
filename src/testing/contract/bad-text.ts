/** Contract: names, types, ids and texts that mean something to a database, a terminal or a page mean nothing to a store. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import { any, type StreamName, type Tenant } from '../../core/stream.js';
import type { EventStore } from '../../store/event-store.js';
import { storedOrRefused } from './bad-input.js';
import { badNames, notStrings, reserved, strangeNames } from './names.js';
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
  unique,
  wholeStream,
  writesNothing,
} from './support.js';

/** Where a name can stand. Each answers what was read back in its place. */
const places: Readonly<Record<string, (store: EventStore, name: string) => Promise<string | undefined>>> = {
  'stream name': async (store, name) => {
    const tenant = aTenant();
    await append(store, name as StreamName, events(1), any, { tenant });
    return (await wholeStream(store, { tenant, streamName: name as StreamName }))[0]?.streamName;
  },
  tenant: async (store, name) => {
    const streamName = aStream();
    await append(store, streamName, events(1), any, { tenant: name as Tenant });
    return (await wholeStream(store, { tenant: name as Tenant, streamName }))[0]?.tenant;
  },
  'event type': async (store, name) => {
    const streamName = aStream();
    const { position } = await append(store, streamName, [anEvent(name)]);
    return (await allThrough(store, { filter: { types: [name], streamPrefixes: [streamName] } }, position))[0]
      ?.type;
  },
  ...Object.fromEntries(
    (['actor', 'correlationId', 'causationId'] as const).map((field) => [
      field,
      async (store: EventStore, name: string) => {
        const streamName = aStream();
        await append(store, streamName, [anEvent('Happened', null, { metadata: { [field]: name } })]);
        return (await wholeStream(store, { streamName }))[0]?.metadata[field];
      },
    ]),
  ),
};

const goodTests: ReadonlyArray<ContractTest> = [
  ...Object.entries(places).map(([place, roundTrip]) => ({
    title: `text that means something elsewhere is a good ${place} and is kept as it is`,
    timeoutMs: 60_000,
    run: async ({ store }: { readonly store: EventStore }) => {
      for (const name of strangeNames)
        if (place !== 'stream name' || !name.startsWith('$'))
          assert.equal(await roundTrip(store, name), name);
    },
  })),
  {
    title: 'streams whose names differ in one such character are different streams',
    run: async ({ store }) => {
      const tenant = aTenant();
      const names = ['a%', 'a_', 'ab', 'A%', 'a\\%', 'a', "a'", 'a"', 'á', 'a-', 'a -'] as StreamName[];
      for (const name of names)
        same((await append(store, name, [anEvent('Happened', name)], any, { tenant })).version, 1, name);
      for (const name of names)
        same(
          (await wholeStream(store, { tenant, streamName: name })).map((event) => event.data),
          [name],
        );
      same((await right(store.listStreams({ tenant }))).length, names.length);
    },
  },
  {
    title: 'a stream name of 512 bytes and an event type of 256 are kept',
    run: async ({ store }) => {
      const tenant = aTenant();
      for (const name of ['x'.repeat(512), 'é'.repeat(256), '🙂'.repeat(128)] as StreamName[]) {
        await append(store, name, [anEvent('T'.repeat(256))], any, { tenant });
        same(
          (await wholeStream(store, { tenant, streamName: name })).map(({ streamName, type }) => [
            streamName,
            type.length,
          ]),
          [[name, 256]],
        );
      }
    },
  },
  {
    title: 'any of these texts is kept in data and headers as it is',
    run: async ({ store }) => {
      const texts = [
        ...strangeNames,
        ...reserved,
        ...Object.values(badNames).filter((text) => text.isWellFormed() && !text.includes('\u0000')),
      ];
      const keyed = Object.fromEntries(
        texts.filter((text) => text !== '__proto__').map((text, index) => [text, index]),
      );
      const event = anEvent('Happened', { texts, keyed }, { metadata: { headers: { texts, keyed } } });
      same(await storedOrRefused(store, event), 'stored');
    },
  },
];

const refusedByName = async (store: EventStore, name: string): Promise<void> => {
  const streamName = name as StreamName;
  const request = { streamName, expected: any, events: events(1) };
  const refusal = await writesNothing(store, () => refused(store.append(request), 'InvalidName'));
  same([refusal.field, refusal.value.length <= 1_000, refusal.reason.length > 0], ['streamName', true, true]);
  assert.match(
    refusal.value,
    /^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e]*$/u,
    'the refusal shows the name unescaped',
  );
  assert.ok(refusal.value.isWellFormed());
  if (store.capabilities.atomicAppendMany) await refused(store.appendMany([request]), 'InvalidName');
  await refused(store.readStream({ streamName }), 'InvalidName');
  await refused(store.markStream({ streamName, as: 'archived', expected: any }), 'InvalidName');
};

const badTests: ReadonlyArray<ContractTest> = [
  ...[...Object.entries(badNames), ...reserved.map((name) => [name, name] as const)].map(([what, name]) => ({
    title: `a stream name is refused by append, read and mark: ${what}`,
    run: async ({ store }: { readonly store: EventStore }) => refusedByName(store, name),
  })),
  {
    title: 'a stream name that is no string is refused by append, read and mark',
    run: async ({ store }) => {
      for (const name of notStrings) await refusedByName(store, name as string);
    },
  },
  {
    title: 'a tenant that is a bad name is refused by append, read and mark',
    run: async ({ store }) => {
      const streamName = aStream();
      for (const name of [...Object.values(badNames), 'x'.repeat(129), ...notStrings.slice(2)]) {
        const tenant = name as Tenant;
        const call = store.append({ tenant, streamName, expected: any, events: events(1) });
        same((await writesNothing(store, () => refused(call, 'InvalidName'))).field, 'tenant');
        await refused(store.readStream({ tenant, streamName }), 'InvalidName');
        await refused(store.markStream({ tenant, streamName, as: 'archived', expected: any }), 'InvalidName');
      }
    },
  },
  {
    title: 'an event type that is a bad name is refused',
    run: async ({ store }) => {
      for (const type of [...Object.values(badNames), 'x'.repeat(257), ...notStrings]) {
        const call = store.append({
          streamName: aStream(),
          expected: any,
          events: [{ ...anEvent(), type: type as string }],
        });
        same((await writesNothing(store, () => refused(call, 'InvalidEvent'))).path, 'type');
      }
    },
  },
  {
    title: 'filters with any text find nothing or refuse by name, and never fail',
    run: async ({ store }) => {
      const { position } = await append(store, aStream(), events(1));
      const own = unique();
      for (const text of [...strangeNames, ...reserved, ...Object.values(badNames)])
        for (const filter of [
          { categories: [`${own}${text}`] },
          { types: [`${own}${text}`] },
          { streamPrefixes: [`${own}${text}`] },
          { tenant: `${own}${text}` as Tenant },
        ]) {
          const result = await store.readAll({ filter, after: position })();
          if (E.isLeft(result))
            assert.ok(
              ['InvalidName', 'InvalidRequest'].includes(result.left._tag),
              `${text}: ${result.left._tag}`,
            );
          else same(result.right.events, []);
        }
    },
  },
  {
    title: 'lists of streams with any text find nothing or refuse by name, and never fail',
    run: async ({ store }) => {
      const own = unique();
      for (const text of [...strangeNames, ...reserved, ...Object.values(badNames)])
        for (const request of [
          { category: `${own}${text}` },
          { tenant: `${own}${text}` as Tenant },
          { after: `\u{10fffd}${text}` },
        ]) {
          const result = await store.listStreams({ ...request })();
          if (E.isLeft(result))
            assert.ok(
              ['InvalidName', 'InvalidRequest'].includes(result.left._tag),
              `${text}: ${result.left._tag}`,
            );
          else same(result.right, []);
        }
    },
  },
  {
    title: 'after all that, nothing is polluted and what was written before is there',
    run: async ({ store }) => {
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
      const streamName = aStream();
      const batch = events(2);
      await append(store, streamName, batch);
      same(asWritten(await wholeStream(store, { streamName })), batch);
    },
  },
];

export const badTextPart: ContractPart = { title: 'strange text:', tests: [...goodTests, ...badTests] };
