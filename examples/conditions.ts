/** A rule over several streams: a course has two places, a student takes two courses, and neither has a stream for both. */
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { decideAcross, memoryStore } from 'watersmeet';

const events = { Subscribed: t.type({ course: t.string, student: t.string }) };
const decide = decideAcross({ store: memoryStore() });

const subscribe = (course: string, student: string) =>
  decide({
    // All that the decision is made on, in whatever streams it is.
    query: { anyOf: [{ tags: [`course:${course}`] }, { tags: [`student:${student}`] }] },
    events,
    initialState: { ofCourse: 0, ofStudent: 0 },
    evolve: (state, { data }) => ({
      ofCourse: state.ofCourse + Number(data.course === course),
      ofStudent: state.ofStudent + Number(data.student === student),
    }),
    decide: ({ ofCourse, ofStudent }) => {
      if (ofCourse >= 2) return E.left(`${course} is full`);
      if (ofStudent >= 2) return E.left(`${student} has two courses`);
      const event = { type: 'Subscribed', data: { course, student } } as const;
      return E.right([
        { streamName: `student-${student}`, event, tags: [`course:${course}`, `student:${student}`] },
      ]);
    },
  })();

// All at once. Two see the same free place; one of them is refused, decides again, and finds the course full.
const students = ['ada', 'ben', 'cyd'];
const answers = await Promise.all(students.map((student) => subscribe('maths', student)));
const placesGiven = answers.filter(E.isRight).length;
console.log(placesGiven);
// => 2
for (const answer of answers)
  if (E.isLeft(answer) && answer.left._tag === 'Rejected') console.log(answer.left.rejection);
// => maths is full
