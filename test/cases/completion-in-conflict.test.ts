/**
 * A conflict at completion.
 *
 * Two credit bureaus answer at the same moment, and two workers take an answer each. Whoever sees both scores decides, tells
 * the customer, and the saga is done. But each worker has read the saga before the other wrote: each sees one score only, its
 * own, and concludes that it must wait for the other. Both wait, and nobody ever decides.
 *
 * This is what merging is for. The worker that loses the race leaves its work as a branch; the merge brings both scores
 * together, and asks again, on the merged state: are we done now?
 *
 *     version 0   nothing yet        both workers read here
 *        |\
 *        | \
 *        *  |   Scored Equifax       the first worker appends, and waits for a second score
 *        |  o   Scored Experian      the second is refused: its work becomes a branch
 *        | /
 *        M      both scores          the merge sees both, so `onMerged` decides: one message, one completion
 *        #      completed
 *
 * The test below runs every order in which the two workers can read, append and merge. There are six.
 */
import { describe, expect, it } from '@jest/globals';
import * as t from 'io-ts';
import { map, max, memoryStore, record, saga, type SagaMessage, sagaRuntime, toPromise } from 'watersmeet';
import { exploreInterleavings } from '../../src/testing/interleavings/interleavings.js';
import { makeStage, stagedStore } from '../../src/testing/stage.js';

type Scores = { readonly scores: Readonly<Record<string, number>> };

/** Both scores are there: the decision, and the end of the saga. Otherwise: wait. */
const decideIfDone = ({ scores }: Scores) =>
  Object.keys(scores).length < 2
    ? {}
    : { send: [{ type: 'Decision' as const, data: { scores: { ...scores } } }], complete: true };

/** Which scores a handler was run for, in this order. */
let handled: string[] = [];

const beforeEachCall = (_operation: string, phase: string): boolean => phase === 'call';

const credit = saga({
  name: 'credit',
  messages: { ScoreArrived: t.type({ bureau: t.string, score: t.number }) },
  events: { Scored: t.type({ bureau: t.string, score: t.number }) },
  sends: { Decision: t.type({ scores: t.record(t.string, t.number) }) },
  state: t.readonly(t.type({ scores: t.readonly(t.record(t.string, t.number)) })),
  initialState: { scores: {} },
  evolve: { Scored: ({ scores }, { bureau, score }) => ({ scores: { ...scores, [bureau]: score } }) },

  // What one worker does with one score. It may be the last to arrive, or believe that it is the first.
  react: {
    ScoreArrived: ({ scores }, { bureau, score }) => {
      handled.push(bureau);
      return {
        events: [{ type: 'Scored', data: { bureau, score } }],
        ...decideIfDone({ scores: { ...scores, [bureau]: score } }),
      };
    },
  },

  // Where two workers met: the scores of both count, and the question is asked again.
  onConflict: 'merge',
  merge: { threeWay: record<Scores>({ scores: map(max, 0) }) },
  onMerged: ({ state }) => decideIfDone(state),
});

const equifax = {
  id: 'equifax',
  sagaId: 'ada',
  type: 'ScoreArrived',
  data: { bureau: 'Equifax', score: 720 },
} as const satisfies SagaMessage;
const experian = {
  id: 'experian',
  sagaId: 'ada',
  type: 'ScoreArrived',
  data: { bureau: 'Experian', score: 680 },
} as const satisfies SagaMessage;

const bothScores = { Equifax: 720, Experian: 680 };

describe('two scores arrive at once, and the saga is complete when both are there', () => {
  it('comes to one decision and one completion, in each of the six interleavings', async () => {
    const exploration = await exploreInterleavings(credit, [equifax, experian], {
      invariants: {
        'both scores are in the state': ({ state }) => expect(state.scores).toEqual(bothScores),
        'one decision is sent, made on both scores': ({ sent }) =>
          expect(sent).toEqual([{ type: 'Decision', data: { scores: bothScores } }]),
        'nothing was decided and then withdrawn': ({ cancelled }) => expect(cancelled).toEqual([]),
        'the saga completes once': ({ completed, completions }) => completed && completions === 1,
        'each score is recorded once': ({ events }) =>
          expect(events.map(({ data }) => data.bureau).sort()).toEqual(['Equifax', 'Experian']),
      },
    });

    expect(exploration.failure?.report).toBeUndefined();
    // Two in which one worker is done before the other reads. Four in which both have read before either appends: two orders
    // of the reads, times who is the first to append.
    expect(exploration).toMatchObject({ complete: true, schedules: 6 });
  });

  it('runs no handler again because of the conflict: each score is handled once', async () => {
    handled = [];
    const store = memoryStore();
    const stage = makeStage();
    const worker = (name: string, message: typeof equifax | typeof experian) =>
      toPromise(
        sagaRuntime(credit, { store: stagedStore(store, stage, name, beforeEachCall) }).handle(message),
      );
    const answers = Promise.all([worker('first', equifax), worker('second', experian)]);
    // Each round lets both workers make their next call: both read, both append, and one of them is refused.
    for (await stage.settled(); stage.held().length > 0; await stage.settled())
      for (const { go } of stage.held()) go();

    expect((await answers).map(({ _tag }) => _tag)).toEqual(['Appended', 'Merged']);
    expect(handled).toEqual(['Equifax', 'Experian']);
  });
});
