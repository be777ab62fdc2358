/** Contract: queries, tags and conditions that are refused by name. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import { any } from '../../core/stream.js';
import type { EventQuery, Seen } from '../../store/conditions.js';
import type { EventStore } from '../../store/event-store.js';
import type { ContractTest } from './subject.js';
import { anEvent, aStream, numbersFrom, refused, right, unique, writesNothing } from './support.js';

const needs = ['conditions'] as const;

const badQueries: ReadonlyArray<readonly [what: string, query: unknown]> = [
  ['no item', { anyOf: [] }],
  ['an item without tags', { anyOf: [{ types: ['Happened'] }] }],
  ['33 items', { anyOf: numbersFrom(1, 33).map((n) => ({ tags: [`t${n}`] })) }],
  ['33 tags', { anyOf: [{ tags: numbersFrom(1, 33).map((n) => `t${n}`) }] }],
  ['an empty tag', { anyOf: [{ tags: [''] }] }],
  ['a tag of 257 bytes', { anyOf: [{ tags: ['x'.repeat(257)] }] }],
  ['a lone surrogate', { anyOf: [{ tags: ['\ud800'] }] }],
  ['no types', { anyOf: [{ tags: ['t'], types: [] }] }],
  ['no list', { anyOf: 'x' }],
];
const badTags: ReadonlyArray<readonly [what: string, tags: unknown]> = [
  ['none', []],
  ['33', numbersFrom(1, 33).map((n) => `t${n}`)],
  ['one twice', ['a', 'a']],
  ['an empty one', ['']],
  ['no text', [1]],
  ['no list', 'a'],
  ['NUL', ['a\u0000']],
];

export const conditionInputTests: ReadonlyArray<ContractTest> = [
  ...badQueries.map(([what, query]) => ({
    title: `a query with ${what} is refused by name`,
    needs,
    run: async ({ store }: { readonly store: EventStore }) => {
      const answer = await store.readMatching({ query: query as EventQuery })();
      assert.ok(E.isLeft(answer) && ['InvalidRequest', 'InvalidName'].includes(answer.left._tag), what);
    },
  })),
  ...badTags.map(([what, tags]) => ({
    title: `an event whose tags are ${what} is refused by name, and nothing is written`,
    needs,
    run: async ({ store }: { readonly store: EventStore }) => {
      const streamName = aStream();
      const event = anEvent('Happened', {}, { metadata: { tags: tags as ReadonlyArray<string> } });
      await writesNothing(store, async () => {
        const error = await refused(
          store.append({ streamName, expected: any, events: [event] }),
          'InvalidEvent',
        );
        assert.match(error.path, /^metadata\.tags/);
      });
    },
  })),
  {
    title: 'what was seen in another life of the store, or is no such text, is refused by name',
    needs,
    run: async ({ store }) => {
      const query: EventQuery = { anyOf: [{ tags: [`course:${unique()}`] }] };
      const { seen } = await right(store.readMatching({ query }));
      const of = (after: string) => ({
        ...{ streamName: aStream(), expected: any, events: [anEvent()] },
        condition: { noneOf: query, after: after as Seen },
      });
      await refused(store.append(of(`another${seen.slice(seen.indexOf('|'))}`)), 'EpochChanged');
      await refused(store.append(of('nonsense')), 'InvalidRequest');
    },
  },
];
