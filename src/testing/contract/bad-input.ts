/** Contract: values that JSON or a database would change are stored and read back equal, or refused by name. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import type { EventData } from '../../core/event.js';
import type { Json } from '../../core/json.js';
import { any, type ExpectedVersion } from '../../core/stream.js';
import type { AppendError, EventStore } from '../../store/event-store.js';
import type { ContractPart, ContractTest } from './subject.js';
import { cycle, nested, storable, unstorable } from './values.js';
import {
  anEvent,
  append,
  aStream,
  asWritten,
  events,
  refused,
  right,
  same,
  shown,
  streamAt,
  wholeStream,
  writesNothing,
} from './support.js';

const namedRefusals: ReadonlyArray<AppendError['_tag']> = [
  'InvalidName',
  'InvalidEvent',
  'InvalidExpectedVersion',
  'InvalidRequest',
  'LimitExceeded',
];

/** Appends the event to a new stream: it must be read back equal, or be refused by a named error and not be written. */
export const storedOrRefused = async (
  store: EventStore,
  event: EventData,
): Promise<'stored' | AppendError> => {
  const streamName = aStream();
  const attempt = async (): Promise<AppendError | undefined> => {
    const result = await store.append({ streamName, expected: any, events: [event] })();
    return E.isLeft(result) ? result.left : undefined;
  };
  const refusal = await attempt();
  if (refusal === undefined) {
    same(asWritten(await wholeStream(store, { streamName })), [event], 'it was read back as something else');
    return 'stored';
  }
  assert.ok(namedRefusals.includes(refusal._tag), shown(refusal));
  await writesNothing(store, attempt);
  return refusal;
};

const dataTests: ReadonlyArray<ContractTest> = [
  {
    title:
      'data that no JSON text gives back is refused at its path, alone, in an array, in an object and in a header',
    timeoutMs: 60_000,
    run: async ({ store }) => {
      for (const [what, make] of Object.entries(unstorable)) {
        const alone = await storedOrRefused(store, { ...anEvent(), data: make() as Json });
        assert.equal(alone === 'stored' ? alone : alone._tag, 'InvalidEvent', what);
        for (const [event, path] of [
          [anEvent('Happened', [1, make() as Json]), 'data[1]'],
          [anEvent('Happened', { good: 1, 'no good': { here: make() as Json } }), 'data["no good"].here'],
          [
            anEvent('Happened', null, { metadata: { headers: { here: make() as Json } } }),
            'metadata.headers.here',
          ],
        ] as const) {
          const refusal = await refused(
            store.append({ streamName: aStream(), expected: any, events: [event] }),
            'InvalidEvent',
          );
          assert.ok(refusal.path.startsWith(path), `${what}: ${refusal.path} does not begin with ${path}`);
          assert.ok(refusal.reason.length > 0);
        }
      }
    },
  },
  {
    title: 'a refusal of data says what was found and what to store instead',
    run: async ({ store }) => {
      const reasonFor = async (data: unknown): Promise<string> => {
        const request = {
          streamName: aStream(),
          expected: any,
          events: [{ ...anEvent(), data: data as Json }],
        };
        return (await refused(store.append(request), 'InvalidEvent')).reason;
      };
      assert.match(await reasonFor(NaN), /NaN.*null/);
      assert.match(await reasonFor(new Date()), /Date.*ISO 8601/);
      assert.match(await reasonFor(cycle()), /cycle/);
      assert.match(await reasonFor(nested(7_000)), /256/);
    },
  },
  ...Object.entries(storable).map(([what, make]) => ({
    title: `data is stored and read back equal: ${what}`,
    run: async ({ store }: { readonly store: EventStore }) => {
      same(await storedOrRefused(store, anEvent('Happened', make())), 'stored');
      // In an object one level less is left for the value itself.
      if (!what.startsWith('nesting'))
        same(
          await storedOrRefused(store, anEvent('Happened', null, { metadata: { headers: { h: make() } } })),
          'stored',
        );
    },
  })),
  {
    title: 'the key __proto__ is stored as a key or refused, and pollutes nothing',
    run: async ({ store }) => {
      const polluting = [
        '{"__proto__":{"polluted":true}}',
        '{"a":{"__proto__":{"polluted":true}}}',
        '[{"constructor":{"prototype":{"polluted":true}}}]',
      ];
      for (const text of polluting) {
        const data = JSON.parse(text) as Json;
        await storedOrRefused(store, anEvent('Happened', data));
        await storedOrRefused(store, anEvent('Happened', null, { metadata: { headers: { h: data } } }));
      }
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    },
  },
];

const metadataTests: ReadonlyArray<ContractTest> = [
  {
    title: 'metadata that is not as declared is stored and read back equal, or refused',
    run: async ({ store }) => {
      const odd = [
        null,
        'text',
        [],
        { unknown: 1 },
        { tenant: 'another' },
        { headers: null },
        { headers: [] },
        { headers: 'text' },
        { actor: 1 },
        { actor: null },
        { correlationId: '' },
        { causationId: 'a\u0000b' },
        { actor: '\ud800' },
      ];
      for (const metadata of odd)
        await storedOrRefused(store, anEvent('Happened', null, { metadata: metadata as never }));
    },
  },
  {
    title: 'an event id in capital letters is stored and read back equal, or refused',
    run: async ({ store }) => {
      const event = anEvent();
      await storedOrRefused(store, { ...event, eventId: event.eventId.toUpperCase() });
    },
  },
];

const notVersions: ReadonlyArray<unknown> = [
  -1,
  -2,
  0.5,
  NaN,
  Infinity,
  -0,
  '1',
  '',
  null,
  undefined,
  1n,
  {},
  [1],
  true,
  2 ** 31,
  2 ** 53,
  1e308,
];

const expectationTests: ReadonlyArray<ContractTest> = [
  {
    title: 'an expected version that is none is refused with InvalidExpectedVersion, and nothing is written',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      for (const version of notVersions) {
        const expected = { _tag: 'exactly', version } as ExpectedVersion;
        const call = store.append({ streamName, expected, events: events(1) });
        const refusal = await writesNothing(store, () => refused(call, 'InvalidExpectedVersion'));
        assert.equal(typeof refusal.value, 'string');
      }
    },
  },
  {
    title: 'an expectation of an unknown kind is refused with InvalidExpectedVersion, and nothing is written',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      for (const expected of [
        { _tag: 'whatever' },
        {},
        1,
        -1,
        'any',
        { _tag: 'ANY' },
        { _tag: '__proto__' },
        { _tag: 'constructor' },
      ]) {
        const call = store.append({ streamName, expected: expected as ExpectedVersion, events: events(1) });
        await writesNothing(store, () => refused(call, 'InvalidExpectedVersion'));
      }
    },
  },
  {
    title: 'a tail of less than 0 or more than 4,096 events is refused',
    run: async ({ store }) => {
      const { streamName } = await streamAt(store, 1);
      for (const tailMax of [-1, 0.5, NaN, 4_097, '1' as never])
        await refused(
          store.append({ streamName, expected: any, events: events(1), tailMax }),
          'InvalidRequest',
        );
      await append(store, streamName, events(1), any, { tailMax: 4_096 });
      same((await right(store.readStream({ streamName }))).version, 2);
    },
  },
];

export const badInputPart: ContractPart = {
  title: 'bad input:',
  tests: [...dataTests, ...metadataTests, ...expectationTests],
};
