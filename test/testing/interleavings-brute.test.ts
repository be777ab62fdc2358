/** Pruning loses nothing: compared with every schedule, each run from the beginning on the real runtime and store. */
import { describe, expect, it } from '@jest/globals';
import { canonicalJson, foldSaga, type Json, type Saga, type SagaMessage } from 'watersmeet';
import { acceptableCredit } from '../../sagas/acceptable-credit/index.js';
import { loanApplication } from '../../sagas/loan-application/index.js';
import { exploreInterleavings } from '../../src/testing/interleavings/interleavings.js';
import { basketSaga, message } from '../support/basket.js';
import { everySchedule } from './brute-force.js';
import { lastWriteWins, retrying, tally, tallyBy } from './naive-sagas.js';

const of = (sagaId: string) => (id: string, type: string, data: object) =>
  ({ id, sagaId, type, data }) as SagaMessage;
const credit = of('c');
const loan = of('l');
const score = (id: string, bureau: string, value: number) =>
  credit(id, 'CreditCardScore', { bureau, score: value });
const asked = credit('asked', 'IsAcceptableAsCustomer', { customer: 'Ada' });

const cases: ReadonlyArray<{
  readonly name: string;
  readonly saga: Saga;
  readonly given?: ReadonlyArray<SagaMessage>;
  readonly messages: ReadonlyArray<SagaMessage>;
}> = [
  {
    name: 'two additions to a basket',
    saga: basketSaga(),
    messages: [message('Add', { by: 1 }, 'a'), message('Add', { by: 2 }, 'b')],
  },
  {
    name: 'a basket that is finished while it is told of, with compensations',
    saga: basketSaga({ compensateTold: true }),
    messages: [
      message('Tell', { text: 'x', once: false }, 'a'),
      message('Finish', {}, 'b'),
      message('Tell', { text: 'y', once: true }, 'c'),
    ],
  },
  {
    name: 'three credit scores',
    saga: acceptableCredit,
    given: [asked],
    messages: [score('a', 'Equifax', 900), score('b', 'Experian', 500), score('c', 'TransUnion', 600)],
  },
  {
    name: 'a loan that is declined while an offer is made',
    saga: loanApplication,
    messages: [
      loan('a', 'OfferReported', { activity: 'O_CREATED' }),
      loan('b', 'ApplicationReported', { activity: 'A_DECLINED' }),
      loan('c', 'WorkItemReported', { item: 'call', transition: 'START' }),
    ],
  },
  {
    name: 'the same message twice and another',
    saga: basketSaga(),
    messages: [
      message('Add', { by: 1 }, 'a'),
      message('Add', { by: 1 }, 'a'),
      message('Put', { item: 'x' }, 'b'),
    ],
  },
  {
    name: 'a merger that loses writes',
    saga: lastWriteWins(),
    messages: [tallyBy(1), tallyBy(2)],
  },
  { name: 'a saga that retries', saga: retrying('retry'), messages: [tallyBy(1), tallyBy(2), tallyBy(4)] },
  { name: 'a saga that rejects', saga: retrying('reject'), messages: [tallyBy(1), tallyBy(2)] },
  { name: 'a merger without a base', saga: tally(), given: [tallyBy(8)], messages: [tallyBy(1), tallyBy(2)] },
];

describe('exploring interleavings, compared with running every one of them', () => {
  for (const { name, saga, given = [], messages } of cases)
    it(`finds the same ends: ${name}`, async () => {
      const ends = new Set<string>();
      const states = new Set<string>();
      let runs = 0;
      for await (const records of everySchedule(saga, messages, given)) {
        runs += 1;
        const log = foldSaga(saga, records);
        if (log._tag === 'Left') throw new Error(log.left.message);
        const { state, completed } = log.right.view();
        const sent = log.right.owed().messages.map(({ type, data }) => ({ type, data }));
        states.add(canonicalJson(state as Json));
        ends.add(canonicalJson([state, completed, sent, log.right.trunkSince(0)] as unknown as Json));
      }
      const found = { ends: new Set<string>(), states: new Set<string>() };
      const byEnd = await exploreInterleavings(saga, messages, {
        given,
        view: ({ state, completed, sent, events }) => {
          const left = sent.map(({ type, data }) => ({ type, data }));
          found.ends.add(canonicalJson([state, completed, left, events] as Json));
          return 0;
        },
      });
      const byState = await exploreInterleavings(saga, messages, {
        given,
        view: ({ state }) => void found.states.add(canonicalJson(state as Json)),
        equals: () => true,
      });
      expect([...found.ends].sort()).toEqual([...ends].sort());
      expect([...found.states].sort()).toEqual([...states].sort());
      for (const { complete, schedules = 0, ran } of [byEnd, byState]) {
        expect(complete).toBe(true);
        expect(ran).toBeLessThanOrEqual(schedules);
        expect(schedules).toBeLessThanOrEqual(runs);
      }
    });
});
