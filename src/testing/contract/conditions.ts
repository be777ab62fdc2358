/** Contract: events found by their tags, and appends that are refused once there are more of them than their writer had seen. */
import * as E from 'fp-ts/lib/Either.js';
import { strict as assert } from 'node:assert';
import type { EventData } from '../../core/event.js';
import { any, exactly, noStream, type Position, startPosition } from '../../core/stream.js';
import type { AppendCondition, EventQuery, MatchingPage, QueryItem } from '../../store/conditions.js';
import type { AppendError, AppendResult, EventStore } from '../../store/event-store.js';
import { conditionInputTests } from './conditions-input.js';
import { handleOf, race, warmHandles } from './race.js';
import type { ContractPart, ContractTest } from './subject.js';
import {
  anEvent,
  append,
  aStream,
  aTenant,
  idsOf,
  numbersFrom,
  refused,
  right,
  same,
  unique,
  writesNothing,
} from './support.js';

const needs = ['conditions'] as const;

const aTag = (kind = 'course'): string => `${kind}:${unique()}`;
const tagged = (tags: ReadonlyArray<string>, type = 'Happened'): EventData =>
  anEvent(type, {}, { metadata: { tags } });
const all = (...tags: ReadonlyArray<string>): EventQuery => ({ anyOf: [{ tags }] });
const read = (
  store: EventStore,
  query: EventQuery,
  more: { after?: Position; maxCount?: number } = {},
): Promise<MatchingPage> => right(store.readMatching({ query, ...more }));
const under = (
  store: EventStore,
  condition: AppendCondition,
  event: EventData,
  streamName = aStream(),
): Promise<E.Either<AppendError, AppendResult>> =>
  store.append({ streamName, expected: any, events: [event], condition })();

const reading: ReadonlyArray<ContractTest> = [
  {
    title: 'events are found by all tags of an item, and by any item, over all streams, in global order',
    needs,
    run: async ({ store }) => {
      const [course, student, other] = [aTag(), aTag('student'), aTag()];
      const one = tagged([course], 'Defined');
      const both = tagged([student, course], 'Subscribed');
      const else_ = tagged([other, student], 'Subscribed');
      for (const event of [one, both, else_, anEvent()]) await append(store, aStream(), [event]);
      const found = async (...anyOf: ReadonlyArray<QueryItem>) =>
        idsOf((await read(store, { anyOf })).events);
      same(await found({ tags: [course] }), idsOf([one, both]));
      same(await found({ tags: [course, student] }), idsOf([both]));
      same(await found({ tags: [student] }), idsOf([both, else_]));
      same(await found({ tags: [course], types: ['Defined', 'Renamed'] }), idsOf([one]));
      same(
        await found({ tags: [other] }, { tags: [course] }, { tags: [course, student] }),
        idsOf([one, both, else_]),
      );
      same(await found({ tags: [aTag()] }), []);
    },
  },
  {
    title: 'a tag is told apart letter for letter, and by tenant',
    needs,
    run: async ({ store }) => {
      const [tag, tenant] = [aTag(), aTenant()];
      const odd = [`${tag}%`, `${tag}'; --`, `${tag}\u{1f600}`, '__proto__', tag.toUpperCase()];
      for (const one of odd) await append(store, aStream(), [tagged([one, `${tag} all`])]);
      await append(store, aStream(), [tagged([tag])], any, { tenant });
      same((await read(store, all(tag))).events, []);
      same((await read(store, { tenant, anyOf: [{ tags: [tag] }] })).events.length, 1);
      for (const one of odd) same((await read(store, all(`${tag} all`, one))).events.length, 1, one);
    },
  },
  {
    title: 'pages follow one another without gap, and say where the next begins',
    needs,
    run: async ({ store }) => {
      const tag = aTag();
      const written = numbersFrom(1, 7).map(() => tagged([tag, aTag('more')]));
      await append(store, aStream(), written.slice(0, 3));
      await append(store, aStream(), written.slice(3));
      const ids: string[] = [];
      let after: Position | undefined = startPosition;
      for (let page = 1; after !== undefined && page < 9; page += 1) {
        const answer: MatchingPage = await read(store, all(tag), { after, maxCount: 3 });
        ids.push(...idsOf(answer.events));
        after = answer.next;
      }
      same(ids, idsOf(written));
    },
  },
  {
    title: 'events of tombstoned streams are not answered, though a condition counts them',
    needs,
    run: async ({ store }) => {
      const [tag, streamName] = [aTag('username'), aStream()];
      await append(store, streamName, [tagged([tag])]);
      await right(store.markStream({ streamName, as: 'tombstoned', expected: any }));
      const { events: found, seen } = await read(store, all(tag));
      same(found, []);
      assert.ok(E.isLeft(await under(store, { noneOf: all(tag) }, tagged([tag]))));
      assert.ok(E.isRight(await under(store, { noneOf: all(tag), after: seen }, tagged([tag]))));
    },
  },
];

const appending: ReadonlyArray<ContractTest> = [
  {
    title: 'an append is refused once an event matches that its writer had not seen, and says which',
    needs,
    run: async ({ store }) => {
      const [course, student] = [aTag(), aTag('student')];
      const query = all(course);
      const { seen } = await read(store, query);
      const theirs = tagged([course, student]);
      await append(store, aStream(), [theirs]);
      const streamName = aStream();
      await writesNothing(store, async () => {
        const error = await refused(
          store.append({
            streamName,
            expected: any,
            events: [anEvent()],
            condition: { noneOf: query, after: seen },
          }),
          'ConditionFailed',
        );
        same(idsOf(error.events), [theirs.eventId]);
      });
      const later = await read(store, query);
      assert.ok(E.isRight(await under(store, { noneOf: query, after: later.seen }, tagged([course]))));
    },
  },
  {
    title: 'only what matches counts: other tags, other types and other tenants do not',
    needs,
    run: async ({ store }) => {
      const [course, student] = [aTag(), aTag('student')];
      const query: EventQuery = { anyOf: [{ tags: [course, student], types: ['Subscribed'] }] };
      const { seen } = await read(store, query);
      await append(store, aStream(), [
        tagged([course], 'Subscribed'),
        tagged([course, student], 'Left'),
        anEvent('Subscribed'),
      ]);
      await append(store, aStream(), [tagged([course, student], 'Subscribed')], any, { tenant: aTenant() });
      assert.ok(E.isRight(await under(store, { noneOf: query, after: seen }, anEvent())));
      await append(store, aStream(), [tagged([student, course], 'Subscribed')]);
      assert.ok(E.isLeft(await under(store, { noneOf: query, after: seen }, anEvent())));
    },
  },
  {
    title: 'where nothing was seen, any match refuses',
    needs,
    run: async ({ store }) => {
      const tag = aTag('email');
      assert.ok(E.isRight(await under(store, { noneOf: all(tag) }, tagged([tag]))));
      const second = await under(store, { noneOf: all(tag) }, tagged([tag]));
      same(E.isLeft(second) && second.left._tag, 'ConditionFailed');
    },
  },
  {
    title: 'a repeat of an append that was written is recognised, although its own events match by now',
    needs,
    run: async ({ store }) => {
      const [tag, streamName] = [aTag(), aStream()];
      const request = {
        ...{ streamName, expected: noStream, events: [tagged([tag])] },
        condition: { noneOf: all(tag) },
      };
      const first = await right(store.append(request));
      same(await right(store.append(request)), { ...first, idempotent: true });
      same((await read(store, all(tag))).events.length, 1);
    },
  },
  {
    title: 'the expected version counts as well, and in appendMany one condition refuses all',
    needs: ['conditions', 'atomicAppendMany'],
    run: async ({ store }) => {
      const [tag, streamName] = [aTag(), aStream()];
      const { seen } = await read(store, all(tag));
      const condition = { noneOf: all(tag), after: seen };
      const unmet = { streamName, expected: exactly(3), events: [tagged([tag])], condition };
      await refused(store.append(unmet), 'VersionConflict');
      await append(store, aStream(), [tagged([tag])]);
      const requests = [
        { streamName: aStream(), expected: any, events: [anEvent()] },
        { streamName, expected: any, events: [anEvent()], condition },
      ];
      await refused(store.appendMany(requests), 'ConditionFailed');
      same((await right(store.readStream({ streamName: requests[0]?.streamName ?? streamName }))).version, 0);
    },
  },
  {
    title: 'a repeat is recognised also where streams without events only have to stand as they did',
    needs: ['conditions', 'atomicAppendMany'],
    run: async ({ store }) => {
      const [tag, streamName] = [aTag(), aStream()];
      await append(store, streamName, [anEvent()]);
      const requests = [
        {
          streamName: aStream(),
          expected: noStream,
          events: [tagged([tag])],
          condition: { noneOf: all(tag) },
        },
        { streamName, expected: exactly(1), events: [] },
      ];
      await right(store.appendMany(requests));
      const again = await writesNothing(store, () => right(store.appendMany(requests)));
      same(
        again.map(({ version, idempotent }) => [version, idempotent]),
        [
          [1, true],
          [1, false],
        ],
      );
    },
  },
];

const races: ReadonlyArray<ContractTest> = [
  {
    title: 'of overlapping writers exactly one commits, whatever streams they write to',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const { store } = opened;
      const handles = await warmHandles(opened, subject);
      for (const _round of numbersFrom(1, 8)) {
        const [left, right_] = [aTag(), aTag()];
        const { seen } = await read(store, { anyOf: [{ tags: [left] }, { tags: [right_] }] });
        // Each looks at both tags and writes one of them: without the condition half of them would get through.
        const answers = await race(16, (writer) =>
          under(
            handleOf(handles, writer),
            { noneOf: { anyOf: [{ tags: [left] }, { tags: [right_] }] }, after: seen },
            tagged([writer % 2 === 0 ? left : right_]),
          ),
        );
        same(answers.filter(E.isRight).length, 1);
        for (const answer of answers) if (E.isLeft(answer)) same(answer.left._tag, 'ConditionFailed');
      }
    },
  },
  {
    title:
      'writers who decide again never go beyond what their decision allows, beside writers without a condition',
    needs,
    timeoutMs: 60_000,
    run: async (opened, subject) => {
      const { store } = opened;
      const handles = await warmHandles(opened, subject);
      const [course, capacity] = [aTag(), 5];
      const outcomes = await race(16, async (writer) => {
        const handle = handleOf(handles, writer);
        // Every fourth subscribes past the rule, as an import may; the others keep to it.
        if (writer % 8 === 7) {
          await append(handle, aStream('student'), [tagged([course], 'Subscribed')]);
          return 'imported';
        }
        for (let attempt = 1; attempt <= 100; attempt += 1) {
          const { events: taken, seen } = await read(handle, all(course));
          if (taken.length >= capacity) return 'full';
          const event = tagged([course], 'Subscribed');
          const answer = await under(handle, { noneOf: all(course), after: seen }, event, aStream('student'));
          if (E.isRight(answer)) return 'subscribed';
          same(answer.left._tag, 'ConditionFailed');
        }
        return 'gave up';
      });
      const { events: taken } = await read(store, all(course));
      const count = (what: string): number => outcomes.filter((outcome) => outcome === what).length;
      same(count('gave up'), 0);
      same(taken.length, count('subscribed') + count('imported'));
      // An import may come after the last place was given; nobody else takes a place then.
      assert.ok(count('subscribed') <= capacity, `${count('subscribed')} of ${capacity} places were given`);
      assert.ok(taken.length >= capacity, 'a place was left although somebody was turned away');
    },
  },
];

export const conditionsPart: ContractPart = {
  title: 'conditions over several streams',
  tests: [...reading, ...appending, ...conditionInputTests, ...races],
};
