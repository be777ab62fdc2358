/** Scenarios of sagas: one message, messages at once, what came of it, and what a failure prints. */
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { mergeRefused, merger, saga } from 'watersmeet';
import { acceptableCredit } from 'watersmeet/sagas/acceptable-credit';
import { scenario } from '../../src/testing/scenario/scenario.js';
import { basketSaga, emptyBasket } from '../support/basket.js';

const add = (by: number) => ({ type: 'Add', data: { by } }) as const;
const tell = (text: string, once = true) => ({ type: 'Tell', data: { text, once } }) as const;
const notice = (text: string) => ({ type: 'Notice', data: { text } }) as const;

const refusing = basketSaga({ merge: merger(() => E.left(mergeRefused('cannot', ['$.count']))) });
const seat = (onConflict: 'retry' | 'reject') =>
  saga({
    name: 'seat',
    messages: { Take: t.type({ who: t.string }) },
    sends: { Taken: t.type({ who: t.string }) },
    events: { Taken: t.type({ who: t.string }) },
    state: t.type({ taken: t.array(t.string) }),
    initialState: { taken: [] },
    evolve: { Taken: (state, { who }) => ({ taken: [...state.taken, who] }) },
    react: {
      Take: (_state, data) => ({ events: [{ type: 'Taken', data }], send: [{ type: 'Taken', data }] }),
    },
    onConflict,
  });
const take = (who: string) => ({ type: 'Take', data: { who } }) as const;

const messageOf = async (test: () => Promise<unknown>): Promise<string> => {
  const failure = await test().then(
    () => new Error('the scenario did not fail'),
    (error: unknown) => error as Error,
  );
  expect(failure.stack).toContain('scenario-saga.test.ts');
  return stripVTControlCharacters(failure.message);
};

afterEach(() => {
  jest.useRealTimers();
});

describe('a scenario of a saga', () => {
  it('one message: events, messages, state, completion', async () => {
    await scenario(basketSaga())
      .given([{ type: 'Added', data: { by: 3 } }])
      .when(tell('hello'))
      .then({
        events: [{ type: 'Told', data: { text: 'hello' } }],
        sent: [notice('hello')],
        completed: false,
        handled: ['Appended'],
      })
      .thenState({ ...emptyBasket, count: 3, highest: 3 });
    await scenario(basketSaga())
      .givenMessages([add(2)])
      .when({ type: 'Finish', data: {} })
      .thenSent([{ type: 'Closed', data: { count: 2 }, key: 'closed' }])
      .thenCompleted();
  });

  it('messages at once: the first is written, the others become branches, one merge takes them in', async () => {
    const outcome = await scenario(basketSaga())
      .given([{ type: 'Added', data: { by: 10 } }])
      .concurrently(add(1), add(2), add(3))
      .thenMerged({ ...emptyBasket, count: 16, highest: 10 });
    expect(outcome.handled.map(({ _tag }) => _tag)).toEqual(['Appended', 'Merged', 'Merged']);
    expect(outcome.stream.map(({ type }) => type)).toEqual([
      'Added',
      'Added',
      'MergeSagaState',
      'MergeSagaState',
      'Added',
      'Added',
      'SagaMerged',
    ]);
    expect(outcome.conflicts.map(({ base }) => base)).toEqual([1, 1]);
  });

  it('all handlers read the same base, and the order given is the order of the appends', async () => {
    const { stream } = await scenario(basketSaga()).concurrently(add(2), add(1)).run();
    expect(stream.slice(0, 2).map(({ type, metadata }) => [type, metadata.causationId])).toEqual([
      ['Added', 'm1'],
      ['MergeSagaState', 'm2'],
    ]);
  });

  it('messages that were cancelled by the rule of the key, and compensations with what they send', async () => {
    await scenario(basketSaga({ compensateTold: true }))
      .concurrently(tell('one'), tell('two'), tell('three', false))
      .thenSent([
        notice('one'),
        notice('three'),
        { type: 'Undo', data: { text: 'three' } },
        expect.anything(),
      ])
      .thenCancelled([notice('two')])
      .thenCompensations([
        { hook: 'undo', data: { text: 'three', branches: 2 }, of: notice('three'), fate: 'applied' },
        { hook: 'undo' },
      ]);
  });

  it('hooks can be replaced, and one that fails is told', async () => {
    const undo = (): never => {
      throw new Error('no connection');
    };
    const outcome = await scenario(basketSaga({ compensateTold: true }), { hooks: { undo } })
      .concurrently(tell('one'), add(1))
      .thenSent([notice('one')]);
    expect(outcome.compensations).toMatchObject([{ hook: 'undo', fate: 'parked', error: 'no connection' }]);
  });

  it('a refused merge: what waits is held', async () => {
    await scenario(refusing)
      .concurrently(tell('one'), tell('two'))
      .thenHeld([{ ...notice('two'), key: 'notice' }])
      .thenSent([notice('one')]);
    await scenario(refusing)
      .concurrently(add(1), add(2))
      .then({ handled: ['Appended', 'Branched'], refused: { paths: ['$.count'] }, held: [] });
    await scenario(basketSaga()).concurrently(add(1), add(2)).then({ refused: undefined });
  });

  it('the worked saga: scores that meet are judged together, and a wrong decision is made good for', async () => {
    const score = (bureau: 'Equifax' | 'Experian' | 'TransUnion', value: number) =>
      ({ type: 'CreditCardScore', data: { bureau, score: value } }) as const;
    await scenario(acceptableCredit)
      .givenMessages([{ type: 'IsAcceptableAsCustomer', data: { customer: 'Ann' } }, score('Equifax', 800)])
      .concurrently(score('Experian', 720), score('TransUnion', 400))
      .then({
        sent: [
          { type: 'CreditDecision', data: { customer: 'Ann', acceptable: true } },
          { type: 'CreditDecisionCorrected', data: { customer: 'Ann', acceptable: false } },
        ],
        cancelled: [{ type: 'CreditDecision', data: { customer: 'Ann', acceptable: false } }],
        compensations: [{ hook: 'correctDecision' }],
        completed: true,
      });
  });

  it('a saga that rejects gives the conflict back; one that retries handles all', async () => {
    await scenario(seat('reject'))
      .concurrently(take('Ada'), take('Bob'))
      .thenConflict({ messageId: 'm2', ours: ['Taken'], theirs: ['Taken'] })
      .thenState({ taken: ['Ada'] });
    await scenario(seat('retry'))
      .concurrently(...['Ada', 'Bob', 'Cyd', 'Dan', 'Eve', 'Fay', 'Gus', 'Hal', 'Ida', 'Jon'].map(take))
      .thenSent(
        ['Ada', 'Bob', 'Cyd', 'Dan', 'Eve', 'Fay', 'Gus', 'Hal', 'Ida', 'Jon'].map((who) => ({
          type: 'Taken' as const,
          data: { who },
        })),
      );
  });

  it('the same message twice is one', async () => {
    await scenario(basketSaga())
      .concurrently({ ...add(1), id: 'same' }, { ...add(1), id: 'same' })
      .then({ handled: ['Appended', 'Duplicate'], state: { ...emptyBasket, count: 1, highest: 1 } });
  });

  it('plays although the clock of the test stands still', async () => {
    jest.useFakeTimers();
    await scenario(basketSaga()).concurrently(add(1), add(2)).thenMerged();
  });

  it('shows all aspects that differ, the story and the drawing', async () => {
    const failure = await messageOf(() =>
      scenario(basketSaga())
        .given([{ type: 'Added', data: { by: 1 } }])
        .concurrently(tell('one'), tell('two'), add(4))
        .then({
          state: { ...emptyBasket, count: 1, highest: expect.any(Number) },
          sent: [notice('two')],
          cancelled: [notice('two')],
        }),
    );
    expect(failure).toMatchInlineSnapshot(`
"scenario of basket-scenario: not as expected: state, sent

  given  Added {"by":1}
  when   m1 Tell {"text":"one","once":true}
         m2 Tell {"text":"two","once":true}
         m3 Add {"by":4}
         all at once
  then   m1 Appended
         m2 Merged
         m3 Merged

  state:
  - expected
  + actual

    {
  -   count: 1
  +   count: 5
      highest: 4
      items: {}
      prices: {}
    }

  sent:
  - expected
  + actual

    [
  -   { type: 'Notice', data: { text: 'two' } }
  +   { type: 'Notice', data: { text: 'one' } }
    ]

  1 * Added {"by":1}
    |\\-\\
  2 * | | Told {"text":"one"}  => Notice {"text":"one"}
  3 | o | MergeSagaState m2 from 1: Told {"text":"two"}; holds Notice
  4 | | o MergeSagaState m3 from 1: Added {"by":4}
    |/-/
  5 * Added {"by":4}  (from the branch at 4)
  6 * Told {"text":"two"}  (from the branch at 3)
  7 M SagaMerged 2 branches, 2 accepted, 1 message to cancel"
`);
  });

  it('says why nothing was merged', async () => {
    expect(await messageOf(() => scenario(basketSaga()).when(add(1)).thenMerged())).toMatchInlineSnapshot(`
"scenario of basket-scenario: nothing diverged, so nothing was merged

  given  nothing
  when   m1 Add {"by":1}
  then   m1 Appended

  1 * Added {"by":1}"
`);
    expect(
      await messageOf(() => scenario(refusing).concurrently(add(1), add(2)).thenMerged()),
    ).toMatchInlineSnapshot(`
"scenario of basket-scenario: a branch waits and is not merged

  given  nothing
  when   m1 Add {"by":1}
         m2 Add {"by":2}
         all at once
  then   m1 Appended
         m2 Branched

  refused: cannot

  0 . no events yet
    |\\
  1 * | Added {"by":1}
  2 | o MergeSagaState m2 from 0: Added {"by":2} (refused, waits)
  3 ! | SagaMergeRefused: cannot ($.count)"
`);
  });

  it('says what is missing of a conflict, and shows one that differs', async () => {
    expect(
      await messageOf(() => scenario(seat('reject')).when(take('Ada')).thenConflict({ messageId: 'm1' })),
    ).toMatchInlineSnapshot(`
"scenario of seat-scenario: no message was given back with such a conflict

  given  nothing
  when   m1 Take {"who":"Ada"}
  then   m1 Appended

  - expected
  + actual

  - a conflict {
  -   messageId: 'm1'
  - }
  + no conflict

  1 * Taken {"who":"Ada"}  => Taken {"who":"Ada"}"
`);
    expect(
      await messageOf(() =>
        scenario(seat('reject')).concurrently(take('Ada'), take('Bob')).thenConflict({ messageId: 'm1' }),
      ),
    ).toMatchInlineSnapshot(`
"scenario of seat-scenario: no message was given back with such a conflict

  given  nothing
  when   m1 Take {"who":"Ada"}
         m2 Take {"who":"Bob"}
         all at once
  then   m1 Appended
         m2 ConcurrencyConflict: seat-scenario: expected version 0, found version 1 after 1 attempt; wanted to write Taken; written meanwhile: Taken. Nothing was written. Deliver the message again, or let the saga merge.

  - expected
  + actual

    {
  -   messageId: 'm1'
  +   messageId: 'm2'
    }

  1 * Taken {"who":"Ada"}  => Taken {"who":"Ada"}"
`);
  });

  it('fails on a message that was not handled, unless that is what is expected', async () => {
    const broken = scenario(basketSaga()).when({ type: 'Break', data: {} });
    expect(await messageOf(() => broken.thenState(emptyBasket))).toMatchInlineSnapshot(`
"scenario of basket-scenario: a message was not handled

  given  nothing
  when   m1 Break
  then   m1 ReactionFailed: the handler broke

  the stream is empty"
`);
    await broken.then({ handled: ['ReactionFailed'], events: [] });
  });

  it('refuses what cannot have been given', async () => {
    expect(
      await messageOf(() =>
        scenario(basketSaga())
          .given([{ type: 'Added', data: { by: 'much' } } as never])
          .when(add(1))
          .run(),
      ),
    ).toMatchInlineSnapshot(`
"scenario of basket-scenario: what is given cannot have happened

  given  Added {"by":"much"}
  when   m1 Add {"by":1}

  Added: $.by: expected number, found "much""
`);
    expect(
      await messageOf(() =>
        scenario(basketSaga())
          .givenMessages([{ type: 'Break', data: {} }])
          .when(add(1))
          .run(),
      ),
    ).toMatchInlineSnapshot(`
"scenario of basket-scenario: what is given cannot have happened

  given  message given-1 Break
  when   m1 Add {"by":1}

  given-1 Break: ReactionFailed: the handler broke"
`);
  });
});
