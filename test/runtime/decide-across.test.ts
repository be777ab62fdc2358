/** Decisions over several streams: a course has so many places, and a student takes so many courses. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { memoryStore } from '../../src/adapters/memory/index.js';
import { decideAcross } from '../../src/runtime/aggregate/decide-across.js';
import type { EventStore } from '../../src/store/event-store.js';
import type { OpenedStore } from '../../src/testing/contract.js';
import { freshId, withAppend } from '../cases/support.js';
import { allSubjects, itOn } from '../support/subjects.js';

const Subscription = t.type({ course: t.string, student: t.string });
const events = { Defined: t.type({ places: t.number }), Subscribed: Subscription, Left: Subscription };

interface State {
  readonly places: number;
  readonly ofCourse: number;
  readonly ofStudent: number;
  readonly isIn: boolean;
}
const initialState: State = { places: 0, ofCourse: 0, ofStudent: 0, isIn: false };
const coursesMax = 2;

const subscription = (course: string, student: string) => ({
  query: {
    anyOf: [
      { tags: [`course:${course}`], types: ['Defined', 'Subscribed'] },
      { tags: [`student:${student}`], types: ['Subscribed'] },
    ],
  },
  events,
  initialState,
  evolve: (state: State, event: { readonly type: string; readonly data: object }): State => {
    if (event.type === 'Defined') return { ...state, places: (event.data as { places: number }).places };
    const of = event.data as t.TypeOf<typeof Subscription>;
    return {
      ...state,
      ofCourse: state.ofCourse + Number(of.course === course),
      ofStudent: state.ofStudent + Number(of.student === student),
      isIn: state.isIn || (of.course === course && of.student === student),
    };
  },
  decide: ({ places, ofCourse, ofStudent, isIn }: State) => {
    if (isIn) return E.right([]);
    if (ofCourse >= places) return E.left('full' as const);
    if (ofStudent >= coursesMax) return E.left('busy' as const);
    const tags = [`course:${course}`, `student:${student}`];
    const event = { type: 'Subscribed' as const, data: { course, student } };
    return E.right([{ streamName: `student-${student}`, event, tags }]);
  },
});

const define = (store: EventStore, course: string, places: number) =>
  decideAcross({ store })({
    ...{ query: { anyOf: [{ tags: [`course:${course}`] }] }, events, initialState: 0 },
    evolve: (count: number) => count + 1,
    decide: (count) =>
      count > 0
        ? E.left('known')
        : E.right([
            {
              streamName: `course-${course}`,
              event: { type: 'Defined', data: { places } },
              tags: [`course:${course}`],
            },
          ]),
  })();

const retry = { attemptsMax: 200, delayMs: 1, delayMaxMs: 20 };
const tagOf = (answer: Awaited<ReturnType<ReturnType<typeof subscribe>>>): string => {
  if (E.isRight(answer)) return answer.right.events.length > 0 ? 'yes' : 'nothing';
  return answer.left._tag === 'Rejected' ? answer.left.rejection : answer.left._tag;
};
const subscribe = (store: EventStore, course: string, student: string, more: { commandId?: string } = {}) =>
  decideAcross({ store })({ ...subscription(course, student), ...more, retry });

describe.each(allSubjects.map((subject) => [subject.name, subject] as const))(
  'decisions over several streams [%s]',
  (_name, subject) => {
    const itOnStore = itOn(subject, 'conditions');
    let opened: OpenedStore;
    beforeAll(async () => {
      opened = await subject.open();
    }, 60_000);
    afterAll(async () => opened.dispose());

    itOnStore('see what is in other streams, and write nothing where nothing has to happen', async () => {
      const { store } = opened;
      const [course, student] = [freshId(), freshId()];
      expect(tagOf(await subscribe(store, course, student)())).toBe('full');
      expect(await define(store, course, 1)).toMatchObject({ right: { attempts: 1, duplicate: false } });
      expect(await define(store, course, 1)).toMatchObject({
        left: { _tag: 'Rejected', rejection: 'known' },
      });
      expect(tagOf(await subscribe(store, course, student)())).toBe('yes');
      expect(tagOf(await subscribe(store, course, student)())).toBe('nothing');
      expect(tagOf(await subscribe(store, course, freshId())())).toBe('full');
    });

    itOnStore(
      'keep both limits while many decide at once',
      async () => {
        const stores = [
          opened.store,
          subject.lacks?.multiProcess === undefined ? await opened.secondHandle() : opened.store,
        ];
        const courses = Array.from({ length: 4 }, () => freshId());
        const students = Array.from({ length: 6 }, () => freshId());
        for (const course of courses) await define(opened.store, course, 3);
        await Promise.all(stores.flatMap((store) => Array.from({ length: 8 }, () => store.readAll({})())));
        const outcomes = await Promise.all(
          courses.flatMap((course, c) =>
            students.map(async (student, s) => {
              const store = stores[(c + s) % 2] as EventStore;
              return { course, student, tag: tagOf(await subscribe(store, course, student)()) };
            }),
          ),
        );
        const yes = outcomes.filter(({ tag }) => tag === 'yes');
        for (const course of courses)
          expect(yes.filter((one) => one.course === course).length).toBeLessThanOrEqual(3);
        for (const student of students)
          expect(yes.filter((one) => one.student === student).length).toBeLessThanOrEqual(coursesMax);
        // Everybody was answered by the rules, and a place is left only where each student without it is busy.
        for (const { tag } of outcomes) expect(['yes', 'full', 'busy']).toContain(tag);
        expect(yes.length).toBeGreaterThanOrEqual(9);
      },
      60_000,
    );

    itOnStore('recognise one that is sent again', async () => {
      const { store } = opened;
      const [course, student, commandId] = [freshId(), freshId(), freshId()];
      await define(store, course, 5);
      expect(await subscribe(store, course, student, { commandId })()).toMatchObject({
        right: { duplicate: false },
      });
      expect(await subscribe(store, course, student, { commandId })()).toMatchObject({
        right: { duplicate: true, events: [], attempts: 1 },
      });
    });

    itOnStore('write to several streams at once', async () => {
      const { store } = opened;
      const [from, to] = [freshId(), freshId()];
      const moved = await decideAcross({ store })({
        ...{ query: { anyOf: [{ tags: [`student:${from}`] }] }, events, initialState: 0 },
        evolve: (count: number) => count + 1,
        decide: () =>
          E.right(
            [from, to].map((student, n) => ({
              streamName: `student-${student}`,
              event: {
                type: n === 0 ? ('Left' as const) : ('Subscribed' as const),
                data: { course: 'c', student },
              },
              tags: [`student:${student}`],
            })),
          ),
      })();
      expect(moved).toMatchObject({ right: { state: 2, appended: [{ version: 1 }, { version: 1 }] } });
    });
  },
);

describe('decisions over several streams', () => {
  it('give up after so many attempts, and say what came in between', async () => {
    const inner = memoryStore();
    const [course, student] = [freshId(), freshId()];
    await define(inner, course, 100);
    const store = withAppend(inner, async (request, append) => {
      if (request.condition === undefined) return append(request)();
      await subscribe(inner, course, freshId())();
      return append(request)();
    });
    const answer = await decideAcross({ store })({
      ...subscription(course, student),
      retry: { attemptsMax: 3, delayMs: 0 },
    })();
    expect(answer).toMatchObject({ left: { _tag: 'DecisionOutrun', attempts: 3, theirs: ['Subscribed'] } });
  });

  it('name an event that today’s codecs do not accept', async () => {
    const store = memoryStore();
    const tags = ['course:odd'];
    const event = { eventId: freshUuid(), type: 'Defined', schemaVersion: 1, data: {}, metadata: { tags } };
    await store.append({ streamName: 'course-odd' as never, expected: { _tag: 'any' }, events: [event] })();
    const answer = await subscribe(store, 'odd', 'x')();
    expect(answer).toMatchObject({ left: { _tag: 'DecodeFailed', streamName: 'course-odd', version: 1 } });
  });
});

const freshUuid = (): string => '00000000-0000-4000-8000-000000000001';
