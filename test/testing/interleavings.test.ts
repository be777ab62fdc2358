/** Every interleaving: right mergers converge, naive ones are caught with a report that shows how, and the counts are true. */
import { describe, expect, it } from '@jest/globals';
import { memoryStore, type SagaMessage, sagaRuntime, toPromise } from 'watersmeet';
import { acceptableCredit } from '../../sagas/acceptable-credit/index.js';
import { loanApplication } from '../../sagas/loan-application/index.js';
import { assertConverges, exploreInterleavings } from '../../src/testing/interleavings/interleavings.js';
import { basketSaga, message } from '../support/basket.js';
import { addRemoveSet, lastWriteWins, retrying, rightTally, tally, tallyBy, word } from './naive-sagas.js';

const put = (item: string) => message('Put', { item }, `put-${item}`);

const score = (id: string, bureau: string, value: number) =>
  ({ id, sagaId: 'c', type: 'CreditCardScore', data: { bureau, score: value } }) as SagaMessage<never>;
const asked = {
  id: 'asked',
  sagaId: 'c',
  type: 'IsAcceptableAsCustomer',
  data: { customer: 'Ada' },
} as SagaMessage<never>;
const scores = [
  score('equifax', 'Equifax', 720),
  score('experian', 'Experian', 750),
  score('transunion', 'TransUnion', 730),
  score('equifax-again', 'Equifax', 715),
];

const report = (id: string, type: string, data: object) =>
  ({ id, sagaId: 'l', type, data }) as SagaMessage<never>;
const reports = [
  report('created', 'OfferReported', { activity: 'O_CREATED' }),
  report('declined', 'ApplicationReported', { activity: 'A_DECLINED' }),
  report('sent', 'OfferReported', { activity: 'O_SENT' }),
  report('called', 'WorkItemReported', { item: 'call', transition: 'START' }),
];

describe('every interleaving of right mergers', () => {
  it('of two handlers: six schedules, of which two are one after another', async () => {
    // r: reads, a: appends, m: leaves a branch and merges. One after another: r1 a1 r2 a2, r2 a2 r1 a1. Both read first, in
    // two orders, and then either is the first to append: r1 r2 or r2 r1, then a1 and branch and merge of 2, or the reverse.
    const exploration = await exploreInterleavings(rightTally(), [tallyBy(1), tallyBy(2)]);
    expect(exploration).toEqual({ complete: true, schedules: 6, ran: 5, equivalent: 1, ends: 1 });
  });

  it('of one handler: one', async () => {
    expect(await exploreInterleavings(rightTally(), [tallyBy(1)])).toMatchObject({
      complete: true,
      schedules: 1,
      ran: 1,
    });
  });

  it('of three additions converges, in all of them', async () => {
    const exploration = await assertConverges(rightTally(), [tallyBy(1), tallyBy(2), tallyBy(4)], {
      invariants: { 'all are counted': ({ state }) => state.total === 7 },
    });
    expect(exploration.complete).toBe(true);
    expect(exploration.equivalent).toBe((exploration.schedules ?? 0) - exploration.ran);
  });

  for (const count of [3, 4])
    it(`of ${count} messages is complete for acceptable credit: one decision, right and final`, async () => {
      const exploration = await assertConverges(acceptableCredit, scores.slice(0, count), {
        given: [asked],
        view: ({ state, completed }) => ({ decision: state.decision, completed }),
        invariants: {
          'one decision is told': ({ sent }) =>
            sent.filter(({ type }) => type === 'CreditDecision').length === 1,
        },
      });
      expect(exploration).toMatchObject({ complete: true });
      expect(exploration.schedules).toBeGreaterThan(exploration.ran);
    });

  for (const count of [3, 4])
    it(`of ${count} messages is complete for loan applications: the same facts, the outcome told once`, async () => {
      const exploration = await assertConverges(loanApplication, reports.slice(0, count), {
        invariants: {
          'the outcome is told once': ({ sent }) =>
            sent.filter(({ type }) => type === 'Decision').length === 1,
        },
      });
      expect(exploration).toMatchObject({ complete: true });
    });

  it('with a follower that merges what others have left', async () => {
    const options = {
      followers: true,
      invariants: [({ state }: { state: { total: number } }) => state.total === 3],
    };
    const exploration = await assertConverges(rightTally(), [tallyBy(1), tallyBy(2)], options);
    expect(exploration.schedules).toBeGreaterThan(6);
  });

  it('begins from messages or from events that were given', async () => {
    for (const given of [[tallyBy(10)], [{ type: 'Counted', data: { by: 10 } } as const]])
      await assertConverges(rightTally(), [tallyBy(1), tallyBy(2)], {
        given: given as never,
        invariants: [({ state }) => state.total === 13],
      });
  });

  it('of a message that is delivered twice: it counts once', async () => {
    await assertConverges(rightTally(), [tallyBy(1), tallyBy(1), tallyBy(2)], {
      invariants: [({ state, events }) => state.total === 3 && events.length === 2],
    });
  });

  for (const answer of ['retry', 'reject'] as const)
    it(`of a saga that answers conflict with ${answer} converges, for it is handled again`, async () => {
      const exploration = await assertConverges(retrying(answer), [tallyBy(1), tallyBy(2), tallyBy(4)], {
        invariants: [({ state, branches }) => state.total === 7 && branches === 0],
      });
      expect(exploration.complete).toBe(true);
    });

  it('writes the records that the runtime writes when nobody is in between', async () => {
    const messages = [put('apple'), message('Tell', { text: 'hi', once: true }, 'tell')];
    const store = memoryStore();
    const runtime = sagaRuntime(basketSaga(), { store });
    for (const one of messages) await toPromise(runtime.handle(one));
    const page = await toPromise(store.readStream({ streamName: runtime.streamNameOf('b') }));
    const written = page.events.map(({ recordedAt: _, ...event }) => JSON.stringify(event));
    const found: string[] = [];
    await exploreInterleavings(basketSaga(), messages, {
      view: ({ records }) =>
        void found.push(records.map(({ recordedAt: _, ...event }) => JSON.stringify(event)).join()),
      equals: () => true,
    });
    expect(found).toContain(written.join());
  });
});

describe('a naive merger is caught', () => {
  it('that lets the branch replace the trunk, with two messages', async () => {
    const { failure } = await exploreInterleavings(lastWriteWins(), [tallyBy(1), tallyBy(2), tallyBy(4)]);
    expect(failure).toMatchObject({ kind: 'diverged', messages: ['count-1', 'count-2'] });
    expect(failure?.report).toMatchInlineSnapshot(`
"tally: the messages do not converge (6 schedules of these messages, all accounted for; 2 of the 3 messages are enough)

Messages: count-1, count-2

The smallest schedule that fails:

   1. count-1  reads nothing yet
   2. count-2  reads nothing yet
   3. count-1  appends at version 0: Counted -> version 1
   4. count-2  is refused: it expected version 0, the stream is at 1
   5. count-2  leaves a branch from version 0: MergeSagaState -> version 2
   6. count-2  reads version 2
   7. count-2  merges what waits at version 2: Counted, SagaMerged -> version 4

What it leaves in the stream:

  0 . no events yet
    |\\
  1 * | Counted {"by":1}
  2 | o MergeSagaState count-2 from 0: Counted {"by":2}
    |/
  3 * Counted {"by":2}  (from the branch at 2)
  4 M SagaMerged 1 branch, 1 accepted

  * event   o branch (MergeSagaState)   x void branch   M merge   C compensation   ! trouble   # completed

The end is not the one of the same messages handled one after another:

--- one after another
+++ this schedule
 {
-  "total": 3
+  "total": 2
 }"
`);
  });

  it('that adds up counters without their base, and only where there is one', async () => {
    const messages = [tallyBy(1), tallyBy(2)];
    expect((await exploreInterleavings(tally(), messages)).failure).toBeUndefined();
    const { failure } = await exploreInterleavings(tally(), messages, { given: [tallyBy(10)] });
    expect(failure?.kind).toBe('diverged');
    expect(failure?.report).toContain('-  "total": 13');
    expect(failure?.report).toContain('+  "total": 23');
  });

  it('that takes the union of two sets: what was removed comes back', async () => {
    const { failure } = await exploreInterleavings(addRemoveSet(), [word('Remove', 'a'), word('Add', 'b')], {
      given: [word('Add', 'a')],
    });
    expect(failure?.kind).toBe('diverged');
    expect(failure?.report).toContain('+    "a"');
  });

  it('by an invariant, which is named', async () => {
    const exploring = exploreInterleavings(lastWriteWins(), [tallyBy(1), tallyBy(2)], {
      view: () => 'whatever',
      invariants: {
        'nothing is lost': ({ state }) => (state.total === 3 ? undefined : `the total is ${state.total}`),
      },
    });
    const { failure } = await exploring;
    expect(failure?.kind).toBe('invariant');
    expect(failure?.report).toContain('The invariant nothing is lost does not hold: the total is');
  });

  it('by an assertion that throws the report', async () => {
    await expect(assertConverges(lastWriteWins(), [tallyBy(1), tallyBy(2)])).rejects.toThrow(
      'tally: the messages do not converge',
    );
  });
});

describe('messages whose order matters', () => {
  it('do not converge even one after another, and the report says so', async () => {
    const { failure } = await exploreInterleavings(addRemoveSet(), [word('Add', 'a'), word('Remove', 'a')]);
    expect(failure?.kind).toBe('diverged');
    expect(failure?.report).toContain('No two of them met here');
  });
});

describe('where there are too many schedules', () => {
  const six = [1, 2, 4, 8, 16, 32].map(tallyBy);

  it('some are chosen by seed, and it says so', async () => {
    const exploration = await exploreInterleavings(rightTally(), six, { seed: 7, samples: 50 });
    expect(exploration).toMatchObject({ complete: false, sampled: { seed: 7, schedules: 50 }, ran: 50 });
    expect(exploration.schedules).toBeUndefined();
  });

  it('the same seed finds the same failure', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map(() => exploreInterleavings(lastWriteWins(), six, { seed: 3, samples: 50 })),
    );
    expect(first?.failure?.report).toBe(second?.failure?.report);
    expect(first?.failure?.messages).toHaveLength(2);
  });

  it('a bound on runs has the same effect', async () => {
    const exploration = await exploreInterleavings(rightTally(), six.slice(0, 3), {
      schedulesMax: 10,
      samples: 20,
    });
    expect(exploration).toMatchObject({ complete: false, ran: 20 });
  });
});

describe('what cannot be interleaved', () => {
  it('is refused: no messages, or those of different sagas', async () => {
    await expect(exploreInterleavings(rightTally(), [])).rejects.toThrow('no messages');
    const other = { ...tallyBy(2), sagaId: 'other' } as SagaMessage<never>;
    await expect(exploreInterleavings(rightTally(), [tallyBy(1), other])).rejects.toThrow('different sagas');
  });
});
